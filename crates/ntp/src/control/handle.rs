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
    let stranger = match from {
        Origin::Udp(address) if !is_own(address) => Some(address),
        Origin::Udp(_) | Origin::Unix => None,
    };
    if stranger.is_some_and(|address| !backend.command_access(address)) {
        return None;
    }
    let header = Header::parse(request)?;
    let within_limit = backend.count_command(from);
    if stranger.is_some() && !within_limit {
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
pub(crate) fn is_own(address: IpAddr) -> bool {
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

#[cfg(test)]
mod tests {
    use super::super::client::{self, Argument, Reply};
    use super::super::fake::{Fake, KNOWN};
    use super::super::serverstats::{SERVERSTATS, ServerStats};
    use super::super::{BadReply, actions, activity, clients, commands, ntpdata, sources, tracking};
    use super::*;
    use crate::config::ControlConfig;
    use proptest::prelude::*;

    const LOOPBACK: Origin = Origin::Udp(IpAddr::V4(Ipv4Addr::LOCALHOST));

    fn ask(from: Origin, request: &[u8]) -> Option<Vec<u8>> {
        ask_of(&mut Fake::default(), from, &ControlConfig::default().open, request)
    }

    fn ask_of(backend: &mut Fake, from: Origin, open: &[OpenCommand], request: &[u8]) -> Option<Vec<u8>> {
        let mut reply = [0; REPLY_MAX];
        let length = handle(backend, from, open, request, &mut reply)?;
        assert!(length <= request.len());
        Some(reply[..length].to_vec())
    }

    /// Version, type, number, sequence; the rest zero.
    fn bare(version: u8, number: u16, length: usize) -> Vec<u8> {
        let mut request = vec![0; length];
        request[..2].copy_from_slice(&[version, 1]);
        request[4..6].copy_from_slice(&number.to_be_bytes());
        request[8..12].copy_from_slice(&[1, 2, 3, 4]);
        request
    }

    fn status(reply: &[u8]) -> Status {
        Status::from_code(u16::from_be_bytes([reply[8], reply[9]]))
    }

    #[test]
    fn every_command_answers_a_request_of_its_length_and_refuses_a_shorter_one() {
        for command in commands() {
            let length = usize::from(command.accepted);
            let reply = ask(Origin::Unix, &bare(6, command.number, length)).unwrap();
            assert_ne!(status(&reply), Status::BadLength, "{}", command.name);
            assert!(reply[..8] == [6, 2, 0, 0, 0, command.number as u8, 0, reply[7]]);
            assert_eq!(reply[16..20], [1, 2, 3, 4]);
            if length > REPLY_HEADER {
                let reply = ask(Origin::Unix, &bare(6, command.number, length - 1)).unwrap();
                assert_eq!((status(&reply), reply.len()), (Status::BadLength, 28), "{}", command.name);
            }
            assert!(command.body <= command.accepted && command.accepted <= command.total);
        }
    }

    #[test]
    fn replies_have_their_length() {
        let table = [
            (14, 32, 2, 32),
            (15, 76, 3, 76),
            (33, 104, 5, 104),
            (34, 84, 6, 84),
            (35, 56, 7, 56),
            (41, 416, 18, 416),
            (44, 48, 12, 48),
            (51, 52, 13, 52),
            (54, 196, 25, 196),
            (54, 860, 25, 196),
            (54, 195, 24, 72),
            (54, 72, 24, 72),
            (54, 71, 22, 60),
            (54, 60, 22, 60),
            (54, 48, 14, 48),
            (68, 520, 21, 520),
            (55, 424, 15, 424),
            (69, 76, 23, 76),
            (11, 40, 17, 40),
        ];
        for (number, request, code, length) in table {
            let reply = ask(Origin::Unix, &bare(6, number, request)).unwrap();
            assert_eq!((reply[7], reply.len()), (code, length), "{number}");
        }
        let of_source = [(65, 284, 19, 284), (67, 52, 20, 52), (57, 172, 26, 172), (57, 152, 16, 152)];
        for (number, request, code, length) in of_source {
            let mut request = bare(6, number, request);
            request[20..24].copy_from_slice(&[192, 0, 2, 1]);
            request[37] = 1;
            let reply = ask(Origin::Unix, &request).unwrap();
            assert_eq!((status(&reply), reply[7], reply.len()), (Status::Success, code, length), "{number}");
            request[23] = 2;
            assert_eq!(status(&ask(Origin::Unix, &request).unwrap()), Status::NoSuchSource);
        }
    }

    #[test]
    fn what_is_no_request_gets_no_answer() {
        let good = bare(6, 33, 104);
        assert!(ask(LOOPBACK, &good).is_some());
        for (at, value) in [(0, 4), (0, 0), (1, 2), (1, 0), (2, 1), (3, 1)] {
            let mut request = good.clone();
            request[at] = value;
            assert_eq!(ask(LOOPBACK, &request), None, "byte {at} = {value}");
        }
        assert_eq!(ask(LOOPBACK, &bare(6, 33, 27)), None);
        assert_eq!(ask(LOOPBACK, &bare(6, 33, 861)), None);
        assert!(ask(LOOPBACK, &bare(6, 33, 860)).is_some());
    }

    /// `local` of chronyc up to 4.5.
    const OLDER_LOCAL: u16 = 56;
    /// `doffset` of chronyc up to 4.0.
    const OLDER_DOFFSET: u16 = 32;

    #[test]
    fn an_older_client_s_local_is_understood() {
        let mut request = bare(6, OLDER_LOCAL, 36);
        request[23] = 1;
        request[27] = 7;
        request[28..32].copy_from_slice(&0x0480_0000_u32.to_be_bytes());
        request[35] = 1;
        let mut fake = Fake::default();
        let reply = ask_of(&mut fake, Origin::Unix, &[], &request).unwrap();
        assert_eq!((status(&reply), reply.len()), (Status::Success, 28));
        let change = actions::Change::decode(OLDER_LOCAL, &mut Reader::new(&request[REQUEST_HEADER..]));
        let Ok(actions::Change::Local(Some(local))) = change else { panic!("{change:?}") };
        assert_eq!((local.stratum, local.distance, local.orphan, local.activate), (7, 1.0, true, 0.0));
        assert_eq!(status(&ask(Origin::Unix, &bare(6, OLDER_LOCAL, 35)).unwrap()), Status::BadLength);
    }

    /// Bytes as chronyc 4.0 sends them for these seconds.
    #[test]
    fn an_older_client_s_doffset_is_understood() {
        for (body, seconds) in [
            ([0, 0, 0, 1, 0, 0x07, 0xa1, 0x20], 1.5),
            ([0xff, 0xff, 0xff, 0xff, 0, 0x0b, 0x71, 0xb0], -0.25),
            ([0xff, 0xff, 0xff, 0xfe, 0, 0x0b, 0x71, 0xb0], -1.25),
            ([0, 0, 0x30, 0x39, 0, 0x09, 0xfb, 0xf1], 12_345.654_321),
        ] {
            let mut request = bare(6, OLDER_DOFFSET, 28);
            request[20..28].copy_from_slice(&body);
            let mut fake = Fake::default();
            let reply = ask_of(&mut fake, Origin::Unix, &[], &request).unwrap();
            assert_eq!((status(&reply), reply.len()), (Status::Success, 28));
            let [actions::Change::AdjustOffset(got)] = fake.changes[..] else { panic!("{:?}", fake.changes) };
            assert!((got - seconds).abs() < 1e-9, "{got}");
        }
    }

    /// The layout of `clients` of releases up to 3.5, byte by byte.
    #[test]
    fn an_older_client_s_clients_are_listed() {
        let mut request = bare(6, 55, 424);
        request[27] = 2;
        let reply = ask(Origin::Unix, &request).unwrap();
        assert_eq!(reply[28..40], [0, 0, 0, 64, 0, 0, 0, 2, 0, 0, 0, 2]);
        for at in [40, 88] {
            assert_eq!(reply[at..at + 20], [192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
            assert_eq!(reply[at + 36..at + 40], [127, 127, 127, 0], "no intervals yet");
            assert_eq!(reply[at + 40..at + 48], [255; 8], "never");
        }
        assert!(reply[136..].chunks(48).all(|record| record[16..18] == [0, 0]), "no more records");
        assert_eq!(status(&ask(Origin::Unix, &bare(6, 55, 423)).unwrap()), Status::BadLength);
    }

    /// Libraries of exporters count sequence numbers from 1 and pad every request to one length; they must know the
    /// reply's number, which is the newest layout's.
    #[test]
    fn exporters_that_pad_every_request_alike_get_the_newest_layouts() {
        let padded = 416;
        let open =
            [OpenCommand::Serverstats, OpenCommand::Ntpdata, OpenCommand::Tracking, OpenCommand::Sources];
        let open =
            [&open[..], &[OpenCommand::Sourcestats, OpenCommand::Activity, OpenCommand::Sourcename]].concat();
        let of_source = [57, 65];
        for (sequence, (number, code, length)) in (1_u32..).zip([
            (33, 5, 104),
            (14, 2, 32),
            (15, 3, 76),
            (34, 6, 84),
            (44, 12, 48),
            (54, 25, 196),
            (57, 26, 172),
            (65, 19, 284),
        ]) {
            let mut request = bare(6, number, padded);
            request[8..12].copy_from_slice(&sequence.to_be_bytes());
            if of_source.contains(&number) {
                request[20..24].copy_from_slice(&[192, 0, 2, 1]);
                request[37] = 1;
            }
            for from in [Origin::Unix, LOOPBACK] {
                let reply = ask_of(&mut Fake::default(), from, &open, &request).unwrap();
                assert_eq!(
                    (status(&reply), reply[7], reply.len()),
                    (Status::Success, code, length),
                    "{number}"
                );
                assert_eq!(reply[16..20], sequence.to_be_bytes(), "{number}: the sequence comes back");
            }
        }
    }

    #[test]
    fn refusals_come_in_chronys_order() {
        for version in [5, 7, 255] {
            let reply = ask(LOOPBACK, &bare(version, 999, 28)).unwrap();
            assert_eq!((status(&reply), reply[0], reply[7]), (Status::BadVersion, 6, 1));
        }
        for number in [0, 10, 12, 27, 28, 38, 39, 40, 58, 59, 60, 61, 75, 999] {
            assert_eq!(status(&ask(LOOPBACK, &bare(6, number, 28)).unwrap()), Status::Invalid);
        }
        // A short read-write request is refused for its length, a full one for the transport.
        assert_eq!(status(&ask(LOOPBACK, &bare(6, 64, 371)).unwrap()), Status::BadLength);
        assert_eq!(status(&ask(LOOPBACK, &bare(6, 64, 372)).unwrap()), Status::Unauthorised);
    }

    #[test]
    fn only_allowed_addresses_are_heard_and_only_reports_are_open() {
        let far = |octets: [u8; 4]| Origin::Udp(octets.into());
        let tracking = bare(6, 33, 104);
        assert_eq!(ask(far([192, 0, 2, 9]), &tracking), None);
        assert_eq!(ask(far([127, 0, 0, 2]), &tracking), None);
        assert!(ask(far([10, 0, 0, 1]), &tracking).is_some());
        assert!(ask(Origin::Udp(Ipv6Addr::LOCALHOST.into()), &tracking).is_some());

        let mut heard = Fake { limited: true, ..Fake::default() };
        assert_eq!(ask_of(&mut heard, far([10, 0, 0, 1]), &[], &tracking), None);
        assert_eq!(heard.counted, 1);

        let open = |open: &[OpenCommand]| -> Vec<u16> {
            let succeeds = |command: &&CommandDef| {
                let request = bare(6, command.number, usize::from(command.total));
                status(&ask_of(&mut Fake::default(), LOOPBACK, open, &request).unwrap())
                    != Status::Unauthorised
            };
            let mut numbers: Vec<u16> = commands().filter(succeeds).map(|command| command.number).collect();
            numbers.sort_unstable();
            numbers
        };
        assert_eq!(open(&ControlConfig::default().open), [14, 15, 33, 34, 35, 41, 44, 51, 65]);
        assert_eq!(open(&[]), []);
        assert_eq!(open(&[OpenCommand::Authdata]), [14, 67]);
        assert_eq!(open(&[OpenCommand::Sourcename]), [65]);
        assert_eq!(open(&[OpenCommand::Ntpdata, OpenCommand::Serverstats]), [14, 54, 57]);
        assert_eq!(open(&[OpenCommand::Clients, OpenCommand::Selectdata]), [14, 55, 68, 69]);
    }

    #[test]
    fn access_checks_answer_by_status() {
        for number in [25, 26] {
            let mut request = bare(6, number, 40);
            assert_eq!(status(&ask(Origin::Unix, &request).unwrap()), Status::AccessDenied);
            request[20] = 10;
            request[37] = 1;
            assert_eq!(status(&ask(Origin::Unix, &request).unwrap()), Status::AccessAllowed);
            assert_eq!(status(&ask(LOOPBACK, &request).unwrap()), Status::Unauthorised);
        }
    }

    /// What our own client asks for and gets.
    fn converse<R: super::super::Answer>(
        command: &CommandDef,
        argument: Argument,
    ) -> Result<R, (Status, BadReply)> {
        let request = client::request(command, argument, 0xdead_beef, 1);
        let datagram = ask(Origin::Unix, &request).unwrap();
        let reply = Reply::parse(&request, &datagram).unwrap();
        reply.report().map_err(|bad| (reply.status, bad))
    }

    #[test]
    fn the_client_understands_the_daemon() {
        use sources::{SOURCE_DATA, SourceData};
        assert_eq!(converse::<tracking::Tracking>(&tracking::TRACKING, Argument::None).unwrap().stratum, 2);
        assert_eq!(converse::<activity::Activity>(&activity::ACTIVITY, Argument::None).unwrap().online, 2);
        assert_eq!(converse::<SourceData>(&SOURCE_DATA, Argument::Index(1)).unwrap().address, KNOWN);
        assert_eq!(
            converse::<SourceData>(&SOURCE_DATA, Argument::Index(2)),
            Err((Status::NoSuchSource, BadReply::Code(1)))
        );
        let data: ntpdata::NtpData = converse(&ntpdata::NTPDATA, Argument::Address(KNOWN)).unwrap();
        assert_eq!((data.total_tx, data.kernel_rx), (7, Some(4)));
        let query = clients::ClientsQuery { first: 8, count: 99, ..Default::default() };
        let page: clients::Clients = converse(&clients::CLIENTS, Argument::Clients(query)).unwrap();
        assert_eq!((page.slots, page.next, page.records.len()), (64, 16, 8));
    }

    #[test]
    fn older_layouts_carry_the_same_counters() {
        for (length, known) in [(48, 5), (60, 8), (72, 11), (196, 12)] {
            let mut request = client::request(&SERVERSTATS, Argument::None, 5, 0);
            request.truncate(length);
            let datagram = ask(Origin::Unix, &request).unwrap();
            let stats: ServerStats = Reply::parse(&request, &datagram).unwrap().report().unwrap();
            let page = crate::report::Page::text(&stats, "", false);
            assert_eq!(page.lines().count(), known);
            assert_eq!(stats.log_drops, Some(7));
            assert_eq!(stats.command_drops, Some(6));
        }
    }

    #[test]
    fn a_reply_must_fit_its_request() {
        let request = client::request(&tracking::TRACKING, Argument::None, 7, 0);
        let good = ask(LOOPBACK, &request).unwrap();
        assert!(Reply::parse(&request, &good).is_some());
        for (at, value) in [(0, 5), (0, 7), (1, 1), (2, 1), (3, 1), (4, 1), (5, 34), (19, 8)] {
            let mut bad = good.clone();
            bad[at] = value;
            assert_eq!(Reply::parse(&request, &bad), None, "byte {at} = {value}");
        }
        assert_eq!(Reply::parse(&request, &good[..27]), None);
        let mut other_version = good.clone();
        other_version[0] = 5;
        other_version[9] = 18;
        assert_eq!(Reply::parse(&request, &other_version).unwrap().status, Status::BadVersion);
        let short = Reply::parse(&request, &good[..100]).unwrap();
        assert_eq!(short.report::<tracking::Tracking>(), Err(BadReply::Short));
    }

    fn datagrams() -> impl Strategy<Value = Vec<u8>> {
        let body = prop::collection::vec(any::<u8>(), 0..900);
        let header = (prop::sample::select(vec![6u8, 6, 6, 5, 9, 1]), 0u16..80, any::<bool>());
        (header, body).prop_map(|((version, number, ours), mut bytes)| {
            if ours && bytes.len() >= 6 {
                bytes[..6].copy_from_slice(&[version, 1, 0, 0, 0, number as u8]);
            }
            bytes
        })
    }

    proptest! {
        #[test]
        fn any_datagram_is_survived(datagram in datagrams(), unix in any::<bool>()) {
            let from = if unix { Origin::Unix } else { LOOPBACK };
            if let Some(reply) = ask(from, &datagram) {
                prop_assert!(datagram.len() >= REPLY_HEADER && datagram.len() <= REQUEST_MAX);
                prop_assert!(datagram[1] == 1 && datagram[0] >= 5);
                prop_assert!(Reply::parse(&datagram, &reply).is_some());
            }
        }

        #[test]
        fn any_reply_is_survived(datagram in prop::collection::vec(any::<u8>(), 0..600), code in 0u16..30) {
            let request = client::request(&tracking::TRACKING, Argument::None, 7, 0);
            let _ = Reply::parse(&request, &datagram);
            let reply = Reply { status: Status::Success, code, body: &datagram };
            let _ = (reply.report::<ServerStats>(), reply.report::<ntpdata::NtpData>());
            let clients = reply.report::<clients::Clients>();
            prop_assert!(clients.is_err() || clients.unwrap().records.len() <= clients::RECORDS_MAX);
        }

        #[test]
        fn a_change_that_was_read_is_written_the_same(body in prop::collection::vec(any::<u8>(), 400), number in 0u16..80) {
            if let Ok(change) = actions::Change::decode(number, &mut Reader::new(&body)) {
                // What older releases say is written in today's words.
                let today = match number {
                    OLDER_LOCAL => 74,
                    OLDER_DOFFSET => 71,
                    number => number,
                };
                prop_assert_eq!(change.number(), today);
                let request = client::change_request(&change, 1, 0);
                let again = actions::Change::decode(today, &mut Reader::new(&request[REQUEST_HEADER..]));
                // Microseconds do not fit into today's form of a number.
                if number != OLDER_DOFFSET {
                    prop_assert_eq!(format!("{:?}", again), format!("{:?}", Ok::<_, Status>(change)));
                }
            }
        }
    }
}
