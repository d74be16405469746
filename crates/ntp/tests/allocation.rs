//! After its start the estimator allocates nothing, whatever happens to its sources.

mod paths;

use paths::{Estimators, World};

#[global_allocator]
static ALLOCATOR: sys::allocation::Counting = sys::allocation::Counting;

const SOURCES: usize = 5;
const SAMPLES: usize = 2000;
/// Seconds between two samples.
const INTERVAL: f64 = 13.0;
/// A source lies, and is not used, between these samples.
const LIES: std::ops::Range<usize> = 500..800;
const LIAR: usize = 3;
/// From here on both ways to this source are longer.
const NEW_ROUTE: usize = 1100;
const MOVED: usize = 1;
/// Here the oscillator's frequency jumps.
const JUMP: usize = 1600;

#[test]
fn the_estimator_allocates_nothing_after_its_start() {
    let mut world = World::new(SOURCES, 1e-9, 7);
    let mut estimators = Estimators::new(SOURCES);
    let (mut allocated, mut routes, mut jumps, mut worst) = (0, 0, 0, 0.0f64);
    for i in 0..SAMPLES {
        let index = i % SOURCES;
        world.servers[LIAR].offset = if LIES.contains(&i) { 0.05 } else { 0.0 };
        if i == NEW_ROUTE {
            let (there, back) = world.servers[MOVED].least;
            world.servers[MOVED].least = (there + 0.004, back + 0.004);
        }
        world.frequency += if i == JUMP { 1e-6 } else { 0.0 };
        let sample = world.sample(index, INTERVAL);
        // It is expelled as soon as it lies, and believed again when none of its lies is left in its window.
        let wrong = (LIES.start..LIES.end + 64 * SOURCES).contains(&i).then_some(LIAR);
        let before = sys::allocation::count();
        let error = estimators.learn(index, &sample, wrong, world.theta());
        if i >= SOURCES {
            allocated += sys::allocation::count() - before;
        }
        routes +=
            usize::from(i > NEW_ROUTE && !estimators.sources[MOVED].path().routes().as_slice().is_empty());
        jumps += usize::from(i > JUMP && estimators.joint.jumped());
        worst = if i > SAMPLES - 100 { worst.max(error.abs()) } else { worst };
    }
    assert!(routes > 0 && jumps > 0, "what was to happen was noticed: {routes}, {jumps}");
    assert!(worst < 1e-3, "and the estimate is still one: {worst}");
    assert_eq!(allocated, 0, "allocations in {} updates", SAMPLES - SOURCES);
}
