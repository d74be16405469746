use super::*;
use crate::observe::events::EventLog;
use crate::observe::rates::Columns;
use ntp::control::sources::SourceData;
use ntp::report::Interval;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Everything that can be exported is.
fn full() -> String {
    let mut recorder = Recorder::new(Columns::new(false), None, EventLog::unkept(), std::process::id(), 0.0);
    let source = |name: &str| SourceSnapshot {
        name: name.to_owned(),
        data: SourceData {
            state: SourceState::Selected,
            last_rx: Interval(Some(3)),
            stratum: 1,
            ..SourceData::default()
        },
        delay: 0.01,
        ..SourceSnapshot::default()
    };
    let mut snapshot = Snapshot {
        at: 1000.0,
        thermometer: Some((41.5, -5e-8)),
        rejects: vec![3; Reject::ALL.len()],
        threads: vec![(7, 5), (1 << 60, 2)],
        sources: vec![source("a.example"), source("quote\"back\\slash\nline")],
        ..Snapshot::default()
    };
    snapshot.sources.iter_mut().for_each(|source| source.stats.samples = 9);
    snapshot.tracking.stratum = 2;
    snapshot.clients.capacity = 9;
    snapshot.server.ntp_hits = Some(12);
    snapshot.server.log_drops = Some(1);
    recorder.take(snapshot);
    recorder.machine = ntp::metrics::Machine {
        cpu_user: 1.0,
        cpu_system: 0.25,
        memory: 4e6,
        temperature: 46.5,
        conntrack: 800.0,
        conntrack_limit: 65_536.0,
        threads: 1.0,
    };
    render(&recorder, 3, 1001.0)
}

fn is_name(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    text.bytes().next().is_some_and(letter) && text.bytes().all(|byte| letter(byte) || byte.is_ascii_digit())
}

/// Name, labels, value of a sample, by the grammar of OpenMetrics.
fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("{line}"));
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            assert!(is_name(label), "{line}");
            let mut value = String::new();
            let mut letters = after.char_indices();
            let close = loop {
                match letters.next().unwrap_or_else(|| panic!("{line}")) {
                    (at, '"') => break at,
                    (_, '\\') => match letters.next() {
                        Some((_, 'n')) => value.push('\n'),
                        Some((_, other @ ('\\' | '"'))) => value.push(other),
                        other => panic!("{other:?} in {line}"),
                    },
                    (_, other) => value.push(other),
                }
            };
            assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
            rest = &after[close + 1..];
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break,
            }
        }
        rest = rest.strip_prefix('}').unwrap_or_else(|| panic!("{line}"));
    }
    let value = rest.strip_prefix(' ').and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{line}"));
    (name.to_owned(), labels, value)
}

/// The names of all samples, after the text has been checked as a scraper would.
fn scrape(text: &str) -> BTreeSet<String> {
    let body = text.strip_suffix("# EOF\n").expect("it ends with EOF");
    let (mut names, mut seen, mut families) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut family = (String::new(), String::new());
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a kind");
            assert!(is_name(name) && ["gauge", "counter", "info"].contains(&kind), "{line}");
            assert!(families.insert(name.to_owned()), "{name} comes twice");
            family = (name.to_owned(), kind.to_owned());
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            assert!(rest.starts_with(&format!("{} ", family.0)), "{line}");
        } else {
            let (name, labels, value) = sample(line);
            let end = match family.1.as_str() {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            assert_eq!(name, format!("{}{end}", family.0), "a sample outside of its family");
            assert!(family.1 == "gauge" || value >= 0.0, "{line}");
            assert!(seen.insert((name.clone(), labels)), "{line} comes twice");
            names.insert(name);
        }
    }
    names
}

#[test]
fn the_text_is_open_metrics_and_has_the_names_of_chronys_exporter() {
    let text = full();
    let names = scrape(&text);
    for name in "up tracking_info tracking_last_offset_seconds tracking_reference_timestamp_seconds tracking_remote_reference \
                 tracking_rms_offset_seconds tracking_stratum sources_last_sample_age_seconds sources_last_sample_offset_seconds \
                 sources_last_sample_error_margin_seconds sources_polling_interval_seconds sources_state_info sources_stratum \
                 serverstats_ntp_packets_received_total serverstats_ntp_packets_dropped_total"
        .split_whitespace()
    {
        assert!(names.contains(&format!("chrony_{name}")), "{name}");
    }
    for metric in METRICS {
        let name = if metric.kind == Kind::Counter {
            format!("{}_total", metric.exported)
        } else {
            metric.exported.to_owned()
        };
        assert!(names.contains(&name), "{name}");
    }
    assert!(text.contains("source_name=\"quote\\\"back\\\\slash\\nline\""));
    assert!(text.contains("timeball_thread_requests_total{thread=\"1\"} 1.152921504606847e18\n"), "{text}");
}

#[test]
fn a_daemon_that_says_nothing_is_down_and_nothing_is_invented() {
    let recorder = Recorder::new(Columns::new(true), None, EventLog::unkept(), u32::MAX, 0.0);
    let text = render(&recorder, 0, 10.0);
    let names = scrape(&text);
    assert!(text.contains("\nchrony_up 0\n"));
    assert!(!names.iter().any(|name| name.contains("tracking") || name.contains("packets")), "{names:?}");
}

/// The metric names in an expression, which must be balanced.
fn metrics(expression: &str) -> Vec<String> {
    let count = |letter: char| expression.matches(letter).count();
    for (open, close) in [('(', ')'), ('{', '}'), ('[', ']')] {
        assert_eq!(count(open), count(close), "{expression}");
    }
    assert!(count('"').is_multiple_of(2), "{expression}");
    let words = expression.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words
        .filter(|word| word.starts_with("chrony_") || word.starts_with("timeball_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_dashboard_draws_only_what_is_exported() {
    let names = scrape(&full());
    let text = include_str!("../../../../../packaging/grafana/timeball.json");
    let dashboard: Value = serde_json::from_str(text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut drawn = 0;
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64()), "{panel}");
        for target in panel["targets"].as_array().into_iter().flatten() {
            let used = metrics(target["expr"].as_str().expect("an expression"));
            assert!(!used.is_empty() && used.iter().all(|name| names.contains(name)), "{target}");
            drawn += 1;
        }
    }
    assert!(drawn > 25 && dashboard["uid"] == "timeball");
}

#[test]
fn every_alert_has_a_reason_and_asks_for_what_is_exported() {
    let names = scrape(&full());
    let text = include_str!("../../../../../packaging/prometheus/timeball.rules.yml");
    let body: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(body[..3], ["groups:", "  - name: timeball", "    rules:"]);
    let mut alerts: Vec<BTreeMap<&str, &str>> = Vec::new();
    let mut section = "";
    for line in &body[3..] {
        let (indent, rest) = (line.len() - line.trim_start().len(), line.trim_start());
        let (key, value) = rest.split_once(':').unwrap_or_else(|| panic!("{line}"));
        let value = value.trim();
        match (indent, key) {
            (6, "- alert") => alerts.push(BTreeMap::from([("alert", value)])),
            (8, "labels" | "annotations") => section = key,
            (8, "expr" | "for") => {
                alerts.last_mut().expect("an alert").insert(key, value);
            }
            (10, "severity") if section == "labels" => {
                alerts.last_mut().expect("an alert").insert(key, value);
            }
            (10, "summary" | "description") if section == "annotations" => {
                // Quoted, because colons and braces mean something in YAML.
                assert!(
                    value.len() > 2
                        && value.starts_with('"')
                        && value.ends_with('"')
                        && value.matches('"').count() == 2,
                    "{line}"
                );
                assert_eq!(value.matches("{{").count(), value.matches("}}").count(), "{line}");
                alerts.last_mut().expect("an alert").insert(key, value);
            }
            _ => panic!("{line}"),
        }
    }
    assert!(alerts.len() >= 9);
    for alert in &alerts {
        for key in ["alert", "expr", "severity", "summary", "description"] {
            assert!(alert.contains_key(key), "{alert:?} lacks {key}");
        }
        // A plain YAML scalar must not have these.
        assert!(!alert["expr"].contains(": ") && !alert["expr"].contains(" #"), "{alert:?}");
        let used = metrics(alert["expr"]);
        assert!(!used.is_empty() && used.iter().all(|name| names.contains(name)), "{alert:?}");
        assert!(["warning", "critical"].contains(&alert["severity"]), "{alert:?}");
    }
}
