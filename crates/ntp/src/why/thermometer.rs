//! The thermometers, in words and as JSON: which the oscillator follows, by how much, and what that is worth.

use super::Object;
use crate::estimator::temperature::TemperatureReport;
use crate::report::Cell;

/// A coefficient smaller than its own doubt so many times says nothing.
const SURE: f64 = 2.0;

/// In sentences.
pub fn text(report: &TemperatureReport) -> String {
    let TemperatureReport { sensor, celsius, lag, .. } = report;
    // Not −0.
    let (gains, doubt) = (0.0 - report.coefficient * 1e6, report.sd * 1e6);
    let late = if *lag > 0.0 { format!(", seen {lag:.0} s late") } else { String::new() };
    if !report.used {
        return format!(
            "No thermometer tells enough of the oscillator to be used. The best is {sensor} ({celsius:.1} °C{late}): \
             {gains:+.4} ppm (± {doubt:.4}) a degree, evidence {:+.1}.",
            report.gain
        );
    }
    let way = if gains < 0.0 { "loses" } else { "gains" };
    let sure = if gains.abs() > SURE * doubt { "" } else { ", which is hardly known" };
    let (with, without) = report.wander;
    let calmer = if without > 1.1 * with {
        format!(" Without that it would seem to wander {:.1} times as much.", without / with)
    } else {
        String::new()
    };
    format!(
        "The oscillator follows the thermometer {sensor} ({celsius:.1} °C{late}): it {way} {:.4} ppm (± {doubt:.4}) a \
         degree{sure}, of which {:+.4} ppm are taken out now; evidence {:+.1}.{calmer}",
        gains.abs(),
        0.0 - report.compensation * 1e6,
        report.gain,
    )
}

/// One JSON object.
pub fn json(report: &TemperatureReport) -> String {
    let mut out = Object::new();
    out.member("sensor", &Cell::Text(report.sensor.clone()));
    out.member("used", &Cell::Flag(report.used));
    let numbers = [
        ("temperature_celsius", report.celsius),
        ("lag_s", report.lag),
        ("gain_ppm_per_kelvin", 0.0 - report.coefficient * 1e6),
        ("gain_sd_ppm_per_kelvin", report.sd * 1e6),
        ("correction_ppm", report.compensation * 1e6),
        ("evidence", report.gain),
        ("wander_with", report.wander.0),
        ("wander_without", report.wander.1),
    ];
    for (name, number) in numbers {
        out.member(name, &Cell::Real(number));
    }
    out.member("text", &Cell::Text(text(report)));
    out.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::json_read::Value;

    fn report() -> TemperatureReport {
        TemperatureReport {
            sensor: "thermal/acpitz".to_owned(),
            used: true,
            celsius: 41.25,
            lag: 200.0,
            coefficient: -5.1e-8,
            sd: 1.2e-9,
            gain: 27.0,
            wander: (1e-9, 3e-9),
            compensation: -2.55e-7,
        }
    }

    #[test]
    fn sentences_and_numbers_agree() {
        assert_eq!(
            text(&report()),
            "The oscillator follows the thermometer thermal/acpitz (41.2 °C, seen 200 s late): it gains 0.0510 ppm \
             (± 0.0012) a degree, of which +0.2550 ppm are taken out now; evidence +27.0. Without that it would seem \
             to wander 3.0 times as much."
        );
        let unused = TemperatureReport { used: false, coefficient: 1e-9, gain: -1.25, lag: 0.0, ..report() };
        assert_eq!(
            text(&unused),
            "No thermometer tells enough of the oscillator to be used. The best is thermal/acpitz (41.2 °C): -0.0010 \
             ppm (± 0.0012) a degree, evidence -1.2."
        );
        let doubtful = TemperatureReport { coefficient: 2e-9, wander: (1e-9, 1e-9), ..report() };
        assert!(
            text(&doubtful).contains("it loses 0.0020 ppm (± 0.0012) a degree, which is hardly known, of")
        );
        assert!(text(&doubtful).ends_with("evidence +27.0."));
        let value = Value::parse(&json(&report())).expect("it is JSON");
        assert_eq!(value.get("gain_ppm_per_kelvin").and_then(Value::number), Some(0.051));
        assert_eq!(value.get("text").and_then(Value::text), Some(text(&report()).as_str()));
    }

    #[test]
    fn what_is_no_number_is_null() {
        let unknown = json(&TemperatureReport { celsius: f64::NAN, ..report() });
        assert!(unknown.contains("\"temperature_celsius\":null"), "{unknown}");
    }
}
