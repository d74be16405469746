//! The command line's side: requests out, replies in.
//!
//! [`request`] and [`change_request`] build a datagram; [`Reply::parse`] says whether a datagram answers it;
//! [`Reply::report`] gives its report. Sending, waiting and repeating is the caller's business.

use super::actions::{CHANGES, Change};
use super::clients::ClientsQuery;
use super::{Answer, BadReply, CommandDef, REPLY_HEADER, REQUEST_HEADER, Status, VERSION};
use crate::report::wire::{Reader, Writer};
use crate::report::{Address, Time};
use core::net::IpAddr;

/// What a report's request carries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Argument {
    /// Nothing.
    None,
    /// Number of a source, from 0.
    Index(u32),
    /// A source or client.
    Address(Address),
    /// A part of the client table.
    Clients(ClientsQuery),
    /// The time, for `settime`.
    Time(Time),
}

impl From<IpAddr> for Argument {
    fn from(address: IpAddr) -> Self {
        Self::Address(address.into())
    }
}

/// The datagram that asks for a report. `sequence` is a new random number for every datagram, `attempt` counts
/// repetitions from 0.
pub fn request(command: &CommandDef, argument: Argument, sequence: u32, attempt: u16) -> Vec<u8> {
    build(command, sequence, attempt, |out| match argument {
        Argument::None => {}
        Argument::Index(index) => out.value(&index),
        Argument::Address(address) => out.value(&address),
        Argument::Clients(query) => query.write(out),
        Argument::Time(time) => out.value(&time),
    })
}

/// The datagram that asks for a change.
pub fn change_request(change: &Change, sequence: u32, attempt: u16) -> Vec<u8> {
    let number = change.number();
    CHANGES
        .iter()
        .find(|command| command.number == number)
        .map_or_else(Vec::new, |command| build(command, sequence, attempt, |out| change.encode(out)))
}

fn build(command: &CommandDef, sequence: u32, attempt: u16, body: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut datagram = vec![0; usize::from(command.total)];
    let mut out = Writer::new(&mut datagram);
    out.put(&[VERSION, 1, 0, 0]);
    out.value(&command.number);
    out.value(&attempt);
    out.value(&sequence);
    out.put(&[0; 8]);
    body(&mut out);
    datagram
}

/// A datagram that answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    /// How it went.
    pub status: Status,
    /// What the body is.
    pub code: u16,
    /// The body.
    pub body: &'a [u8],
}

impl<'a> Reply<'a> {
    /// The reply to `request` in `datagram`; `None`: it answers something else, so go on waiting.
    ///
    /// A reply in another version is taken only when it says that ours is not spoken there.
    pub fn parse(request: &[u8], datagram: &'a [u8]) -> Option<Self> {
        let mut asked = Reader::new(request.get(..REQUEST_HEADER)?);
        let _first: [u8; 4] = asked.take();
        let asked_number: u16 = asked.value();
        let _attempt: u16 = asked.value();
        let asked_sequence: u32 = asked.value();

        let body = datagram.get(REPLY_HEADER..)?;
        let mut reader = Reader::new(datagram);
        let [version, kind, reserved1, reserved2] = reader.take();
        let [number, code, status]: [u16; 3] = [reader.value(), reader.value(), reader.value()];
        let _pad: [u8; 6] = reader.take();
        let sequence: u32 = reader.value();

        let status = Status::from_code(status);
        let version_fits = version == VERSION || version >= 4 && status == Status::BadVersion;
        let fits = version_fits
            && [kind, reserved1, reserved2] == [2, 0, 0]
            && number == asked_number
            && sequence == asked_sequence;
        fits.then_some(Self { status, code, body })
    }

    /// The report in it; look at [`Reply::status`] first.
    pub fn report<R: Answer>(&self) -> Result<R, BadReply> {
        R::decode(self.code, self.body)
    }
}
