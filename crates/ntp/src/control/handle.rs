//! The daemon's side: one request in, at most one reply out.

use super::{
    Access, Backend, CommandDef, Origin, REPLY_HEADER, REPLY_MAX, REPLY_NULL, REQUEST_HEADER, REQUEST_MAX,
    ReplyBody, Request, Status, VERSION, command,
};
use crate::config::OpenCommand;
use crate::report::wire::{Reader, Writer};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The oldest version whose speakers understand a reply that says "wrong version".
const OLDEST_ANSWERED: u8 = 5;
const REQUEST: u8 = 1;
const REPLY: u8 = 2;

/// Answers `request`. The reply is the first bytes of `reply`, as many as returned; `None`: say nothing.
///
/// `open` is the list of reports that UDP may ask for. A reply is never longer than its request.
pub fn handle(
    backend: &mut dyn Backend,
    from: Origin,
    open: &[OpenCommand],
    request: &[u8],
    reply: &mut [u8; REPLY_MAX],
) -> Option<usize> {
    if let Origin::Udp(address) = from
        && !is_own(address)
        && !backend.command_access(address)
    {
        return None;
    }
    let header = Header::parse(request)?;
    if !backend.count_command(from) {
        return None;
    }
    let (status, code, body) = match admit(&header, request, from, open) {
        Err(Refusal::Silently) => return None,
        Err(Refusal::With(status)) => (status, REPLY_NULL, 0),
        Ok(command) => run(command, backend, request, reply),
    };
    let length = REPLY_HEADER.saturating_add(body);
    if length > request.len() {
        return None;
    }
    let mut out = Writer::new(reply);
    header.answer(status, code, &mut out);
    Some(length)
}

/// Exactly these two are always allowed and never limited, not all of 127.0.0.0/8.
fn is_own(address: IpAddr) -> bool {
    address == Ipv4Addr::LOCALHOST || address == Ipv6Addr::LOCALHOST
}

enum Refusal {
    Silently,
    With(Status),
}

/// The command, if this request of it may be run.
fn admit(
    header: &Header,
    request: &[u8],
    from: Origin,
    open: &[OpenCommand],
) -> Result<&'static CommandDef, Refusal> {
    match header.version {
        VERSION => {}
        OLDEST_ANSWERED.. => return Err(Refusal::With(Status::BadVersion)),
        _ => return Err(Refusal::Silently),
    }
    let command = command(header.number).ok_or(Refusal::With(Status::Invalid))?;
    if request.len() < usize::from(command.accepted) {
        return Err(Refusal::With(Status::BadLength));
    }
    let allowed = match (from, command.access) {
        (Origin::Unix, _) => true,
        (Origin::Udp(_), Access::Open(keywords)) => keywords.iter().any(|keyword| open.contains(keyword)),
        (Origin::Udp(_), Access::Unix) => false,
    };
    if allowed { Ok(command) } else { Err(Refusal::With(Status::Unauthorised)) }
}

/// Runs `command`; gives the status, the reply code and the length of the body it put into `reply`.
fn run(
    command: &CommandDef,
    backend: &mut dyn Backend,
    request: &[u8],
    reply: &mut [u8; REPLY_MAX],
) -> (Status, u16, usize) {
    let body = request.get(REQUEST_HEADER..).unwrap_or_default();
    let mut asked = Request { number: command.number, length: request.len(), body: Reader::new(body) };
    let room = reply.get_mut(REPLY_HEADER..).unwrap_or_default();
    let mut answer = ReplyBody { code: REPLY_NULL, out: Writer::new(room) };
    let status = (command.run)(backend, &mut asked, &mut answer);
    match answer.out.finish() {
        Some(length) if status == Status::Success => (status, answer.code, length),
        // A body that does not fit is our mistake; better a plain refusal than half a report.
        None => (Status::Failed, REPLY_NULL, 0),
        Some(_) => (status, REPLY_NULL, 0),
    }
}

/// What of a request's header is used again in its reply.
struct Header {
    version: u8,
    number: u16,
    sequence: u32,
}

impl Header {
    /// `None`: not a request of this protocol, so not to be answered.
    fn parse(request: &[u8]) -> Option<Self> {
        if !(REPLY_HEADER..=REQUEST_MAX).contains(&request.len()) {
            return None;
        }
        let mut reader = Reader::new(request);
        let [version, kind, reserved1, reserved2] = reader.take();
        let number = reader.value();
        let _attempt: u16 = reader.value();
        let sequence = reader.value();
        let is_request = kind == REQUEST && reserved1 == 0 && reserved2 == 0;
        is_request.then_some(Self { version, number, sequence })
    }

    /// Writes the header of the reply.
    fn answer(&self, status: Status, code: u16, out: &mut Writer<'_>) {
        out.put(&[VERSION, REPLY, 0, 0]);
        out.value(&self.number);
        out.value(&code);
        out.value(&status.code());
        out.put(&[0; 6]);
        out.value(&self.sequence);
        out.put(&[0; 8]);
    }
}
