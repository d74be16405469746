//! docs/json.md: the names in the JSON of reports, from the reports' own columns. Only in tests, as the table of
//! compatibility.

use ntp::control::activity::Activity;
use ntp::control::authdata::AuthData;
use ntp::control::clients::ClientRecord;
use ntp::control::manual::{ManualSample, SetTime};
use ntp::control::ntpdata::NtpData;
use ntp::control::rtcdata::RtcData;
use ntp::control::selectdata::SelectData;
use ntp::control::serverstats::ServerStats;
use ntp::control::smoothing::Smoothing;
use ntp::control::sourcename::NameReport;
use ntp::control::sources::SourceData;
use ntp::control::sourcestats::SourceStats;
use ntp::control::tracking::Tracking;
use ntp::report::json_read::Value as Json;
use ntp::report::{Column, Report, Value, Visitor, json};
use std::fmt::Write;

const DOCUMENT: &str = "docs/json.md";

const HEAD: &str = r#"# JSON of the command line

`timeball --json COMMAND` (or `COMMAND --json`) prints one JSON document: a report of one record is an object, a list an array of objects. Names of
numbers end with their unit: `_s` seconds, `_ppm` parts per million, `_ppm_per_s`, `_log2_s` powers of two of seconds; a number without an ending counts
something. What is not known is `null`. Times are seconds since 1970 with a fraction. Names stay; new ones may be added. A test holds this page to the
program.

In lists `name` comes first: the address (or the identifier of a reference clock), with `-N` the configured name.

Errors: the exit status is 1, and the reason is `{"code":503,"text":"No such source"}` on standard output when the daemon refused, a sentence on
standard error when the command itself is wrong. Commands that change something print `{"code":200,"text":"OK"}`.
"#;

const TAIL: &str = r#"
## Other documents

| command | document |
|---|---|
| `waitsync` | a line for each try: `{"try":1,"ref_id":"7F7F0101","correction_s":0.0,"skew_ppm":0.0}` |
| `keygen` | `{"key":"1 SHA1 HEX:..."}` |
| `accheck`, `cmdaccheck` | `{"code":208,"text":"Access allowed"}`, or code 209 |
| `changes` | an array of `{"number":1,"time":1790000000,"saved":true,"line":"add server ..."}`; `time` in seconds since 1970 |
| `save`, `... --save` | `{"saved":[1,2],"file":"..."}`, after the document of the command itself |
| `undo-change` | `{"undone":"...","effect":"now"}`; `effect` may be `overruled` (a later change holds) or `restart` |
| `check-config` | an array of `{"line":...,"file":...,"number":...,"works":true,"overruled":false,"does":...,"default":...}`, or of `{"error":...}` with status 1 |
| `sources --why`, `serverstats --threads`, `clients --top` | see `timeball sources --help` and so on |
"#;

/// Collects names and what they mean.
#[derive(Default)]
struct Rows(Vec<(String, &'static str)>);

impl Visitor for Rows {
    fn field<T: Value>(&mut self, column: &Column, _: &mut T) {
        self.0.push((format!("{}{}", column.name, column.unit.suffix()), column.doc));
    }
    fn derived<T: Value>(&mut self, column: &Column, _: T) {
        self.0.push((format!("{}{}", column.name, column.unit.suffix()), column.doc));
    }
}

fn section<R: Report>(out: &mut String, command: &str, shape: &str) {
    let mut rows = Rows::default();
    R::default().fields(&mut rows);
    let sample = Json::parse(&json(&R::default(), "")).expect("reports are JSON");
    let _ = write!(out, "\n## {command}\n\n{shape}\n\n| name | meaning |\n|---|---|\n");
    for (name, doc) in rows.0 {
        assert!(sample.get(&name).is_some(), "{command}: {name} is not in {sample}");
        let _ = writeln!(out, "| `{name}` | {} |", doc.replace('|', "\\|"));
    }
}

fn document() -> String {
    let (one, list) = ("An object:", "An array of objects, each with `name` and:");
    let mut out = HEAD.to_owned();
    let tracking = "An object with `name`, what the reference is called, `thermometer`, what Timeball's own daemon tells with \
                    `sources --why thermometer` (`null`: none is read), and:";
    section::<Tracking>(&mut out, "tracking", tracking);
    section::<SourceData>(&mut out, "sources", list);
    section::<SourceStats>(&mut out, "sourcestats", list);
    section::<SelectData>(&mut out, "selectdata", list);
    section::<AuthData>(&mut out, "authdata", list);
    section::<NtpData>(&mut out, "ntpdata", "An array of objects; of one source an object:");
    section::<Activity>(&mut out, "activity", one);
    section::<ServerStats>(&mut out, "serverstats", one);
    section::<ClientRecord>(&mut out, "clients", list);
    section::<Smoothing>(&mut out, "smoothing", one);
    section::<RtcData>(&mut out, "rtcdata", one);
    section::<ManualSample>(&mut out, "manual list", "An array of objects:");
    section::<SetTime>(&mut out, "settime", one);
    section::<NameReport>(&mut out, "sourcename", one);
    out.push_str(TAIL);
    out
}

#[test]
fn the_names_in_json_are_documented() {
    crate::compatibility::is_current(DOCUMENT, &document());
}
