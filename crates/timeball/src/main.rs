//! Timeball: dispatch on the name and the first word.
#![forbid(unsafe_code)]

mod cli;

use std::ffi::OsString;
use std::path::Path;

fn main() {
    let mut args = std::env::args_os();
    let program = args.next().unwrap_or_default();
    let chronyc = Path::new(&program).file_name().is_some_and(|name| name == "chronyc");
    let name = if chronyc { cli::Name::Chronyc } else { cli::Name::Timeball };
    std::process::exit(cli::main(args.collect::<Vec<OsString>>(), name));
}
