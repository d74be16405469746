//! What holds for the body of any reply: it is refused, or it is printed, written and read again as the same.
//!
//! The first byte of an input is the reply code, the rest is the body.

use ntp::control::activity::Activity;
use ntp::control::authdata::AuthData;
use ntp::control::clients::{ClientRecord, Clients, RECORDS_MAX};
use ntp::control::manual::{ManualList, ManualSample, SAMPLES_MAX, SetTime};
use ntp::control::ntpdata::NtpData;
use ntp::control::rtcdata::RtcData;
use ntp::control::selectdata::SelectData;
use ntp::control::serverstats::ServerStats;
use ntp::control::smoothing::Smoothing;
use ntp::control::sourcename::NameReport;
use ntp::control::sources::SourceData;
use ntp::control::sourcestats::SourceStats;
use ntp::control::tracking::Tracking;
use ntp::control::{Answer, REPLY_MAX};
use ntp::report::wire::Writer;
use ntp::report::{Page, csv, json};

/// Panics if a property does not hold for `data`.
pub fn check(data: &[u8]) {
    let Some((&code, body)) = data.split_first() else { return };
    let code = code.into();
    check_page::<Tracking>(code, body);
    check_page::<SourceData>(code, body);
    check_page::<SourceStats>(code, body);
    check_page::<SelectData>(code, body);
    check_page::<AuthData>(code, body);
    check_page::<NtpData>(code, body);
    check_page::<ServerStats>(code, body);
    check_page::<Activity>(code, body);
    check_page::<RtcData>(code, body);
    check_page::<Smoothing>(code, body);
    check_page::<SetTime>(code, body);
    check_page::<NameReport>(code, body);
    if let Some(clients) = read_twice::<Clients>(code, body) {
        assert!(clients.records.len() <= RECORDS_MAX);
        clients.records.iter().for_each(|record| assert!(!shown::<ClientRecord>(record).is_empty()));
    }
    if let Some(list) = read_twice::<ManualList>(code, body) {
        assert!(list.samples.len() <= SAMPLES_MAX);
        list.samples.iter().for_each(|sample| assert!(!shown::<ManualSample>(sample).is_empty()));
    }
}

fn check_page<P: Page + Answer>(code: u16, body: &[u8]) {
    let Ok(report) = P::decode(code, body) else { return };
    let page = shown(&report);
    if code == P::REPLY {
        assert_eq!(shown(&rewritten(&report)), page);
    }
}

/// A report of several records, the same after writing it.
fn read_twice<R: Answer>(code: u16, body: &[u8]) -> Option<R> {
    let report = R::decode(code, body).ok()?;
    let again = rewritten(&report);
    assert_eq!(bytes(&again), bytes(&report));
    Some(report)
}

fn bytes<R: Answer>(report: &R) -> Vec<u8> {
    let mut buffer = [0; REPLY_MAX];
    let mut out = Writer::new(&mut buffer);
    report.clone().fields(&mut out);
    let length = out.finish().expect("every report fits a reply");
    buffer[..length].to_vec()
}

fn rewritten<R: Answer>(report: &R) -> R {
    R::decode(R::REPLY, &bytes(report)).expect("what was written can be read")
}

fn shown<P: Page>(report: &P) -> String {
    let json = json(report, "name");
    assert!(json.starts_with('{') && json.ends_with('}') && !json.contains('\n'));
    [report.text("name", false), report.text("name", true), csv(report, P::COLUMNS, "name"), json].concat()
}
