//! Draws the two explanatory figures of docs/discipline.md: `cargo run -p sim --example figures -- docs/img`.
//!
//! Densities are summed numerically here, on purpose not with the closed forms of `ntp::estimator`: the figures show
//! what is meant, whatever the code does.

use ntp::estimator::Point;
use ntp::estimator::{Joint, SourceStats, StatsOptions, Theta, Used};
use ntp::ids::SourceId;
use ntp::rng::Rng;
use ntp::sample::Sample;
use ntp::time::{NANOS, OscTime, seconds_to_nanos};
use ntp::wire::Leap;
use std::fmt::Write;
use std::path::Path;

/// The colours of `sim … --svg`.
const STYLE: &str = "
  svg { font-family: system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif; }
  text { fill: #5d6980; font-size: 12px; }
  .panel { fill: #1c2430; font-size: 13px; font-weight: 600; }
  .paper { fill: #ffffff; }
  .grid { stroke: #1c2430; stroke-opacity: .09; }
  .frame { stroke: #b9c1cf; fill: none; }
  .prior { stroke: #8a93a5; fill: none; stroke-width: 1.4; stroke-dasharray: 5 4; }
  .area { fill: #8fcdb0; fill-opacity: .55; }
  .exact { stroke: #2c8a57; fill: none; stroke-width: 1.6; }
  .line { stroke: #1f5fd0; fill: none; stroke-width: 1.8; }
  .warm { stroke: #d9730d; fill: none; stroke-width: 1.6; }
  .truth { stroke: #1c2430; fill: none; stroke-width: 1.3; }
  .bar { stroke: #b9c1cf; stroke-width: 1; }
  .there { fill: #1f5fd0; } .back { fill: #2c8a57; } .middle { fill: #d9730d; }
  @media (prefers-color-scheme: dark) {
    text { fill: #93a0b5; }
    .panel { fill: #e7ebf2; }
    .paper { fill: #12161d; }
    .grid { stroke: #e7ebf2; }
    .frame { stroke: #3b4758; }
    .prior { stroke: #93a0b5; }
    .area { fill: #2f7d60; fill-opacity: .6; }
    .exact { stroke: #6cc795; }
    .line { stroke: #8ab6ff; }
    .warm { stroke: #f2a359; }
    .truth { stroke: #e7ebf2; }
    .bar { stroke: #3b4758; }
    .there { fill: #82b0ff; } .back { fill: #6cc795; } .middle { fill: #f2a359; }
  }
";

/// A panel with axes: where it is on the page, and what it spans.
#[derive(Clone, Copy)]
struct Panel {
    left: f64,
    top: f64,
    size: (f64, f64),
    x: (f64, f64),
    y: (f64, f64),
}

impl Panel {
    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let share = |v: f64, (low, high): (f64, f64)| ((v - low) / (high - low)).clamp(0.0, 1.0);
        (self.left + self.size.0 * share(x, self.x), self.top + self.size.1 * (1.0 - share(y, self.y)))
    }

    fn frame(&self, out: &mut String, title: &str, marks: &[f64], below: &str) {
        let (left, top, (width, height)) = (self.left, self.top, self.size);
        let bottom = top + height;
        for &mark in marks {
            let (x, _) = self.at(mark, 0.0);
            let _ = writeln!(out, "<path class='grid' d='M{x:.1} {top:.1}V{bottom:.1}'/>");
            let y = bottom + 17.0;
            let _ = writeln!(out, "<text x='{x:.1}' y='{y:.1}' text-anchor='middle'>{}</text>", label(mark));
        }
        let frame = format!("x='{left}' y='{top}' width='{width}' height='{height}'");
        let _ = writeln!(out, "<rect class='frame' {frame} rx='2'/>");
        let _ = writeln!(out, "<text class='panel' x='{left}' y='{}'>{title}</text>", top - 12.0);
        let (x, y) = (left + width / 2.0, bottom + 36.0);
        let _ = writeln!(out, "<text x='{x:.1}' y='{y:.1}' text-anchor='middle'>{below}</text>");
    }

    fn curve(&self, out: &mut String, class: &str, f: impl Fn(f64) -> f64) {
        let mut path = String::new();
        for i in 0..=240 {
            let x = self.x.0 + (self.x.1 - self.x.0) * f64::from(i) / 240.0;
            let (px, py) = self.at(x, f(x));
            let _ = write!(path, "{}{px:.1} {py:.1}", if i == 0 { "M" } else { "L" });
        }
        if class == "area" {
            let (bottom, right) = (self.top + self.size.1, self.left + self.size.0);
            let _ = write!(path, "L{right:.1} {bottom:.1}L{:.1} {bottom:.1}Z", self.left);
        }
        let _ = writeln!(out, "<path class='{class}' d='{path}'/>");
    }
}

fn label(mark: f64) -> String {
    mark.to_string().replace('-', "−")
}

fn page(width: f64, height: f64, body: &str) -> String {
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}'>\n<style>{STYLE}</style>\n\
         <rect class='paper' width='{width}' height='{height}'/>\n{body}</svg>\n"
    )
}

fn legend(out: &mut String, left: f64, y: f64, entries: &[(&str, &str)]) {
    let mut x = left;
    for (class, words) in entries {
        let mark = match *class {
            "there" | "back" | "middle" => {
                format!("<circle class='{class}' cx='{}' cy='{}' r='4'/>", x + 18.0, y - 4.0)
            }
            "area" => format!("<rect class='area' x='{x}' y='{}' width='26' height='11' rx='2'/>", y - 10.0),
            _ => format!("<path class='{class}' d='M{x} {}h26'/>", y - 4.0),
        };
        let _ = writeln!(out, "{mark}<text x='{}' y='{y}'>{words}</text>", x + 33.0);
        x += 56.0 + 6.6 * words.chars().count() as f64;
    }
}

fn gauss(x: f64, mean: f64, sd: f64) -> f64 {
    let z = (x - mean) / sd;
    libm::exp(-0.5 * z * z) / (sd * core::f64::consts::TAU.sqrt())
}

/// Standard deviation of the reading error, in units of the mean wait.
const READING: f64 = 0.1;
const MARKS: [f64; 7] = [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0];

/// Density of a residual: an exponential wait of mean one, now and then of five, and the reading error; a sum over waits.
fn late(r: f64) -> f64 {
    const STEP: f64 = 0.005;
    let queued = |mean: f64| {
        let waits = (0..4000).map(|i| (f64::from(i) + 0.5) * STEP);
        waits.map(|w| libm::exp(-w / mean) / mean * gauss(r, w, READING)).sum::<f64>() * STEP
    };
    0.948 * queued(1.0) + 0.05 * queued(5.0) + 0.002 * gauss(r, 0.0, 20.0)
}

/// The law of one way, and what an early and a late packet teach.
fn one_packet() -> String {
    const STEP: f64 = 0.01;
    let law: Vec<f64> = (0..=1800).map(|i| late(-9.0 + STEP * f64::from(i))).collect();
    let density = |r: f64| {
        let place = ((r + 9.0) / STEP).clamp(0.0, 1799.0);
        let i = place as usize;
        law[i] + (law[i + 1] - law[i]) * (place - i as f64)
    };
    let panel = |i: f64, high: f64| Panel {
        left: 30.0 + 365.0 * i,
        top: 44.0,
        size: (330.0, 220.0),
        x: (-2.6, 4.2),
        y: (0.0, high),
    };
    let mut out = String::new();
    let first = panel(0.0, 1.0);
    first.curve(&mut out, "area", density);
    first.curve(&mut out, "exact", density);
    first.curve(&mut out, "prior", |x| gauss(x, 1.0, 1.0));
    first.frame(&mut out, "How late one way of a packet is", &MARKS, "lateness, in mean waits");
    let packets = [(-0.9, "An early packet teaches much"), (2.4, "A late one teaches little")]
        .into_iter()
        .zip([1.0, 2.0]);
    for ((reading, title), place) in packets {
        let panel = panel(place, 2.0);
        let belief = |g: f64| gauss(g, 0.0, 1.0) * density(reading - g);
        let sum = |f: &dyn Fn(f64) -> f64| {
            (0..1200).map(|i| -6.0 + STEP * f64::from(i)).map(|g| f(g) * belief(g)).sum::<f64>() * STEP
        };
        let total = sum(&|_| 1.0);
        let mean = sum(&|g| g) / total;
        let sd = (sum(&|g| (g - mean) * (g - mean)) / total).sqrt();
        panel.curve(&mut out, "area", |g| belief(g) / total);
        panel.curve(&mut out, "exact", |g| belief(g) / total);
        panel.curve(&mut out, "prior", |g| gauss(g, 0.0, 1.0));
        panel.curve(&mut out, "line", |g| gauss(g, mean, sd));
        let (x, top) = panel.at(reading, panel.y.1);
        let _ = writeln!(out, "<path class='warm' d='M{x:.1} {top:.1}v{}'/>", panel.size.1);
        let below = "what the reading would be without a wait, in mean waits";
        panel.frame(&mut out, title, &MARKS, below);
    }
    let left = [("area", "density used"), ("prior", "Gaussian alike")];
    legend(&mut out, 30.0, 332.0, &left);
    let right = [
        ("prior", "believed before"),
        ("warm", "the reading"),
        ("area", "believed after, exactly"),
        ("line", "Gaussian kept of it"),
    ];
    legend(&mut out, 395.0, 332.0, &right);
    page(1120.0, 350.0, &out)
}

/// Mean waits there and back, s.
const WAITS: (f64, f64) = (400e-6, 100e-6);
/// Shortest way in each direction, s.
const LEAST: f64 = 5e-3;
/// Frequency error of the oscillator, s/s; seconds between two samples, and how many there are.
const FREQUENCY: f64 = 4e-7;
const POLL: f64 = 16.0;
const SAMPLES: u32 = 64;

fn sample(rng: &mut Rng, t: f64) -> Sample {
    let mut wait = |mean: f64| -mean * libm::log(1.0 - rng.uniform());
    let (there, back) = (LEAST + wait(WAITS.0), LEAST + wait(WAITS.1));
    Sample {
        v: OscTime::from_nanos(NANOS) + t,
        forward: seconds_to_nanos(FREQUENCY * t + there),
        backward: seconds_to_nanos(back - FREQUENCY * t),
        half: (there + back) / 2.0,
        dispersion: 1e-9,
        root_delay: 0.0,
        root_dispersion: 0.0,
        stratum: 1,
        leap: Leap::None,
    }
}

/// Forward and backward readings around the true line, and the lines that two estimators draw.
fn two_ways() -> String {
    let mut rng = Rng::from_number(4);
    let samples: Vec<Sample> = (0..SAMPLES).map(|i| sample(&mut rng, f64::from(i) * POLL)).collect();
    let (mut stats, mut joint) = (SourceStats::new(StatsOptions::default()), Joint::default());
    for sample in &samples {
        stats.push(sample, joint.oscillator());
        joint.update([Used { id: SourceId(1), stats: &stats, votes: true }].into_iter(), |_| false);
    }
    let (start, end) = (OscTime::from_nanos(NANOS), f64::from(SAMPLES - 1) * POLL);
    let ours = joint.combined().expect("there are samples");
    let points: Vec<Point> = samples.iter().map(|s| Point::new(s, start, 0)).collect();
    let (offset, slope) = least_squares(&points);
    let panel =
        Panel { left: 84.0, top: 44.0, size: (1000.0, 400.0), x: (-12.0, end + 12.0), y: (-350.0, 1350.0) };
    let mut out = String::new();
    for mark in [-250.0, 0.0, 250.0, 500.0, 750.0, 1000.0, 1250.0] {
        let (left, y) = panel.at(panel.x.0, mark);
        let _ = writeln!(out, "<path class='grid' d='M{left} {y:.1}h{}'/>", panel.size.0);
        let (x, y, words) = (left - 8.0, y + 4.0, label(mark));
        let _ = writeln!(out, "<text x='{x}' y='{y:.1}' text-anchor='end'>{words} µs</text>");
    }
    for p in &points {
        let ((x, high), (_, low)) =
            (panel.at(p.t, (p.forward - LEAST) * 1e6), panel.at(p.t, (LEAST - p.backward) * 1e6));
        let (_, middle) = panel.at(p.t, p.offset() * 1e6);
        let _ = writeln!(out, "<path class='bar' d='M{x:.1} {high:.1}V{low:.1}'/>");
        for (class, y, radius) in [("middle", middle, 2.0), ("there", high, 3.0), ("back", low, 3.0)] {
            if y <= panel.top {
                continue; // beyond the picture
            }
            let _ = writeln!(out, "<circle class='{class}' cx='{x:.1}' cy='{y:.1}' r='{radius}'/>");
        }
    }
    let mut straight = |class: &str, at: &dyn Fn(f64) -> f64| {
        let ((x0, y0), (x1, y1)) = (panel.at(0.0, at(0.0) * 1e6), panel.at(end, at(end) * 1e6));
        let _ = writeln!(out, "<path class='{class}' d='M{x0:.1} {y0:.1}L{x1:.1} {y1:.1}'/>");
    };
    straight("warm", &|t| offset + slope * t);
    straight("truth", &|t| FREQUENCY * t);
    straight("line", &|t| ours.predict(start + t) - Theta::default());
    let marks = [0.0, 200.0, 400.0, 600.0, 800.0, 1000.0];
    panel.frame(&mut out, "What 64 exchanges say of the offset", &marks, "oscillator time, seconds");
    let entries = [
        ("there", "way there: not below"),
        ("back", "way back: not above"),
        ("truth", "true offset"),
        ("line", "the filter"),
        ("middle", "means of both"),
        ("warm", "least squares"),
    ];
    legend(&mut out, 84.0, 512.0, &entries);
    page(1120.0, 530.0, &out)
}

/// Offset at the start (s) and slope of the plain line of least squares through the offsets.
fn least_squares(points: &[Point]) -> (f64, f64) {
    let n = points.len() as f64;
    let t = points.iter().map(|p| p.t).sum::<f64>() / n;
    let x = points.iter().map(Point::offset).sum::<f64>() / n;
    let products = points.iter().map(|p| (p.t - t) * (p.offset() - x)).sum::<f64>();
    let slope = products / points.iter().map(|p| (p.t - t) * (p.t - t)).sum::<f64>();
    (x - slope * t, slope)
}

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "docs/img".into());
    std::fs::write(Path::new(&folder).join("one-packet.svg"), one_packet())?;
    std::fs::write(Path::new(&folder).join("two-ways.svg"), two_ways())
}
