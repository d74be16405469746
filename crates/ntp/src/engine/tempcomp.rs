//! `tempcomp`: the oscillator's dependence on temperature, taken away before anybody measures it.

use super::{Action, Actions, Engine, Severity};
use crate::clock::Clock;
use crate::config::TemperatureCurve;
use crate::logfile::{self, Record};
use crate::time::Now;

/// Larger compensations (ppm) mean that the sensor or the curve is wrong.
const MOST: f64 = 10.0;

/// The compensation (ppm, positive: the clock is made faster) that `curve` says at `temperature`. `points` are those of
/// the curve's file, ascending.
fn compensation(curve: &TemperatureCurve, points: &[(f64, f64)], temperature: f64) -> Option<f64> {
    match curve {
        TemperatureCurve::Quadratic { t0, k } => {
            let t = temperature - t0;
            Some(k[0] + k[1] * t + k[2] * t * t)
        }
        TemperatureCurve::Points(_) => {
            let last = points.len().checked_sub(2)?;
            let above = points.partition_point(|p| p.0 < temperature);
            let from = above.saturating_sub(1).min(last);
            let ((t1, c1), (t2, c2)) = (*points.get(from)?, *points.get(from + 1)?);
            (t2 > t1).then(|| c1 + (temperature - t1) / (t2 - t1) * (c2 - c1))
        }
    }
}

/// Reads the lines "temperature ppm" of a file of points; `Err` is the bad line.
pub fn read_points(text: &str) -> Result<Vec<(f64, f64)>, String> {
    let mut points = Vec::new();
    for line in text.lines() {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        if words.is_empty() || words[0].starts_with(['#', '!', ';', '%']) {
            continue;
        }
        let numbers: Vec<f64> = words.iter().filter_map(|w| w.parse().ok()).collect();
        match numbers[..] {
            [temperature, ppm] if words.len() == 2 => points.push((temperature, ppm)),
            _ => return Err(line.to_owned()),
        }
    }
    points.sort_by(|a: &(f64, f64), b| a.0.total_cmp(&b.0));
    Ok(points)
}

impl Engine {
    /// The points of the curve's file.
    pub fn set_temperature_points(&mut self, points: Vec<(f64, f64)>) {
        self.temperature_points = points;
    }

    /// The sensor was read.
    pub(super) fn on_temperature(
        &mut self,
        now: Now,
        clock: &mut dyn Clock,
        reading: f64,
        out: &mut Actions,
    ) {
        let Some(config) = &self.clock_config.temperature else { return };
        let ppm = compensation(&config.curve, &self.temperature_points, reading);
        let Some(ppm) = ppm.filter(|ppm| ppm.abs() <= MOST) else {
            out.log(
                Severity::Warning,
                format!(
                    "Temperature compensation of {:.3} ppm exceeds allowed maximum",
                    ppm.unwrap_or(f64::NAN)
                ),
            );
            return;
        };
        let result = self.discipline.compensate(clock, ppm * 1e-6);
        self.clock_result("steer", result, out);
        if self.log.tempcomp {
            out.push(Action::Record(Record::Temperature(logfile::Temperature {
                time: self.discipline.cooking(now.raw).apply(now.raw),
                temperature: reading,
                compensation: ppm * 1e-6,
            })));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_curve() {
        let curve = TemperatureCurve::Quadratic { t0: 26.0, k: [0.1, 0.02, 0.003] };
        let at = |t| compensation(&curve, &[], t).expect("a number");
        assert!((at(26.0) - 0.1).abs() < 1e-12 && (at(36.0) - 0.6).abs() < 1e-12);
        let points = read_points("# sensor ppm\n20 1.0\n40 3.0\n30 1.5\n").expect("points");
        let curve = TemperatureCurve::Points("f".into());
        let at = |t| compensation(&curve, &points, t).expect("a number");
        assert!((at(25.0) - 1.25).abs() < 1e-12 && (at(35.0) - 2.25).abs() < 1e-12);
        assert!((at(10.0) - 0.5).abs() < 1e-12 && (at(50.0) - 4.5).abs() < 1e-12, "extended");
        assert_eq!(compensation(&curve, &points[..1], 20.0), None);
        assert_eq!(read_points("20 1\nx 2\n").unwrap_err(), "x 2");
    }
}
