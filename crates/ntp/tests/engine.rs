//! The engine against servers that are functions: what a step, a silence, a failure or a lie does to it.

mod rig;

use ntp::engine::Start;
use rig::{Answer, Rig, config, server};

const START: Start = Start {
    drift: None,
    once: ntp::engine::Once::No,
    reload: false,
    steers: true,
    family: ntp::config::Family::Any,
};

/// Four servers at 192.0.2.1 and on.
fn four() -> ntp::config::Config {
    config(&[1, 2, 3, 4].map(|i| server(&format!("192.0.2.{i}"))))
}

#[test]
fn served_time_is_right_at_once_after_a_step() {
    for error in [-100.0, 100.0, -3600.0] {
        let mut config = four();
        config.clock.makestep = Some((1.0, 3));
        let mut rig = Rig::new(&config, START, error, |_, _| Some(Answer::default()));
        let mut served = 0;
        for tick in 0..20_000 {
            rig.run_until(f64::from(tick) * 1e-3);
            if let Some((wrong, distance)) = rig.served() {
                served += 1;
                assert!(
                    wrong.abs() <= distance,
                    "{error}: {wrong} s at {} s, claimed {distance}",
                    rig.time()
                );
                let status = rig.clock.status.expect("the kernel was told");
                assert!(status.est_error < 0.1 && status.max_error < 1.0, "{error}: {status:?}");
                assert!(distance < 0.05, "{error}: the step has made the clock {distance} s uncertain");
            }
        }
        assert!(served > 10_000 && rig.clock.steps.len() == 1);
        // Stamps from before the step are refused, those after it are not.
        let raw = rig.clock.now().raw;
        assert!(rig.engine.server_state().earliest <= raw, "{error}: nobody is served");
    }
}
