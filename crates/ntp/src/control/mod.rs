//! chrony's control protocol, version 6: request bytes to reply bytes.
//!
//! [`handle`] is the daemon's side, [`client`] the command line's. One file per report command holds its struct,
//! its wire form, its renderings and its [`CommandDef`]; [`actions`] holds the commands that change something.
//! What the daemon must supply is [`Backend`].
//!
//! No reply is longer than its request: requests are padded, short ones refused, so that a forged sender
//! address cannot amplify anything.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects))]

pub mod actions;
pub mod activity;
pub mod add_source;
pub mod authdata;
mod backend;
pub mod client;
pub mod clients;
#[cfg(test)]
mod fake;
pub mod float;
#[cfg(test)]
mod golden;
mod handle;
pub mod json;
pub mod manual;
pub mod ntpdata;
pub mod rtcdata;
pub mod selectdata;
pub mod serverstats;
pub mod smoothing;
pub mod sourcename;
pub mod sources;
pub mod sourcestats;
mod status;
pub mod tracking;

pub use actions::Change;
pub use backend::Backend;
pub use handle::handle;
pub(crate) use handle::is_own;
pub use status::Status;

use crate::config::OpenCommand;
use crate::report::Report;
use crate::report::wire::{Reader, Writer, decode};
use core::net::IpAddr;

/// The protocol version spoken here.
pub const VERSION: u8 = 6;
/// Bytes before a request's body.
pub const REQUEST_HEADER: usize = 20;
/// Bytes before a reply's body; also the shortest request and the longest reply to a refused one.
pub const REPLY_HEADER: usize = 28;
/// The longest request that is looked at.
pub const REQUEST_MAX: usize = 860;
/// The longest reply.
pub const REPLY_MAX: usize = 520;
/// Reply code of a reply without body.
pub const REPLY_NULL: u16 = 1;

/// Who sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The Unix socket: everything is allowed.
    Unix,
    /// UDP: open reports only.
    Udp(IpAddr),
}

/// One of the two access lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessList {
    /// Who may ask for time: `allow`, `deny`.
    Ntp,
    /// Who may send requests: `cmdallow`, `cmddeny`.
    Command,
}

/// Who may use a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// UDP too, when one of these is in `opencommands`.
    Open(&'static [OpenCommand]),
    /// The Unix socket only.
    Unix,
}

/// One command: an entry of [`commands`].
pub struct CommandDef {
    /// chronyc's words for it.
    pub name: &'static str,
    /// Request number.
    pub number: u16,
    /// Length of a request up to the end of its body.
    pub body: u16,
    /// Length a request must have: body and padding.
    pub total: u16,
    /// Shortest request that is answered; below `total` where an older layout of the reply exists.
    pub accepted: u16,
    /// Who may use it.
    pub access: Access,
    /// One sentence.
    pub doc: &'static str,
    /// Does it.
    pub run: fn(&mut dyn Backend, &mut Request<'_>, &mut ReplyBody<'_>) -> Status,
}

impl CommandDef {
    /// A report whose request has `body` bytes and must be padded to `total`.
    const fn report(
        name: &'static str,
        number: u16,
        [body, total]: [u16; 2],
        open: &'static [OpenCommand],
        run: fn(&mut dyn Backend, &mut Request<'_>, &mut ReplyBody<'_>) -> Status,
        doc: &'static str,
    ) -> Self {
        Self { name, number, body, total, accepted: total, access: Access::Open(open), doc, run }
    }
}

/// Every report command; the commands that change something are [`actions::CHANGES`].
pub const REPORTS: &[&CommandDef] = &[
    &sources::SOURCE_COUNT,
    &sources::SOURCE_DATA,
    &manual::SET_TIME,
    &actions::ACCHECK,
    &actions::CMDACCHECK,
    &tracking::TRACKING,
    &sourcestats::SOURCESTATS,
    &rtcdata::RTCDATA,
    &manual::MANUAL_LIST,
    &activity::ACTIVITY,
    &smoothing::SMOOTHING,
    &serverstats::SERVERSTATS,
    &ntpdata::NTPDATA,
    &sourcename::SOURCENAME,
    &authdata::AUTHDATA,
    &clients::CLIENTS,
    &clients::OLDER_CLIENTS,
    &selectdata::SELECTDATA,
];

/// Every command there is.
pub fn commands() -> impl Iterator<Item = &'static CommandDef> {
    REPORTS.iter().copied().chain(actions::CHANGES)
}

/// The command with this request number.
pub fn command(number: u16) -> Option<&'static CommandDef> {
    commands().find(|command| command.number == number)
}

/// A request whose header was accepted.
pub struct Request<'a> {
    /// Request number.
    pub number: u16,
    /// Length of the whole datagram.
    pub length: usize,
    /// What follows the header.
    pub body: Reader<'a>,
}

/// The body of a reply under construction.
pub struct ReplyBody<'a> {
    code: u16,
    out: Writer<'a>,
}

impl ReplyBody<'_> {
    /// Puts a report in.
    pub fn report<R: Answer>(&mut self, report: R) -> Status {
        self.put(R::REPLY, report)
    }

    /// Puts a report with another reply code in: an older layout.
    pub fn put<R: Report>(&mut self, code: u16, mut report: R) -> Status {
        self.code = code;
        report.fields(&mut self.out);
        Status::Success
    }

    /// Puts a report in, or says what is wrong.
    pub fn report_or<R: Answer>(&mut self, report: Option<R>, otherwise: Status) -> Status {
        report.map_or(otherwise, |report| self.report(report))
    }
}

/// A report that is the body of a reply.
pub trait Answer: Report {
    /// The reply code of its newest layout.
    const REPLY: u16;

    /// From the body of a reply with reply code `code`.
    fn decode(code: u16, body: &[u8]) -> Result<Self, BadReply> {
        if code == Self::REPLY { decode(body).ok_or(BadReply::Short) } else { Err(BadReply::Code(code)) }
    }
}

/// Why the body of a reply is not what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadReply {
    /// Another reply code than any this program knows for the command: `508 Bad reply from daemon`.
    Code(u16),
    /// Shorter than its reply code says: ask again.
    Short,
}
