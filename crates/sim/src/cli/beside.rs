//! `sim streams` and `sim beside`: a scenario's world for another program, and what that program reached in it.

use sim::scenario::{self, TABLE};
use sim::{beside, streams};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes the world of a scenario to a file, or to standard output (`-`).
pub fn streams(name: &str, seed: u64, file: &Path) -> Result<(), String> {
    let scenario = scenario::find(name).ok_or_else(|| unknown(name))?;
    if let Some(refusal) = streams::refusal(&scenario) {
        return Err(refusal);
    }
    let written = if file == Path::new("-") {
        streams::write(&scenario, seed, &mut BufWriter::new(io::stdout().lock()))
    } else {
        File::create(file).and_then(|file| {
            let mut out = BufWriter::new(file);
            streams::write(&scenario, seed, &mut out).and_then(|()| out.flush())
        })
    };
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write {}: {error}", file.display()))
        }
        _ => Ok(()),
    }
}

/// A line for each scenario, after those of its seeds if they are wanted. `seeds`: the first, and how many.
pub fn compare(
    out: &mut impl Write,
    folder: &Path,
    names: &[String],
    seeds: (u64, u64),
    jobs: usize,
    each: bool,
) -> Result<(), String> {
    let find = |name: &String| TABLE.iter().find(|r| r.name == name).ok_or_else(|| unknown(name));
    let scenarios = names.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    let mut text = beside::header().to_owned();
    for reference in scenarios {
        let pairs = beside::run(reference, folder, seeds.0, seeds.1, jobs)?;
        text.extend(pairs.iter().filter(|_| each).map(|pair| beside::seed_line(reference, pair)));
        text += &beside::line(reference, &pairs);
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        written.map_err(|error| format!("cannot write: {error}"))?;
        text.clear();
    }
    Ok(())
}

fn unknown(name: &str) -> String {
    format!("there is no scenario \"{name}\" of that kind; sim list names them")
}
