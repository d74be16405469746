//! What the control protocol needs of the daemon behind it.

use super::actions::Change;
use super::activity::Activity;
use super::authdata::AuthData;
use super::clients::{Clients, ClientsQuery};
use super::manual::{ManualList, SetTime};
use super::ntpdata::NtpData;
use super::rtcdata::RtcData;
use super::selectdata::SelectData;
use super::serverstats::ServerStats;
use super::smoothing::Smoothing;
use super::sources::SourceData;
use super::sourcestats::SourceStats;
use super::tracking::Tracking;
use super::{AccessList, Origin, Status};
use crate::report::{Address, Time};
use core::net::IpAddr;

/// The daemon as the control protocol sees it: one method per report, one for all state-changing commands.
///
/// An implementation already holds `now` and the clock. Sources have indices 0 to `source_count() − 1`,
/// unresolved ones included, and an index means the same source in all reports until sources change.
pub trait Backend {
    /// May `address` (not a loopback address) send requests at all? The `cmdallow` table.
    fn command_access(&self, address: IpAddr) -> bool;
    /// Counts a well-formed request and, from UDP, its client. False: over the rate limit, so no reply; ignored
    /// for 127.0.0.1, ::1 and the Unix socket.
    fn count_command(&mut self, from: Origin) -> bool;

    /// The state of the system clock.
    fn tracking(&self) -> Tracking;
    /// Number of sources, unresolved ones included.
    fn source_count(&self) -> u32;
    /// A source as `sources` shows it.
    fn source_data(&self, index: u32) -> Option<SourceData>;
    /// A source's statistics.
    fn source_stats(&self, index: u32) -> Option<SourceStats>;
    /// A source as the selection sees it.
    fn select_data(&self, index: u32) -> Option<SelectData>;
    /// An NTP source's last valid packet; of an unresolved source all fields zero.
    fn ntp_data(&self, source: &Address) -> Option<NtpData>;
    /// An NTP source's authentication.
    fn auth_data(&self, source: &Address) -> Option<AuthData>;
    /// An NTP source's name as configured.
    fn source_name(&self, source: &Address) -> Option<String>;
    /// Numbers of sources online, offline and so on.
    fn activity(&self) -> Activity;
    /// What was served and dropped.
    fn server_stats(&self) -> ServerStats;
    /// A page of the client table; [`Status::Inactive`] when there is none. With `query.reset` the counters of
    /// all on it, given or not, begin again at zero.
    fn clients(&mut self, query: ClientsQuery) -> Result<Clients, Status>;
    /// The smoothing process; `None` when it is not configured.
    fn smoothing(&self) -> Option<Smoothing> {
        None
    }
    /// The real-time clock; `None` when none is followed.
    fn rtc_data(&self) -> Option<RtcData> {
        None
    }
    /// The samples of `settime`; [`Status::NotEnabled`] without `manual`.
    fn manual_list(&self) -> Result<ManualList, Status> {
        Err(Status::NotEnabled)
    }
    /// Is `address` allowed by this list?
    fn access_check(&self, list: AccessList, address: IpAddr) -> bool;

    /// Takes the time a person gave.
    fn set_time(&mut self, _time: Time) -> Result<SetTime, Status> {
        Err(Status::NotEnabled)
    }
    /// Does what a state-changing command asks for; [`Status::NotEnabled`] for what is not there.
    fn change(&mut self, change: &Change) -> Status;
}
