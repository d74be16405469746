//! Who is answered when not everybody is.
//!
//! Two kinds of limits. An explicit one (`ratelimit interval …`, [`bucket`]) has chrony's meaning: so many answers per
//! address. The adaptive one (`ratelimit auto`, [`share`]) asks what the server can do: while it has capacity to spare
//! only those are limited who send what no honest client and no honest crowd behind one address sends; when it has not
//! ([`level`]), what each may have is lowered until the load fits, so that the loudest lose first and whoever stays below
//! the level loses nothing. The numbers are derived in `DESIGN.md`.

pub mod bucket;
pub mod budget;
pub mod gate;
pub mod level;
pub mod replay;
pub mod share;

pub use bucket::{Admission, Bucket};
pub use budget::Budget;
pub use gate::Gate;
pub use level::{Level, Load};
pub use share::Share;

use super::clients::{Client, Tick};

/// What is limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// `ratelimit` with numbers.
    pub bucket: Option<Bucket>,
    /// `ratelimit auto`: nobody gets more than [`level::CEILING`] even while there is capacity.
    pub ceiling: bool,
    /// Shares are lowered when there is none.
    pub adaptive: bool,
}

impl Limits {
    /// `ratelimit auto`.
    pub const AUTO: Self = Self { bucket: None, ceiling: true, adaptive: true };

    /// Decides about a request of `client` that came at `now` and has not been counted yet, and remembers the
    /// decision. `share` is what a class may have now; `chance` are random bits.
    pub fn admit(
        &self,
        client: &mut Client,
        class: usize,
        now: Tick,
        share: Option<Share>,
        chance: u32,
    ) -> Admission {
        let admission = match (&self.bucket, share) {
            (None, None) => Admission::Answer,
            (None, Some(share)) if share.admit(client, class, now) => Admission::Answer,
            (None, Some(_)) => Admission::Drop,
            (Some(bucket), share) => {
                let admission = bucket.admit(client, class, now, chance);
                let loud = share.is_some_and(|share| share.exceeded(client, class));
                if loud { Admission::Drop } else { admission }
            }
        };
        let dropped = admission == Admission::Drop;
        client.count(now);
        client.drops = client.drops.saturating_add(dropped.into());
        client.set(Client::UNANSWERED, dropped);
        admission
    }
}
