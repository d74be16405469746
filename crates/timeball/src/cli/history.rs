//! `graph`, `export`, and rrdtool's records for `import`: what the archive remembers, without a daemon or a browser.

use super::commands::{Command, Group, form};
use super::session::{Failure, Outcome, Session};
use crate::observe::archive::Archive;
use crate::observe::ask;
use crate::observe::graph::{self, CLASSIC, Format};
use crate::observe::rates::Columns;
use crate::observe::rrd;
use crate::places;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// What this file adds to the table.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "graph",
        forms: &[
            form("SERIES [--last SPAN] [-o FILE]", "draw a plot or a series as SVG or PNG"),
            form("--classic FOLDER [--last SPAN]", "write the thirteen PNGs of the rrdtool page"),
        ],
        doc: "Draws from the archive, which may be another's (--archive FILE). SPAN is as in 1h, 24h, 3d, 1y; 3d if not given. A \
              running observer is asked first to write what it still holds in memory. /api/plots lists the plots, /metrics explains the series.",
        example: "graph offset --last 24h -o offset.svg",
        group: Group::Own,
        run: draw,
    },
    Command {
        name: "export",
        forms: &[form(
            "SERIES... [--last SPAN] [--format csv|json|rrd] [-o FILE]",
            "write series for other programs",
        )],
        doc: "Writes series of the archive (--archive FILE): CSV, JSON, or the XML that rrdtool restore reads, which has all resolutions. \
              Values are in SI units.",
        example: "export offset frequency --format rrd -o clock.xml",
        group: Group::Own,
        run: export,
    },
];

/// The words after a command, sorted.
#[derive(Debug, Default)]
struct Words<'a> {
    names: Vec<&'a str>,
    options: Vec<(&'a str, &'a str)>,
}

impl<'a> Words<'a> {
    fn read(words: &[&'a str], known: &[&str]) -> Result<Self, Failure> {
        let mut sorted = Self::default();
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            if known.contains(word) {
                let value = rest.next().ok_or_else(|| Failure::usage(format!("{word} wants a value")))?;
                sorted.options.push((word, value));
            } else if word.starts_with('-') {
                return Err(Failure::usage(format!("There is no option {word} here.")));
            } else {
                sorted.names.push(word);
            }
        }
        Ok(sorted)
    }

    fn option(&self, name: &str) -> Option<&'a str> {
        self.options.iter().rev().find(|(option, _)| *option == name).map(|(_, value)| *value)
    }

    /// Seconds to look back.
    fn span(&self) -> Result<f64, Failure> {
        let Some(text) = self.option("--last") else { return Ok(3.0 * 86_400.0) };
        let units = [("m", 60.0), ("h", 3600.0), ("d", 86_400.0), ("y", 31_536_000.0)];
        let found = units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, *seconds)));
        let span = found
            .and_then(|(number, unit)| Some(number.parse::<f64>().ok()? * unit))
            .filter(|span| *span >= 60.0);
        span.ok_or_else(|| Failure::usage(format!("\"{text}\" is no span such as 1h, 24h, 3d, 1y.")))
    }

    fn path(&self) -> Result<PathBuf, Failure> {
        if let Some(path) = self.option("--archive") {
            return Ok(path.into());
        }
        let is_root = sys::process::effective_uid() == 0;
        let folders = places::archives(is_root, places::variable);
        let paths: Vec<PathBuf> =
            folders.iter().map(|folder| folder.join(crate::observe::store::ARCHIVE)).collect();
        let there = paths.iter().find(|path| path.exists()).or_else(|| paths.first());
        there
            .cloned()
            .ok_or_else(|| Failure::usage("No folder of the state: name the archive with --archive FILE."))
    }
}

fn trouble(path: &Path, error: &impl std::fmt::Display) -> Failure {
    Failure::usage(format!("{} : {error}", path.display()))
}

fn now() -> f64 {
    sys::clock::realtime() as f64 * 1e-9
}

fn open(words: &Words<'_>) -> Result<Archive<File>, Failure> {
    let path = words.path()?;
    // What an observer has not written yet, it writes now; without one the file has all there is.
    let _ = path.parent().and_then(|folder| ask::ask(folder, "flush"));
    open_file(&path)
}

fn open_file(path: &Path) -> Result<Archive<File>, Failure> {
    let file = File::open(path).map_err(|error| trouble(path, &error))?;
    let archive = Archive::open(file, now()).map_err(|error| trouble(path, &error))?;
    archive.ok_or_else(|| trouble(path, &"this is no archive"))
}

/// The end of what is known, or now.
fn end(archive: &Archive<File>) -> f64 {
    if archive.newest() > 0.0 { archive.newest().min(now()) } else { now() }
}

fn draw(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let words = Words::read(words, &["--last", "-o", "--archive", "--classic"])?;
    let (archive, span) = (open(&words)?, words.span()?);
    let to = end(&archive);
    if let Some(folder) = words.option("--classic") {
        let folder = Path::new(folder);
        std::fs::create_dir_all(folder).map_err(|error| trouble(folder, &error))?;
        for (number, name) in CLASSIC {
            let path = folder.join(format!("{name}.png"));
            let wanted = graph::classic(number).ok_or_else(|| trouble(&path, &"no such plot"))?;
            let bytes = graph::draw(&archive, &wanted, (to - span, to), Format::Png)
                .map_err(|error| trouble(&path, &error))?;
            std::fs::write(&path, bytes).map_err(|error| trouble(&path, &error))?;
        }
        return Ok(writeln!(session.out, "{} pictures are in {}.", CLASSIC.len(), folder.display())?);
    }
    let [name] = words.names[..] else {
        return Err(Failure::usage("graph wants the name of one plot or series."));
    };
    let wanted = graph::wanted(name)
        .ok_or_else(|| Failure::usage(format!("There is no plot or series \"{name}\".")))?;
    let path = words.option("-o").map(Path::new);
    let png = path.and_then(Path::extension).is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
    let format = if png { Format::Png } else { Format::Svg };
    let bytes = graph::draw(&archive, &wanted, (to - span, to), format)
        .map_err(|error| Failure::usage(format!("{name} : {error}")))?;
    match path {
        Some(path) => std::fs::write(path, bytes).map_err(|error| trouble(path, &error)),
        None => Ok(session.out.write_all(&bytes)?),
    }
}

fn export(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let words = Words::read(words, &["--last", "-o", "--archive", "--format"])?;
    let (archive, span) = (open(&words)?, words.span()?);
    if words.names.is_empty() {
        return Err(Failure::usage("export wants the names of series."));
    }
    let column = |name: &&str| {
        archive
            .layout()
            .column(name)
            .ok_or_else(|| Failure::usage(format!("There is no series \"{name}\" in the archive.")))
    };
    let columns: Vec<usize> = words.names.iter().map(column).collect::<Result<_, _>>()?;
    let format = words.option("--format").unwrap_or("csv");
    let mut file = match words.option("-o").map(Path::new) {
        Some(path) => Some(BufWriter::new(File::create(path).map_err(|error| trouble(path, &error))?)),
        None => None,
    };
    let out: &mut dyn Write = match &mut file {
        Some(file) => file,
        None => session.out,
    };
    let to = end(&archive);
    match format {
        "rrd" => rrd::export(&archive, &columns, out)?,
        "csv" | "json" => {
            let answer = archive.query(&columns, to - span, to, 10_000)?;
            write_points(out, format == "json", &words.names, &answer)?;
        }
        other => return Err(Failure::usage(format!("There is no format \"{other}\": csv, json, rrd."))),
    }
    Ok(out.flush()?)
}

fn write_points(
    out: &mut dyn Write,
    json: bool,
    names: &[&str],
    answer: &crate::observe::archive::Answer,
) -> std::io::Result<()> {
    let number = |value: f32| match (value.is_finite(), json) {
        (true, _) => format!("{value:?}"),
        (false, true) => "null".to_owned(),
        (false, false) => String::new(),
    };
    if json {
        write!(out, "{{\"start\":{},\"step\":{},\"series\":{{", answer.start, answer.step)?;
        for (at, (name, points)) in names.iter().zip(&answer.columns).enumerate() {
            write!(out, "{}\"{name}\":{{", if at > 0 { "," } else { "" })?;
            for (at, (word, list)) in
                [("mean", &points.mean), ("min", &points.min), ("max", &points.max)].into_iter().enumerate()
            {
                let list: Vec<String> = list.iter().map(|value| number(*value)).collect();
                write!(out, "{}\"{word}\":[{}]", if at > 0 { "," } else { "" }, list.join(","))?;
            }
            write!(out, "}}")?;
        }
        return writeln!(out, "}}}}");
    }
    let heads: Vec<String> = names.iter().map(|name| format!("{name}_mean,{name}_min,{name}_max")).collect();
    writeln!(out, "time,{}", heads.join(","))?;
    for at in 0..answer.covered.len() {
        let cells =
            answer.columns.iter().flat_map(|points| [points.mean[at], points.min[at], points.max[at]]);
        let cells: Vec<String> = cells.map(number).collect();
        writeln!(out, "{},{}", answer.start + at as u64 * u64::from(answer.step), cells.join(","))?;
    }
    Ok(())
}

/// A day of a few series as lines of blocks, for the status; empty when there is no archive to look into, or an old one.
pub fn sparks(now: f64) -> String {
    let Ok(archive) = Words::default().path().and_then(|path| open_file(&path)) else { return String::new() };
    if now - archive.newest() > 3600.0 {
        return String::new();
    }
    let lines = [
        ("offset", "offset", 1e3, "ms"),
        ("requests", "packets_in", 1.0, "/s"),
        ("processor", "cpu_system", 100.0, "%"),
    ];
    let mut out = String::new();
    for (label, name, scale, unit) in lines {
        let column = archive.layout().column(name);
        let Some(answer) = column.and_then(|column| archive.query(&[column], now - 86_400.0, now, 48).ok())
        else {
            continue;
        };
        let points = &answer.columns[0];
        let known = |list: &[f32]| {
            list.iter()
                .filter(|value| value.is_finite())
                .map(|value| f64::from(*value) * scale)
                .collect::<Vec<_>>()
        };
        let (least, most) = (known(&points.min), known(&points.max));
        if most.is_empty() {
            continue;
        }
        let (least, most) = (
            least.into_iter().fold(f64::INFINITY, f64::min),
            most.into_iter().fold(f64::NEG_INFINITY, f64::max),
        );
        let digits = if most.abs().max(least.abs()) < 10.0 { 3 } else { 0 };
        out.push_str(&format!(
            "  {label:<11}{} 24 h, {least:.digits$} to {most:.digits$} {unit}\n",
            blocks(&points.mean)
        ));
    }
    out
}

/// The busiest clients that the observer knows of, as lines for `top`; empty when there is nobody to ask.
pub fn busiest(count: usize) -> String {
    let Ok(path) = Words::default().path() else { return String::new() };
    let Some(answer) = path.parent().and_then(|folder| ask::ask(folder, "clients")) else {
        return String::new();
    };
    let clients = answer["clients"].as_array().map_or(&[][..], Vec::as_slice);
    table(&clients[..count.min(clients.len())])
}

fn table(clients: &[serde_json::Value]) -> String {
    if clients.is_empty() {
        return String::new();
    }
    let mut out =
        format!("\n{:<40} {:>10} {:>8}  {}\n{}\n", "Client", "requests/s", "dropped", "note", "=".repeat(79));
    for client in clients {
        let number = |name: &str| client[name].as_f64().unwrap_or(0.0);
        let text = |name: &str| client[name].as_str().unwrap_or_default();
        let line = format!(
            "{:<40} {:>10.2} {:>6.1} %  {}",
            text("address"),
            number("rate"),
            number("dropped") / number("requests").max(1.0) * 100.0,
            text("note")
        );
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// One block a value; a space where nothing is known.
fn blocks(values: &[f32]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let known = || values.iter().copied().filter(|value| value.is_finite());
    let (low, high) = (known().fold(f32::INFINITY, f32::min), known().fold(f32::NEG_INFINITY, f32::max));
    let block = |value: &f32| match value.is_finite() {
        false => ' ',
        true if high <= low => BLOCKS[0],
        true => BLOCKS[((value - low) / (high - low) * 7.0).round() as usize],
    };
    values.iter().map(block).collect()
}

/// Takes over what rrdtool has recorded.
pub fn import(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let words = Words::read(words, &["--archive"])?;
    let [name] = words.names[..] else { return Err(Failure::usage("import wants the name of one file.")) };
    let text = std::fs::read_to_string(name).map_err(|error| trouble(Path::new(name), &error))?;
    let database = rrd::parse(&text).map_err(|error| Failure::usage(format!("{name} : {error}")))?;
    let path = words.path()?;
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| trouble(&path, &error))?;
    if file.try_lock().is_err() {
        return Err(trouble(&path, &"a daemon records there; stop it for the import"));
    }
    let empty = file.metadata().is_ok_and(|metadata| metadata.len() == 0);
    let opened = match empty {
        true => Archive::create(file, Columns::new(false).layout(&[], false)).map(Some),
        false => Archive::open(file, now()),
    };
    let mut archive = opened
        .map_err(|error| trouble(&path, &error))?
        .ok_or_else(|| trouble(&path, &"this is no archive"))?;
    let taken = rrd::import(&mut archive, &database).map_err(|error| trouble(&path, &error))?;
    if taken.is_empty() {
        return Err(Failure::usage(format!(
            "{name} : none of its series is known: {}",
            database.names.join(", ")
        )));
    }
    for line in &taken {
        writeln!(session.out, "{line}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_stand_in_a_table() {
        let client = serde_json::json!({"address": "192.0.2.7", "rate": 48.1, "requests": 200, "dropped": 50, "note": "Loud."});
        let text = table(&[client]);
        let mut line = text.lines().nth(3).unwrap_or_default().split_whitespace();
        assert_eq!(line.by_ref().collect::<Vec<_>>(), ["192.0.2.7", "48.10", "25.0", "%", "Loud."], "{text}");
        assert_eq!(table(&[]), "");
    }

    #[test]
    fn blocks_show_the_shape_and_the_gaps() {
        assert_eq!(blocks(&[0.0, 1.0, f32::NAN, 7.0]), "▁▂ █");
        assert_eq!(blocks(&[3.0, 3.0]), "▁▁");
        assert_eq!(blocks(&[f32::NAN]), " ");
    }

    #[test]
    fn words_are_sorted_and_strangers_refused() {
        let known = ["--last", "-o"];
        let words = Words::read(&["offset", "--last", "24h", "-o", "x.png"], &known).unwrap_or_default();
        assert_eq!((words.names.as_slice(), words.option("-o")), (&["offset"][..], Some("x.png")));
        assert_eq!(words.span().ok(), Some(86_400.0));
        assert_eq!(Words::default().span().ok(), Some(259_200.0));
        for wrong in [&["-x"][..], &["--last"]] {
            assert!(Words::read(wrong, &known).is_err(), "{wrong:?}");
        }
        for wrong in ["24", "0h", "xh", "-1d"] {
            assert!(Words::read(&["--last", wrong], &known).unwrap_or_default().span().is_err(), "{wrong}");
        }
    }
}
