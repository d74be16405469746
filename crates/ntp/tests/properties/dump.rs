//! What holds for any text taken as a dump of measurements.

use ntp::dump::{Dump, is_dump_name};
use ntp::time::LocalTime;

/// Panics if a property does not hold for `data`.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let now = LocalTime::from_nanos(1_790_000_000_000_000_000);
    let _ = is_dump_name(&text);
    let Ok(dump) = Dump::parse(&text, now) else { return };
    assert!(!dump.samples.is_empty() && dump.samples.len() <= 64);
    for sample in &dump.samples {
        assert!(sample.time <= now, "from the future");
        let values =
            [sample.offset, sample.original_offset, sample.delay, sample.dispersion, sample.root_delay];
        assert!(values.iter().all(|value| value.is_finite()));
    }
}
