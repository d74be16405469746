//! Timeball: one program, by three names.
//!
//! Called `chronyd` it is the daemon, called `chronyc` the command line, each by chrony's rules. Called anything
//! else, `run` is the daemon and every other word (or none) belongs to the command line.
#![forbid(unsafe_code)]

mod cli;
mod daemon;

use daemon::Name;
use ntp::engine::Severity;
use std::ffi::OsString;
use std::path::Path;

fn main() {
    std::panic::set_hook(Box::new(|panic| {
        // Whatever the build profile says about unwinding: a half-alive clock daemon is worse than none, and
        // the supervisor starts a new one.
        daemon::logger::log(Severity::Fatal, &format!("{panic}").replace('\n', " : "));
        std::process::abort();
    }));
    let mut words = std::env::args_os();
    let program = words.next().unwrap_or_default();
    let words: Vec<OsString> = words.collect();
    std::process::exit(dispatch(&program, words));
}

/// Which of the programs is meant. Returns the exit status.
fn dispatch(program: &OsString, words: Vec<OsString>) -> i32 {
    let program = Path::new(program).file_name().unwrap_or_default();
    match words.first() {
        _ if program == "chronyd" => daemon::run(Name::Chronyd, &words),
        _ if program == "chronyc" => cli::main(words, cli::Name::Chronyc),
        Some(word) if word == "run" => daemon::run(Name::Timeball, &words[1..]),
        _ => cli::main(words, cli::Name::Timeball),
    }
}
