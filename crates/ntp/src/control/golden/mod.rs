//! Replies and what chronyc 4.3 prints for them: `replies.txt` holds, for a command line, the bodies of the replies
//! (decimal reply code, hexadecimal body), the text and the CSV. The first ones are of a running chronyd, the
//! others are invented: extreme numbers, unknown enumerators, every kind of address. Names are not looked up.

use super::authdata::AuthData;
use super::clients::{ClientRecord, Clients};
use super::manual::{ManualList, ManualSample};
use super::selectdata::SelectData;
use super::sourcename::NameReport;
use super::sources::{SourceCount, SourceData};
use super::sourcestats::SourceStats;
use super::*;
use crate::report::wire::Writer;
use crate::report::{Address, Page, csv, text};

struct Case<'a> {
    command: &'a str,
    replies: Vec<(u16, Vec<u8>)>,
    text: String,
    csv: String,
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn cases(file: &str) -> Vec<Case<'_>> {
    let case = |block| {
        let (head, rest): (&str, &str) = str::split_once(block, "-- text\n").unwrap();
        let (text, csv) = rest.split_once("-- csv\n").unwrap();
        let mut lines = head.lines();
        let command = lines.next().unwrap();
        let reply = |line: &str| {
            let (code, body) = line.split_once(' ').unwrap();
            (code.parse().unwrap(), bytes(body))
        };
        Case { command, replies: lines.map(reply).collect(), text: text.into(), csv: csv.into() }
    };
    file.split("== ").filter(|block| block.contains("-- text\n")).map(case).collect()
}

/// The report in a reply; checks on the way that writing gives what was read.
fn decoded<R: Answer + PartialEq + core::fmt::Debug>((code, body): &(u16, Vec<u8>)) -> R {
    let report = R::decode(*code, body).unwrap();
    if *code == R::REPLY {
        let mut buffer = [0; REPLY_MAX];
        let mut out = Writer::new(&mut buffer);
        report.clone().fields(&mut out);
        let length = out.finish().unwrap();
        assert_eq!(length, body.len());
        let again = R::decode(*code, &buffer[..length]).unwrap();
        assert_eq!(format!("{report:?}"), format!("{again:?}"));
    }
    report
}

fn page<P: Page>(reports: impl IntoIterator<Item = (P, String)>) -> (String, String) {
    let (mut page, mut record) = (P::heading(false), String::new());
    for (report, name) in reports {
        page += &report.text(&name, false);
        record += &(csv(&report, P::COLUMNS, &name) + "\n");
    }
    (page, record)
}

/// What chronyc does with the replies to one command line.
fn rendered(case: &Case<'_>) -> (String, String) {
    let one = &case.replies[0];
    let rest = || case.replies.iter().skip(1);
    match case.command.split(' ').next().unwrap() {
        "tracking" => {
            let report: tracking::Tracking = decoded(one);
            page([(report, text::source_label(report.address, report.ref_id))])
        }
        "sources" => {
            assert_eq!(decoded::<SourceCount>(one).count as usize, rest().count());
            page(rest().map(decoded::<SourceData>).map(|report| (report, report.label())))
        }
        "sourcestats" => page(rest().map(decoded::<SourceStats>).map(|report| (report, report.label()))),
        "selectdata" => page(rest().map(decoded::<SelectData>).map(|report| (report, report.label()))),
        "authdata" => {
            let mut name = String::new();
            let mut rows = Vec::new();
            for reply in rest() {
                match reply.0 {
                    SourceData::REPLY => name = decoded::<SourceData>(reply).label(),
                    _ => rows.push((decoded::<AuthData>(reply), name.clone())),
                }
            }
            page(rows)
        }
        "ntpdata" => page([(decoded::<ntpdata::NtpData>(one), String::new())]),
        "serverstats" => page([(decoded::<serverstats::ServerStats>(one), String::new())]),
        "activity" => page([(decoded::<activity::Activity>(one), String::new())]),
        "rtcdata" => page([(decoded::<rtcdata::RtcData>(one), String::new())]),
        "smoothing" => page([(decoded::<smoothing::Smoothing>(one), String::new())]),
        "sourcename" => page([(decoded::<NameReport>(one), String::new())]),
        "manual" => {
            let list: ManualList = decoded(one);
            let first = format!("210 n_samples = {}\n", list.samples.len());
            let (page, records) =
                page(list.samples.into_iter().map(|sample: ManualSample| (sample, String::new())));
            (first + &page, records)
        }
        "clients" => {
            let clients: Clients = decoded(one);
            let known = clients.records.into_iter().filter(|record| record.address != Address::Unspecified);
            let records = known.map(|record: ClientRecord| (record, record.address.to_string()));
            if case.command != "clients -k" {
                return page(records);
            }
            let (mut page, mut lines) = (ClientRecord::ke_heading(false), String::new());
            for (record, name) in records {
                page += &record.ke_text(&name, false);
                lines += &(csv(&record, ClientRecord::KE_COLUMNS, &name) + "\n");
            }
            (page, lines)
        }
        other => panic!("no such command: {other}"),
    }
}

#[test]
fn replies_are_printed_as_chronyc_prints_them() {
    let cases = cases(include_str!("replies.txt"));
    assert!(cases.len() > 25, "{}", cases.len());
    for case in cases {
        let (page, records) = rendered(&case);
        assert_eq!(page, case.text, "{}", case.command);
        assert_eq!(records, case.csv, "{}", case.command);
    }
}

/// `requests.txt`: what chronyc 4.3 sends for a command line (request number, body, padding).
#[test]
fn requests_are_read_and_written_as_chronyc_writes_them() {
    let mut read = String::new();
    for line in include_str!("requests.txt").lines() {
        let (command, request) = line.split_once(" = ").unwrap();
        let (number, body) = request.split_once(' ').unwrap();
        let (number, body): (u16, _) = (number.parse().unwrap(), bytes(body));
        if let 25 | 26 = number {
            let definition = super::command(number).unwrap();
            let address: Address = Reader::new(&body).value();
            let ours = client::request(definition, client::Argument::Address(address), 9, 0);
            assert_eq!(ours[REQUEST_HEADER..], body, "{command}");
            continue;
        }
        let change = Change::decode(number, &mut Reader::new(&body)).unwrap();
        let ours = client::change_request(&change, 9, 2);
        assert_eq!(ours[..20], [6, 1, 0, 0, 0, number as u8, 0, 2, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(ours[REQUEST_HEADER..], body, "{command}");
        read += &format!("{command}: {change:?}\n");
    }
    insta::assert_snapshot!(read);
}

/// JSON of one record of every kind, and the wide tables, from the first reply of that kind.
#[test]
fn json_and_wide_tables() {
    fn show<P: Page>(report: &P, name: &str) -> String {
        let wide = P::heading(true) + &report.text(name, true);
        format!(
            "{}\n{}\n",
            crate::report::json(report, name),
            if P::heading(true).is_empty() { "" } else { &wide }
        )
    }
    let cases = cases(include_str!("replies.txt"));
    let reply = |code: u16| {
        let mut replies = cases.iter().flat_map(|case| &case.replies);
        replies.find(|reply| reply.0 == code).unwrap()
    };
    let mut pages = String::new();
    pages += &show(&decoded::<tracking::Tracking>(reply(5)), "ntp.example.net");
    pages += &show(&decoded::<SourceData>(reply(3)), "GPS");
    pages += &show(&decoded::<SourceStats>(reply(6)), "GPS");
    pages += &show(&decoded::<SelectData>(reply(23)), "GPS");
    pages += &show(&decoded::<AuthData>(reply(20)), "127.0.0.1");
    pages += &show(&decoded::<ntpdata::NtpData>(reply(16)), "");
    pages += &show(&decoded::<serverstats::ServerStats>(reply(24)), "");
    pages += &show(&decoded::<activity::Activity>(reply(12)), "");
    pages += &show(&decoded::<rtcdata::RtcData>(reply(7)), "");
    pages += &show(&decoded::<smoothing::Smoothing>(reply(13)), "");
    pages += &show(&decoded::<NameReport>(reply(19)), "");
    pages += &show(&ManualSample::default(), "");
    pages += &show(&manual::SetTime::default(), "");
    pages +=
        &show(&ClientRecord { address: Address::Id(1), ..ClientRecord::default() }, "client.example.net");
    pages += &ClientRecord::ke_heading(true);
    insta::assert_snapshot!(pages);
}

#[test]
fn every_column_of_a_record_is_a_field() {
    fn check<P: Page>(columns: &[&str]) {
        let known = crate::report::csv::column_names::<P>();
        for column in columns {
            assert!(*column == "name" || known.contains(column), "{column}");
        }
        let mut sorted = known.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), known.len(), "a name is there twice: {known:?}");
    }
    check::<tracking::Tracking>(tracking::Tracking::COLUMNS);
    check::<SourceData>(SourceData::COLUMNS);
    check::<SourceStats>(SourceStats::COLUMNS);
    check::<SelectData>(SelectData::COLUMNS);
    check::<AuthData>(AuthData::COLUMNS);
    check::<ntpdata::NtpData>(ntpdata::NtpData::COLUMNS);
    check::<serverstats::ServerStats>(serverstats::ServerStats::COLUMNS);
    check::<activity::Activity>(activity::Activity::COLUMNS);
    check::<rtcdata::RtcData>(rtcdata::RtcData::COLUMNS);
    check::<smoothing::Smoothing>(smoothing::Smoothing::COLUMNS);
    check::<NameReport>(NameReport::COLUMNS);
    check::<ManualSample>(ManualSample::COLUMNS);
    check::<manual::SetTime>(manual::SetTime::COLUMNS);
    check::<ClientRecord>(ClientRecord::COLUMNS);
    check::<ClientRecord>(ClientRecord::KE_COLUMNS);
}

#[test]
fn commands_are_listed_once_and_documented() {
    let mut numbers: Vec<u16> = commands().map(|command| command.number).collect();
    let count = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!((numbers.len(), count), (63, 63));
    for command in commands() {
        assert!(command.doc.ends_with('.') && !command.name.is_empty());
        assert!(usize::from(command.total) <= REQUEST_MAX);
    }
}
