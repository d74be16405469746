//! `bench`: load for NTP servers. `docs/benchmarks.md` tells how to run and how to read it.
//!
//! Nothing outside of two network namespaces of its own is touched, and no server has the right to set a clock.

mod arguments;
mod bare;
mod figures;
mod flow;
mod junk;
mod lab;
mod load;
mod long;
mod scenario;
mod server;
mod speed;
mod wire;

use arguments::{HELP, Options, Task};
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let mut options = match Options::read(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(why) => return refuse(&why),
    };
    if options.task == Task::Bare {
        return bare::serve().map_or_else(|error| refuse(&error.to_string()), |()| ExitCode::SUCCESS);
    }
    if options.server.is_none() {
        match program() {
            Ok(program) => options.server = Some(program),
            Err(why) => return refuse(&why),
        }
    }
    if let Err(why) = lab::enter(options.server.as_deref()) {
        return refuse(&why);
    }
    let lab = match lab::Lab::new(&options.placement) {
        Ok(lab) => lab,
        Err(why) => return refuse(&why),
    };
    let done = match options.task {
        Task::Speed => speed::compare(&lab, &options),
        Task::Long => long::run(&lab, &options),
        Task::Bare => Ok(()),
        Task::Scenario(name) => scenario::run(&lab, &options, name),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}

fn refuse(why: &str) -> ExitCode {
    eprintln!("bench: {why}");
    ExitCode::from(2)
}

/// The program beside this one; run by cargo, it is built first.
fn program() -> Result<String, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let beside = own.with_file_name("timeball");
    if let Some(cargo) = std::env::var_os("CARGO") {
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--package", "timeball"]);
        if own.parent().is_some_and(|folder| folder.ends_with("release")) {
            build.arg("--release");
        }
        if !build.status().is_ok_and(|status| status.success()) {
            return Err("timeball does not build".to_owned());
        }
    }
    if !beside.exists() {
        return Err(format!("{} is missing: cargo build --release, or --server PROGRAM", beside.display()));
    }
    Ok(beside.to_string_lossy().into_owned())
}
