//! The states a source can be in, with the letters and marks that chrony's users know.

/// What selection made of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Option `noselect`, configured or in effect.
    NoSelect,
    /// Fewer than three samples.
    MissingSamples,
    /// Says itself that it is not synchronised.
    Unsynchronised,
    /// Stratum outside `minstratum`…`maxstratum`.
    BadStratum,
    /// Root distance beyond `maxdistance`.
    BadDistance,
    /// Standard deviation beyond `maxjitter`.
    Jittery,
    /// Waits for others to get their first samples; only before the first selection.
    WaitsOthers,
    /// Unreachable, and its samples are older than those of the others.
    Stale,
    /// Stratum at or above the orphan stratum.
    Orphan,
    /// Not wholly inside what the trusted sources agree on.
    Untrusted,
    /// Shares no time with the majority, or there is none.
    Falseticker,
    /// Waits for `minsources`, or for a source with `require`.
    WaitsSources,
    /// Others have `prefer`.
    NotPreferred,
    /// Waits for a new sample of the source chosen to be followed.
    WaitsUpdate,
    /// Too distant to be combined, or was so lately.
    Distant,
    /// Combined with the selected one.
    Combined,
    /// The one followed.
    Selected,
}

impl Status {
    /// Was the source found wrong or unwanted, so that what it said before must not count either? Silence and waiting
    /// are no such reasons.
    pub const fn is_expulsion(self) -> bool {
        matches!(
            self,
            Self::NoSelect
                | Self::Unsynchronised
                | Self::BadStratum
                | Self::BadDistance
                | Self::Jittery
                | Self::Orphan
                | Self::Untrusted
                | Self::Falseticker
                | Self::NotPreferred
        )
    }

    /// All of them, in the order in which they are decided.
    pub const ALL: [Self; 17] = [
        Self::NoSelect,
        Self::MissingSamples,
        Self::Unsynchronised,
        Self::BadStratum,
        Self::BadDistance,
        Self::Jittery,
        Self::WaitsOthers,
        Self::Stale,
        Self::Orphan,
        Self::Untrusted,
        Self::Falseticker,
        Self::WaitsSources,
        Self::NotPreferred,
        Self::WaitsUpdate,
        Self::Distant,
        Self::Combined,
        Self::Selected,
    ];

    /// The letter of the `selectdata` report.
    pub const fn letter(self) -> char {
        match self {
            Self::NoSelect => 'N',
            Self::MissingSamples => 'M',
            Self::Unsynchronised => 's',
            Self::BadStratum => 'r',
            Self::BadDistance => 'd',
            Self::Jittery => '~',
            Self::WaitsOthers => 'w',
            Self::Stale => 'S',
            Self::Orphan => 'O',
            Self::Untrusted => 'T',
            Self::Falseticker => 'x',
            Self::WaitsSources => 'W',
            Self::NotPreferred => 'P',
            Self::WaitsUpdate => 'U',
            Self::Distant => 'D',
            Self::Combined => '+',
            Self::Selected => '*',
        }
    }

    /// The coarser mark of the `sources` report.
    pub const fn mark(self) -> Mark {
        match self {
            Self::Selected => Mark::Selected,
            Self::Combined => Mark::Combined,
            Self::Falseticker => Mark::Falseticker,
            Self::Jittery => Mark::Jittery,
            Self::WaitsSources | Self::NotPreferred | Self::WaitsUpdate | Self::Distant => Mark::Selectable,
            _ => Mark::Unusable,
        }
    }
}

/// The second character of a line of the `sources` report, with the number the control protocol gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// `*`
    Selected = 0,
    /// `?`
    Unusable = 1,
    /// `x`
    Falseticker = 2,
    /// `~`
    Jittery = 3,
    /// `+`
    Combined = 4,
    /// `-`
    Selectable = 5,
}

impl Mark {
    /// Its character.
    pub const fn letter(self) -> char {
        match self {
            Self::Selected => '*',
            Self::Unusable => '?',
            Self::Falseticker => 'x',
            Self::Jittery => '~',
            Self::Combined => '+',
            Self::Selectable => '-',
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_chronys_letter_and_mark() {
        let letters: String = Status::ALL.iter().map(|s| s.letter()).collect();
        let marks: String = Status::ALL.iter().map(|s| s.mark().letter()).collect();
        assert_eq!(letters, "NMsrd~wSOTxWPUD+*");
        assert_eq!(marks, "?????~????x----+*");
        assert_eq!(Mark::Selectable as u16, 5);
    }
}
