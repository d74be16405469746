//! Says when the kernel had to drop requests because nobody took them in time.

use ntp::time::MonoTime;

/// Between two looks, s: at most one line in so long.
const INTERVAL: f64 = 60.0;

/// What has been said so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overrun {
    next: Option<MonoTime>,
    told: u64,
}

impl Overrun {
    /// At `now`; `drops` counts what the kernel has dropped since the start. What there is to say.
    pub fn watch(&mut self, now: MonoTime, drops: impl FnOnce() -> u64) -> Option<String> {
        if self.next.is_some_and(|next| now < next) {
            return None;
        }
        self.next = Some(now + INTERVAL);
        let total = drops();
        let new = total.wrapping_sub(std::mem::replace(&mut self.told, total));
        (new > 0).then(|| {
            let plural = if new == 1 { "request was" } else { "requests were" };
            format!("{new} {plural} dropped by the kernel: more came than the receive buffer holds")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_said_once_and_at_most_once_a_minute() {
        let (mut overrun, start) = (Overrun::default(), MonoTime::from_nanos(0));
        assert_eq!(overrun.watch(start, || 0), None);
        assert_eq!(overrun.watch(start + 59.0, || panic!("not looked at so soon")), None);
        let said = overrun.watch(start + 60.0, || 7).expect("news");
        assert_eq!(said, "7 requests were dropped by the kernel: more came than the receive buffer holds");
        assert_eq!(overrun.watch(start + 120.0, || 7), None);
        assert!(overrun.watch(start + 180.0, || 8).expect("news").starts_with("1 request was dropped"));
    }
}
