//! Option `filter`: several exchanges make one sample.

use super::exchange::Measured;
use crate::discipline::Belief;
use crate::estimator::Theta;
use crate::sample::Sample;
use crate::time::OscTime;

/// Exchanges gathered at most.
const MOST: usize = 64;
/// Share of them, those nearest to the median, that is used.
const SHARE: f64 = 0.6;

/// The exchanges since the last sample.
#[derive(Clone, Debug, Default)]
pub struct Gathered(Vec<Measured>);

impl Gathered {
    /// Takes one more; when there are `wanted` of them, the sample that they make together. At most one of them is the
    /// sample itself.
    pub fn add(&mut self, new: &Measured, wanted: i32, belief: &Belief) -> Option<Measured> {
        if wanted <= 1 {
            return Some(*new);
        }
        self.0.push(*new);
        if self.0.len() < usize::try_from(wanted).unwrap_or(1).min(MOST) {
            return None;
        }
        let together = combine(&mut self.0, belief);
        self.0.clear();
        together
    }

    /// The newest of them.
    pub fn last(&self) -> Option<&Sample> {
        self.0.last().map(|measured| &measured.sample)
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// True time moved by `nanos` against oscillator time.
    pub fn add_offset(&mut self, nanos: i64) {
        for measured in &mut self.0 {
            measured.sample.forward = measured.sample.forward.saturating_add(nanos);
            measured.sample.backward = measured.sample.backward.saturating_sub(nanos);
        }
    }
}

/// The mean of those whose offset is nearest to the median, which is taken relative to `belief`.
fn combine(all: &mut [Measured], belief: &Belief) -> Option<Measured> {
    let away = |m: &Measured| Theta::from_nanos(m.sample.offset_nanos()) - belief.theta_at(m.sample.v);
    let newest = *all.last()?;
    all.sort_by(|a, b| away(a).total_cmp(&away(b)));
    let n = all.len();
    let used = (libm::ceil(SHARE * n as f64) as usize).clamp(1, n);
    let chosen = all.get((n - used) / 2..(n + used).div_ceil(2).min(n))?;
    let first = chosen.first()?.sample;
    let mean =
        |f: &dyn Fn(&Sample) -> f64| chosen.iter().map(|m| f(&m.sample)).sum::<f64>() / chosen.len() as f64;
    let whole = |f: &dyn Fn(&Sample) -> i64, base: i64| {
        base.saturating_add(libm::rint(mean(&|s| f(s).saturating_sub(base) as f64)) as i64)
    };
    let sample = Sample {
        v: OscTime::from_nanos(whole(&|s| s.v.nanos(), first.v.nanos())),
        forward: whole(&|s| s.forward, first.forward),
        backward: whole(&|s| s.backward, first.backward),
        half: mean(&|s| s.half),
        dispersion: mean(&|s| s.dispersion),
        // What the server may have been wrong by on average is as much of the mean's error.
        root_delay: mean(&|s| s.root_delay),
        root_dispersion: mean(&|s| s.root_dispersion),
        stratum: newest.sample.stratum,
        leap: newest.sample.leap,
    };
    Some(Measured { sample, response_time: newest.response_time })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Leap;

    fn measured(second: i64, offset: i64, delay: i64) -> Measured {
        let sample = Sample {
            v: OscTime::from_nanos(second * 1_000_000_000),
            forward: offset + delay / 2,
            backward: delay / 2 - offset,
            half: delay as f64 * 0.5e-9,
            dispersion: 1e-6,
            root_delay: 0.0,
            root_dispersion: 0.0,
            stratum: 1,
            leap: Leap::None,
        };
        Measured { sample, response_time: 0.0 }
    }

    #[test]
    fn five_make_one_and_the_outliers_do_not_count() {
        let belief = Belief { v: OscTime::from_nanos(0), theta: Theta::from_nanos(0), frequency: 0.0 };
        let mut gathered = Gathered::default();
        for (i, offset) in [1000, 1_000_000, 1200, -900_000].into_iter().enumerate() {
            assert_eq!(gathered.add(&measured(i as i64, offset, 4000), 5, &belief), None);
        }
        let sample = gathered.add(&measured(4, 1100, 4000), 5, &belief).expect("five").sample;
        assert_eq!((sample.offset_nanos(), sample.v), (1100, OscTime::from_nanos(2_000_000_000)));
        for (second, dispersion) in [0.3, 0.3, 0.0].into_iter().enumerate() {
            let mut one = measured(second as i64, 0, 4000);
            one.sample.root_dispersion = dispersion;
            let sample = gathered.add(&one, 3, &belief).map(|made| made.sample.root_dispersion);
            assert!(
                sample.is_none_or(|mean| mean > 0.14),
                "what the newest says is not true of the others: {sample:?}"
            );
        }
        assert_eq!(gathered.add(&measured(5, 1, 1), 5, &belief), None, "anew");
        assert!(gathered.add(&measured(6, 1, 1), 0, &belief).is_some(), "off");
    }
}
