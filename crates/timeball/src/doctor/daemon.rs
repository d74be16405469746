//! What the daemon that answers says of itself.

use std::net::IpAddr;

use ntp::control::client::Argument;
use ntp::control::serverstats::ServerStats;
use ntp::control::sourcename::{NameReport, SOURCENAME};
use ntp::control::sources::SourceData;
use ntp::control::tracking::Tracking;
use ntp::report::json_read::Value;

use crate::cli::own::Own;
use crate::cli::session::{Failure, Session};
use crate::cli::status;

/// A daemon's answers.
#[derive(Clone, Debug, Default)]
pub struct Daemon {
    /// Where it answered.
    pub endpoint: String,
    /// Timeball's version; `None`: it is chronyd.
    pub version: Option<String>,
    /// Its clock.
    pub tracking: Tracking,
    /// Its sources.
    pub sources: Vec<Source>,
    /// Sources without an address.
    pub unresolved: u32,
    /// What it has served; `None`: not told over this way.
    pub served: Option<ServerStats>,
    /// Datagrams that its threads lost before they could fetch them.
    pub lost: f64,
}

/// One source.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// As configured.
    pub name: String,
    /// Where it is; `None`: a reference clock, or not known yet.
    pub address: Option<IpAddr>,
    /// Its state.
    pub data: SourceData,
    /// How much longer the way there seems to be than the way back, s, and the standard deviation of that.
    pub longer_there: Option<(f64, f64)>,
}

/// Asks the daemon; `None`: none answers.
pub fn look(session: &mut Session<'_>) -> Result<Option<Daemon>, Failure> {
    session.options.numeric = true; // names are taken from the configuration, not looked up
    let picture = match status::look(session) {
        Err(Failure::NoAnswer) => return Ok(None),
        picture => picture?,
    };
    let own = Own::find(session.client.endpoints(), "doctor").ok();
    let version = own.as_ref().and_then(|own| own.ask(r#"{"hello":1}"#).ok());
    let version = version.and_then(|hello| Some(hello.get("version")?.text()?.to_owned()));
    let why = list(own.as_ref(), "why", "sources");
    let lost = |thread: &Value| thread.get("kernel_drops").and_then(Value::number);
    let mut sources = Vec::new();
    for data in picture.sources {
        let address = data.real_address().ip();
        let told = why
            .iter()
            .find(|one| one.get("address").and_then(Value::text).and_then(|a| a.parse().ok()) == address);
        let name = match address {
            Some(_) => session.fetch::<NameReport>(&SOURCENAME, Argument::Address(data.address)).ok(),
            None => None,
        };
        let name = name.map_or_else(|| data.label(), |report| report.configured_name.0);
        sources.push(Source { name, address, data, longer_there: told.and_then(longer_there) });
    }
    Ok(Some(Daemon {
        endpoint: picture.endpoint,
        version,
        tracking: picture.tracking,
        sources,
        unresolved: picture.activity.unresolved,
        served: picture.served,
        lost: list(own.as_ref(), "threads", "threads").iter().filter_map(lost).sum(),
    }))
}

fn longer_there(why: &Value) -> Option<(f64, f64)> {
    let number = |name| why.get(name).and_then(Value::number);
    Some((number("longer_there_s")?, number("longer_there_sd_s")?))
}

/// A list of Timeball's own, page by page; empty when it cannot be had.
fn list(own: Option<&Own>, what: &str, things: &str) -> Vec<Value> {
    let (mut all, mut from) = (Vec::new(), 0_u64);
    while let Some(page) = own.and_then(|own| own.ask(&format!(r#"{{"get":"{what}","from":{from}}}"#)).ok()) {
        all.extend_from_slice(page.get(things).and_then(Value::list).unwrap_or_default());
        match page.get("next").and_then(Value::number) {
            // A daemon that sends us backwards would keep us here for ever.
            Some(next) if next as u64 > from => from = next as u64,
            _ => break,
        }
    }
    all
}
