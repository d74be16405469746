//! What is recorded and shown.

use super::prelude::*;
use core::net::Ipv4Addr;

/// Most resolutions of the archive.
const MOST_RINGS: usize = 8;

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::new(
        "stats",
        "off | [on] [interval SECONDS] [folder FOLDER] [profile full|router] [keep STEP:SPAN,...]",
        "on under the name timeball, off under the name chronyd; interval 300, profile full",
        "A process of its own records what is worth knowing in an archive of fixed size. interval is how often it is written, and so \
         how much a power cut can cost; keep says how long which resolution is kept, as in keep 10s:1d,1m:4d,10m:60d,2h:5y. The \
         profile router needs 4 MB.",
        Own,
        stats,
    ),
    Directive::new(
        "web",
        "off | [on] [public] [ADDRESS:PORT]... [host NAME]...",
        "http://127.0.0.1:8123 under the name timeball, off under the name chronyd",
        "The page with statistics and graphs, its interface /api and /metrics for Prometheus, read-only. public leaves out addresses, \
         so that it may be shown to the world. Browsers may ask for it by address, by the name of this machine and by the names given \
         with host.",
        Own,
        web,
    ),
];

fn stats(config: &mut Config, words: &mut Words<'_>) -> Result<(), Wrong> {
    let observe = &mut config.observe;
    observe.stats = Some(true);
    while let Some(word) = words.next_word() {
        match word.to_ascii_lowercase().as_str() {
            "off" => observe.stats = Some(false),
            "on" => observe.stats = Some(true),
            "interval" => observe.interval = Some(words.int(1, 86_400)?.unsigned_abs()),
            "folder" => observe.folder = Some(path(words)?),
            "profile" => observe.router = choice(words, &[("full", false), ("router", true)])?,
            "keep" => observe.keep = keep(words.word()?)?,
            _ => return Err(WrongKind::Unparsable.hint(format!("there is no option \"{word}\""))),
        }
    }
    Ok(())
}

fn web(config: &mut Config, words: &mut Words<'_>) -> Result<(), Wrong> {
    let observe = &mut config.observe;
    observe.web = Some(true);
    while let Some(word) = words.next_word() {
        match word.to_ascii_lowercase().as_str() {
            "off" => observe.web = Some(false),
            "on" => observe.web = Some(true),
            "public" => observe.public = true,
            "host" => observe.hosts.push(words.word()?.to_ascii_lowercase()),
            place => observe.listen.push(listen(place)?),
        }
    }
    Ok(())
}

/// An address with port, an address, or a port of this machine alone.
fn listen(word: &str) -> Result<SocketAddr, Wrong> {
    let address =
        word.parse().ok().or_else(|| Some(SocketAddr::new(word.parse::<IpAddr>().ok()?, PAGE_PORT)));
    address.or_else(|| Some(SocketAddr::from((Ipv4Addr::LOCALHOST, word.parse().ok()?)))).ok_or_else(|| {
        WrongKind::Unparsable
            .hint(format!("\"{word}\" is neither an option nor an address such as 127.0.0.1:8123"))
    })
}

/// `10s:1d,1m:4d`: resolutions, each a multiple of the first, and how far they reach.
fn keep(text: &str) -> Result<Vec<(u32, u32)>, Wrong> {
    let wrong = |why: String| WrongKind::Unparsable.hint(why);
    let mut rings: Vec<(u32, u32)> = Vec::new();
    for part in text.split(',') {
        let pair = part.split_once(':').and_then(|(step, span)| Some((seconds(step)?, seconds(span)?)));
        let (step, span) =
            pair.ok_or_else(|| wrong(format!("\"{part}\" is not STEP:SPAN, such as 10s:1d")))?;
        let finest = rings.first().map_or(step, |ring| ring.0);
        let coarser = rings.last().is_none_or(|ring| ring.0 < step);
        if !coarser || !step.is_multiple_of(finest) || span / step < 2 || rings.len() >= MOST_RINGS {
            return Err(wrong(format!(
                "{part}: each step must be a multiple of the first, and larger than the one before"
            )));
        }
        rings.push((step, span));
    }
    Ok(rings)
}

/// `90`, `90s`, `5m`, `2h`, `60d`, `5y`.
fn seconds(text: &str) -> Option<u32> {
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400), ("y", 31_536_000)];
    let unit = units.iter().find_map(|(letter, unit)| Some((text.strip_suffix(letter)?, *unit)));
    let (number, unit) = unit.unwrap_or((text, 1));
    number.parse::<u32>().ok()?.checked_mul(unit).filter(|seconds| *seconds > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_must_fit_together() {
        let read = |text| keep(text).ok();
        assert_eq!(read("10s:1d,1m:4d,2h:5y"), Some(vec![(10, 86_400), (60, 345_600), (7200, 157_680_000)]));
        for wrong in ["", "10", "10s:1d,15s:2d", "1m:1d,10s:4d", "10s:10s", "0:1d", "1y:200y", "x:1d"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn places_have_short_forms() {
        let read = |text: &str| listen(text).ok().map(|address| address.to_string());
        assert_eq!(read("[::]:80"), Some("[::]:80".into()));
        assert_eq!(read("192.0.2.1"), Some("192.0.2.1:8123".into()));
        assert_eq!(read("9000"), Some("127.0.0.1:9000".into()));
        assert_eq!(read("example"), None);
    }
}
