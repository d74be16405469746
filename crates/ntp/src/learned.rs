//! What a run has learned, kept for the next one: the oscillator, the board it sits on, and the path to each source.
//!
//! The file is our own: a line that names it and its version, one line for each thing known, and the checksum of all
//! that, so that a torn or foreign file is recognised. Numbers are SI units, instants whole seconds since 1970.
//!
//! What is restored are expectations, not facts ([`KnownOscillator::prior`], [`KnownPath::expected`]): they widen with
//! the time that has passed, and the samples overrule them ([`crate::estimator::Expected`]).

use crate::estimator::noise::Noise;
use crate::estimator::temperature::KnownTemperature;
use crate::estimator::{Expected, WANDERS};
use core::fmt::{self, Write as _};
use core::net::IpAddr;

/// The file's first line.
const TITLE: &str = "TIMEBALL LEARNED 1";
/// What the title of any version begins with.
const ANY_TITLE: &str = "TIMEBALL LEARNED ";
/// For whoever opens it in an editor.
const NOTE: &str =
    "# Written and read by the daemon. SI units. To make it forget, delete this file while it does not run.";
/// Paths kept, the freshest ones.
pub const MAX_PATHS: usize = 64;
/// A path not heard for so long is forgotten, s: a quarter of a year.
const FORGET: i64 = 92 * DAY;
const DAY: i64 = 86_400;
/// Age assumed when the clock does not know how much time has passed (it was not set yet), s.
const UNKNOWN_AGE: i64 = 30 * DAY;
/// A restart may find the board at another temperature: least deviation of a restored frequency, s/s.
const RESTART: f64 = 0.3e-6;
/// The wander that was learned may be too small by this factor: over a day an oscillator does what it did not in an hour.
const WANDER_DOUBT: f64 = 2.0;
/// A board is known after so long, s, and its mean follows so slowly, s.
const BOARD_KNOWN: f64 = 2.0 * DAY as f64;
const BOARD_MEMORY: f64 = 30.0 * DAY as f64;
/// Deviation of the logarithm of a path's noise after no time, and how much its square grows in a day.
const NOISE_DOUBT: (f64, f64) = (0.3, 0.04);
/// Growth of the deviation of a route's length, as a share of it, after a day.
const ROUTE_DOUBT: f64 = 2e-3;
/// Least deviation of a route's length, as a share of the queueing.
const SHORTEST_DOUBT: f64 = 0.05;
/// Time constant with which an asymmetry forgets its value, s: the estimator's own.
const ASYMMETRY_MEMORY: f64 = 6e5;

/// Everything in the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Learned {
    /// The oscillator as the last estimate saw it.
    pub oscillator: Option<KnownOscillator>,
    /// The oscillator over days.
    pub board: Option<Board>,
    /// The thermometer that it follows.
    pub temperature: Option<KnownTemperature>,
    /// Paths to sources.
    pub paths: Vec<KnownPath>,
}

/// What was known of the oscillator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KnownOscillator {
    /// When, s since 1970.
    pub at: i64,
    /// dθ/dV, s/s; positive: the oscillator is slow.
    pub frequency: f64,
    /// Standard deviation of `frequency`, s/s.
    pub sd: f64,
    /// Random walk of the frequency, s/s per √s.
    pub wander: f64,
}

/// Which board this is: what its oscillator does over days.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Board {
    /// Mean of dθ/dV, s/s; positive: the oscillator is slow.
    pub mean: f64,
    /// Standard deviation of the frequency around `mean`, s/s.
    pub spread: f64,
    /// Time observed, s.
    pub observed: f64,
}

/// What was known of the path to one source.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownPath {
    /// The source's name as configured.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
    /// When it was last heard, s since 1970.
    pub at: i64,
    /// Shortest round trip, s.
    pub delay: f64,
    /// Standard deviation of `delay`, s.
    pub delay_sd: f64,
    /// Mean queueing each way and the noise of a reading.
    pub noise: Noise,
    /// Half of what the way there takes longer than the way back, s, and its standard deviation; `None` for a path
    /// that was never compared with another.
    pub asymmetry: Option<(f64, f64)>,
}

/// Why a file is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LearnedReject {
    /// It does not begin as ours.
    NotOurs,
    /// It is of another version.
    OtherVersion,
    /// Its checksum is missing or of another text.
    Torn,
    /// This line (from 1) is not one of ours, or has a number beyond reason.
    BadLine(usize),
}

impl fmt::Display for LearnedReject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOurs => f.write_str("not a file of learned state"),
            Self::OtherVersion => f.write_str("of another version"),
            Self::Torn => f.write_str("torn or changed: its checksum is not right"),
            Self::BadLine(line) => write!(f, "line {line} is not understood"),
        }
    }
}

impl Learned {
    /// The file's text.
    pub fn format(&self) -> String {
        let mut text = format!("{TITLE}\n{NOTE}\n");
        // Writing to a string cannot fail; `{:e}` is the shortest text that is read back as the same number.
        if let Some(KnownOscillator { at, frequency, sd, wander }) = self.oscillator {
            let _ = writeln!(text, "oscillator {at} {frequency:e} {sd:e} {wander:e}");
        }
        if let Some(Board { mean, spread, observed }) = self.board {
            let _ = writeln!(text, "board {mean:e} {spread:e} {observed:e}");
        }
        if let Some(known) = self.temperature.as_ref().filter(|known| is_word(&known.sensor)) {
            let KnownTemperature { sensor, lag, coefficient, sd, celsius } = known;
            let _ = writeln!(text, "temperature {sensor} {lag:e} {coefficient:e} {sd:e} {celsius:e}");
        }
        for path in self.paths.iter().filter(|path| is_word(&path.name)).take(MAX_PATHS) {
            let KnownPath { name, address, at, delay, delay_sd, noise, asymmetry } = path;
            let Noise { forward, backward, reading, .. } = noise;
            let _ = write!(text, "path {name} {address} {at} {delay:e} {delay_sd:e}");
            let _ = write!(text, " {forward:e} {backward:e} {:e}", reading[0]);
            if reading[1] != reading[0] {
                let _ = write!(text, ":{:e}", reading[1]);
            }
            if let Some((beta, sd)) = asymmetry {
                let _ = write!(text, " {beta:e} {sd:e}");
            }
            text.push('\n');
        }
        let sum = crc32(text.as_bytes());
        let _ = writeln!(text, "crc32 {sum:08x}");
        text
    }

    /// Reads a file's text. An error names the reason; nothing of a bad file is used.
    pub fn parse(text: &str) -> Result<Self, LearnedReject> {
        let title = text.lines().next().unwrap_or_default();
        if title != TITLE {
            let other = title.starts_with(ANY_TITLE);
            return Err(if other { LearnedReject::OtherVersion } else { LearnedReject::NotOurs });
        }
        let (body, sum) = text.rsplit_once("crc32 ").ok_or(LearnedReject::Torn)?;
        let sum = sum.strip_suffix('\n').filter(|digits| digits.len() == 8).ok_or(LearnedReject::Torn)?;
        if u32::from_str_radix(sum, 16) != Ok(crc32(body.as_bytes())) {
            return Err(LearnedReject::Torn);
        }
        let mut learned = Self::default();
        for (index, line) in body.lines().enumerate().skip(1).filter(|(_, line)| !line.starts_with('#')) {
            learned.take(line).ok_or(LearnedReject::BadLine(index + 1))?;
        }
        Ok(learned)
    }

    fn take(&mut self, line: &str) -> Option<()> {
        let mut words = line.split(' ');
        match words.next()? {
            "oscillator" if self.oscillator.is_none() => {
                let at = words.next()?.parse().ok()?;
                let [frequency, sd, wander] = numbers(&mut words)?;
                let known = KnownOscillator { at, frequency, sd, wander };
                self.oscillator = Some(known.is_sane().then_some(known)?);
            }
            "board" if self.board.is_none() => {
                let [mean, spread, observed] = numbers(&mut words)?;
                let board = Board { mean, spread, observed };
                self.board = Some(board.is_sane().then_some(board)?);
            }
            "temperature" if self.temperature.is_none() => {
                let sensor = words.next().filter(|name| is_word(name))?.to_owned();
                let [lag, coefficient, sd, celsius] = numbers(&mut words)?;
                let known = KnownTemperature { sensor, lag, coefficient, sd, celsius };
                self.temperature = Some(known.is_sane().then_some(known)?);
            }
            "path" if self.paths.len() < MAX_PATHS => self.paths.push(KnownPath::take(&mut words)?),
            _ => return None,
        }
        words.next().is_none().then_some(())
    }

    /// Takes what is known now of the oscillator in the place of what was, unless that is beyond reason.
    pub fn note_oscillator(&mut self, known: KnownOscillator) {
        if known.is_sane() {
            self.oscillator = Some(known);
        }
    }

    /// Takes what is known now of the thermometer, or that none is followed any more.
    pub fn note_temperature(&mut self, known: Option<KnownTemperature>) {
        self.temperature = known.filter(KnownTemperature::is_sane);
    }

    /// The path to this source, if it is known.
    pub fn path(&self, name: &str, address: IpAddr) -> Option<&KnownPath> {
        self.paths.iter().find(|path| path.address == address && path.name == name)
    }

    /// Takes what is known now of a path in the place of what was.
    ///
    /// What no file may say (it would not be read again) is left out.
    pub fn note_path(&mut self, path: KnownPath) {
        if !path.is_sane() {
            return;
        }
        match self.paths.iter_mut().find(|p| p.address == path.address && p.name == path.name) {
            Some(known) => *known = path,
            None => self.paths.push(path),
        }
    }

    /// At `now` (s since 1970): the paths not heard for long go, and of too many the stalest.
    pub fn prune(&mut self, now: i64) {
        self.paths.retain(|path| now.saturating_sub(path.at) < FORGET);
        self.paths.sort_by_key(|path| core::cmp::Reverse(path.at));
        self.paths.truncate(MAX_PATHS);
    }

    /// What is to be expected of the oscillator at `now` (s since 1970): dθ/dV and its deviation, s/s.
    ///
    /// The frequency wanders away from what it was, but a board known for days does not leave its class for that.
    pub fn frequency(&self, now: i64) -> Option<(f64, f64)> {
        let walked = self.oscillator.map(|known| known.prior(now));
        let usual = self.board.filter(|board| board.observed >= BOARD_KNOWN);
        let usual = usual.map(|board| (board.mean, libm::hypot(2.0 * board.spread, RESTART)));
        [walked, usual].into_iter().flatten().min_by(|a, b| a.1.total_cmp(&b.1))
    }
}

impl KnownOscillator {
    fn is_sane(&self) -> bool {
        self.frequency.abs() < 0.1
            && self.sd > 0.0
            && self.sd < 1.0
            && (WANDERS.0..=WANDERS.1).contains(&self.wander)
    }

    /// dθ/dV at `now` (s since 1970) and its deviation, s/s: what it was, what its wander may have done since, and what a
    /// restart may do.
    pub fn prior(&self, now: i64) -> (f64, f64) {
        let walk = WANDER_DOUBT * self.wander * libm::sqrt(age(self.at, now));
        (self.frequency, libm::hypot(libm::hypot(self.sd, walk), RESTART))
    }
}

impl Board {
    /// Before anything was observed.
    pub const NEW: Self = Self { mean: 0.0, spread: 0.0, observed: 0.0 };

    fn is_sane(&self) -> bool {
        self.mean.abs() < 0.1 && (0.0..0.1).contains(&self.spread) && (0.0..1e12).contains(&self.observed)
    }

    /// The oscillator ran at `frequency` (dθ/dV, s/s) for `seconds` more.
    pub fn observe(&mut self, frequency: f64, seconds: f64) {
        if !(frequency.is_finite() && seconds > 0.0) {
            return;
        }
        let weight = seconds / (self.observed.min(BOARD_MEMORY) + seconds);
        let apart = frequency - self.mean;
        self.mean += weight * apart;
        let square = (1.0 - weight) * (self.spread * self.spread + weight * apart * apart);
        self.spread = libm::sqrt(square.max(0.0));
        self.observed += seconds;
    }
}

impl KnownPath {
    fn take<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<Self> {
        let name = words.next().filter(|name| is_word(name))?.to_owned();
        let address = words.next()?.parse().ok()?;
        let at = words.next()?.parse().ok()?;
        let [delay, delay_sd, forward, backward] = numbers(words)?;
        // There and back; one number when they are the same, as in all files once.
        let reading = words.next()?;
        let (there, back) = reading.split_once(':').unwrap_or((reading, reading));
        let noise = Noise { forward, backward, reading: [number(there)?, number(back)?], two_sided: false };
        let asymmetry = match words.next() {
            None => None,
            Some(word) => Some((number(word)?, number(words.next()?)?)),
        };
        let path = Self { name, address, at, delay, delay_sd, noise, asymmetry };
        path.is_sane().then_some(path)
    }

    fn is_sane(&self) -> bool {
        let asymmetry = self.asymmetry.is_none_or(|(beta, sd)| beta.abs() < 10.0 && sd > 0.0 && sd < 10.0);
        let delays = (0.0..10.0).contains(&self.delay) && (0.0..10.0).contains(&self.delay_sd);
        delays && self.noise == self.noise.limited() && asymmetry
    }

    /// What is to be expected of the path at `now` (s since 1970).
    pub fn expected(&self, now: i64) -> Expected {
        let age = age(self.at, now);
        let days = age / DAY as f64;
        let route = ROUTE_DOUBT * self.delay * libm::sqrt(days);
        let creep = self.noise.creep() * age;
        let (reading, waits) = (
            self.noise.reading[0].max(self.noise.reading[1]),
            SHORTEST_DOUBT * (self.noise.forward + self.noise.backward),
        );
        let square = |x: f64| x * x;
        let delay_variance = square(self.delay_sd) + square(route) + creep + square(reading) + square(waits);
        // No more of a round trip can be the difference of its ways than all of it.
        let possible = self.asymmetry.filter(|(beta, _)| beta.abs() <= 0.5 * self.delay);
        Expected {
            noise: self.noise,
            doubt: libm::sqrt(NOISE_DOUBT.0 * NOISE_DOUBT.0 + NOISE_DOUBT.1 * days),
            delay: self.delay,
            delay_variance,
            asymmetry: possible.map_or(0.0, |(beta, _)| beta * libm::exp(-age / ASYMMETRY_MEMORY)),
        }
    }
}

/// Seconds from `then` to `now`; a clock that is behind what it once was does not know.
fn age(then: i64, now: i64) -> f64 {
    let age = now.saturating_sub(then);
    (if age < 0 { UNKNOWN_AGE } else { age }) as f64
}

/// Does `name` stay one word between spaces?
fn is_word(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic())
}

fn number(word: &str) -> Option<f64> {
    word.parse().ok().filter(|number: &f64| number.is_finite())
}

fn numbers<'a, const N: usize>(words: &mut impl Iterator<Item = &'a str>) -> Option<[f64; N]> {
    let mut out = [0.0; N];
    for slot in &mut out {
        *slot = number(words.next()?)?;
    }
    Some(out)
}

/// CRC-32 (ISO 3309, the one of zip and Ethernet).
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8);
    !bytes.iter().fold(!0, step)
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let (mut crc, mut bit) = (index as u32, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests;
