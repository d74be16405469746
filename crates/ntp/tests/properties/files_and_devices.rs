//! What holds for any bytes taken for a sample of a device, a message inside PTP, or one of the small files.

use ntp::refclock::sock::SockSample;
use ntp::rtc::RtcFile;
use ntp::wire::{ptp, root};

/// Panics if a property does not hold for `data`.
pub fn check(data: &[u8]) {
    if let Some(sample) = SockSample::parse(data) {
        assert!(sample.offset.is_finite());
        let again = SockSample::parse(&sample.emit());
        assert_eq!(again, Some(sample), "parse(emit(x)) == x");
        let _ = sample.truth();
    }
    for domain in [0, 123] {
        if let Some((form, sequence, message)) = ptp::unwrap(domain, data) {
            let whole = ptp::wrap(form, domain, sequence, message).expect("it was one");
            assert_eq!(ptp::unwrap(domain, &whole), Some((form, sequence, message)));
        }
    }
    if let Some(field) = root::Root::parse(data) {
        let bytes = field.emit();
        assert_eq!(bytes[4..], *data, "emit(parse(x)) == x");
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(file) = RtcFile::parse(text) {
        assert!(file.truth(1.7e9).is_finite());
        assert!(RtcFile::parse(&file.format()).is_some(), "{file:?}");
    }
    if let Ok(points) = ntp::engine::tempcomp::read_points(text) {
        assert!(points.windows(2).all(|pair| pair[0].0.total_cmp(&pair[1].0).is_le()));
    }
}
