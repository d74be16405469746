//! Axes: from a figure to a place on the page, and the marks between.

/// How figures become places.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// In proportion, from the first to the second.
    Linear(f64, f64),
    /// In decades, from the first to the second; both positive.
    Log(f64, f64),
    /// Both signs: in proportion below the first, in decades beyond it, up to ± the second.
    Symmetric(f64, f64),
}

impl Scale {
    /// 0 at the lower end, 1 at the upper; what lies outside is put at the edge.
    pub fn place(self, value: f64) -> f64 {
        let share = match self {
            Self::Linear(low, high) => (value - low) / (high - low),
            Self::Log(low, high) => libm::log(value.max(low) / low) / libm::log(high / low),
            Self::Symmetric(linear, most) => {
                let bend = |x: f64| libm::log1p(x.abs() / linear).copysign(x);
                0.5 + 0.5 * bend(value) / bend(most)
            }
        };
        if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) }
    }

    /// Figures worth a mark, about `wanted` of them.
    pub fn marks(self, wanted: usize) -> Vec<f64> {
        match self {
            Self::Linear(low, high) => {
                let step = round_step((high - low) / wanted.max(1) as f64);
                let first = (low / step).ceil() as i64;
                (first..).map(|i| i as f64 * step).take_while(|x| *x <= high + step * 1e-9).collect()
            }
            Self::Log(low, high) if high / low < 200.0 => {
                let fine = decades(low / 10.0, high).into_iter().flat_map(|d| [d, 2.0 * d, 5.0 * d]);
                fine.filter(|x| (low..=high).contains(x)).collect()
            }
            Self::Log(low, high) => thin(decades(low, high), wanted),
            Self::Symmetric(linear, most) => {
                let above = thin(decades(linear, most), wanted.saturating_sub(1) / 2);
                let below = above.iter().rev().map(|x| -x);
                below.chain([0.0]).chain(above.iter().copied()).collect()
            }
        }
    }
}

/// The nearest step that is 1, 2 or 5 times a power of ten and not smaller.
pub fn round_step(step: f64) -> f64 {
    let power = libm::pow(10.0, libm::floor(libm::log10(step)));
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= step * 0.999).unwrap_or(10.0 * power)
}

fn decades(low: f64, high: f64) -> Vec<f64> {
    let first = libm::ceil(libm::log10(low) - 1e-9) as i32;
    let last = libm::floor(libm::log10(high) + 1e-9) as i32;
    (first..=last).map(|power| libm::pow(10.0, f64::from(power))).collect()
}

/// Every second, third … one, so that no more than `most` are left; the largest stays.
fn thin(marks: Vec<f64>, most: usize) -> Vec<f64> {
    let every = marks.len().div_ceil(most.max(1)).max(1);
    let skip = (marks.len() + every - 1) % every;
    marks.into_iter().skip(skip).step_by(every).collect()
}

/// Seconds in words: `-20 µs`.
pub fn seconds(value: f64) -> String {
    let (size, unit) = match value.abs() {
        0.0 => return "0".into(),
        v if v >= 0.9999 => (1.0, "s"),
        v if v >= 0.9999e-3 => (1e3, "ms"),
        v if v >= 0.9999e-6 => (1e6, "µs"),
        _ => (1e9, "ns"),
    };
    format!("{} {unit}", short(value * size)).replace('-', "−")
}

/// A frequency in ppm or ppb.
pub fn frequency(value: f64) -> String {
    let (size, unit) = match value.abs() {
        0.0 => return "0".into(),
        v if v >= 0.9999e-3 => (1e2, "%"),
        v if v >= 0.9999e-6 => (1e6, "ppm"),
        _ => (1e9, "ppb"),
    };
    format!("{} {unit}", short(value * size)).replace('-', "−")
}

/// Three significant digits, without zeros at the end.
fn short(value: f64) -> String {
    let digits = (2.0 - libm::floor(libm::log10(value.abs()))).clamp(0.0, 6.0) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_grow_with_figures_and_stay_on_the_page() {
        for scale in [Scale::Linear(-2.0, 3.0), Scale::Log(1e-4, 1.0), Scale::Symmetric(1e-5, 0.1)] {
            let places: Vec<f64> = (-400..400).map(|i| scale.place(f64::from(i) / 100.0)).collect();
            assert!(places.windows(2).all(|p| p[0] <= p[1] && (0.0..=1.0).contains(&p[0])), "{scale:?}");
            assert!(places[0] < 1e-9 && places[799] > 1.0 - 1e-9);
        }
        assert!((Scale::Symmetric(1e-5, 0.1).place(0.0) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn marks_are_round_and_few() {
        assert_eq!(Scale::Linear(0.0, 48.0).marks(8), [0.0, 10.0, 20.0, 30.0, 40.0]);
        let log: Vec<String> = Scale::Log(5e-3, 2.0).marks(5).into_iter().map(seconds).collect();
        assert_eq!(log, ["10 ms", "100 ms", "1 s"]);
        let log: Vec<String> = Scale::Log(1.5e-3, 0.03).marks(5).into_iter().map(seconds).collect();
        assert_eq!(log, ["2 ms", "5 ms", "10 ms", "20 ms"]);
        let symmetric = Scale::Symmetric(1e-6, 0.2).marks(7);
        assert_eq!(symmetric.len(), 7);
        assert_eq!(symmetric.iter().map(|x| seconds(*x)).next_back().unwrap(), "100 ms");
    }

    #[test]
    fn figures_are_said_in_their_units() {
        let said: Vec<String> = [-2e-5, 0.0, 0.1, 3.2, 1e-8].into_iter().map(seconds).collect();
        assert_eq!(said, ["−20 µs", "0", "100 ms", "3.2 s", "10 ns"]);
        let said: Vec<String> = [1e-6, -5e-8, 0.05].into_iter().map(frequency).collect();
        assert_eq!(said, ["1 ppm", "−50 ppb", "5 %"]);
    }
}
