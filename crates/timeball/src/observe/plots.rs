//! What the page can draw, and what its words mean.

use ntp::metrics::{METRICS, Unit, find};
use serde_json::{Value, json};

/// One line of a plot.
#[derive(Debug)]
pub struct Line {
    /// The metric.
    pub id: &'static str,
    /// What stands in the legend.
    pub label: &'static str,
    /// How it is drawn.
    pub style: &'static str,
    /// Which colour.
    pub colour: &'static str,
    /// 0 whole, 1 dashed, 2 dotted.
    pub dash: u8,
    /// −1: downwards.
    pub sign: i8,
}

/// One plot.
#[derive(Debug)]
pub struct Plot {
    /// Its name.
    pub id: &'static str,
    /// Its group.
    pub group: &'static str,
    /// Its title.
    pub title: &'static str,
    /// The word that explains it.
    pub term: &'static str,
    /// The unit it is shown in.
    pub unit: &'static str,
    /// From SI to that unit.
    pub scale: f64,
    /// Decimals.
    pub digits: u8,
    /// How its axis behaves: words of `signed zero robust stack least0 median`.
    pub axis: &'static str,
    /// Which pages show it.
    pub pages: &'static [&'static str],
    /// Its number on the classic page; 0: none.
    pub classic: u8,
    /// Its lines.
    pub lines: &'static [Line],
}

const fn line(id: &'static str, label: &'static str, style: &'static str, colour: &'static str) -> Line {
    Line { id, label, style, colour, dash: 0, sign: 1 }
}

const fn dashed(id: &'static str, label: &'static str, colour: &'static str, dash: u8) -> Line {
    Line { id, label, style: "line", colour, dash, sign: 1 }
}

const fn down(id: &'static str, label: &'static str, colour: &'static str) -> Line {
    Line { id, label, style: "area", colour, dash: 0, sign: -1 }
}

macro_rules! plot {
    ($id:literal $group:literal $title:literal $term:literal, $unit:literal $scale:literal $digits:literal, $axis:literal, [$($page:literal),*] $classic:literal, $($line:expr),+ $(,)?) => {
        Plot { id: $id, group: $group, title: $title, term: $term, unit: $unit, scale: $scale, digits: $digits, axis: $axis,
            pages: &[$($page),*], classic: $classic, lines: &[$($line),+] }
    };
}

/// All plots, in the order of the page.
pub const PLOTS: &[Plot] = &[
    plot!("offset" "clock" "Clock offset inside its error bound" "offset", "ms" 1e3 3, "signed zero robust", ["overview", "clock"] 0,
        line("error_bound", "could be", "envelope", "c5"), line("offset", "offset", "band", "c1")),
    plot!("requests" "service" "Requests" "requests", "per second" 1.0 0, "stack least0", ["overview", "clients"] 0,
        line("packets_out", "answered", "area", "c1"), line("limited", "over the limit", "area", "c2"),
        line("invalid", "not valid", "area", "c5"), line("refused", "refused", "area", "c4"), line("lost", "other", "area", "c5"),
        line("overrun", "lost by the kernel", "area", "c5"), line("packets_in", "busiest", "peak", "mid")),
    plot!("clients" "service" "Clients remembered" "clients", "" 1.0 0, "least0", ["overview", "clients"] 0, line("clients", "remembered", "band", "c3")),
    plot!("traffic" "service" "Traffic" "traffic", "kbit/s" 0.008 0, "signed", ["overview", "clients"] 0,
        line("bytes_in", "in", "area", "c1"), down("bytes_out", "out", "c3"),
        line("bytes_in_v6", "IPv6", "area", "c4"), down("bytes_out_v6", "IPv6", "c4")),
    plot!("offset_close" "clock" "Clock offset, close up" "offset", "µs" 1e6 1, "signed zero robust", ["clock"] 0, line("offset", "offset", "band", "c1")),
    plot!("frequency" "clock" "Frequency against its median" "frequency", "ppb" 1e9 0, "signed median", ["overview", "clock"] 0,
        line("frequency", "frequency", "band", "c1")),
    plot!("temperature" "host" "Temperature" "temperature", "°C" 1.0 1, "", ["clock", "host"] 0,
        line("temperature", "warmest sensor", "band", "c2"), dashed("thermometer", "followed by the clock", "c1", 1)),
    plot!("temperature_gain" "clock" "What a degree does to the clock" "temperature", "ppb" 1e9 1, "signed", ["clock"] 0,
        line("temperature_gain", "gains", "band", "c2")),
    plot!("cpu_total" "host" "Processor" "cpu", "% of one core" 100.0 1, "stack least0", ["overview", "host"] 0,
        line("cpu_system", "system", "area", "c2"), line("cpu_user", "user", "area", "c3")),
    plot!("memory" "host" "Memory" "memory", "MB" 1e-6 1, "least0", ["host"] 0, line("memory", "daemon", "band", "c5")),
    plot!("conntrack" "host" "Connections tracked" "conntrack", "" 1.0 0, "least0", ["host"] 0, line("conntrack", "used", "band", "c5")),
    plot!("usable_sources" "sources" "Good sources" "state", "" 1.0 0, "least0", ["sources"] 0, line("usable_sources", "good", "step", "c1")),
    plot!("stratum" "clock" "Stratum" "stratum", "" 1.0 0, "least0", ["clock"] 0, line("stratum", "stratum", "step", "c5")),
    plot!("source_offset" "sources" "Offset of each source" "source_offset", "ms" 1e3 3, "signed robust", ["sources"] 0,
        line("source_offset", "", "line", "")),
    plot!("source_state" "sources" "What the clock did with each" "state", "" 1.0 0, "", ["sources"] 0,
        line("source_state", "", "state", "")),
    plot!("source_delay" "sources" "Delay" "delay", "ms" 1e3 2, "least0", ["sources"] 0, line("source_delay", "", "line", "")),
    plot!("source_jitter" "sources" "Jitter" "jitter", "ms" 1e3 3, "least0 robust", ["sources"] 0, line("source_jitter", "", "line", "")),
    // The rrdtool page's thirteen.
    plot!("cpu" "host" "CPU" "cpu", "% of one core" 100.0 2, "stack least0", ["classic"] 1,
        line("cpu_system", "system", "area", "c2"), line("cpu_user", "user", "area", "c3")),
    plot!("classic_requests" "service" "NTP requests" "requests", "/s" 1.0 0, "least0", ["classic"] 2,
        line("received", "received", "line", "c1"), dashed("limited", "dropped", "c2", 1)),
    plot!("packets" "service" "Packets" "packets", "/s" 1.0 0, "least0", ["classic"] 3,
        line("packets_in", "in", "line", "c1"), dashed("packets_out", "out", "c3", 1)),
    plot!("classic_traffic" "service" "Traffic" "traffic", "kbit/s" 0.008 0, "least0", ["classic"] 4,
        line("bytes_in", "in", "line", "c1"), dashed("bytes_out", "out", "c3", 1)),
    plot!("system_offset" "clock" "System offset" "offset", "ms" 1e3 3, "signed zero robust", ["classic"] 5, line("offset", "offset", "band", "c1")),
    plot!("last_offset" "clock" "Last offset" "last_offset", "ms" 1e3 3, "signed zero robust", ["classic", "clock"] 6,
        line("last_offset", "last", "band", "c1")),
    plot!("rms_offset" "clock" "RMS offset" "rms_offset", "ms" 1e3 3, "least0 robust", ["classic", "clock"] 7, line("rms_offset", "rms", "band", "c1")),
    plot!("classic_frequency" "clock" "Frequency" "frequency", "ppm" 1e6 3, "signed", ["classic"] 8, line("frequency", "frequency", "band", "c1")),
    plot!("residual_frequency" "clock" "Residual frequency" "residual_frequency", "ppm" 1e6 4, "signed zero robust", ["classic", "clock"] 9,
        line("residual_frequency", "residual", "band", "c1")),
    plot!("skew" "clock" "Skew" "skew", "ppm" 1e6 4, "least0 robust", ["classic", "clock"] 10, line("skew", "skew", "band", "c1")),
    plot!("root_delay" "clock" "Root delay" "root_delay", "ms" 1e3 3, "least0 robust", ["classic", "clock"] 11, line("root_delay", "delay", "band", "c3")),
    plot!("root_dispersion" "clock" "Root dispersion" "root_dispersion", "ms" 1e3 3, "least0 robust", ["classic", "clock"] 12,
        line("root_dispersion", "dispersion", "band", "c3")),
    plot!("update_interval" "clock" "Update interval" "update_interval", "min" 0.016_666_666_666_666_666 1, "least0", ["classic", "clock"] 13,
        line("update_interval", "interval", "step", "c5")),
];

/// A word and what it means: its name, title, what it is, what is good, chrony's name.
const TERMS: &[[&str; 5]] = &[
    [
        "clients",
        "Clients",
        "Different addresses that asked and are still remembered. IPv6 is counted by networks.",
        "Many devices may hide behind one address.",
        "clients",
    ],
    [
        "error_bound",
        "Error bound",
        "The largest error this clock can have right now, if its sources are right: offset (without sign) + root dispersion + half the root delay.",
        "Below 10 ms is excellent for a pool server; the pool takes points away above 25 ms.",
        "",
    ],
    [
        "offset",
        "Clock offset",
        "How far the system clock is believed to be from true time. Plus means it is ahead.",
        "It should wander around zero, well inside the shaded bound. A slope means the frequency is being learned.",
        "System time",
    ],
    [
        "stratum",
        "Stratum",
        "Steps from a reference clock. An atomic or GPS clock is 0; a server beside it is 1; one that asks such a server is 2.",
        "It is distance, not quality. 1 to 4 is normal.",
        "Stratum",
    ],
    [
        "requests",
        "Requests",
        "NTP questions received in one second, and what became of each.",
        "Answered is everything that deserved an answer.",
        "serverstats",
    ],
    [
        "dropped",
        "Dropped",
        "Requests not answered: over the rate limit, refused by an access rule, or not valid NTP.",
        "Below 3 % is normal on a public server.",
        "serverstats",
    ],
    [
        "conntrack",
        "Connection tracking",
        "How full the firewall's table of connections is. When full, new connections of the whole network fail.",
        "Below 50 %. NTP should be exempt from tracking.",
        "nf_conntrack_count",
    ],
    ["cpu", "Processor", "Time the server process used, in percent of one core.", "", "utime, stime"],
    [
        "memory",
        "Memory",
        "What the server process holds in memory.",
        "A few megabytes, and it does not grow.",
        "VmRSS",
    ],
    [
        "last_offset",
        "Last offset",
        "What the most recent measurement said the error was, before correction.",
        "Noisier than the clock itself.",
        "Last offset",
    ],
    [
        "rms_offset",
        "RMS offset",
        "A long-term average of the offsets' size.",
        "The typical error, without sign.",
        "RMS offset",
    ],
    [
        "frequency",
        "Frequency",
        "How fast this board's oscillator runs compared with true time, in parts per million. 1 ppm is 86 ms a day.",
        "Its size does not matter, only that it stays the same.",
        "Frequency",
    ],
    [
        "residual_frequency",
        "Residual frequency",
        "The part of the frequency that measurements still disagree about.",
        "Near 0.",
        "Residual freq",
    ],
    ["skew", "Skew", "How uncertain the frequency is.", "Below 0.1 ppm is very good.", "Skew"],
    [
        "root_delay",
        "Root delay",
        "Round trip to the reference clock at the top of the chain. Half of it is the worst asymmetry could do.",
        "",
        "Root delay",
    ],
    [
        "root_dispersion",
        "Root dispersion",
        "The error that could have collected since the reference clock was read.",
        "It grows between updates and when sources are lost.",
        "Root dispersion",
    ],
    [
        "update_interval",
        "Update interval",
        "Time between the last two corrections of the clock.",
        "Longer is calmer: the clock needs less help.",
        "Update interval",
    ],
    [
        "temperature",
        "Temperature",
        "The warmest sensor of the board. The oscillator sits near it and changes its frequency with warmth.",
        "Steady.",
        "thermal_zone",
    ],
    [
        "source_offset",
        "Offset of a source",
        "What a source says true time is, minus this clock. Plus means the clock is behind.",
        "All near the same value.",
        "Last sample",
    ],
    [
        "delay",
        "Delay",
        "Round trip to the source and back.",
        "Shorter leaves less room for error.",
        "sourcestats",
    ],
    ["jitter", "Jitter", "How much successive measurements of one source scatter.", "", "Std Dev"],
    [
        "reach",
        "Reach",
        "The last eight questions to this source, newest at the right. Filled: answered.",
        "All filled: octal 377.",
        "Reach",
    ],
    ["poll", "Poll interval", "How often the source is asked. It adapts: calm clocks ask less.", "", "Poll"],
    ["state", "State", "What the clock does with this source right now.", "", "S column"],
    [
        "agree",
        "Who agrees",
        "Each bar is where a source says true time is, give or take its own error. The right time lies where most bars overlap.",
        "A bar that touches no other is wrong.",
        "",
    ],
    [
        "traffic",
        "Traffic",
        "NTP bytes on the wire, with IP headers. Above the line in, below it out.",
        "In and out should be alike: replies are never longer than requests.",
        "",
    ],
    ["packets", "Packets", "NTP packets received and sent.", "", ""],
    [
        "sources",
        "Good sources",
        "Sources that agree with each other and can be used.",
        "Four to seven, of different owners.",
        "sources",
    ],
    [
        "flash",
        "Flash writes",
        "Bytes written today by the archive, in whole pages.",
        "A few megabytes a day let eMMC outlive the board.",
        "",
    ],
];

/// The answer to `/api/plots`.
pub fn json() -> Value {
    let plots: Vec<Value> = PLOTS.iter().map(plot_json).collect();
    let terms: serde_json::Map<String, Value> = TERMS
        .iter()
        .map(|[id, title, what, good, chrony]| {
            ((*id).to_owned(), json!({"title": title, "what": what, "good": good, "chrony": chrony}))
        })
        .collect();
    let range = |id: &str, seconds: u32| json!({"id": id, "seconds": seconds});
    let group = |id: &str, title: &str| json!({"id": id, "title": title});
    json!({
        "ranges": [range("1h", 3600), range("24h", 86_400), range("3d", 259_200), range("30d", 2_592_000), range("1y", 31_536_000)],
        "groups": [group("service", "Service"), group("clock", "Clock"), group("sources", "Sources"), group("host", "Host")],
        "plots": plots,
        "terms": terms,
        "metrics": METRICS.iter().map(|metric| json!({
            "id": metric.name, "help": metric.help, "unit": metric.unit.symbol(), "plot": metric.plot, "each": metric.is_per_source().then_some("source"),
        })).collect::<Vec<_>>(),
    })
}

fn plot_json(plot: &Plot) -> Value {
    let has = |word: &str| plot.axis.split(' ').any(|other| other == word);
    let lines: Vec<Value> = plot
        .lines
        .iter()
        .map(|line| {
            let mut value = json!({
                "id": line.id, "label": line.label, "as": line.style, "colour": line.colour, "dash": line.dash, "sign": line.sign,
            });
            if find(line.id).is_some_and(|metric| metric.is_per_source()) {
                value["each"] = json!("source");
            }
            value
        })
        .collect();
    json!({
        "id": plot.id, "group": plot.group, "title": plot.title, "term": plot.term, "unit": plot.unit, "scale": plot.scale,
        "digits": plot.digits, "signed": has("signed"), "zero": has("zero"), "robust": has("robust"), "stack": has("stack"),
        "min": has("least0").then_some(0), "relative": has("median").then_some("median"), "pages": plot.pages,
        "classic": (plot.classic > 0).then_some(plot.classic), "lines": [], "series": lines,
    })
}

/// The unit of a metric, for `/api/series`.
pub const fn unit(unit: Unit) -> &'static str {
    unit.symbol()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_line_is_a_metric_and_every_metric_has_its_plot() {
        let ids: BTreeSet<&str> = PLOTS.iter().map(|plot| plot.id).collect();
        assert_eq!(ids.len(), PLOTS.len());
        for plot in PLOTS {
            assert!(TERMS.iter().any(|term| term[0] == plot.term), "{}: no such term", plot.id);
            assert!(plot.lines.iter().all(|line| find(line.id).is_some()), "{plot:?}");
        }
        for metric in METRICS {
            let plot = metric.plot.expect("a plot");
            assert!(ids.contains(plot), "{}: no plot {plot}", metric.name);
            assert!(
                PLOTS.iter().any(|plot| plot.lines.iter().any(|line| line.id == metric.name)),
                "{} is never drawn",
                metric.name
            );
        }
    }

    #[test]
    fn the_thirteen_are_numbered() {
        let mut numbers: Vec<u8> =
            PLOTS.iter().map(|plot| plot.classic).filter(|number| *number > 0).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=13).collect::<Vec<u8>>());
        let all = json();
        let offset = all["plots"].as_array().unwrap().iter().find(|plot| plot["id"] == "offset").unwrap();
        assert_eq!(
            (offset["zero"].as_bool(), offset["series"][0]["as"].as_str()),
            (Some(true), Some("envelope"))
        );
    }
}
