//! A picture of a run as SVG: what clients were told and how wrong it was, the frequency, the delays of the answers,
//! the steps. It has no script and no font of its own, and follows the reader's preference for light or dark.

mod scale;

use crate::host::Host;
use crate::record::Sample;
use core::fmt::Write;
use scale::Scale;
use std::net::IpAddr;

/// Page and panels, in SVG units.
const WIDTH: f64 = 1120.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 28.0;
const TOP: f64 = 104.0;
/// Room under a panel; the last one has its hours in it.
const GAP: f64 = 50.0;
/// Columns of the picture: samples of one column become one extent.
const COLUMNS: usize = 992;

/// Every colour twice, and no variables: some programs that draw SVG know none.
const STYLE: &str = "
  svg { font-family: system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif; }
  text { fill: #5d6980; font-size: 12px; }
  .title { fill: #1c2430; font-size: 20px; font-weight: 600; }
  .panel { fill: #1c2430; font-size: 13px; font-weight: 600; }
  .paper { fill: #ffffff; }
  .grid { stroke: #1c2430; stroke-opacity: .09; }
  .frame { stroke: #b9c1cf; fill: none; }
  .promise { fill: #e6edfa; stroke: #a9bbdd; stroke-width: .8; }
  .band { fill: #8fcdb0; }
  .line { stroke: #1f5fd0; fill: #1f5fd0; stroke-width: 1.1; stroke-linejoin: round; }
  .step { stroke: #c8372d; stroke-dasharray: 4 3; }
  .note { fill: #c8372d; }
  .s0 { fill: #1f5fd0; } .s1 { fill: #d9730d; } .s2 { fill: #2c8a57; }
  .s3 { fill: #8a4fc0; } .s4 { fill: #b3336b; } .s5 { fill: #0e8799; }
  @media (prefers-color-scheme: dark) {
    text { fill: #93a0b5; }
    .title, .panel { fill: #e7ebf2; }
    .paper { fill: #12161d; }
    .grid { stroke: #e7ebf2; }
    .frame { stroke: #3b4758; }
    .promise { fill: #1a2438; stroke: #3c5484; }
    .band { fill: #2f7d60; }
    .line { stroke: #8ab6ff; fill: #8ab6ff; }
    .step { stroke: #ff7b6e; }
    .note { fill: #ff7b6e; }
    .s0 { fill: #82b0ff; } .s1 { fill: #f2a359; } .s2 { fill: #6cc795; }
    .s3 { fill: #c39bf0; } .s4 { fill: #ee86b3; } .s5 { fill: #5cc6d6; }
  }
";

/// One panel of the page.
struct Panel {
    top: f64,
    height: f64,
    scale: Scale,
    span: (f64, f64),
}

impl Panel {
    fn y(&self, value: f64) -> f64 {
        self.top + self.height * (1.0 - self.scale.place(value))
    }

    fn x(&self, at: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (at - self.span.0) / (self.span.1 - self.span.0)
    }

    /// Frame, marks and title.
    fn frame(&self, out: &mut String, title: &str, say: fn(f64) -> String) {
        let right = WIDTH - RIGHT;
        let mut marks = self.scale.marks((self.height / 32.0) as usize);
        marks.sort_by(|a, b| a.abs().total_cmp(&b.abs())); // zero first: where there is no room for all, it stays
        let mut taken: Vec<f64> = Vec::new();
        for mark in marks {
            let y = self.y(mark);
            if taken.iter().any(|other| (other - y).abs() < 14.0) {
                continue;
            }
            taken.push(y);
            let _ = writeln!(out, "<path class='grid' d='M{LEFT} {y:.1}H{right}'/>");
            let (x, label) = (LEFT - 8.0, say(mark));
            let _ = writeln!(out, "<text x='{x}' y='{:.1}' text-anchor='end'>{label}</text>", y + 4.0);
        }
        let _ = writeln!(out, "<text class='panel' x='{LEFT}' y='{:.1}'>{title}</text>", self.top - 10.0);
    }

    fn close(&self, out: &mut String) {
        let (width, top, height) = (WIDTH - LEFT - RIGHT, self.top, self.height);
        let _ = writeln!(
            out,
            "<rect class='frame' x='{LEFT}' y='{top}' width='{width}' height='{height}' rx='2'/>"
        );
    }

    /// The area between two edges; columns without both are gaps.
    fn area(
        &self,
        out: &mut String,
        class: &str,
        columns: &[Column],
        edges: fn(&Column) -> Option<(f64, f64)>,
    ) {
        for run in columns.chunk_by(|a, b| edges(a).is_some() == edges(b).is_some()) {
            let edged: Vec<(f64, f64, f64)> =
                run.iter().filter_map(|c| edges(c).map(|(low, high)| (self.x(c.at), low, high))).collect();
            if edged.is_empty() {
                continue;
            }
            let mut path = String::from("M");
            for (x, _, high) in &edged {
                let _ = write!(path, "{x:.1} {:.1} ", self.y(*high));
            }
            for (x, low, _) in edged.iter().rev() {
                let _ = write!(path, "{x:.1} {:.1} ", self.y(*low));
            }
            let _ = writeln!(out, "<path class='{class}' d='{}Z'/>", path.trim_end());
        }
    }
}

/// All samples that share a column of the picture.
#[derive(Clone, Copy, Debug)]
struct Column {
    at: f64,
    error: (f64, f64),
    frequency: (f64, f64),
    /// Smallest root distance and deviation in it, s; infinite: none.
    distance: f64,
    sd: f64,
}

impl Column {
    fn of(samples: &[Sample]) -> Option<Self> {
        let extent = |value: fn(&Sample) -> f64| {
            let values = samples.iter().map(value);
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)))
        };
        let middle = samples.get(samples.len() / 2)?;
        Some(Self {
            at: middle.at,
            error: extent(|s| s.served_error),
            frequency: extent(|s| s.frequency_error),
            distance: extent(|s| s.root_distance).0,
            sd: extent(|s| s.sd).0,
        })
    }
}

fn columns(samples: &[Sample]) -> Vec<Column> {
    let count = samples.len();
    let wanted = COLUMNS.min(count);
    (0..wanted)
        .filter_map(|i| {
            // Each column begins where the last one ends, so that the line has no gaps.
            let (begin, end) = (i * count / wanted, (i + 1) * count / wanted);
            Column::of(&samples[begin..(end + 1).min(count)])
        })
        .collect()
}

/// The value below which `share` of the sorted values lie.
fn quantile(mut values: Vec<f64>, share: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(((values.len() as f64 * share) as usize).min(values.len().saturating_sub(1))).copied()
}

/// Both signs, decades down to below the usual size of the figures.
fn symmetric(usual: Option<f64>, most: f64) -> Scale {
    let usual = usual.unwrap_or(1e-9).max(1e-12);
    let linear = libm::pow(10.0, libm::floor(libm::log10(usual)));
    Scale::Symmetric(linear, (most * 1.15).max(linear * 20.0))
}

/// Draws what became of `host`; `outside` are the steps by others (s after the start, s).
pub fn svg(host: &Host, title: &str, subtitle: &str, outside: &[(f64, f64)]) -> String {
    let samples = host.record.samples();
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return empty() };
    let span = (first.at, last.at.max(first.at + 1.0));
    let columns = columns(samples);
    let mut body = String::new();
    let mut top = TOP;
    let mut panel = |height: f64, scale: Scale| {
        let panel = Panel { top, height, scale, span };
        top += height + GAP;
        panel
    };
    let error = panel(300.0, error_scale(samples));
    draw_error(&mut body, &error, &columns);
    let near = panel(200.0, near_scale(samples));
    draw_band(&mut body, &near, "The same, near zero", &columns);
    let wrong = || samples.iter().map(|s| s.frequency_error.abs()).collect();
    let most = quantile(wrong(), 0.999).unwrap_or(0.0);
    let frequency = panel(170.0, symmetric(quantile(wrong(), 0.5), most));
    frequency.frame(&mut body, "Frequency error of the clock, slewing included", scale::frequency);
    frequency.area(&mut body, "line", &columns, |c| Some(c.frequency));
    let delays = panel(190.0, delay_scale(host));
    draw_delays(&mut body, &delays, host);
    for part in [&error, &near, &frequency, &delays] {
        part.close(&mut body);
    }
    draw_steps(&mut body, &error, &delays, host, outside);
    draw_time(&mut body, &error, &delays);
    page(title, subtitle, &body, top - GAP + 56.0)
}

fn empty() -> String {
    page("No samples", "", "", TOP)
}

fn page(title: &str, subtitle: &str, body: &str, height: f64) -> String {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
    let (title, subtitle) = (escape(title), escape(subtitle));
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' height='{height}' \
         role='img' aria-label='{title}'>\n<title>{title}</title>\n<style>{STYLE}</style>\n\
         <rect width='{WIDTH}' height='{height}' class='paper'/>\n\
         <text class='title' x='{LEFT}' y='34'>{title}</text>\n<text x='{LEFT}' y='55'>{subtitle}</text>\n{body}</svg>\n"
    )
}

fn error_scale(samples: &[Sample]) -> Scale {
    let usual = quantile(samples.iter().map(|s| s.served_error.abs()).collect(), 0.5);
    let promised = samples.iter().filter(|s| s.synchronised()).map(|s| s.root_distance);
    // A start with seconds of error must not press hours of microseconds together: its peak may leave the page.
    let most = quantile(promised.collect(), 0.999).unwrap_or(0.0);
    let peak = quantile(samples.iter().map(|s| s.served_error.abs()).collect(), 0.9999).unwrap_or(0.0);
    symmetric(usual, most.max(peak))
}

/// In proportion, for the time after the start: the error fits, and usually the deviations do.
fn near_scale(samples: &[Sample]) -> Scale {
    let late = || samples[samples.len() / 10..].iter();
    let error = quantile(late().map(|s| s.served_error.abs()).collect(), 0.995).unwrap_or(0.0);
    let sd = quantile(late().map(|s| s.sd).filter(|sd| *sd < f64::INFINITY).collect(), 0.5).unwrap_or(0.0);
    let most = (1.3 * error).max(2.6 * sd).max(1e-9);
    Scale::Linear(-most, most)
}

fn draw_band(out: &mut String, panel: &Panel, title: &str, columns: &[Column]) {
    panel.area(out, "band", columns, |c| (c.sd < f64::INFINITY).then_some((-2.0 * c.sd, 2.0 * c.sd)));
    panel.frame(out, title, scale::seconds);
    panel.area(out, "line", columns, |c| Some(c.error));
}

fn draw_error(out: &mut String, panel: &Panel, columns: &[Column]) {
    panel
        .area(out, "promise", columns, |c| (c.distance < f64::INFINITY).then_some((-c.distance, c.distance)));
    draw_band(out, panel, "Error of the time served", columns);
    let judged = columns.iter().any(|c| c.sd < f64::INFINITY);
    let mut x = WIDTH - RIGHT;
    let mut key = |class: &str, words: &str, width: f64| {
        x -= width;
        let y = panel.top - 19.0;
        let _ = writeln!(out, "<rect class='{class}' x='{x}' y='{y}' width='16' height='10' rx='2'/>");
        let _ = writeln!(out, "<text x='{}' y='{}'>{words}</text>", x + 22.0, y + 9.5);
    };
    key("promise", "± root distance served", 160.0);
    if judged {
        key("band", "± 2 standard deviations", 178.0);
    }
    key("line", "true error", 96.0);
}

fn delay_scale(host: &Host) -> Scale {
    let delays = || host.arrivals.iter().map(|a| a.round_trip);
    let (low, high) = delays().fold((f64::INFINITY, 0.0f64), |(l, h), x| (l.min(x), h.max(x)));
    if high > 0.0 { Scale::Log(low.max(1e-9) * 0.8, high * 1.25) } else { Scale::Log(1e-4, 1.0) }
}

fn draw_delays(out: &mut String, panel: &Panel, host: &Host) {
    let mut sources: Vec<IpAddr> = Vec::new();
    panel.frame(out, "Round trip of each answer", scale::seconds);
    let dot = if host.arrivals.len() > 3000 { 1.1 } else { 1.8 };
    for arrival in &host.arrivals {
        let known = sources.iter().position(|s| *s == arrival.from);
        let index = known.unwrap_or_else(|| {
            sources.push(arrival.from);
            sources.len() - 1
        });
        let (x, y) = (panel.x(arrival.at), panel.y(arrival.round_trip));
        let _ = writeln!(
            out,
            "<circle cx='{x:.1}' cy='{y:.1}' r='{dot}' class='s{}' fill-opacity='.7'/>",
            index % 6
        );
    }
    let mut x = WIDTH - RIGHT;
    for (index, source) in sources.iter().enumerate().take(6).collect::<Vec<_>>().into_iter().rev() {
        x -= 84.0;
        let y = panel.top - 14.0;
        let _ = writeln!(out, "<circle cx='{x}' cy='{y}' r='4' class='s{index}'/>");
        let _ = writeln!(out, "<text x='{}' y='{}'>{source}</text>", x + 9.0, y + 4.0);
    }
}

/// Steps of the clock cross all panels.
fn draw_steps(out: &mut String, first: &Panel, last: &Panel, host: &Host, outside: &[(f64, f64)]) {
    let ours = host.steps().iter().map(|(at, by)| (at.seconds(), *by, "stepped"));
    let others = outside.iter().map(|(at, by)| (*at, *by, "stepped by others"));
    for (at, by, who) in ours.chain(others).filter(|(at, ..)| *at <= first.span.1) {
        let (x, bottom) = (first.x(at), last.top + last.height);
        let _ = writeln!(out, "<path class='step' d='M{x:.1} {}V{bottom}'/>", first.top);
        let near_end = x > WIDTH - 240.0;
        let (place, anchor) = if near_end { (x - 6.0, "end") } else { (x + 6.0, "start") };
        let sign = if by > 0.0 { "+" } else { "" };
        let _ = writeln!(
            out,
            "<text class='note' x='{place:.1}' y='{}' text-anchor='{anchor}'>{who}: {sign}{}</text>",
            first.top + 16.0,
            scale::seconds(by)
        );
    }
}

fn draw_time(out: &mut String, first: &Panel, last: &Panel) {
    let (begin, end) = first.span;
    let (unit, name) = match end - begin {
        t if t > 3.0 * 86_400.0 => (86_400.0, "days"),
        t if t > 3.0 * 3600.0 => (3600.0, "hours"),
        t if t > 300.0 => (60.0, "minutes"),
        _ => (1.0, "seconds"),
    };
    let bottom = last.top + last.height;
    for mark in Scale::Linear(begin / unit, end / unit).marks(10) {
        let x = first.x(mark * unit);
        let _ = writeln!(out, "<text x='{x:.1}' y='{}' text-anchor='middle'>{mark}</text>", bottom + 19.0);
        let _ = writeln!(out, "<path class='frame' d='M{x:.1} {bottom}v5'/>");
    }
    let middle = (LEFT + WIDTH - RIGHT) / 2.0;
    let _ = writeln!(
        out,
        "<text x='{middle}' y='{}' text-anchor='middle'>{name} since the start</text>",
        bottom + 38.0
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario;

    #[test]
    fn every_kind_of_run_becomes_a_closed_picture_of_numbers() {
        for (name, hours) in [("router", 2.0), ("outside-step", 3.0), ("bad-line", 0.01), ("t004_100", 0.05)]
        {
            let scenario = scenario::find(name).unwrap();
            let mut built = scenario.plan.build(1);
            built.world.run_until(hours * 3600.0);
            let host = built.world.host(built.client);
            let svg = svg(host, "a < b & c", "", &scenario.plan.outside_steps);
            assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{name}");
            assert!(
                svg.contains("a &lt; b &amp; c") && !svg.contains("NaN") && !svg.contains("inf"),
                "{name}"
            );
            assert!(svg.matches("<circle").count() >= host.arrivals.len(), "{name}");
            assert_eq!(svg.contains("stepped by others"), name == "outside-step");
            assert!(svg.len() < 2_000_000, "{name}: {} bytes", svg.len());
        }
    }
}
