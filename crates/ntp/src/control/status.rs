//! Status codes of replies, and the words chronyc prints for them.

use core::fmt;

/// How a request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Done.
    Success,
    /// Tried and failed.
    Failed,
    /// Not over this transport.
    Unauthorised,
    /// Unknown command number or argument.
    Invalid,
    /// No source has this address, index or name.
    NoSuchSource,
    /// Historic.
    InvalidTimestamp,
    /// This part of the daemon is not configured.
    NotEnabled,
    /// Prefix too long, or of no family.
    BadSubnet,
    /// Answer of the access checks.
    AccessAllowed,
    /// Answer of the access checks.
    AccessDenied,
    /// Historic.
    NoHostAccess,
    /// The address is in use.
    SourceAlreadyKnown,
    /// The table is full.
    TooManySources,
    /// No real-time clock is followed.
    NoRtc,
    /// Its parameters cannot be written.
    BadRtcFile,
    /// The client log is off.
    Inactive,
    /// No such sample.
    BadSample,
    /// The address is of a family that is not wanted here.
    InvalidFamily,
    /// Another protocol version is spoken here.
    BadVersion,
    /// The request is shorter than its command needs.
    BadLength,
    /// Not a host name or address.
    InvalidName,
    /// A code this program does not know.
    Other(u16),
}

impl Status {
    const KNOWN: [(Self, u16, &'static str); 21] = [
        (Self::Success, 0, "200 OK"),
        (Self::Failed, 1, "500 Failure"),
        (Self::Unauthorised, 2, "501 Not authorised"),
        (Self::Invalid, 3, "502 Invalid command"),
        (Self::NoSuchSource, 4, "503 No such source"),
        (Self::InvalidTimestamp, 5, "504 Duplicate or stale logon detected"),
        (Self::NotEnabled, 6, "505 Facility not enabled in daemon"),
        (Self::BadSubnet, 7, "507 Bad subnet"),
        (Self::AccessAllowed, 8, "208 Access allowed"),
        (Self::AccessDenied, 9, "209 Access denied"),
        (Self::NoHostAccess, 10, "510 No command access from this host"),
        (Self::SourceAlreadyKnown, 11, "511 Source already present"),
        (Self::TooManySources, 12, "512 Too many sources present"),
        (Self::NoRtc, 13, "513 RTC driver not running"),
        (Self::BadRtcFile, 14, "514 Can't write RTC parameters"),
        (Self::Inactive, 15, "519 Client logging is not active in the daemon"),
        (Self::BadSample, 16, "516 Sample index out of range"),
        (Self::InvalidFamily, 17, "515 Invalid address family"),
        (Self::BadVersion, 18, "517 Protocol version mismatch"),
        (Self::BadLength, 19, "518 Packet length mismatch"),
        (Self::InvalidName, 21, "521 Invalid name"),
    ];

    /// From the number on the wire.
    pub fn from_code(code: u16) -> Self {
        Self::KNOWN.iter().find(|known| known.1 == code).map_or(Self::Other(code), |known| known.0)
    }

    /// The number on the wire.
    pub fn code(self) -> u16 {
        match self {
            Self::Other(code) => code,
            _ => Self::KNOWN.iter().find(|known| known.0 == self).map_or(1, |known| known.1),
        }
    }

    /// Does a command that got this count as done (exit status 0)?
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Success | Self::AccessAllowed | Self::AccessDenied)
    }
}

impl fmt::Display for Status {
    /// The numbered line that chronyc prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Self::KNOWN.iter().find(|known| known.0 == *self);
        f.write_str(known.map_or("520 Got unexpected error from daemon", |known| known.2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_statuses_are_one_to_one() {
        for code in 0..=300 {
            assert_eq!(Status::from_code(code).code(), code);
        }
        assert_eq!(Status::from_code(20), Status::Other(20));
        assert_eq!(Status::Other(20).to_string(), "520 Got unexpected error from daemon");
        assert_eq!(Status::NoSuchSource.to_string(), "503 No such source");
    }
}
