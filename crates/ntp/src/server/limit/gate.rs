//! What stands before the answers of one shard: it remembers who asks and decides who is answered.

use super::{Admission, Level, Limits, Load, share};
use crate::server::clients::{Ahead, ClientTable, Key, Slot, Tick};
use crate::server::requests::RequestLog;
use crate::time::{MonoTime, NtpTime};
use crate::wire::{Mode, Packet};
use core::net::{IpAddr, SocketAddr};

/// The clients of one shard and what they may have now.
#[derive(Clone, Debug)]
pub struct Gate {
    table: Option<ClientTable>,
    ahead: Ahead,
    /// Where the client of this request probably is.
    expected: Slot,
    log: Option<RequestLog>,
    level: Level,
    now: Tick,
    /// Makes the classes of requests unpredictable.
    secret: u64,
}

impl Gate {
    /// Remembers clients in `bytes` of memory (0: nobody, so nobody is limited), whole IPv6 networks of `prefix` bits
    /// as one.
    pub fn new(bytes: usize, prefix: u8, key: Key, secret: u64) -> Self {
        let table = (bytes > 0).then(|| ClientTable::new(bytes, key, prefix));
        Self {
            table,
            ahead: Ahead::default(),
            expected: Slot::default(),
            log: None,
            level: Level::default(),
            now: Tick::default(),
            secret,
        }
    }

    /// Logs when requests come in `bytes` of memory (0: it does not); needs the table.
    pub fn log_requests(&mut self, bytes: usize, secret: u64) {
        self.log = (bytes > 0 && self.table.is_some()).then(|| RequestLog::new(bytes, secret));
    }

    /// The log of requests.
    pub fn log(&self) -> Option<&RequestLog> {
        self.log.as_ref()
    }

    /// The same, to take over an earlier one.
    pub fn log_mut(&mut self) -> Option<&mut RequestLog> {
        self.log.as_mut()
    }

    /// It is `now`.
    pub fn set_time(&mut self, now: MonoTime) {
        self.now = now.into();
    }

    /// What a batch told about the load.
    pub fn note(&mut self, load: Load) {
        self.level.note(self.now, load);
    }

    /// Counts a request and decides whether it is answered. `received` is the time as it is told; `chance` gives
    /// random bits, if any are needed.
    pub fn admit(
        &mut self,
        limits: &Limits,
        request: &Packet,
        from: SocketAddr,
        received: impl FnOnce() -> NtpTime,
        chance: impl FnOnce() -> u64,
    ) -> Admission {
        let Some(table) = &mut self.table else { return Admission::Answer };
        let share = self.level.share(limits);
        let class = match (limits.bucket, share) {
            (None, None) => 0,
            _ => share::class(request, from.port(), received(), self.secret),
        };
        let chance = limits.bucket.map_or(0, |_| chance() as u32);
        let slot = table.touch_expected(self.expected, from.ip(), self.now);
        if let Some(log) = &mut self.log {
            log.note(table.group_of(from.ip()), self.now);
        }
        let mut client = table.client(slot);
        client.versions |= match request.mode {
            Mode::Active => 1,
            _ => 1u8.wrapping_shl(request.version.into()),
        };
        let admission = limits.admit(&mut client, class, self.now, share, chance);
        table.put(slot, &client);
        admission
    }

    /// Requests from these `addresses` come next: see [`Ahead::look`].
    pub fn expect(&mut self, addresses: impl Iterator<Item = IpAddr> + Clone, fetch: impl Fn(&u64)) {
        if let Some(table) = &self.table {
            self.ahead.look(table, addresses, fetch);
        }
    }

    /// The next of them is here.
    pub fn turn(&mut self) {
        self.expected = self.ahead.turn();
    }

    /// Whom it remembers; `None`: nobody.
    pub fn clients(&self) -> Option<&ClientTable> {
        self.table.as_ref()
    }

    /// The same, to begin counting again.
    pub fn clients_mut(&mut self) -> Option<&mut ClientTable> {
        self.table.as_mut()
    }

    /// What each may have now.
    pub fn level(&self) -> &Level {
        &self.level
    }

    /// The same, to set what the traffic limit leaves.
    pub fn level_mut(&mut self) -> &mut Level {
        &mut self.level
    }

    /// The time of the last batch.
    pub fn now(&self) -> Tick {
        self.now
    }
}
