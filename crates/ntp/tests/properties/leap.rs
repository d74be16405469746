//! What holds for any bytes taken as a leap second list, or as a time zone with leap seconds.

use ntp::leap_table::LeapTable;
use ntp::time::LocalTime;

/// Panics if a property does not hold for `data`.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for table in [LeapTable::from_list(&text), LeapTable::from_zone(data)].into_iter().flatten() {
        for seconds in [i64::MIN, -1, 0, 63_072_000, 1_483_228_799, 1_790_000_000, 4_000_000_000, i64::MAX] {
            let local = LocalTime::from_nanos(seconds.saturating_mul(1_000_000_000));
            let _ = (table.at_end_of_day(local), table.tai_offset(local), table.is_expired(local));
        }
    }
}
