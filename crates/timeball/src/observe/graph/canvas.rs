//! Two ways to draw the same: SVG text, and points that become a PNG.

use super::letters;
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use std::fmt::Write as _;
use std::io::Write as _;

/// Red, green, blue.
pub type Colour = [u8; 3];
/// Where a text is pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pin {
    /// At its left end.
    Left,
    /// In its middle.
    Middle,
    /// At its right end.
    Right,
}

/// Something to draw on; the origin is the upper left corner.
pub trait Canvas {
    /// A filled rectangle.
    fn rectangle(&mut self, corner: (f64, f64), size: (f64, f64), colour: Colour);
    /// A line through these points. `dash`: points drawn and left out in turn; 0: whole.
    fn line(&mut self, points: &[(f64, f64)], colour: Colour, width: f64, dash: f64);
    /// A text whose letters stand on this point's height.
    fn text(&mut self, at: (f64, f64), pin: Pin, size: f64, colour: Colour, text: &str);
    /// The finished file.
    fn finish(self: Box<Self>) -> Vec<u8>;
}

/// SVG.
#[derive(Debug)]
pub struct Svg(String);

impl Svg {
    /// An empty picture.
    pub fn new(width: u32, height: u32) -> Self {
        Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"system-ui, sans-serif\">\n"
        ))
    }
}

fn hex([red, green, blue]: Colour) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

impl Canvas for Svg {
    fn rectangle(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), colour: Colour) {
        let fill = hex(colour);
        let _ = writeln!(
            self.0,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{fill}\"/>"
        );
    }

    fn line(&mut self, points: &[(f64, f64)], colour: Colour, width: f64, dash: f64) {
        let list: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let dash = if dash > 0.0 { format!(" stroke-dasharray=\"{dash} {dash}\"") } else { String::new() };
        let _ = writeln!(
            self.0,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\" stroke-linejoin=\"round\"{dash}/>",
            list.join(" "),
            hex(colour)
        );
    }

    fn text(&mut self, (x, y): (f64, f64), pin: Pin, size: f64, colour: Colour, text: &str) {
        let anchor = match pin {
            Pin::Left => "start",
            Pin::Middle => "middle",
            Pin::Right => "end",
        };
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let fill = hex(colour);
        let _ = writeln!(
            self.0,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\" fill=\"{fill}\">{text}</text>"
        );
    }

    fn finish(mut self: Box<Self>) -> Vec<u8> {
        self.0.push_str("</svg>\n");
        self.0.into_bytes()
    }
}

/// Points.
#[derive(Debug)]
pub struct Pixels {
    width: usize,
    height: usize,
    points: Vec<u8>,
}

impl Pixels {
    /// A white picture.
    pub fn new(width: u32, height: u32) -> Self {
        let (width, height) = (width as usize, height as usize);
        Self { width, height, points: vec![255; width * height * 3] }
    }

    /// Mixes a colour into a point.
    fn dot(&mut self, x: i64, y: i64, colour: Colour, weight: f64) {
        let inside = (0..self.width as i64).contains(&x) && (0..self.height as i64).contains(&y);
        if !inside {
            return;
        }
        let at = (y as usize * self.width + x as usize) * 3;
        for (point, new) in self.points[at..at + 3].iter_mut().zip(colour) {
            let mixed = f64::from(*point) * (1.0 - weight) + f64::from(new) * weight;
            *point = mixed.round().clamp(0.0, 255.0) as u8;
        }
    }
}

impl Canvas for Pixels {
    fn rectangle(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), colour: Colour) {
        for row in y.round() as i64..((y + height).round() as i64).max(y.round() as i64 + 1) {
            for column in x.round() as i64..((x + width).round() as i64).max(x.round() as i64 + 1) {
                self.dot(column, row, colour, 1.0);
            }
        }
    }

    fn line(&mut self, points: &[(f64, f64)], colour: Colour, width: f64, dash: f64) {
        let mut gone = 0.0;
        for pair in points.windows(2) {
            let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
            let length = (x1 - x0).abs().max((y1 - y0).abs());
            let steps = length.ceil().max(1.0) as u32;
            for step in 0..steps {
                let part = f64::from(step) / f64::from(steps);
                let (x, y) = (x0 + (x1 - x0) * part, y0 + (y1 - y0) * part);
                gone += length / f64::from(steps);
                if dash > 0.0 && (gone / dash) as i64 % 2 == 1 {
                    continue;
                }
                // Along the steeper direction two neighbours share the ink.
                let steep = (y1 - y0).abs() > (x1 - x0).abs();
                let across = if steep { x } else { y };
                let (low, rest) = (across.floor(), across - across.floor());
                for (offset, weight) in [(0.0, 1.0 - rest), (1.0, rest)] {
                    let weight = (weight * width).min(1.0);
                    let (column, row) = if steep { (low + offset, y) } else { (x, low + offset) };
                    self.dot(column.round() as i64, row.round() as i64, colour, weight);
                }
            }
        }
    }

    fn text(&mut self, (x, y): (f64, f64), pin: Pin, size: f64, colour: Colour, text: &str) {
        let scale = (size / 10.0).round().max(1.0) as i64;
        let width = text.chars().count() as i64 * 6 * scale;
        let left = x.round() as i64
            - match pin {
                Pin::Left => 0,
                Pin::Middle => width / 2,
                Pin::Right => width,
            };
        let top = y.round() as i64 - 7 * scale;
        for (number, letter) in text.chars().enumerate() {
            for (row, bits) in letters::rows(letter).into_iter().enumerate() {
                for column in (0..5_i64).filter(|column| bits >> (4 - column) & 1 == 1) {
                    for (dx, dy) in (0..scale * scale).map(|at| (at % scale, at / scale)) {
                        let left = left + number as i64 * 6 * scale + column * scale;
                        self.dot(left + dx, top + row as i64 * scale + dy, colour, 1.0);
                    }
                }
            }
        }
    }

    fn finish(self: Box<Self>) -> Vec<u8> {
        let mut packer = ZlibEncoder::new(Vec::new(), Compression::best());
        for row in self.points.chunks_exact(self.width * 3) {
            // Each row without a filter; memory is a sink that cannot fail.
            let _ = packer.write_all(&[0]).and_then(|()| packer.write_all(row));
        }
        let packed = packer.finish().unwrap_or_default();
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        let mut head = Vec::new();
        head.extend((self.width as u32).to_be_bytes());
        head.extend((self.height as u32).to_be_bytes());
        head.extend([8, 2, 0, 0, 0]); // eight bits of red, green and blue
        for (name, bytes) in [(b"IHDR", &head), (b"IDAT", &packed), (b"IEND", &Vec::new())] {
            png.extend((bytes.len() as u32).to_be_bytes());
            let mut sum = Crc::new();
            sum.update(name);
            sum.update(bytes);
            png.extend(name);
            png.extend(bytes);
            png.extend(sum.sum().to_be_bytes());
        }
        png
    }
}
