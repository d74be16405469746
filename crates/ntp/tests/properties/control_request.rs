//! What holds for any datagram that reaches the command socket.
//!
//! The first byte of an input chooses the sender and what is open, the rest is the datagram.

use ntp::config::{ControlConfig, OpenCommand};
use ntp::control::activity::Activity;
use ntp::control::authdata::AuthData;
use ntp::control::client::{Reply, change_request};
use ntp::control::clients::{ClientRecord, Clients, ClientsQuery};
use ntp::control::ntpdata::NtpData;
use ntp::control::selectdata::SelectData;
use ntp::control::serverstats::ServerStats;
use ntp::control::sources::SourceData;
use ntp::control::sourcestats::SourceStats;
use ntp::control::tracking::Tracking;
use ntp::control::{AccessList, Backend, Change, Origin, REPLY_MAX, Status, handle};
use ntp::report::Address;
use std::net::{IpAddr, Ipv4Addr};

/// Panics if a property does not hold for `data`.
pub fn check(data: &[u8]) {
    let Some((&scenario, request)) = data.split_first() else { return };
    let from = match scenario & 3 {
        0 | 1 => Origin::Unix,
        2 => Origin::Udp(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        _ => Origin::Udp(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
    };
    let open = match scenario >> 2 & 3 {
        0 => vec![],
        1 => vec![OpenCommand::Ntpdata, OpenCommand::Serverstats, OpenCommand::Clients],
        _ => ControlConfig::default().open,
    };
    let mut daemon = Daemon { heard: scenario & 16 == 0, changes: Vec::new() };
    let mut buffer = [0; REPLY_MAX];
    let length = handle(&mut daemon, from, &open, request, &mut buffer);

    assert!(daemon.changes.is_empty() || from == Origin::Unix, "a change over UDP");
    for change in &daemon.changes {
        let number = u16::from_be_bytes([request[4], request[5]]);
        assert_eq!(change.number(), number);
        assert_eq!(change_request(change, 1, 0).len(), change_request(change, 2, 3).len());
    }
    if let Some(length) = length {
        assert!((28..=request.len()).contains(&length), "no amplification");
        let reply = Reply::parse(request, &buffer[..length]).expect("a reply to this request");
        assert!(reply.status == Status::Success || length == 28, "a refusal has no body");
        assert!(daemon.heard || from != Origin::Udp(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))));
        let mut again = [0; REPLY_MAX];
        assert_eq!(handle(&mut daemon, from, &open, &buffer[..length], &mut again), None, "no loop");
    }
}

/// A daemon with three sources.
struct Daemon {
    heard: bool,
    changes: Vec<Change>,
}

impl Backend for Daemon {
    fn command_access(&self, _address: IpAddr) -> bool {
        self.heard
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
        (index < 3).then(SourceData::default)
    }
    fn source_stats(&self, index: u32) -> Option<SourceStats> {
        (index < 3).then(SourceStats::default)
    }
    fn select_data(&self, index: u32) -> Option<SelectData> {
        (index < 3).then(SelectData::default)
    }
    fn ntp_data(&self, source: &Address) -> Option<NtpData> {
        source.ip().map(|_| NtpData::default())
    }
    fn auth_data(&self, source: &Address) -> Option<AuthData> {
        source.ip().map(|_| AuthData::default())
    }
    fn source_name(&self, source: &Address) -> Option<String> {
        source.ip().map(|address| address.to_string().repeat(40))
    }
    fn activity(&self) -> Activity {
        Activity::default()
    }
    fn server_stats(&self) -> ServerStats {
        ServerStats { ntp_hits: Some(u64::MAX - 1), ..ServerStats::default() }
    }
    fn clients(&mut self, query: ClientsQuery) -> Result<Clients, Status> {
        assert!(query.count <= 8);
        Ok(Clients { slots: 9, next: 9, records: vec![ClientRecord::default(); query.count as usize] })
    }
    fn access_check(&self, _list: AccessList, address: IpAddr) -> bool {
        address.is_ipv4()
    }
    fn change(&mut self, change: &Change) -> Status {
        self.changes.push(change.clone());
        Status::Success
    }
}
