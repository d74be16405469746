//! `SystemClock` against a kernel in memory (`fake_kernel/fake_kernel.c`), which is preloaded under this program.
//!
//! Each test starts itself again, below the fake and without the right to steer any clock; only there, and only
//! after the fake has answered for itself, does its body run. So the machine's clock cannot be touched.
#![forbid(unsafe_code)]
#![cfg(target_os = "linux")]

#[path = "../src/daemon/system_clock.rs"]
mod system_clock;

use ntp::clock::{Clock, ClockError, SyncStatus};
use ntp::wire::Leap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;
use sys::abi::{Timex, long, wide};
use sys::clock::timex::*;
use system_clock::SystemClock;

/// What the fake puts into `stbcnt` of each answer.
const SIGNATURE: i64 = 0x7469_6d65_6261_6c6c;

/// Half a unit of `freq`, s/s: how finely a frequency can be set.
const FREQUENCY_RESOLUTION: f64 = 0.5 / 65536e6;

#[test]
fn frequencies_are_made_of_tick_and_freq() {
    in_fake_kernel("frequencies_are_made_of_tick_and_freq", "", || {
        let mut clock = SystemClock::new().expect("the right");
        // Wanted, and what the kernel holds then.
        for (wanted, tick, freq_ppm) in [
            (0.0, 10_000, 0.0),
            (1.073e-3, 10_011, -27.0),
            (-1.073e-3, 9_989, 27.0),
            (-0.05, 9_500, 0.0),
            (49e-6, 10_000, 49.0),
            (51e-6, 10_001, -49.0),
            (83_333e-6, 10_833, 33.0),
            (0.1, 11_000, 0.0),
            (-0.1, 9_000, 0.0),
        ] {
            let applied = clock.set_frequency(wanted).expect("within the limits");
            let kernel = kernel();
            assert_eq!(
                (wide(kernel.tick), wide(kernel.freq)),
                (tick, (freq_ppm * 65536.0) as i64),
                "{wanted}"
            );
            assert!((applied.frequency - wanted).abs() <= FREQUENCY_RESOLUTION, "{wanted} {applied:?}");
            let moved = moved_in(100) - 100.0;
            assert!((moved - applied.frequency * 100.0).abs() < 2e-6, "{wanted} {moved}");
            assert_eq!(clock.state().frequency, applied.frequency);
        }
    });
}

#[test]
fn the_answer_is_what_the_kernel_accepted() {
    in_fake_kernel("the_answer_is_what_the_kernel_accepted", "", || {
        let mut clock = SystemClock::new().expect("the right");
        // A third of a unit: the kernel holds zero. Two thirds: it holds one.
        let unit = 1.0 / 65536e6;
        assert_eq!(clock.set_frequency(unit / 3.0).expect("fine").frequency, 0.0);
        let one = clock.set_frequency(unit / 1.5).expect("fine").frequency;
        assert!((one - unit).abs() < unit * 1e-9 && one > 0.0, "{one}");
        // Beyond the tick's range: the limit.
        for (wanted, limit) in [(0.2, 0.1), (-7.0, -0.1), (f64::INFINITY, 0.1)] {
            let frequency = clock.set_frequency(wanted).expect("limited").frequency;
            assert!((frequency - limit).abs() < 1e-12, "{wanted} {frequency}");
        }
        assert_eq!(clock.set_frequency(f64::NAN), Err(ClockError::Refused(sys::errno::EINVAL)));
        assert_eq!(clock.state().max_frequency, 0.1);
        let before = SystemClock::read();
        let at = clock.set_frequency(0.0).expect("fine").at;
        assert!(at > before && at < SystemClock::read());
    });
}

#[test]
fn steps_go_both_ways() {
    in_fake_kernel("steps_go_both_ways", "", || {
        let mut clock = SystemClock::new().expect("the right");
        steps_of_all_sizes(&mut clock);
        assert_eq!(clock.step(f64::NAN), Err(ClockError::Refused(sys::errno::EINVAL)));
        assert_eq!(clock.step(-2e9), Err(ClockError::Refused(sys::errno::EINVAL)), "before 1970");
        clock.set_frequency(0.01).expect("fine");
        assert!((clock.step(1.0).expect("fine").frequency - 0.01).abs() < FREQUENCY_RESOLUTION);
    });
}

#[test]
fn an_old_kernel_is_steered_by_older_calls() {
    in_fake_kernel("an_old_kernel_is_steered_by_older_calls", "old", || {
        let mut clock = SystemClock::new().expect("the right");
        steps_of_all_sizes(&mut clock);
        clock.set_frequency(1.073e-3).expect("fine");
        assert_eq!(wide(kernel().tick), 10_011);
    });
}

fn steps_of_all_sizes(clock: &mut SystemClock) {
    for offset in [0.5, -0.25, -0.999_999_999, 1e-9, -1e-9, 3600.0, -86_400.125, 0.0] {
        let (raw_before, mono_before) = (SystemClock::read(), sys::clock::monotonic());
        let applied = clock.step(offset).expect("fine");
        let elapsed = (sys::clock::monotonic() - mono_before) as f64 * 1e-9;
        let moved = SystemClock::read() - raw_before - elapsed;
        assert!((moved - offset).abs() < 2e-6, "{offset} {moved}");
        assert!((applied.offset - offset).abs() < 1e-9, "{offset} {applied:?}");
        assert!((applied.at - raw_before).abs() < 1e-6, "the reading before the step");
    }
}

#[test]
fn leap_seconds_and_tai_are_told() {
    in_fake_kernel("leap_seconds_and_tai_are_told", "", || {
        let mut clock = SystemClock::new().expect("the right");
        let leap_bits = || kernel().status & (STA_INS | STA_DEL);
        clock.set_leap(Leap::Insert, 37).expect("fine");
        assert_eq!((leap_bits(), kernel().tai), (STA_INS, 37));
        clock.set_status(good()).expect("fine");
        assert_eq!(leap_bits(), STA_INS, "the status keeps the leap second");
        clock.set_leap(Leap::Delete, 0).expect("fine");
        assert_eq!((leap_bits(), kernel().tai), (STA_DEL, 37), "0 leaves TAI alone");
        assert_eq!(kernel().status & STA_UNSYNC, 0, "the leap second keeps the status");
        clock.set_leap(Leap::None, 38).expect("fine");
        assert_eq!((leap_bits(), kernel().tai), (0, 38));
        clock.set_leap(Leap::Unsynchronised, 0).expect("fine");
        assert_eq!(leap_bits(), 0);
    });
}

#[test]
fn the_status_is_honest() {
    in_fake_kernel("the_status_is_honest", "", || {
        let mut clock = SystemClock::new().expect("the right");
        assert_eq!(kernel().status & STA_UNSYNC, STA_UNSYNC, "at the start");
        let unsynchronised = |clock: &mut SystemClock, status| {
            clock.set_status(status).expect("fine");
            kernel().status & STA_UNSYNC != 0
        };
        assert!(!unsynchronised(&mut clock, good()));
        assert_eq!((wide(kernel().maxerror), wide(kernel().esterror)), (12_000, 34));
        assert!(unsynchronised(&mut clock, SyncStatus { synchronised: false, ..good() }));
        assert!(unsynchronised(&mut clock, SyncStatus { rtc_sync: false, ..good() }));
        assert!(unsynchronised(&mut clock, SyncStatus { max_error: 16.0, ..good() }));
        assert!(unsynchronised(&mut clock, SyncStatus { max_error: f64::NAN, ..good() }));
        assert!(unsynchronised(
            &mut clock,
            SyncStatus { max_error: f64::INFINITY, est_error: -1.0, ..good() }
        ));
        assert_eq!((wide(kernel().maxerror), wide(kernel().esterror)), (16_000_000, 0), "saturated");
        assert!(!unsynchronised(&mut clock, SyncStatus { max_error: 15.9, ..good() }));
        clock.step(1.0).expect("fine");
        assert_ne!(kernel().status & STA_UNSYNC, 0, "a step makes the kernel doubt");
        assert!(!unsynchronised(&mut clock, good()), "until it is told again");
    });
}

#[test]
fn a_foreign_hand_is_noticed_once() {
    in_fake_kernel("a_foreign_hand_is_noticed_once", "", || {
        let mut clock = SystemClock::new().expect("the right");
        clock.set_frequency(20e-6).expect("fine");
        assert!(clock.state().ours);
        let mut foreign = Timex { modes: ADJ_TICK, tick: long(9_990), ..Timex::default() };
        sys::clock::adjust(&mut foreign).expect("fine");
        let state = clock.state();
        assert!(!state.ours && (state.frequency - -980e-6).abs() < FREQUENCY_RESOLUTION, "{state:?}");
        assert!(clock.state().ours, "told once");
        clock.set_frequency(20e-6).expect("fine");
        assert!(clock.state().ours);
    });
}

#[test]
fn a_running_phase_locked_loop_is_ended() {
    in_fake_kernel("a_running_phase_locked_loop_is_ended", "pll", || {
        let found = kernel();
        assert!(found.status & STA_PLL != 0 && wide(found.offset) != 0, "{found:?}");
        let clock = SystemClock::new().expect("the right");
        let kernel = kernel();
        assert_eq!((kernel.status, wide(kernel.offset)), (STA_UNSYNC, 0));
        assert!((clock.state().frequency - 10e-6).abs() < 1e-12, "the frequency stays as it is found");
    });
}

#[test]
fn without_the_right_nothing_is_steered() {
    in_fake_kernel("without_the_right_nothing_is_steered", "deny", || {
        assert_eq!(SystemClock::new().err(), Some(ClockError::NotPermitted));
        assert_eq!(kernel().status, STA_UNSYNC);
    });
}

#[test]
fn an_unknown_clock_has_a_stand_in() {
    in_fake_kernel("an_unknown_clock_has_a_stand_in", "", || {
        // The fake knows no CLOCK_BOOTTIME. Two readings take 200 ns, one that fails 100 ns more.
        let mono = sys::clock::monotonic();
        assert!((1..=1000).contains(&(sys::clock::boottime() - mono)));
        assert_eq!(sys::clock::precision(), 100);
    });
}

fn good() -> SyncStatus {
    SyncStatus { synchronised: true, est_error: 34e-6, max_error: 0.012, rtc_sync: true }
}

/// What the fake holds now.
fn kernel() -> Timex {
    let mut state = Timex::default();
    sys::clock::adjust(&mut state).expect("reading needs no right");
    state
}

/// How far the wall clock moves while the oscillator makes `seconds`, s.
fn moved_in(seconds: u64) -> f64 {
    let before = SystemClock::read();
    std::thread::sleep(Duration::from_secs(seconds));
    SystemClock::read() - before
}

/// Runs `body` in a new process of this program, over the fake in the given mode.
///
/// In the parent: starts that process, whose only test is `test`, and fails if it fails. In the child: makes sure of
/// the fake and runs `body`.
fn in_fake_kernel(test: &str, mode: &str, body: fn()) {
    if std::env::var_os("FAKE_KERNEL").is_some() {
        assert_eq!(wide(kernel().stbcnt), SIGNATURE, "the fake kernel is not in place: nothing is steered");
        assert!(!sys::privileges::have_cap_sys_time(), "the right to steer was not given up");
        return body();
    }
    let program = std::env::current_exe().expect("our own path");
    let mut command = if sys::privileges::have_cap_sys_time() {
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set=-sys_time", "--inh-caps=-sys_time"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    // One test at a time, for which the harness waits without looking at the fake's clock.
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    let output =
        command.env("LD_PRELOAD", fake()).env("FAKE_KERNEL", mode).output().expect("setpriv (util-linux)");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{}\n{text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The compiled fake.
fn fake() -> &'static PathBuf {
    static FAKE: OnceLock<PathBuf> = OnceLock::new();
    FAKE.get_or_init(|| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fake_kernel/fake_kernel.c");
        let library = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("fake_kernel.so");
        // Under a name of its own first: another test program may be using the library now.
        let fresh = library.with_extension(format!("{}.so", std::process::id()));
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let mut command = Command::new(compiler);
        command
            .args(["-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o"])
            .arg(&fresh)
            .arg(source);
        let output = command.output().expect("a C compiler (`cc`, or set CC)");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::rename(&fresh, &library).expect("ours");
        library
    })
}
