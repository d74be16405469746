//! What holds for any bytes taken as a request in JSON, and as a reply.

use ntp::report::json_read::Value;

/// Panics if a property does not hold for `data`.
pub fn check(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let Some(value) = Value::parse(text) else { return };
    let _ = (value.get("get"), value.number(), value.list(), value.text(), value.to_string());
}
