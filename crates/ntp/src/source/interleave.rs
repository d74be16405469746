//! The client's side of interleaved mode (RFC 9769 §2; option `xleave`).
//!
//! A reply in basic mode says when it was to leave; a reply in interleaved mode says when the reply before it really left.
//! Four exact stamps of one exchange are so known one exchange later: the sample is the earlier exchange's.
//!
//! A request in interleaved mode names the reply before by its receive time (T2) in the origin field, and carries one random
//! number more, in the receive field. The server puts that into the origin field of a reply in interleaved mode, and the
//! transmit field's into one in basic mode: the reply tells its mode, and whoever did not see the request can forge neither.

use crate::config::SourceConfig;
use crate::engine::Stamp;
use crate::sample::Sample;
use crate::time::{NtpTime, OscTime};

/// After so many requests without an answer one is sent in basic mode: the server may not like the other.
const PATIENCE: u32 = 4;

/// An exchange whose reply's true transmit time the next reply may tell.
#[derive(Clone, Copy, Debug)]
pub struct Earlier {
    /// T2 as it was told.
    pub receive: NtpTime,
    /// T1, and what it means in oscillator time.
    pub tx: (Stamp, OscTime),
    /// T4, likewise.
    pub rx: (Stamp, OscTime),
    /// It has given a sample in basic mode already.
    pub measured: bool,
}

/// The two fields that make a request one in interleaved mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Naming {
    /// The origin field: names the reply before.
    pub origin: NtpTime,
    /// The receive field: what a reply in interleaved mode answers with.
    pub receive: NtpTime,
}

/// Whether the next request is in interleaved mode, and its fields. `random` differs from the transmit field;
/// `unanswered` counts the requests since the last answer.
pub fn naming(
    config: &SourceConfig,
    version: u8,
    earlier: Option<&Earlier>,
    unanswered: u32,
    random: NtpTime,
) -> Option<Naming> {
    let able = config.xleave && version == 4 && unanswered < PATIENCE;
    earlier.filter(|_| able).map(|earlier| Naming { origin: earlier.receive, receive: random })
}

/// What an interleaved reply says of the exchange before is worth having: that has given no sample yet, and nothing was
/// sent before its request came. The transmit time of another exchange, a poll interval later, would make the round trip
/// negative; an earlier one's is refused by the time the server took (test A).
pub fn tells_news(earlier: &Earlier, sample: &Sample) -> bool {
    !earlier.measured && sample.delay() + sample.dispersion >= 0.0
}

/// Packets sent ahead to warm up the path (`presend`): in interleaved mode one more, so that the exchange measured is a warm
/// one too, and the server need not remember it for a whole poll interval.
pub const fn presends(config: &SourceConfig) -> u8 {
    if config.xleave { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SourceKind;
    use crate::engine::StampSource;
    use crate::time::RawTime;

    #[test]
    fn only_who_may_and_can_asks_in_interleaved_mode() {
        let mut config = SourceConfig::new(SourceKind::Server, "a");
        let stamp = Stamp { time: RawTime::default(), source: StampSource::Kernel };
        let at = (stamp, OscTime::default());
        let earlier = Earlier { receive: NtpTime(5), tx: at, rx: at, measured: true };
        let asked = |config: &SourceConfig, version, earlier, unanswered| {
            naming(config, version, earlier, unanswered, NtpTime(9))
        };
        assert_eq!(asked(&config, 4, Some(&earlier), 0), None);
        config.xleave = true;
        let expected = Some(Naming { origin: NtpTime(5), receive: NtpTime(9) });
        assert_eq!(asked(&config, 4, Some(&earlier), 0), expected);
        assert_eq!(asked(&config, 4, Some(&earlier), 3), expected);
        assert_eq!(asked(&config, 4, Some(&earlier), 4), None, "fallen back");
        assert_eq!(asked(&config, 3, Some(&earlier), 0), None);
        assert_eq!(asked(&config, 4, None, 0), None);
        assert_eq!(presends(&config), 2);
    }
}
