//! The largest group of intervals that share a point (Marzullo's sweep).

/// Two numbers in order: what a source claims.
pub(super) type Interval = (f64, f64);

/// Reused memory of the sweep.
#[derive(Clone, Debug, Default)]
pub(super) struct Sweep {
    /// (where, closing, which), in order; at one place intervals open before others close.
    edges: Vec<(f64, bool)>,
    /// Places where most intervals overlap, in order.
    regions: Vec<Interval>,
}

/// Where most intervals overlap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Agreement {
    /// How many intervals share a point there.
    pub depth: usize,
    /// From the first to the last such point.
    pub hull: Interval,
}

impl Sweep {
    /// Finds the points covered by most of `intervals`; they must be finite and in order.
    pub fn run(&mut self, intervals: impl Iterator<Item = Interval>) -> Option<Agreement> {
        self.edges.clear();
        self.regions.clear();
        for (low, high) in intervals {
            self.edges.push((low, false));
            self.edges.push((high, true));
        }
        self.edges.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let (mut depth, mut deepest, mut open) = (0, 0, None);
        for &(place, closes) in &self.edges {
            if closes {
                if let Some(start) = open.take() {
                    self.regions.push((start, place));
                }
                depth -= 1;
                continue;
            }
            depth += 1;
            if depth > deepest {
                deepest = depth;
                self.regions.clear();
            }
            open = (depth == deepest).then_some(place);
        }
        let (first, last) = (self.regions.first()?, self.regions.last()?);
        Some(Agreement { depth: deepest, hull: (first.0, last.1) })
    }

    /// Does `interval` cover one of the deepest places?
    pub fn shares(&self, interval: Interval) -> bool {
        self.regions.iter().any(|region| interval.0 <= region.0 && interval.1 >= region.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(intervals: &[Interval]) -> (Option<Agreement>, Vec<bool>) {
        let mut sweep = Sweep::default();
        let agreement = sweep.run(intervals.iter().copied());
        (agreement, intervals.iter().map(|&i| sweep.shares(i)).collect())
    }

    #[test]
    fn the_deepest_place_is_found() {
        let (agreement, shares) = sweep(&[(0.0, 4.0), (3.0, 6.0), (5.0, 9.0), (3.5, 3.6)]);
        assert_eq!(agreement, Some(Agreement { depth: 3, hull: (3.5, 3.6) }));
        assert_eq!(shares, [true, true, false, true]);
    }

    #[test]
    fn touching_intervals_agree_and_nothing_agrees_with_nothing() {
        let (agreement, shares) = sweep(&[(0.0, 1.0), (1.0, 2.0)]);
        assert_eq!(agreement, Some(Agreement { depth: 2, hull: (1.0, 1.0) }));
        assert_eq!(shares, [true, true]);
        assert_eq!(sweep(&[]).0, None);
    }

    #[test]
    fn two_places_of_one_depth_are_both_kept_and_the_gap_between_is_not() {
        let (agreement, shares) = sweep(&[(0.0, 10.0), (1.0, 2.0), (8.0, 9.0), (4.0, 4.0)]);
        assert_eq!(agreement, Some(Agreement { depth: 2, hull: (1.0, 9.0) }));
        assert_eq!(shares, [true, true, true, true]);
        let (_, shares) =
            sweep(&[(0.0, 10.0), (0.0, 10.0), (1.0, 2.0), (8.0, 9.0), (8.0, 9.0), (1.0, 2.0), (4.0, 4.0)]);
        assert_eq!(shares, [true, true, true, true, true, true, false]);
    }
}
