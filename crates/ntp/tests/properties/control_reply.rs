//! What holds for any reply that a daemon, ours or another, may send to the command line.
//!
//! The first byte of an input chooses the report, the rest is the body of its reply.

use ntp::control::activity::Activity;
use ntp::control::authdata::AuthData;
use ntp::control::clients::Clients;
use ntp::control::manual::{ManualList, SetTime};
use ntp::control::ntpdata::NtpData;
use ntp::control::rtcdata::RtcData;
use ntp::control::selectdata::SelectData;
use ntp::control::serverstats::ServerStats;
use ntp::control::smoothing::Smoothing;
use ntp::control::sourcename::NameReport;
use ntp::control::sources::{SourceCount, SourceData};
use ntp::control::sourcestats::SourceStats;
use ntp::control::tracking::Tracking;
use ntp::control::{Answer, REPLY_MAX};
use ntp::report::wire::Writer;
use ntp::report::{Page, csv, json};
use std::fmt::Debug;

/// Panics if a property does not hold for `data`.
pub fn check(data: &[u8]) {
    let Some((&which, body)) = data.split_first() else { return };
    match which % 15 {
        0 => page::<Activity>(body),
        1 => page::<AuthData>(body),
        2 => drop(decoded::<Clients>(body)),
        3 => drop(decoded::<ManualList>(body)),
        4 => page::<SetTime>(body),
        5 => page::<NtpData>(body),
        6 => page::<RtcData>(body),
        7 => page::<SelectData>(body),
        8 => page::<ServerStats>(body),
        9 => page::<Smoothing>(body),
        10 => drop(decoded::<NameReport>(body)),
        11 => drop(decoded::<SourceCount>(body)),
        12 => page::<SourceData>(body),
        13 => page::<SourceStats>(body),
        _ => page::<Tracking>(body),
    }
}

/// What was read can be written, and reads the same again.
fn decoded<R: Answer + Debug>(body: &[u8]) -> Option<R> {
    let report = R::decode(R::REPLY, body).ok()?;
    let mut buffer = [0; REPLY_MAX];
    let mut out = Writer::new(&mut buffer);
    report.clone().fields(&mut out);
    let length = out.finish().expect("no report is longer than the longest reply");
    let again = R::decode(R::REPLY, &buffer[..length]).expect("what we write we can read");
    assert_eq!(format!("{report:?}"), format!("{again:?}"));
    Some(report)
}

/// … and can be shown: one CSV record, one JSON object, a page of text.
fn page<R: Answer + Page + Debug>(body: &[u8]) {
    let Some(report) = decoded::<R>(body) else { return };
    let record = csv(&report, R::COLUMNS, "name");
    assert!(!record.contains('\n'), "{record:?}");
    let object = json(&report, "name");
    assert!(object.starts_with('{') && object.ends_with('}') && !object.contains('\n'));
    for value in object.split(['{', '}', ',', ':']) {
        assert!(!matches!(value, "NaN" | "inf" | "-inf"), "no JSON: {object}");
    }
    for wide in [false, true] {
        let text = report.text("name", wide);
        assert!(text.is_empty() || text.ends_with('\n'), "{text:?}"); // empty: every counter unknown
    }
}
