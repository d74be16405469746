//! Series as rrdtool knows them: `rrdtool dump`'s XML, written and read.
//!
//! What is written here `rrdtool restore` takes; what `rrdtool dump` writes of the many pages of that kind is read: their
//! seventeen series by the usual names, or by their order.

use super::archive::{Archive, Cell, Row, Storage};
use std::io::{self, Write};

/// Longest name of a data source, without the zero at its end.
const LONGEST_NAME: usize = 19;
/// Rows shown in one piece.
const KINDS: [&str; 3] = ["AVERAGE", "MIN", "MAX"];

/// Writes these columns of the archive, with all its resolutions. `until`: the time of the newest row, s since 1970.
pub fn export<S: Storage>(archive: &Archive<S>, columns: &[usize], out: &mut dyn Write) -> io::Result<()> {
    let layout = archive.layout();
    let step = layout.rings[0].step;
    let last = (archive.newest() / f64::from(step)).floor() as u64 * u64::from(step);
    writeln!(out, "<?xml version=\"1.0\" encoding=\"utf-8\"?>")?;
    writeln!(out, "<rrd>\n<version>0003</version>\n<step>{step}</step>\n<lastupdate>{last}</lastupdate>")?;
    for column in columns {
        let name: String =
            layout.columns[*column].name.replace('@', "_").chars().take(LONGEST_NAME).collect();
        writeln!(
            out,
            "<ds><name>{name}</name><type>GAUGE</type><minimal_heartbeat>{}</minimal_heartbeat><min>NaN</min><max>NaN</max>\
             <last_ds>U</last_ds><value>NaN</value><unknown_sec>0</unknown_sec></ds>",
            step * 2
        )?;
    }
    for (ring, place) in layout.rings.iter().enumerate() {
        for (number, kind) in KINDS.iter().enumerate() {
            writeln!(
                out,
                "<rra><cf>{kind}</cf><pdp_per_row>{}</pdp_per_row><params><xff>9.9e-01</xff></params>",
                place.step / step
            )?;
            writeln!(out, "<cdp_prep>")?;
            for _ in columns {
                writeln!(
                    out,
                    "<ds><primary_value>NaN</primary_value><secondary_value>NaN</secondary_value><value>NaN</value>\
                     <unknown_datapoints>0</unknown_datapoints></ds>"
                )?;
            }
            writeln!(out, "</cdp_prep><database>")?;
            // A row of rrdtool's is named by its end.
            let newest = last / u64::from(place.step);
            for index in newest.saturating_sub(u64::from(place.rows))..newest {
                let row = archive.row(ring, index as u32)?;
                out.write_all(b"<row>")?;
                for column in columns {
                    let cell = row.as_ref().map_or(Cell::UNKNOWN, |row| Row::cell(row, *column));
                    let value = [cell.mean, cell.min, cell.max][number];
                    if value.is_finite() {
                        write!(out, "<v>{value:.10e}</v>")?;
                    } else {
                        out.write_all(b"<v>NaN</v>")?;
                    }
                }
                out.write_all(b"</row>\n")?;
            }
            writeln!(out, "</database></rra>")?;
        }
    }
    writeln!(out, "</rrd>")
}

/// One resolution of a database.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resolution {
    /// Seconds a row stands for.
    pub step: u32,
    /// `AVERAGE`, `MIN`, `MAX`.
    pub kind: String,
    /// The rows, oldest first.
    pub rows: Vec<Vec<f64>>,
}

/// A database that was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Database {
    /// When it was last updated, s since 1970.
    pub last: u64,
    /// Its data sources.
    pub names: Vec<String>,
    /// Its resolutions.
    pub resolutions: Vec<Resolution>,
}

/// Reads what `rrdtool dump` wrote.
pub fn parse(text: &str) -> Result<Database, String> {
    let mut database = Database::default();
    let (mut step, mut path): (u32, Vec<String>) = (0, Vec::new());
    let mut words = String::new();
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        words.push_str(&rest[..open]);
        rest = &rest[open + 1..];
        let (end, skip) =
            if rest.starts_with("!--") { ("-->", true) } else { (">", rest.starts_with(['?', '!'])) };
        let close = rest.find(end).ok_or("a tag without end")?;
        let tag = &rest[..close];
        rest = &rest[close + end.len()..];
        if skip {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            if path.pop().as_deref() != Some(name.trim()) {
                return Err(format!("</{name}> closes nothing"));
            }
            let parent = path.last().map_or("", String::as_str);
            element(&mut database, &mut step, (parent, name.trim()), words.trim())?;
        } else if !tag.ends_with('/') {
            let name = tag.split_whitespace().next().unwrap_or_default().to_owned();
            match name.as_str() {
                "rra" => database.resolutions.push(Resolution::default()),
                "row" => database.resolutions.last_mut().ok_or("a row outside")?.rows.push(Vec::new()),
                _ => {}
            }
            path.push(name);
        }
        words.clear();
    }
    if database.names.is_empty() || database.resolutions.iter().all(|resolution| resolution.rows.is_empty()) {
        return Err("no data sources or no rows: is this the output of rrdtool dump?".to_owned());
    }
    Ok(database)
}

/// An element is complete.
fn element(
    database: &mut Database,
    step: &mut u32,
    (parent, name): (&str, &str),
    text: &str,
) -> Result<(), String> {
    let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{name}: \"{text}\" is not a number"));
    let resolution = database.resolutions.last_mut();
    match (parent, name, resolution) {
        ("rrd", "step", _) => *step = number(text)?.clamp(1, 1 << 24) as u32,
        ("rrd", "lastupdate", _) => database.last = number(text)?,
        ("ds", "name", _) => database.names.push(text.to_owned()),
        ("rra", "cf", Some(resolution)) => text.clone_into(&mut resolution.kind),
        ("rra", "pdp_per_row", Some(resolution)) => {
            resolution.step = u32::try_from(number(text)?)
                .ok()
                .and_then(|rows| rows.checked_mul(*step))
                .ok_or("a row too long")?;
        }
        ("row", "v", Some(resolution)) => {
            let value = text.parse().unwrap_or(f64::NAN);
            resolution.rows.last_mut().ok_or("a value outside")?.push(value);
        }
        _ => {}
    }
    Ok(())
}

/// The guide's series in their order: our name, what its values are multiplied with, and the names that are in use.
const SERIES: [(&str, f64, &[&str]); 17] = [
    ("cpu_user", 0.01, &["utime", "cpuuser"]),
    ("cpu_system", 0.01, &["stime", "cpusystem"]),
    (
        "received",
        1.0,
        &["received", "ntpreceived", "requests", "ntphits", "packetsreceived", "ntppacketsreceived"],
    ),
    ("limited", 1.0, &["dropped", "ntpdropped", "ntpdrops", "packetsdropped", "ntppacketsdropped"]),
    ("packets_in", 1.0, &["packetsin", "pktsin", "pktin", "inpackets", "inpkts"]),
    ("packets_out", 1.0, &["packetsout", "pktsout", "pktout", "outpackets", "outpkts"]),
    ("bytes_in", 1.0, &["bytesin", "inbytes", "trafficin"]),
    ("bytes_out", 1.0, &["bytesout", "outbytes", "trafficout"]),
    // There positive means slow.
    ("offset", -1.0, &["systemtime", "systime", "offset", "systemoffset"]),
    ("last_offset", 1.0, &["lastoffset"]),
    ("rms_offset", 1.0, &["rmsoffset"]),
    ("frequency", 1e-6, &["frequency", "freq"]),
    ("residual_frequency", 1e-6, &["residualfrequency", "residualfreq", "residfreq", "resfreq"]),
    ("skew", 1e-6, &["skew"]),
    ("root_delay", 1.0, &["rootdelay"]),
    ("root_dispersion", 1.0, &["rootdispersion", "rootdisp"]),
    ("update_interval", 1.0, &["updateinterval", "updint"]),
];

/// Which column each data source goes to, and what it is multiplied with. Our own exports are in SI already.
fn target(names: &[String], at: usize, columns: &dyn Fn(&str) -> Option<usize>) -> Option<(usize, f64)> {
    let own = names.iter().all(|name| columns(name).is_some());
    if own {
        return columns(&names[at]).map(|column| (column, 1.0));
    }
    let plain: String =
        names[at].chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let by_name = SERIES
        .iter()
        .find(|(name, _, others)| others.contains(&plain.as_str()) || name.replace('_', "") == plain);
    let (name, scale, _) =
        by_name.or_else(|| if names.len() == SERIES.len() { SERIES.get(at) } else { None })?;
    columns(name).map(|column| (column, *scale))
}

/// Puts a database into the archive, where that knows nothing yet. The names that were taken over.
pub fn import<S: Storage>(archive: &mut Archive<S>, database: &Database) -> io::Result<Vec<String>> {
    let layout = archive.layout().clone();
    let column = |name: &str| layout.column(name);
    let targets: Vec<Option<(usize, f64)>> =
        (0..database.names.len()).map(|at| target(&database.names, at, &column)).collect();
    let now = archive.newest().max(database.last as f64);
    archive.set_newest(now);
    for (ring, place) in layout.rings.iter().enumerate() {
        let of_kind = |kind: &'static str| {
            let fits = move |resolution: &&Resolution| {
                resolution.kind == kind && resolution.step > 0 && place.step.is_multiple_of(resolution.step)
            };
            database.resolutions.iter().filter(fits).max_by_key(|resolution| resolution.step)
        };
        let Some(mean) = of_kind("AVERAGE") else { continue };
        let same = |kind| {
            of_kind(kind).filter(|other| other.step == mean.step && other.rows.len() == mean.rows.len())
        };
        let (min, max) = (same("MIN").unwrap_or(mean), same("MAX").unwrap_or(mean));
        let end = database.last / u64::from(mean.step) * u64::from(mean.step);
        let mut rows = Vec::new();
        for (at, row) in mean.rows.iter().enumerate() {
            let back = (mean.rows.len() - at) as u64 * u64::from(mean.step);
            let Some(begin) = end.checked_sub(back) else { continue };
            let mut cells = vec![Cell::UNKNOWN; layout.columns.len()];
            for (number, target) in targets.iter().enumerate() {
                let Some((column, scale)) = target else { continue };
                let value = |rows: &[Vec<f64>], or: f64| {
                    rows.get(at)
                        .and_then(|row| row.get(number))
                        .copied()
                        .filter(|value| value.is_finite())
                        .unwrap_or(or)
                        * scale
                };
                let middle = row.get(number).copied().unwrap_or(f64::NAN);
                if middle.is_finite() {
                    cells[*column] = Cell {
                        mean: (middle * scale) as f32,
                        min: value(&min.rows, middle) as f32,
                        max: value(&max.rows, middle) as f32,
                    };
                }
            }
            if cells.iter().any(Cell::is_known) {
                rows.push((begin as f64, f64::from(mean.step), cells));
            }
        }
        archive.insert(ring, rows)?;
    }
    let taken = targets.iter().zip(&database.names).filter(|(target, _)| target.is_some());
    Ok(taken
        .map(|(target, name)| {
            format!("{name} as {}", target.map_or("", |(column, _)| layout.columns[column].name.as_str()))
        })
        .collect())
}

#[cfg(test)]
mod tests;
