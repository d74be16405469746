//! Arguments that commands share with directives, read by the configuration's own parser.

use ntp::config::directives::{AccessTarget, SourceWrong, parse_access, source_from_words};
use ntp::config::words::Words;
use ntp::config::{AccessRule, Family, LocalConfig, NoFiles, SourceConfig, SourceKind, Subnet, parse_lines};

use super::client::resolve;

/// The options of `local`; `None` when they are not good ones.
pub fn local(words: &[&str]) -> Option<LocalConfig> {
    parse_lines(&[format!("local {}", words.join(" "))], &NoFiles).ok()?.config.server.local
}

/// `server`, `pool` or `peer`, in any case.
pub fn source_kind(word: &str) -> Option<SourceKind> {
    Some(match word.to_ascii_lowercase().as_str() {
        "server" => SourceKind::Server,
        "pool" => SourceKind::Pool,
        "peer" => SourceKind::Peer,
        _ => return None,
    })
}

/// The source with this name and these options.
pub fn source(kind: SourceKind, words: &[&str]) -> Result<SourceConfig, SourceWrong> {
    source_from_words(kind, &words.join(" "))
}

/// The rule that `[all] [SUBNET|HOST]` means; a host counts as its first address.
pub fn access_rule(words: &[&str], allow: bool, family: Family) -> Option<AccessRule> {
    let line = words.join(" ");
    let (all, target) = parse_access(&mut Words::new(&line)).ok()?;
    let subnet = match target {
        AccessTarget::Any => None,
        AccessTarget::Subnet(subnet) => Some(subnet),
        AccessTarget::Name(name) => {
            let address = *resolve(&name, family).first()?;
            Some(Subnet { address, prefix: if address.is_ipv4() { 32 } else { 128 } })
        }
    };
    Some(AccessRule { allow, all, subnet })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_may_be_shortened_and_are_not_judged_here() {
        for (words, all, subnet) in [
            (&["1.2.3.4"][..], false, Some(("1.2.3.4", 32))),
            (&["10"], false, Some(("10.0.0.0", 8))),
            (&["1.2/99"], false, Some(("1.2.0.0", 99))),
            (&["all", "1.2.3/24"], true, Some(("1.2.3.0", 24))),
            (&["0/0"], false, Some(("0.0.0.0", 0))),
            (&["fe80::"], false, Some(("fe80::", 128))),
            (&[], false, None),
            (&["all"], true, None),
        ] {
            let subnet =
                subnet.map(|(text, prefix)| Subnet { address: text.parse().expect("an address"), prefix });
            assert_eq!(
                access_rule(words, true, Family::Any),
                Some(AccessRule { allow: true, all, subnet }),
                "{words:?}"
            );
        }
        for bad in
            ["1.2.3.4/x", "1.2.3.4/24x", "1.2.3.4/-1", "1.2.3.4 5", "1.2.3.4/", "localhost/24", "1.2.", "ALL"]
        {
            assert_eq!(access_rule(&[bad], true, Family::Any), None, "{bad}");
        }
    }

    #[test]
    fn local_options_are_those_of_the_directive() {
        assert_eq!(local(&[]), Some(LocalConfig::default()));
        assert_eq!(
            local(&["Stratum", "5", "orphan"]).map(|local| (local.stratum, local.orphan)),
            Some((5, true))
        );
        for bad in [
            &["on"][..],
            &["stratum"],
            &["stratum", "x"],
            &["stratum", "0"],
            &["stratum", "77"],
            &["off", "x"],
        ] {
            assert_eq!(local(bad), None, "{bad:?}");
        }
    }
}
