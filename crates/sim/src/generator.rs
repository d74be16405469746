//! Numbers from expressions: delays, frequencies, whatever changes or is left to chance.
//!
//! A [`Generator`] is written as in clock simulators of the field, e.g. `(+ 0.02 (* 1e-3 (exponential)))`: 20 ms and
//! an exponential jitter of 1 ms on the average. [`Generator::parse`] lists the words.

use core::fmt;
use ntp::rng::Rng;

/// A stream of numbers; each call of [`Generator::next`] gives one.
#[derive(Clone, Debug, PartialEq)]
pub enum Generator {
    /// Always this.
    Constant(f64),
    /// True time since the beginning of the world, s.
    Time,
    /// Uniform in [0, 1).
    Uniform,
    /// Mean 0, standard deviation 1.
    Normal,
    /// Mean 1.
    Exponential,
    /// Gamma with this shape and scale 1 (mean = shape).
    Gamma(f64),
    /// sin(2π·time/period); the period in seconds.
    Sine(f64),
    /// cos(2π·time/period); the period in seconds.
    Cosine(f64),
    /// Sum of all numbers the inner one has given so far.
    Sum {
        /// What is summed up.
        of: Box<Generator>,
        /// The sum so far.
        total: f64,
    },
    /// Absolute value.
    Abs(Box<Generator>),
    /// Sum of the parts.
    Add(Vec<Generator>),
    /// Product of the parts.
    Multiply(Vec<Generator>),
    /// Remainder of the first by the second.
    Modulo(Box<Generator>, Box<Generator>),
    /// Largest part.
    Max(Vec<Generator>),
    /// Smallest part.
    Min(Vec<Generator>),
    /// 1 if all parts but the first are within the first of each other, else 0.
    Equal(Vec<Generator>),
}

/// An expression that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadExpression(String);

impl fmt::Display for BadExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad expression: {}", self.0)
    }
}

impl Generator {
    /// Reads `text`: numbers, `time`, and in parentheses `+ * max min` (any number of parts), `% A B`, `abs A`,
    /// `sum A`, `equal TOLERANCE A B …`, `uniform`, `normal`, `exponential`, `gamma SHAPE`, `sine PERIOD`,
    /// `cosine PERIOD`.
    pub fn parse(text: &str) -> Result<Self, BadExpression> {
        let spaced = text.replace('(', " ( ").replace(')', " ) ");
        let mut words = spaced.split_whitespace();
        let generator = parse_one(&mut words)?;
        match words.next() {
            None => Ok(generator),
            Some(word) => Err(BadExpression(format!("\"{word}\" after the end of \"{text}\""))),
        }
    }

    /// The sum of two.
    pub fn plus(self, other: Self) -> Self {
        match self {
            Self::Add(mut parts) => {
                parts.push(other);
                Self::Add(parts)
            }
            Self::Constant(0.0) => other,
            first => Self::Add(vec![first, other]),
        }
    }

    /// `factor` times this.
    pub fn times(self, factor: f64) -> Self {
        Self::Multiply(vec![Self::Constant(factor), self])
    }

    /// Does it give the same number for ever?
    pub fn is_constant(&self) -> bool {
        match self {
            Self::Constant(_) => true,
            Self::Abs(of) => of.is_constant(),
            Self::Add(parts)
            | Self::Multiply(parts)
            | Self::Max(parts)
            | Self::Min(parts)
            | Self::Equal(parts) => parts.iter().all(Self::is_constant),
            Self::Modulo(a, b) => a.is_constant() && b.is_constant(),
            _ => false,
        }
    }

    /// Does a number depend on how many were asked for before?
    pub fn counts(&self) -> bool {
        match self {
            Self::Sum { .. } => true,
            Self::Abs(of) => of.counts(),
            Self::Add(parts)
            | Self::Multiply(parts)
            | Self::Max(parts)
            | Self::Min(parts)
            | Self::Equal(parts) => parts.iter().any(Self::counts),
            Self::Modulo(a, b) => a.counts() || b.counts(),
            _ => false,
        }
    }

    /// The next number; `time` is true time in seconds since the beginning of the world.
    pub fn next(&mut self, time: f64, rng: &mut Rng) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::Time => time,
            Self::Uniform => rng.uniform(),
            Self::Normal => normal(rng),
            Self::Exponential => exponential(rng),
            Self::Gamma(shape) => gamma(*shape, rng),
            Self::Sine(period) => libm::sin(core::f64::consts::TAU * time / *period),
            Self::Cosine(period) => libm::cos(core::f64::consts::TAU * time / *period),
            Self::Sum { of, total } => {
                *total += of.next(time, rng);
                *total
            }
            Self::Abs(of) => of.next(time, rng).abs(),
            Self::Add(parts) => parts.iter_mut().map(|p| p.next(time, rng)).sum(),
            Self::Multiply(parts) => parts.iter_mut().map(|p| p.next(time, rng)).product(),
            Self::Modulo(a, b) => a.next(time, rng) % b.next(time, rng),
            Self::Max(parts) => parts.iter_mut().map(|p| p.next(time, rng)).fold(f64::NEG_INFINITY, f64::max),
            Self::Min(parts) => parts.iter_mut().map(|p| p.next(time, rng)).fold(f64::INFINITY, f64::min),
            Self::Equal(parts) => equal(parts, time, rng),
        }
    }
}

fn equal(parts: &mut [Generator], time: f64, rng: &mut Rng) -> f64 {
    let mut values = parts.iter_mut().map(|p| p.next(time, rng));
    let tolerance = values.next().unwrap_or(0.0);
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)));
    if high - low <= tolerance { 1.0 } else { 0.0 }
}

/// Mean 0, standard deviation 1 (Box and Muller).
pub fn normal(rng: &mut Rng) -> f64 {
    let radius = libm::sqrt(2.0 * exponential(rng));
    radius * libm::cos(core::f64::consts::TAU * rng.uniform())
}

/// Mean 1.
pub fn exponential(rng: &mut Rng) -> f64 {
    -libm::log(1.0 - rng.uniform())
}

/// Gamma with scale 1 (Marsaglia and Tsang 2000).
pub fn gamma(shape: f64, rng: &mut Rng) -> f64 {
    if shape < 1.0 {
        return gamma(shape + 1.0, rng) * libm::pow(1.0 - rng.uniform(), 1.0 / shape);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / libm::sqrt(9.0 * d);
    loop {
        let x = normal(rng);
        let v = libm::pow(1.0 + c * x, 3.0);
        if v > 0.0 && libm::log(1.0 - rng.uniform()) < 0.5 * x * x + d * (1.0 - v + libm::log(v)) {
            return d * v;
        }
    }
}

fn parse_one<'a>(words: &mut impl Iterator<Item = &'a str>) -> Result<Generator, BadExpression> {
    match words.next() {
        Some("(") => parse_list(words),
        Some("time") => Ok(Generator::Time),
        Some(word) => match word.parse() {
            Ok(number) => Ok(Generator::Constant(number)),
            Err(_) => Err(BadExpression(format!("\"{word}\" is neither a number nor \"time\""))),
        },
        None => Err(BadExpression("it ends too early".into())),
    }
}

fn parse_list<'a>(words: &mut impl Iterator<Item = &'a str>) -> Result<Generator, BadExpression> {
    let name = words.next().ok_or_else(|| BadExpression("it ends after \"(\"".into()))?;
    let mut parts = Vec::new();
    loop {
        match words.next() {
            Some(")") => break,
            Some("(") => parts.push(parse_list(words)?),
            Some(word) => parts.push(parse_one(&mut core::iter::once(word))?),
            None => return Err(BadExpression(format!("\"({name}\" is not closed"))),
        }
    }
    build(name, parts)
}

fn build(name: &str, mut parts: Vec<Generator>) -> Result<Generator, BadExpression> {
    let wrong = |need: &str| Err(BadExpression(format!("\"{name}\" needs {need}")));
    let number = |parts: &[Generator]| match parts {
        [Generator::Constant(value)] => Some(*value),
        _ => None,
    };
    Ok(match name {
        "+" => Generator::Add(parts),
        "*" => Generator::Multiply(parts),
        "max" if !parts.is_empty() => Generator::Max(parts),
        "min" if !parts.is_empty() => Generator::Min(parts),
        "max" | "min" => return wrong("at least one part"),
        "equal" if parts.len() >= 3 => Generator::Equal(parts),
        "equal" => return wrong("a tolerance and two parts"),
        "uniform" | "normal" | "exponential" if !parts.is_empty() => return wrong("no parts"),
        "uniform" => Generator::Uniform,
        "normal" => Generator::Normal,
        "exponential" => Generator::Exponential,
        "gamma" | "sine" | "cosine" => match (name, number(&parts)) {
            (_, None) => return wrong("one number"),
            ("gamma", Some(shape)) => Generator::Gamma(shape),
            ("sine", Some(period)) => Generator::Sine(period),
            (_, Some(period)) => Generator::Cosine(period),
        },
        "sum" | "abs" | "%" => match (name, parts.pop(), parts.pop(), parts.is_empty()) {
            ("sum", Some(of), None, _) => Generator::Sum { of: Box::new(of), total: 0.0 },
            ("abs", Some(of), None, _) => Generator::Abs(Box::new(of)),
            ("%", Some(b), Some(a), true) => Generator::Modulo(Box::new(a), Box::new(b)),
            ("%", ..) => return wrong("two parts"),
            _ => return wrong("one part"),
        },
        _ => return Err(BadExpression(format!("no generator is called \"{name}\""))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(text: &str) -> (f64, f64) {
        let mut generator = Generator::parse(text).unwrap();
        let (mut rng, count) = (Rng::from_number(1), 100_000);
        let numbers: Vec<f64> = (0..count).map(|i| generator.next(f64::from(i), &mut rng)).collect();
        let mean = numbers.iter().sum::<f64>() / f64::from(count);
        let variance = numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(count);
        (mean, variance)
    }

    #[test]
    fn every_distribution_has_its_mean_and_variance() {
        for (text, mean, variance) in [
            ("(uniform)", 0.5, 1.0 / 12.0),
            ("(normal)", 0.0, 1.0),
            ("(exponential)", 1.0, 1.0),
            ("(gamma 4)", 4.0, 4.0),
            ("(gamma 0.5)", 0.5, 0.5),
            ("(sine 100)", 0.0, 0.5),
            ("(abs (normal))", (2.0 / core::f64::consts::PI).sqrt(), 1.0 - 2.0 / core::f64::consts::PI),
            ("(+ 3 (* 2 (exponential)))", 5.0, 4.0),
        ] {
            let (m, v) = moments(text);
            let spread = 5.0 * (variance / 1e5).sqrt();
            assert!((m - mean).abs() < spread, "{text}: mean {m}");
            assert!((v / variance - 1.0).abs() < 0.06, "{text}: variance {v}");
        }
    }

    #[test]
    fn deterministic_words_do_what_they_say() {
        let run = |text: &str, times: &[f64]| -> Vec<f64> {
            let mut generator = Generator::parse(text).unwrap();
            let mut rng = Rng::from_number(1);
            times.iter().map(|&t| generator.next(t, &mut rng)).collect()
        };
        assert_eq!(run("(sum 1.0)", &[0.0; 3]), [1.0, 2.0, 3.0]);
        assert_eq!(run("(% time 10)", &[3.0, 13.0, 20.0]), [3.0, 3.0, 0.0]);
        // A window in time: 0.004 between 15 and 30 s.
        let window = "(* 0.004 (equal 0.1 (min (max time 15) 30) time))";
        assert_eq!(run(window, &[14.0, 15.0, 30.0, 31.0]), [0.0, 0.004, 0.004, 0.0]);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, needle) in [
            ("(+ 1 (exponential)", "\"(+\" is not closed"),
            ("(cauchy)", "no generator is called \"cauchy\""),
            ("(sine (normal))", "\"sine\" needs one number"),
            ("1 2", "\"2\" after the end"),
            ("(% 1)", "\"%\" needs two parts"),
            ("x", "\"x\" is neither a number"),
            ("", "ends too early"),
        ] {
            let error = Generator::parse(text).unwrap_err().to_string();
            assert!(error.contains(needle), "{text}: {error}");
        }
    }
}
