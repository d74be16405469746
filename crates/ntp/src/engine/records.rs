//! Entries of the log files, from the engine's state.

use super::{Engine, Stamp};
use crate::logfile::Record;
use crate::source::checks::Checks;
use crate::source::exchange::Measured;
use crate::time::Now;
use crate::wire::Packet;

impl Engine {
    pub(super) fn measurement_record(
        &self,
        _now: Now,
        _index: usize,
        _passed: Checks,
        _packet: &Packet,
        _measured: &Measured,
        _stamps: (Stamp, Stamp),
    ) -> Option<Record> {
        None
    }
    pub(super) fn statistics_record(&self, _now: Now, _index: usize) -> Option<Record> {
        None
    }
    pub(super) fn selection_record(&self, _now: Now, _index: usize) -> Option<Record> {
        None
    }
    pub(super) fn tracking_record(&self, _now: Now) -> Option<Record> {
        None
    }
}
