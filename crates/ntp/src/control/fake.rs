//! A daemon for tests: two sources, every report there, every change written down.

use super::actions::Change;
use super::activity::Activity;
use super::authdata::AuthData;
use super::clients::{ClientRecord, Clients, ClientsQuery};
use super::manual::{ManualList, ManualSample, SetTime};
use super::ntpdata::NtpData;
use super::rtcdata::RtcData;
use super::selectdata::SelectData;
use super::serverstats::ServerStats;
use super::smoothing::Smoothing;
use super::sources::SourceData;
use super::sourcestats::SourceStats;
use super::tracking::Tracking;
use super::{AccessList, Backend, Origin, Status};
use crate::ids::RefId;
use crate::report::{Address, Seconds, Time};
use core::net::{IpAddr, Ipv4Addr};

pub const SOURCES: u32 = 2;
pub const KNOWN: Address = Address::V4(Ipv4Addr::new(192, 0, 2, 1));

#[derive(Default)]
pub struct Fake {
    pub changes: Vec<Change>,
    pub counted: u32,
    pub limited: bool,
}

/// 10.0.0.0/8 is allowed everything.
fn ten(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if address.octets()[0] == 10)
}

impl Backend for Fake {
    fn command_access(&self, address: IpAddr) -> bool {
        ten(address)
    }
    fn count_command(&mut self, _from: Origin) -> bool {
        self.counted += 1;
        !self.limited
    }
    fn tracking(&self) -> Tracking {
        Tracking { ref_id: RefId(0xc000_0201), address: KNOWN, stratum: 2, ..Tracking::default() }
    }
    fn source_count(&self) -> u32 {
        SOURCES
    }
    fn source_data(&self, index: u32) -> Option<SourceData> {
        (index < SOURCES).then(|| SourceData { address: KNOWN, ..SourceData::default() })
    }
    fn source_stats(&self, index: u32) -> Option<SourceStats> {
        (index < SOURCES).then(|| SourceStats { address: KNOWN, ..SourceStats::default() })
    }
    fn select_data(&self, index: u32) -> Option<SelectData> {
        (index < SOURCES).then(|| SelectData { address: KNOWN, ..SelectData::default() })
    }
    fn ntp_data(&self, source: &Address) -> Option<NtpData> {
        (*source == KNOWN).then(|| NtpData {
            remote_address: KNOWN,
            total_tx: 7,
            kernel_tx: Some(5),
            kernel_rx: Some(4),
            hardware_tx: Some(0),
            hardware_rx: Some(0),
            ..NtpData::default()
        })
    }
    fn auth_data(&self, source: &Address) -> Option<AuthData> {
        (*source == KNOWN).then(AuthData::default)
    }
    fn source_name(&self, source: &Address) -> Option<String> {
        (*source == KNOWN).then(|| "ntp.example.net".to_owned())
    }
    fn activity(&self) -> Activity {
        Activity { online: SOURCES, ..Activity::default() }
    }
    fn server_stats(&self) -> ServerStats {
        let mut stats = ServerStats::default();
        let counters = [
            &mut stats.ntp_hits,
            &mut stats.ke_hits,
            &mut stats.command_hits,
            &mut stats.ntp_drops,
            &mut stats.ke_drops,
            &mut stats.command_drops,
            &mut stats.log_drops,
            &mut stats.authenticated,
            &mut stats.interleaved,
            &mut stats.stamps_held,
            &mut stats.stamp_span,
            &mut stats.daemon_rx,
        ];
        counters.into_iter().zip(1..).for_each(|(counter, number)| *counter = Some(number));
        stats
    }
    fn clients(&mut self, query: ClientsQuery) -> Result<Clients, Status> {
        let records = vec![ClientRecord { address: KNOWN, ..ClientRecord::default() }; query.count as usize];
        Ok(Clients { slots: 64, next: query.first.saturating_add(query.count), records })
    }
    fn smoothing(&self) -> Option<Smoothing> {
        Some(Smoothing::default())
    }
    fn rtc_data(&self) -> Option<RtcData> {
        Some(RtcData::default())
    }
    fn manual_list(&self) -> Result<ManualList, Status> {
        Ok(ManualList { samples: vec![ManualSample::default(); 20] })
    }
    fn access_check(&self, _list: AccessList, address: IpAddr) -> bool {
        ten(address)
    }
    fn set_time(&mut self, _time: Time) -> Result<SetTime, Status> {
        Ok(SetTime { offset: Seconds(1.0), ..SetTime::default() })
    }
    fn change(&mut self, change: &Change) -> Status {
        self.changes.push(change.clone());
        Status::Success
    }
}
