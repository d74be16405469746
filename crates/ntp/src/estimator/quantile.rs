//! Quantiles of the round trips seen lately (option `maxdelayquant`, packet test C).

/// Delays remembered.
const HISTORY: usize = 64;

/// The last round trips of a source, whether their samples were accepted or not: a quantile of accepted ones
/// alone would shrink for ever.
#[derive(Clone, Debug)]
pub struct DelayHistory {
    delays: [f64; HISTORY],
    count: usize,
    next: usize,
}

impl Default for DelayHistory {
    fn default() -> Self {
        Self { delays: [0.0; HISTORY], count: 0, next: 0 }
    }
}

impl DelayHistory {
    /// Remembers one round trip, s; what is not finite is ignored.
    pub fn push(&mut self, delay: f64) {
        if !delay.is_finite() {
            return;
        }
        self.delays[self.next] = delay;
        self.next = (self.next + 1) % HISTORY;
        self.count = (self.count + 1).min(HISTORY);
    }

    /// The delay that a share `p` (0 to 1) of the remembered ones does not exceed; `None` when there is none.
    pub fn quantile(&self, p: f64) -> Option<f64> {
        let mut sorted = self.delays;
        let sorted = &mut sorted[..self.count];
        sorted.sort_unstable_by(f64::total_cmp);
        let last = self.count.checked_sub(1)?;
        let index = libm::ceil(p * self.count as f64) as usize;
        Some(sorted[index.saturating_sub(1).min(last)])
    }
}

/// The middle value, the mean of two; `None` of none. Takes quadratic time and no memory.
pub fn median(values: impl Iterator<Item = f64> + Clone) -> Option<f64> {
    let number = values.clone().count();
    let rank = |x: f64| {
        let below = values.clone().filter(|&y| y < x).count();
        let equal = values.clone().filter(|&y| y == x).count();
        (below, below + equal)
    };
    let at = |place: usize| values.clone().find(|&x| (rank(x).0..rank(x).1).contains(&place));
    Some((at(number.checked_sub(1)? / 2)? + at(number / 2)?) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_order_statistics_of_the_newest() {
        let mut history = DelayHistory::default();
        assert_eq!(history.quantile(0.5), None);
        for delay in 0..200 {
            history.push(f64::from(delay));
        }
        history.push(f64::NAN);
        assert_eq!(history.quantile(0.0), Some(136.0));
        assert_eq!(history.quantile(0.5), Some(167.0));
        assert_eq!(history.quantile(1.0), Some(199.0));
        assert_eq!(history.quantile(f64::NAN), Some(136.0));
    }
}
