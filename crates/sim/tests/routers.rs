//! Home routers: cold starts, uploads, hot days, and chronyd's figures to be beaten.

use sim::scenario::named;
use sim::{pool, routers};

/// 1073 ppm off in either direction, below 1 ms for good within 15 s, and honest from the first second on.
#[test]
fn a_router_is_right_within_fifteen_seconds() {
    for router in named::ROUTERS {
        for seed in 1..=3 {
            let mut built = named::router(router.frequency, router.polls).build(seed);
            built.world.run_until(1700.0); // until the first upload
            let record = built.world.record(built.client);
            let settled = record.settled(1e-3);
            assert!(settled.is_some_and(|at| at <= 15.0), "{} seed {seed}: {settled:?}", router.name);
            assert_eq!(record.whole().violations, 0, "{} seed {seed}", router.name);
        }
    }
}

/// Two days each with three seeds: a quarter of chronyd's error at default polls, 0.15 of it with short ones. Figures of the
/// release build: 0.198, 0.210, 0.105 and 0.107; with the seeds 101 to 105 0.218, 0.230, 0.105 and 0.104.
#[test]
fn our_routers_keep_better_time() {
    let rows = routers::run(1, 3, pool::default_jobs());
    let text = routers::text(&rows);
    assert!(rows.iter().all(|row| row.ratio() <= row.router.floor && row.violations == 0), "{text}");
}
