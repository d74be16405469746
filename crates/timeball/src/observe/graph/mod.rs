//! Pictures without a browser: a plot of the page as SVG or PNG.

mod canvas;
mod letters;

use super::archive::{Archive, Points, Storage};
use super::plots::{Line, PLOTS, Plot};
use super::words::grouped;
use canvas::{Canvas, Colour, Pin, Pixels, Svg};
use ntp::calendar::civil_from_days;
use ntp::metrics::{Unit, find};
use std::io;

const WIDTH: u32 = 900;
const HEIGHT: u32 = 300;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 30.0;
const INK: Colour = [0x15, 0x19, 0x1d];
const MUTE: Colour = [0x62, 0x6c, 0x76];
const GRID: Colour = [0xe3, 0xe6, 0xe9];
const ZERO: Colour = [0x84, 0x8d, 0x96];
const BAND: Colour = [0xd3, 0xe1, 0xf3];

/// How the picture is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text.
    Svg,
    /// Points.
    Png,
}

/// The classic plots: their numbers and the names of their files.
pub const CLASSIC: [(u8, &str); 13] = [
    (1, "cpu"),
    (2, "requests"),
    (3, "packets"),
    (4, "traffic"),
    (5, "system_offset"),
    (6, "last_offset"),
    (7, "rms_offset"),
    (8, "frequency"),
    (9, "residual_frequency"),
    (10, "skew"),
    (11, "root_delay"),
    (12, "root_dispersion"),
    (13, "update_interval"),
];

/// What is to be drawn.
#[derive(Debug)]
pub struct Wanted {
    title: String,
    unit: String,
    scale: f64,
    digits: usize,
    from_zero: bool,
    lines: Vec<(String, String, Colour, u8, f64)>,
}

/// The plot, or the single series, of this name.
pub fn wanted(name: &str) -> Option<Wanted> {
    if let Some(plot) = PLOTS.iter().find(|plot| plot.id == name && !per_source(plot)) {
        return Some(of_plot(plot));
    }
    let metric = find(name.split('@').next().unwrap_or(name))?;
    let (unit, scale) = match metric.unit {
        Unit::Seconds => ("ms", 1e3),
        Unit::Ratio if metric.name.starts_with("cpu") => ("% of one core", 100.0),
        Unit::Ratio => ("ppm", 1e6),
        other => (other.symbol(), 1.0),
    };
    let line = (name.to_owned(), String::new(), colour("c1"), 0, 1.0);
    Some(Wanted {
        title: metric.help.trim_end_matches('.').to_owned(),
        unit: unit.to_owned(),
        scale,
        digits: 3,
        from_zero: false,
        lines: vec![line],
    })
}

/// The classic plot of this number.
pub fn classic(number: u8) -> Option<Wanted> {
    PLOTS.iter().find(|plot| plot.classic == number).map(of_plot)
}

fn per_source(plot: &Plot) -> bool {
    plot.lines.iter().any(|line| find(line.id).is_some_and(|metric| metric.is_per_source()))
}

fn of_plot(plot: &Plot) -> Wanted {
    let lines = plot.lines.iter().filter(|line| line.style != "peak");
    let one = |line: &Line| {
        (line.id.to_owned(), line.label.to_owned(), colour(line.colour), line.dash, f64::from(line.sign))
    };
    Wanted {
        title: plot.title.to_owned(),
        unit: plot.unit.to_owned(),
        scale: plot.scale,
        digits: usize::from(plot.digits),
        from_zero: plot.axis.contains("least0"),
        lines: lines.map(one).collect(),
    }
}

fn colour(name: &str) -> Colour {
    match name {
        "c2" => [0xb3, 0x5a, 0x00],
        "c3" => [0x0c, 0x77, 0x6a],
        "c4" => [0x80, 0x46, 0x8c],
        "c5" => [0x62, 0x6c, 0x76],
        _ => [0x1f, 0x5f, 0xae],
    }
}

/// Draws it between two instants.
pub fn draw<S: Storage>(
    archive: &Archive<S>,
    wanted: &Wanted,
    (from, to): (f64, f64),
    format: Format,
) -> io::Result<Vec<u8>> {
    let present = |name: &str| archive.layout().column(name);
    let known: Vec<usize> = wanted.lines.iter().filter_map(|line| present(&line.0)).collect();
    if known.is_empty() {
        return Err(io::Error::other("the archive has no such series"));
    }
    let width = f64::from(WIDTH) - LEFT - RIGHT;
    let answer = archive.query(&known, from, to, width as usize)?;
    let mut canvas: Box<dyn Canvas> = match format {
        Format::Svg => Box::new(Svg::new(WIDTH, HEIGHT)),
        Format::Png => Box::new(Pixels::new(WIDTH, HEIGHT)),
    };
    canvas.rectangle((0.0, 0.0), (f64::from(WIDTH), f64::from(HEIGHT)), [255; 3]);
    let drawn: Vec<_> =
        wanted.lines.iter().filter(|line| present(&line.0).is_some()).zip(&answer.columns).collect();
    let scaled = |value: f32, sign: f64| f64::from(value) * wanted.scale * sign;
    let axis = Axis::around(
        drawn.iter().flat_map(|(line, points)| {
            let all = points.min.iter().chain(&points.max).chain(&points.mean);
            all.filter(|value| value.is_finite()).map(|value| scaled(*value, line.4)).collect::<Vec<f64>>()
        }),
        wanted.from_zero,
    );
    canvas.text((LEFT, 18.0), Pin::Left, 15.0, INK, &format!("{}, {}", wanted.title, wanted.unit));
    axis.draw(canvas.as_mut());
    hours(canvas.as_mut(), from, to);
    let x = |at: usize| {
        LEFT + ((answer.start as f64 + (at as f64 + 0.5) * f64::from(answer.step)) - from) / (to - from)
            * width
    };
    if let [(line, points)] = drawn[..] {
        for at in 0..points.mean.len() {
            let (low, high) = (scaled(points.min[at], line.4), scaled(points.max[at], line.4));
            if low.is_finite() && (0.0..=width).contains(&(x(at) - LEFT)) {
                let (top, bottom) = (axis.y(low.max(high)), axis.y(low.min(high)));
                canvas.rectangle((x(at) - 0.5, top), (1.0, (bottom - top).max(0.5)), BAND);
            }
        }
    }
    let mut left = LEFT;
    for (line, points) in &drawn {
        let (_, label, colour, dash, sign) = *line;
        for stretch in
            stretches(points, |at, value| (x(at), axis.y(scaled(value, *sign))), (LEFT, LEFT + width))
        {
            canvas.line(&stretch, *colour, 1.3, [0.0, 5.0, 2.0][usize::from(*dash).min(2)]);
        }
        let text = format!("{label} {}", summary(points, wanted.scale, wanted.digits)).trim().to_owned();
        canvas.text((left, 34.0), Pin::Left, 11.0, *colour, &text);
        left += text.chars().count() as f64 * 6.5 + 18.0;
    }
    Ok(canvas.finish())
}

/// Last, average, least and most, as on the classic pages.
fn summary(points: &Points, scale: f64, digits: usize) -> String {
    let known: Vec<f64> =
        points.mean.iter().filter(|mean| mean.is_finite()).map(|mean| f64::from(*mean) * scale).collect();
    let Some(last) = known.last() else { return "nothing known".to_owned() };
    let bound = |list: &[f32], or: f64, pick: fn(f64, f64) -> f64| {
        list.iter().filter(|value| value.is_finite()).map(|value| f64::from(*value) * scale).fold(or, pick)
    };
    let average = known.iter().sum::<f64>() / known.len() as f64;
    let (least, most) =
        (bound(&points.min, f64::INFINITY, f64::min), bound(&points.max, f64::NEG_INFINITY, f64::max));
    let number = |value: f64| grouped(value, digits);
    format!("last {}  avg {}  min {}  max {}", number(*last), number(average), number(least), number(most))
}

/// Stretches without a gap.
fn stretches(
    points: &Points,
    place: impl Fn(usize, f32) -> (f64, f64),
    (left, right): (f64, f64),
) -> Vec<Vec<(f64, f64)>> {
    let mut all = vec![Vec::new()];
    for (at, mean) in points.mean.iter().enumerate() {
        let point = place(at, *mean);
        if mean.is_finite() && (left..=right).contains(&point.0) {
            all.last_mut().expect("there is always one").push(point);
        } else if all.last().is_some_and(|stretch: &Vec<_>| !stretch.is_empty()) {
            all.push(Vec::new());
        }
    }
    all.retain(|stretch| !stretch.is_empty());
    // A single point is seen too.
    all.iter_mut()
        .filter(|stretch| stretch.len() == 1)
        .for_each(|stretch| stretch.push((stretch[0].0 + 1.0, stretch[0].1)));
    all
}

/// The scale of values.
struct Axis {
    low: f64,
    high: f64,
    step: f64,
}

impl Axis {
    fn around(values: impl Iterator<Item = f64>, from_zero: bool) -> Self {
        let (low, high) = values
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = if low.is_finite() { (low, high) } else { (0.0, 1.0) };
        let low = if from_zero { low.min(0.0) } else { low };
        let span = if high > low { high - low } else { high.abs().max(1e-9) };
        let raw = span / 4.0;
        let size = 10_f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|factor| factor * size)
            .into_iter()
            .find(|step| *step >= raw)
            .unwrap_or(raw);
        let high = if high > low { high } else { low + span };
        Self { low: (low / step).floor() * step, high: (high / step).ceil() * step, step }
    }

    fn y(&self, value: f64) -> f64 {
        let height = f64::from(HEIGHT) - TOP - BOTTOM;
        TOP + (self.high - value) / (self.high - self.low) * height
    }

    fn draw(&self, canvas: &mut dyn Canvas) {
        let count = ((self.high - self.low) / self.step).round() as i32;
        for number in 0..=count {
            let value = self.low + f64::from(number) * self.step;
            let y = self.y(value);
            let colour =
                if value.abs() < self.step / 1e6 && self.low < -self.step / 2.0 { ZERO } else { GRID };
            canvas.rectangle((LEFT, y.round()), (f64::from(WIDTH) - LEFT - RIGHT, 1.0), colour);
            canvas.text((LEFT - 6.0, y + 4.0), Pin::Right, 11.0, MUTE, &grouped(value, decimals(self.step)));
        }
    }
}

/// Decimals that show steps of this size.
fn decimals(step: f64) -> usize {
    if step > 0.0 && step.is_finite() { (-step.log10().floor()).clamp(0.0, 9.0) as usize } else { 0 }
}

/// Times below, in UTC.
fn hours(canvas: &mut dyn Canvas, from: f64, to: f64) {
    const STEPS: [f64; 14] = [
        60.0,
        300.0,
        600.0,
        1800.0,
        3600.0,
        10_800.0,
        21_600.0,
        43_200.0,
        86_400.0,
        259_200.0,
        604_800.0,
        2_592_000.0,
        7_776_000.0,
        31_536_000.0,
    ];
    let step = STEPS.into_iter().find(|step| (to - from) / step <= 9.0).unwrap_or(63_072_000.0);
    let (width, base) = (f64::from(WIDTH) - LEFT - RIGHT, f64::from(HEIGHT) - BOTTOM);
    let mut time = (from / step).ceil() * step;
    while time <= to {
        let x = LEFT + (time - from) / (to - from) * width;
        canvas.rectangle((x.round(), base), (1.0, 4.0), ZERO);
        canvas.text((x, base + 18.0), Pin::Middle, 11.0, MUTE, &label(time, step));
        time += step;
    }
    canvas.text((f64::from(WIDTH) - RIGHT, 18.0), Pin::Right, 11.0, MUTE, "UTC");
}

fn label(time: f64, step: f64) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, second) = ((time / 86_400.0).floor(), time.rem_euclid(86_400.0));
    let (year, month, day) = civil_from_days(days as i64);
    let month = MONTHS[(month as usize).saturating_sub(1).min(11)];
    if step >= 31_536_000.0 {
        format!("{month} {year}")
    } else if step >= 86_400.0 || second < 1.0 {
        format!("{day} {month}")
    } else {
        format!("{:02}:{:02}", (second / 3600.0) as u32, (second / 60.0) as u32 % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::super::archive::Cell;
    use super::super::rates::Columns;
    use super::*;
    use crate::daemon::files::tests::Folder;
    use std::fs::File;
    use std::process::Command;

    const BEGIN: f64 = 1_700_006_400.0;

    fn archive(folder: &Folder) -> Archive<File> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(folder.file("archive"))
            .unwrap();
        let mut archive = Archive::create(file, Columns::new(true).layout(&[(60, 86_400)], true)).unwrap();
        let width = archive.layout().columns.len();
        for minute in 0..600_u32 {
            let value = (f64::from(minute) / 40.0).sin() * 1e-3;
            if !(200..260).contains(&minute) {
                archive.push(
                    BEGIN + f64::from(minute) * 60.0 + 60.0,
                    60.0,
                    &vec![
                        Cell { mean: value as f32, min: value as f32 - 1e-4, max: value as f32 + 1e-4 };
                        width
                    ],
                );
            }
        }
        archive
    }

    #[test]
    fn every_classic_plot_is_drawn_in_both_ways() {
        let folder = Folder::new("graphs");
        let archive = archive(&folder);
        let span = (BEGIN, BEGIN + 36_000.0);
        for (number, name) in CLASSIC {
            let wanted = classic(number).expect("a plot");
            let svg = String::from_utf8(draw(&archive, &wanted, span, Format::Svg).unwrap()).unwrap();
            assert!(
                svg.ends_with("</svg>\n") && svg.matches("<polyline").count() >= 2,
                "{name}: a gap parts the line"
            );
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}");
            let png = draw(&archive, &wanted, span, Format::Png).unwrap();
            assert!(png.starts_with(b"\x89PNG\r\n\x1a\n") && png.ends_with(b"IEND\xaeB`\x82"), "{name}");
            std::fs::write(folder.file("x.png"), &png).unwrap();
            let script = "import sys,zlib,struct\nb=open(sys.argv[1],'rb').read()\nassert struct.unpack('>II',b[16:24])==(900,300)\n\
                          n=struct.unpack('>I',b[33:37])[0]\nd=zlib.decompress(b[41:41+n])\nassert len(d)==300*2701\nassert zlib.crc32(b[37:41+n])==struct.unpack('>I',b[41+n:45+n])[0]\n\
                          assert sum(c<200 for c in d)>500";
            match Command::new("python3").args(["-c", script]).arg(folder.file("x.png")).status() {
                Ok(status) => assert!(status.success(), "{name}"),
                Err(_) => println!("SKIPPED reading the PNG with another program: python3 is not installed"),
            }
        }
    }

    #[test]
    fn series_have_plots_of_their_own_and_strangers_have_none() {
        assert_eq!(wanted("frequency").expect("a plot").unit, "ppb");
        assert_eq!(wanted("source_offset@s0").expect("a series").unit, "ms");
        assert!(wanted("nothing").is_none());
        let folder = Folder::new("no-graph");
        let other = Wanted {
            lines: vec![("nothing".into(), String::new(), INK, 0, 1.0)],
            ..wanted("skew").expect("a plot")
        };
        assert!(draw(&archive(&folder), &other, (BEGIN, BEGIN + 10.0), Format::Svg).is_err());
        let axis = Axis::around([0.0, 0.0].into_iter(), true);
        assert!(axis.y(0.0).is_finite() && axis.step > 0.0);
    }
}
