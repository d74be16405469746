//! Our server under attack: short versions of the scenarios that `bench scenarios` runs.
//!
//! Needs root, iproute2 and util-linux; says SKIPPED where they are missing.

use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// One at a time: each uses two processors.
static ALONE: Mutex<()> = Mutex::new(());

/// The program under test, which cargo does not build for this package's tests.
fn timeball() -> String {
    let built =
        Command::new(env!("CARGO")).args(["build", "--locked", "--quiet", "--package", "timeball"]).status();
    assert!(built.is_ok_and(|status| status.success()), "timeball does not build");
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_bench")).with_file_name("timeball");
    assert!(program.exists(), "{} is missing", program.display());
    program.to_string_lossy().into_owned()
}

/// Runs a scenario; `verdicts` is how many it must give. A machine that stands still for a tenth of a second loses packets whoever
/// serves, and others' work on it may last; so a scenario of which nothing is bad but that requests were lost is run a few times
/// more, after a rest, which is said. A server that loses them does so each time.
fn passes(scenario: &str, verdicts: usize) {
    const RUNS: u64 = 4;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let server = timeball();
    for number in 1..=RUNS {
        let Err(said) = run(scenario, verdicts, &server) else { return };
        let bad: Vec<&str> = said.split("{\"scenario\"").filter(|v| v.contains("\"passed\":false")).collect();
        let only_lost = !bad.is_empty() && bad.iter().all(|verdict| verdict.contains("requests lost"));
        assert!(only_lost && number < RUNS, "run {number}: {said}");
        eprintln!("{scenario} failed and is run once more:\n{said}");
        std::thread::sleep(std::time::Duration::from_secs(5 * number));
    }
}

/// One run; the error is what was said.
fn run(scenario: &str, verdicts: usize, server: &str) -> Result<(), String> {
    // Cargo's variables would have the program build the server again, as for a user.
    let arguments = [scenario, "--quick", "--json", "--server", server];
    let out = Command::new(env!("CARGO_BIN_EXE_bench")).args(arguments).env_remove("CARGO").output();
    let out = out.expect("the benchmark runs");
    let (said, error) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    if out.status.code() == Some(2) {
        eprintln!("SKIPPED {scenario}: {error}");
        return Ok(());
    }
    if !out.status.success() || said.matches("\"passed\":true").count() != verdicts {
        return Err(format!("{scenario}: {}\n{said}\n{error}", out.status));
    }
    println!("{said}");
    Ok(())
}

#[test]
fn hostile_datagrams_disturb_nobody() {
    passes("hostile", 3);
}

#[test]
fn forged_addresses_disturb_nobody() {
    passes("flood", 3);
}

#[test]
fn a_loud_client_silences_no_quiet_one() {
    passes("fairness", 3);
}

#[test]
fn who_forges_an_address_does_not_silence_its_owner() {
    passes("victim", 6);
}

#[test]
fn probes_of_the_pool_are_answered() {
    passes("probes", 4);
}

#[test]
fn open_pages_are_told_while_the_server_is_busy() {
    passes("pages", 3);
}
