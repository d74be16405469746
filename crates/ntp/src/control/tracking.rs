//! `tracking`: the state of the system clock.

use super::{Answer, CommandDef};
use crate::config::OpenCommand;
use crate::ids::RefId;
use crate::report::{Address, Frequency, LeapStatus, Page, Report, Seconds, Time, Unit, Visitor, col, text};
use Unit::{None, Ppm, Seconds as S};

/// The state of the system clock.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tracking {
    /// Reference identifier of the system peer.
    pub ref_id: RefId,
    /// Its address; unspecified for a reference clock, the local reference, none.
    pub address: Address,
    /// Our stratum; 0 when not synchronised.
    pub stratum: u16,
    /// Our leap status.
    pub leap: LeapStatus,
    /// When the clock was last updated.
    pub reference_time: Time,
    /// Correction still being slewed; positive: the clock is slow of NTP time.
    pub correction: Seconds,
    /// Estimated offset at the last update; positive: the clock was fast.
    pub last_offset: Seconds,
    /// Long-term root mean square of the offset.
    pub rms_offset: Seconds,
    /// Error of the clock's rate without correction; positive: it gains.
    pub frequency: Frequency,
    /// Difference of the system peer's frequency from the one in use.
    pub residual_frequency: Frequency,
    /// Bound of the frequency's error.
    pub skew: Frequency,
    /// Round trips to the stratum-1 server.
    pub root_delay: Seconds,
    /// Dispersion up to the stratum-1 server.
    pub root_dispersion: Seconds,
    /// Time between the last two updates.
    pub update_interval: Seconds,
}

impl Report for Tracking {
    fn fields<V: Visitor>(&mut self, v: &mut V) {
        v.field(&col("ref_id", None, "Reference identifier of the system peer."), &mut self.ref_id);
        v.field(&col("address", None, "Address of the system peer."), &mut self.address);
        v.field(&col("stratum", None, "Stratum of this computer."), &mut self.stratum);
        // 16 bits on the wire; a number that needs them has no meaning.
        let mut high = 0u8;
        v.wire(&mut high);
        v.field(&col("leap", None, "Leap status."), &mut self.leap);
        if high != 0 {
            self.leap = LeapStatus::INVALID;
        }
        v.field(
            &col("reference_time", S, "When the clock was last updated, since 1970."),
            &mut self.reference_time,
        );
        v.field(
            &col("correction", S, "Still being slewed; positive: the clock is slow."),
            &mut self.correction,
        );
        v.field(
            &col("last_offset", S, "Offset found by the last update; positive: the clock was fast."),
            &mut self.last_offset,
        );
        v.field(&col("rms_offset", S, "Long-term average of the offset."), &mut self.rms_offset);
        v.field(
            &col("frequency", Ppm, "Rate error without correction; positive: the clock gains."),
            &mut self.frequency,
        );
        v.field(
            &col("residual_frequency", Ppm, "What the system peer says beyond the frequency in use."),
            &mut self.residual_frequency,
        );
        v.field(&col("skew", Ppm, "Bound on the error of the frequency."), &mut self.skew);
        v.field(&col("root_delay", S, "Delay to the stratum-1 server."), &mut self.root_delay);
        v.field(&col("root_dispersion", S, "Dispersion to the stratum-1 server."), &mut self.root_dispersion);
        v.field(
            &col("update_interval", S, "Time between the last two updates.").digits(1),
            &mut self.update_interval,
        );
    }
}

impl Answer for Tracking {
    const REPLY: u16 = 5;
}

impl Page for Tracking {
    const COLUMNS: &'static [&'static str] = &[
        "ref_id",
        "name",
        "stratum",
        "reference_time",
        "correction",
        "last_offset",
        "rms_offset",
        "frequency",
        "residual_frequency",
        "skew",
        "root_delay",
        "root_dispersion",
        "update_interval",
        "leap",
    ];

    fn text(&self, name: &str, _wide: bool) -> String {
        format!(
            "Reference ID    : {} ({name})\n\
             Stratum         : {}\n\
             Ref time (UTC)  : {}\n\
             System time     : {} of NTP time\n\
             Last offset     : {:+.9} seconds\n\
             RMS offset      : {:.9} seconds\n\
             Frequency       : {}\n\
             Residual freq   : {:+.3} ppm\n\
             Skew            : {:.3} ppm\n\
             Root delay      : {:.9} seconds\n\
             Root dispersion : {:.9} seconds\n\
             Update interval : {:.1} seconds\n\
             Leap status     : {}\n",
            self.ref_id,
            self.stratum,
            text::time(self.reference_time),
            text::fast_slow_offset(self.correction.0),
            self.last_offset.0,
            self.rms_offset.0,
            text::fast_slow_frequency(self.frequency.ppm()),
            self.residual_frequency.ppm(),
            self.skew.ppm(),
            self.root_delay.0,
            self.root_dispersion.0,
            self.update_interval.0,
            self.leap.text(),
        )
    }
}

/// `tracking`
pub const TRACKING: CommandDef = CommandDef::report(
    "tracking",
    33,
    [20, 104],
    &[OpenCommand::Tracking],
    |backend, _, reply| reply.report(backend.tracking()),
    "Shows how the system clock is doing.",
);
