//! The sensor of `tempcomp`, read at its pace.

use super::files::reason;
use ntp::config::{ClockConfig, TemperatureCurve};
use ntp::engine::tempcomp::read_points;
use ntp::time::MonoTime;
use std::path::PathBuf;

/// Shortest time between two readings, s.
const SHORTEST: f64 = 0.1;

/// A file whose first word is a temperature.
#[derive(Debug)]
pub struct Sensor {
    file: PathBuf,
    interval: f64,
    due: MonoTime,
    silent: bool,
}

impl Sensor {
    /// The one of the configuration, first read at once.
    pub fn new(config: &ClockConfig, now: MonoTime) -> Option<Self> {
        let config = config.temperature.as_ref()?;
        let interval = if config.interval.is_finite() { config.interval.max(SHORTEST) } else { SHORTEST };
        Some(Self { file: config.file.clone(), interval, due: now, silent: false })
    }

    /// When it is read next.
    pub fn due(&self) -> MonoTime {
        self.due
    }

    /// What it says, if its time has come; `Some(Err)`: why it says nothing, once.
    pub fn read(&mut self, now: MonoTime) -> Option<Result<f64, String>> {
        if now < self.due {
            return None;
        }
        self.due = now + self.interval;
        let text = std::fs::read_to_string(&self.file).map_err(|error| reason(&error));
        let number = text.and_then(|text| {
            let word = text.split_ascii_whitespace().next().map(str::to_owned);
            word.and_then(|word| word.parse().ok()).ok_or_else(|| "its first word is no number".to_owned())
        });
        match number {
            Ok(temperature) => {
                self.silent = false;
                Some(Ok(temperature))
            }
            Err(_) if std::mem::replace(&mut self.silent, true) => None,
            Err(why) => Some(Err(format!("Could not read temperature from {} : {why}", self.file.display()))),
        }
    }
}

/// The points of the curve, if it is made of points. Errors: the file cannot be read, or a line of it.
pub fn points(config: &ClockConfig) -> Result<Vec<(f64, f64)>, String> {
    let Some(TemperatureCurve::Points(file)) = config.temperature.as_ref().map(|t| &t.curve) else {
        return Ok(Vec::new());
    };
    let name = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("Could not open {name} : {}", reason(&error)))?;
    let bad =
        |line: &str| format!("Could not read tempcomp point from {name} : \"{line}\" is not two numbers");
    let points = read_points(&text).map_err(|line| bad(&line))?;
    if points.len() < 2 {
        return Err(format!("Could not read tempcomp point from {name} : two points are needed at least"));
    }
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ntp::config::TemperatureConfig;

    #[test]
    fn a_sensor_is_read_at_its_pace_and_its_silence_is_said_once() {
        let file = std::env::temp_dir().join(format!("tb-sensor-{}", std::process::id()));
        let curve = TemperatureCurve::Quadratic { t0: 0.0, k: [0.0; 3] };
        let temperature = Some(TemperatureConfig { file: file.clone(), interval: 10.0, curve });
        let config = ClockConfig { temperature, ..ClockConfig::default() };
        let at = |s: f64| MonoTime::from_seconds(s);
        let mut sensor = Sensor::new(&config, at(0.0)).expect("a sensor");
        assert!(sensor.read(at(0.0)).expect("due").is_err());
        assert_eq!(sensor.read(at(10.0)), None, "said before");
        std::fs::write(&file, "41.5\n").expect("a file");
        assert_eq!(sensor.read(at(19.0)), None, "too soon");
        assert_eq!(sensor.read(at(20.0)), Some(Ok(41.5)));
        assert_eq!(sensor.due(), at(30.0));
        let curve = TemperatureCurve::Points(file.clone());
        let temperature = Some(TemperatureConfig { file: file.clone(), interval: 10.0, curve });
        let refused = points(&ClockConfig { temperature, ..ClockConfig::default() }).expect_err("one number");
        assert!(refused.contains("Could not read tempcomp point"), "{refused}");
        let _ = std::fs::remove_file(&file);
    }
}
