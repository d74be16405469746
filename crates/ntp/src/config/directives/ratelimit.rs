//! `ratelimit`, `ntsratelimit`, `cmdratelimit`: the same options, other defaults.

use super::prelude::*;

/// Reads `[interval N] [burst N] [leak N] [kod N]`; options not named keep what they had, `kod` only for NTP.
pub(super) fn read(
    old: Option<RateLimit>,
    interval: i32,
    kod: bool,
    words: &mut Words<'_>,
) -> Result<RateLimit, Wrong> {
    let mut limit = old.unwrap_or(RateLimit { interval, burst: 8, leak: 2, kod: 0 });
    while let Some(word) = words.next_word() {
        let field = match word.to_ascii_lowercase().as_str() {
            "interval" => &mut limit.interval,
            "burst" => &mut limit.burst,
            "leak" => &mut limit.leak,
            "kod" if kod => &mut limit.kod,
            _ => return Err(WrongKind::Unparsable.hint(format!("there is no option \"{word}\""))),
        };
        let value = words.option_int(-32, 32);
        *field = value.map_err(|wrong| Wrong { kind: WrongKind::Unparsable, ..wrong })?;
    }
    Ok(limit)
}
