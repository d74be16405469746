//! Timeball: one program, by three names.
//!
//! Called `chronyd` it is the daemon, called `chronyc` the command line, each by chrony's rules. By any other
//! name `run` is the daemon, and every other word (or none) belongs to the command line.
#![forbid(unsafe_code)]

mod cli;
#[cfg(test)]
mod compatibility;
mod daemon;
#[cfg(feature = "demo")]
mod demo;
mod doctor;
mod find_sources;
#[cfg(test)]
mod json_document;
mod manual;
#[cfg(feature = "web")]
mod observe;
mod operators;
mod places;
mod setup;
mod terminal;

use ntp::engine::Severity;
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Counts, so that a test can say that serving allocates nothing.
#[cfg(test)]
#[global_allocator]
static ALLOCATOR: sys::allocation::Counting = sys::allocation::Counting;

fn main() {
    std::panic::set_hook(Box::new(|panic| {
        // Whatever the build profile says about unwinding: a half-alive clock daemon is worse than none, and
        // the supervisor starts a new one.
        daemon::logger::log(Severity::Fatal, &panic.to_string().replace('\n', " "));
        std::process::abort();
    }));
    let mut words = std::env::args_os();
    let program = words.next().unwrap_or_default();
    let words: Vec<OsString> = words.collect();
    std::process::exit(dispatch(&program, words));
}

/// The simulated day.
#[cfg(feature = "demo")]
fn show(words: &[OsString]) -> i32 {
    demo::run(words)
}

/// The simulated day is left out of small builds.
#[cfg(not(feature = "demo"))]
fn show(_: &[OsString]) -> i32 {
    eprintln!("timeball: demo is not in this build");
    1
}

/// Which of the programs is meant. Returns the exit status.
fn dispatch(program: &OsStr, words: Vec<OsString>) -> i32 {
    let name = Path::new(program).file_name().unwrap_or_default();
    if name == "chronyd" {
        daemon::run(daemon::Name::Chronyd, &words)
    } else if name == "chronyc" {
        cli::main(words, cli::Name::Chronyc)
    } else if let Some((_, rest)) = words.split_first().filter(|(word, _)| *word == "run") {
        daemon::run(daemon::Name::Timeball, rest)
    } else if let Some((_, rest)) = words.split_first().filter(|(word, _)| *word == "demo") {
        show(rest)
    } else {
        cli::main(words, cli::Name::Timeball)
    }
}
