//! What chrony's protocol lacks: one JSON datagram each way, over the Unix socket only.
//!
//! A request is an object and begins with `{`, which no request of chrony's protocol does; a reply has at most
//! [`LONGEST`] bytes, and lists come page by page. `{"hello":1}` tells who is there.
//!
//! | request | reply |
//! |---|---|
//! | `{"hello":1}` | `{"hello":1,"program":"timeball","version":"…"}` |
//! | `{"get":"why","from":N}` | `{"get":"why","total":…,"from":N,"next":…,"sources":[…]}`; `from` may be left out; `next` is `null` on the last page |
//! | `{"get":"clients","from":N,"top":M,"sort":"hits"}` | `{"get":"clients","remembered":…,"from":N,"next":…,"clients":[…]}`: the first M of a stretch of the table; `sort` may also be `drops`, `rate`, `last` |
//! | `{"get":"threads","from":N}` | the same with `"threads":[…]`: what each serving thread received, answered, refused and lost |
//! | `{"get":"changes","from":N}` | the same with `"changes":[{"number":…,"time":…,"saved":…,"line":…},…]`: what commands have changed, and `"following"`: the number that the next change will have |
//! | `{"save":true,"from":N}` | `{"saved":[…],"file":"…"}`: the changes from number N on are kept for the next start; `from` may be left out (answered by the program around the core) |
//! | `{"undo":N}` | `{"undone":"…","effect":"now"}`: change N is taken back; `"overruled"`: a later one holds, `"restart"`: only from then on (likewise) |
//! | `{"get":"thermometer"}` | `{"get":"thermometer","thermometer":{…}}`: the one that the oscillator follows, or the best; `null` without any |
//! | `{"get":"requests","from":N}` | `{"get":"requests","now":…,"thinned":…,"from":N,"next":…,"runs":[[client,start,span,count],…]}`: the log of requests, times in 1/16 s |
//! | anything else | `{"error":"…"}` |

use crate::engine::Engine;
use crate::engine::client_list::{LONGEST_LIST, Order};
use crate::report::json::string;
use crate::report::json_read::Value;
use crate::server::Counters;
use crate::time::Now;
use crate::why::thermometer;
use core::fmt::Write;

/// The longest reply, bytes.
pub const LONGEST: usize = 64 * 1024;
/// The longest request that is looked at, bytes.
const LONGEST_REQUEST: usize = 1024;
/// Room left for what comes after a list.
const TAIL: usize = 256;

/// Is this a request of this kind?
pub fn is_request(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'{')
}

/// Answers a request that came over the Unix socket.
pub fn answer(engine: &Engine, now: Now, request: &[u8]) -> String {
    let text = core::str::from_utf8(request).ok().filter(|text| text.len() <= LONGEST_REQUEST);
    let Some(request) = text.and_then(Value::parse) else {
        return error("not a JSON object that is understood");
    };
    if request.get("hello").is_some() {
        return format!(r#"{{"hello":1,"program":"timeball","version":"{}"}}"#, env!("CARGO_PKG_VERSION"));
    }
    match request.get("get").and_then(Value::text) {
        Some("why") => {
            let from = request.get("from").and_then(Value::number).unwrap_or(0.0);
            why(engine, now, from as usize)
        }
        Some("thermometer") => {
            let report = engine.temperature_report();
            let one = report.map_or_else(|| "null".to_owned(), |report| thermometer::json(&report));
            format!(r#"{{"get":"thermometer","thermometer":{one}}}"#)
        }
        Some("requests") => {
            let from = request.get("from").and_then(Value::number).unwrap_or(0.0);
            engine.requests_page(now, from as usize)
        }
        Some("clients") => {
            let number = |name| request.get(name).and_then(Value::number);
            let order = request.get("sort").and_then(Value::text).and_then(Order::named).unwrap_or_default();
            let top = number("top").map_or(LONGEST_LIST, |top| top as usize);
            engine.client_list(now, number("from").unwrap_or(0.0) as usize, top, order)
        }
        Some("changes") => {
            let from = request.get("from").and_then(Value::number).unwrap_or(0.0);
            changes(engine, from as usize)
        }
        Some("threads") => {
            let from = request.get("from").and_then(Value::number).unwrap_or(0.0);
            threads(engine, from as usize)
        }
        _ => error(
            "there is nothing of this name; \"why\", \"clients\", \"changes\", \"requests\", \"thermometer\" and \"threads\" are",
        ),
    }
}

/// A reply that says what is wrong.
pub fn error(text: &str) -> String {
    let mut out = r#"{"error":"#.to_owned();
    string(&mut out, text);
    out.push('}');
    out
}

/// Sources from number `from` on, as many as there is room for.
fn why(engine: &Engine, now: Now, from: usize) -> String {
    let one = |index| engine.why(now, index).map(|why| why.json());
    page(("why", "sources"), engine.source_count(), from, one)
}

/// Changes from place `from` on.
fn changes(engine: &Engine, from: usize) -> String {
    let journal = engine.journal();
    let one = |index: usize| {
        let entry = journal.entries().get(index)?;
        let (number, at, saved) = (entry.number, entry.at, entry.saved);
        let mut out = format!(r#"{{"number":{number},"time":{at},"saved":{saved},"line":"#);
        string(&mut out, &entry.change.to_string());
        out.push('}');
        Some(out)
    };
    let mut out = page(("changes", "changes"), journal.entries().len(), from, one);
    out.pop();
    // Writing to a string cannot fail.
    let _ = write!(out, r#","following":{}}}"#, journal.next());
    out
}

/// Serving threads from number `from` on.
fn threads(engine: &Engine, from: usize) -> String {
    let shards = engine.shards().all();
    let one = |index: usize| {
        let counters = *crate::server::shards::lock(shards.get(index)?).counters();
        Some(thread(index, &counters))
    };
    page(("threads", "threads"), shards.len(), from, one)
}

fn thread(index: usize, counters: &Counters) -> String {
    let Counters { stats, batches, .. } = counters;
    let mut out = format!(
        r#"{{"thread":{index},"requests":{},"answered":{},"batches":{},"full_batches":{},"kernel_drops":{},"unsent":{},"rejected":{{"#,
        stats.received, stats.answered, batches.taken, batches.full, batches.kernel_drops, batches.unsent,
    );
    let mut first = true;
    for (reject, count) in counters.rejects().filter(|(_, count)| *count > 0) {
        // Writing to a string cannot fail.
        let _ = write!(out, r#"{}"{}":{count}"#, if first { "" } else { "," }, reject.name());
        first = false;
    }
    out.push_str("}}");
    out
}

/// What `one` says of the `total` things from number `from` on, as many as there is room for.
fn page(
    (what, things): (&str, &str),
    total: usize,
    from: usize,
    one: impl Fn(usize) -> Option<String>,
) -> String {
    let mut list = String::new();
    let mut next = from.min(total);
    while let Some(one) = one(next) {
        let length = list.len().saturating_add(one.len()).saturating_add(TAIL);
        if length > LONGEST && !list.is_empty() {
            break;
        }
        if !list.is_empty() {
            list.push(',');
        }
        list.push_str(&one);
        next = next.saturating_add(1);
    }
    let mut out = format!(r#"{{"get":"{what}","total":{total},"from":{from},"next":"#);
    // Writing to a string cannot fail.
    let _ = if next < total { write!(out, "{next}") } else { write!(out, "null") };
    let _ = write!(out, r#","{things}":[{list}]}}"#);
    out
}
