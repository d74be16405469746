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

/// `ratelimit`, which may also be `auto`. What is said last holds.
pub(super) fn ntp(config: &mut Config, words: &mut Words<'_>) -> Result<(), Wrong> {
    let auto = words.rest().split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("auto"));
    if auto && words.left() > 1 {
        return Err(WrongKind::Unparsable.hint("with auto there are no other options"));
    }
    if auto {
        words.next_word();
    }
    let server = &mut config.server;
    server.rate_limit = match auto {
        true => None,
        false => Some(read(server.rate_limit, 3, true, words)?),
    };
    server.rate_limit_auto = auto;
    Ok(())
}
