//! What holds for any datagram that reaches the control socket.
//!
//! The first byte of an input says where it comes from, the rest is the datagram.

use ntp::config::{ControlConfig, OpenCommand};
use ntp::control::activity::Activity;
use ntp::control::authdata::AuthData;
use ntp::control::clients::{ClientRecord, Clients, ClientsQuery};
use ntp::control::manual::{ManualList, SetTime};
use ntp::control::ntpdata::NtpData;
use ntp::control::selectdata::SelectData;
use ntp::control::serverstats::ServerStats;
use ntp::control::sources::SourceData;
use ntp::control::sourcestats::SourceStats;
use ntp::control::tracking::Tracking;
use ntp::control::{
    AccessList, Backend, Change, Origin, REPLY_HEADER, REPLY_MAX, Status, client, command, handle,
};
use ntp::report::{Address, Time};
use std::net::IpAddr;

/// Panics if a property does not hold for `data`.
pub fn check(data: &[u8]) {
    let Some((&scenario, request)) = data.split_first() else { return };
    let from = match scenario & 3 {
        0 => Origin::Unix,
        1 => Origin::Udp("127.0.0.1".parse().expect("an address")),
        2 => Origin::Udp(FRIEND.parse().expect("an address")),
        _ => Origin::Udp("203.0.113.1".parse().expect("an address")),
    };
    let open = ControlConfig::default().open;

    let mut daemon = Daemon::default();
    let Some(reply) = ask(&mut daemon, from, &open, request) else {
        assert!(daemon.changes.is_empty(), "changed without a word");
        return;
    };
    assert!(scenario & 3 != 3, "a stranger got a reply");
    assert!(daemon.changes.is_empty() || from == Origin::Unix, "the network changed {:?}", daemon.changes);
    assert!(daemon.changes.len() <= 1);
    check_reply(request, &reply);
    for origin in [Origin::Unix, from] {
        assert_eq!(ask(&mut daemon, origin, &open, &reply), None, "a reply got a reply");
    }
    for change in std::mem::take(&mut daemon.changes) {
        check_change(&change, &open);
    }
}

fn ask(daemon: &mut Daemon, from: Origin, open: &[OpenCommand], request: &[u8]) -> Option<Vec<u8>> {
    let mut buffer = [0; REPLY_MAX];
    let length = handle(daemon, from, open, request, &mut buffer)?;
    assert!(length <= request.len(), "no amplification");
    Some(buffer[..length].to_vec())
}

fn check_reply(request: &[u8], datagram: &[u8]) {
    let reply = client::Reply::parse(request, datagram).expect("a reply answers its request");
    let body = datagram.len() - REPLY_HEADER;
    assert!(body == 0 || reply.status == Status::Success, "{:?} with a body", reply.status);
    assert_eq!(body == 0, reply.code == 1, "a code without body or a body without code");
    let number = u16::from_be_bytes([request[4], request[5]]);
    let known = matches!(reply.status, Status::Invalid | Status::BadVersion) || command(number).is_some();
    assert!(known, "{:?} for an unknown command", reply.status);
}

/// The command line's request for the same change is understood as that change.
fn check_change(change: &Change, open: &[OpenCommand]) {
    let mut daemon = Daemon::default();
    let request = client::change_request(change, 1, 0);
    let reply = ask(&mut daemon, Origin::Unix, open, &request).expect("a well-formed request");
    check_reply(&request, &reply);
    if let (Change::AdjustOffset(told), [Change::AdjustOffset(understood)]) = (change, &daemon.changes[..]) {
        // Releases up to 4.0 tell it in seconds and microseconds, which the number of today's protocol cannot hold exactly.
        assert!((told - understood).abs() <= 1e-7 * told.abs(), "{told} became {understood}");
        return;
    }
    assert_eq!(format!("{:?}", daemon.changes), format!("[{change:?}]"), "lost on the way");
}

/// A sender that `cmdallow` admits.
const FRIEND: &str = "192.0.2.9";

/// A daemon with three sources, which obeys and notes what it was told.
#[derive(Default)]
struct Daemon {
    changes: Vec<Change>,
}

fn of_three<R: Default>(index: u32) -> Option<R> {
    (index < 3).then(R::default)
}

fn of_friend<R: Default>(source: &Address) -> Option<R> {
    (source.ip() == FRIEND.parse::<IpAddr>().ok()).then(R::default)
}

impl Backend for Daemon {
    fn command_access(&self, address: IpAddr) -> bool {
        Ok(address) == FRIEND.parse()
    }
    fn count_command(&mut self, _from: Origin) -> bool {
        true
    }
    fn tracking(&self) -> Tracking {
        Tracking::default()
    }
    fn source_count(&self) -> u32 {
        3
    }
    fn source_data(&self, index: u32) -> Option<SourceData> {
        of_three(index)
    }
    fn source_stats(&self, index: u32) -> Option<SourceStats> {
        of_three(index)
    }
    fn select_data(&self, index: u32) -> Option<SelectData> {
        of_three(index)
    }
    fn ntp_data(&self, source: &Address) -> Option<NtpData> {
        of_friend(source)
    }
    fn auth_data(&self, source: &Address) -> Option<AuthData> {
        of_friend(source)
    }
    fn source_name(&self, source: &Address) -> Option<String> {
        of_friend::<()>(source).map(|()| "n".repeat(300)) // longer than fits
    }
    fn activity(&self) -> Activity {
        Activity::default()
    }
    fn server_stats(&self) -> ServerStats {
        ServerStats::default()
    }
    fn clients(&mut self, query: ClientsQuery) -> Result<Clients, Status> {
        let records = vec![ClientRecord::default(); query.count as usize];
        Ok(Clients { slots: 100, next: query.first.saturating_add(query.count), records })
    }
    fn manual_list(&self) -> Result<ManualList, Status> {
        Ok(ManualList::default())
    }
    fn access_check(&self, _list: AccessList, address: IpAddr) -> bool {
        self.command_access(address)
    }
    fn set_time(&mut self, _time: Time) -> Result<SetTime, Status> {
        Ok(SetTime::default())
    }
    fn change(&mut self, change: &Change) -> Status {
        self.changes.push(change.clone());
        Status::Success
    }
}
