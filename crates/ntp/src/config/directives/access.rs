//! Who may use the command port, and the syntax of all access lists.

use super::prelude::*;

/// What an access line is about: one rule, or one for a name that is still to be looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessTarget {
    /// Every address of both families.
    Any,
    /// These addresses.
    Subnet(Subnet),
    /// The address of this host.
    Name(String),
}

/// Reads `[all] [SUBNET|HOST]`: whether the word `all` (lower case) was there, and whom it is about.
///
/// Subnets are `A`, `A.B`, `A.B.C` (of 8, 16, 24 bits), `A.B.C.D`, an IPv6 address, each perhaps followed by
/// `/BITS`. Too many bits are found by [`check`](crate::config::check), as chrony does, at the start.
pub fn parse_access(words: &mut Words<'_>) -> Result<(bool, AccessTarget), Wrong> {
    let mut word = words.next_word();
    let all = word == Some("all");
    if all {
        word = words.next_word();
    }
    if words.next_word().is_some() {
        return Err(WrongKind::Unparsable.into());
    }
    let target = match word {
        None => AccessTarget::Any,
        Some(word) => match parse_subnet(word) {
            Some(subnet) => AccessTarget::Subnet(subnet),
            None if is_host_name(word) => AccessTarget::Name(word.to_owned()),
            None => {
                let hint = format!(
                    "\"{word}\" is neither a subnet such as 192.0.2.0/24 or 2001:db8::/32 nor a host name"
                );
                return Err(WrongKind::Unparsable.hint(hint));
            }
        },
    };
    Ok((all, target))
}

fn parse_subnet(word: &str) -> Option<Subnet> {
    let (address, bits) = match word.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (word, None),
    };
    let (address, whole) = match address.parse::<IpAddr>() {
        Ok(address) => (address, if address.is_ipv4() { 32 } else { 128 }),
        Err(_) => short_ipv4(address)?,
    };
    let prefix = match bits {
        None => whole,
        Some(bits) if !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit()) => {
            bits.parse().unwrap_or(u8::MAX)
        }
        Some(_) => return None,
    };
    Some(Subnet { address, prefix })
}

/// `10`, `10.1`, `10.1.2`: the rest is zero, and so many bits count.
fn short_ipv4(text: &str) -> Option<(IpAddr, u8)> {
    let mut octets = [0; 4];
    let mut parts = 0;
    for part in text.split('.') {
        let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        *octets.get_mut(parts).filter(|_| digits && parts < 3)? = part.parse().ok()?;
        parts += 1;
    }
    Some((octets.into(), parts as u8 * 8))
}

/// Letters, digits, hyphens, underscores and dots, with one letter at least: mistyped addresses are no names.
fn is_host_name(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && word.bytes().any(|b| b.is_ascii_alphabetic())
        && !word.eq_ignore_ascii_case("all")
        && word.len() <= 253
}

/// Appends a line to an access list.
pub(super) fn add_rule(
    rules: &mut Vec<AccessRule>,
    names: &mut Vec<AccessName>,
    allow: bool,
    words: &mut Words<'_>,
) -> Result<(), Wrong> {
    let (all, target) = parse_access(words)?;
    match target {
        AccessTarget::Any => rules.push(AccessRule { allow, all, subnet: None }),
        AccessTarget::Subnet(subnet) => rules.push(AccessRule { allow, all, subnet: Some(subnet) }),
        AccessTarget::Name(name) => names.push(AccessName { position: rules.len(), allow, all, name }),
    }
    Ok(())
}

const OPEN_COMMANDS: &[(&str, OpenCommand)] = &[
    ("activity", OpenCommand::Activity),
    ("authdata", OpenCommand::Authdata),
    ("clients", OpenCommand::Clients),
    ("manual", OpenCommand::Manual),
    ("ntpdata", OpenCommand::Ntpdata),
    ("rtcdata", OpenCommand::Rtcdata),
    ("selectdata", OpenCommand::Selectdata),
    ("serverstats", OpenCommand::Serverstats),
    ("smoothing", OpenCommand::Smoothing),
    ("sourcename", OpenCommand::Sourcename),
    ("sources", OpenCommand::Sources),
    ("sourcestats", OpenCommand::Sourcestats),
    ("tracking", OpenCommand::Tracking),
];

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::new(
        "bindcmdaddress",
        "ADDRESS|PATH|/",
        "127.0.0.1, ::1 and the Unix socket of the run directory",
        "Where commands are received: an address of each family, and the path of a Unix socket; / is no Unix socket.",
        Exactly(1),
        |c, w| match w.rest() {
            "/" => {
                w.word()?;
                c.control.socket = Some(None);
                Ok(())
            }
            text if text.starts_with('/') => path(w).map(|v| c.control.socket = Some(Some(v))),
            _ => address(w).map(|v| set_of_family(&mut c.control.bind, v)),
        },
    ),
    Directive::new(
        "bindcmddevice",
        "INTERFACE",
        "any",
        "Commands are received by this network interface only.",
        Exactly(1),
        |c, w| w.word().map(|v| c.control.device = Some(v.to_owned())),
    ),
    Directive::new(
        "cmdallow",
        "[all] [SUBNET|HOST]",
        "loopback only",
        "Lets these addresses ask for reports over the network. The lines work as those of allow; bindcmdaddress must let them in as well.",
        Own,
        |c, w| add_rule(&mut c.control.access, &mut c.control.access_names, true, w),
    ),
    Directive::new(
        "cmddeny",
        "[all] [SUBNET|HOST]",
        "",
        "Refuses these addresses reports over the network.",
        Own,
        |c, w| add_rule(&mut c.control.access, &mut c.control.access_names, false, w),
    ),
    Directive::new(
        "cmdport",
        "PORT",
        "323",
        "UDP port of the command protocol; 0 is none.",
        Exactly(1),
        |c, w| port(w).map(|v| c.control.port = v),
    ),
    Directive::new(
        "cmdratelimit",
        "[interval POLL] [burst N] [leak POLL]",
        "off; -4, 8, 2",
        "Limits how often one address may send commands; loopback is exempt. See ratelimit.",
        Own,
        |c, w| {
            super::ratelimit::read(c.control.rate_limit, -4, false, w).map(|v| c.control.rate_limit = Some(v))
        },
    ),
    Directive::new(
        "opencommands",
        "[COMMAND...]",
        "activity manual rtcdata smoothing sourcename sources sourcestats tracking",
        "Which reports may be asked for over the network. All of them: activity authdata clients manual ntpdata rtcdata selectdata serverstats smoothing sourcename sources sourcestats tracking.",
        Own,
        |c, w| {
            let mut open = Vec::new();
            while !w.is_empty() {
                let command = choice(w, OPEN_COMMANDS)?;
                if !open.contains(&command) {
                    open.push(command);
                }
            }
            c.control.open = open;
            Ok(())
        },
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use AccessTarget::{Any, Name};
    use proptest::prelude::*;

    fn net(address: &str, prefix: u8) -> AccessTarget {
        AccessTarget::Subnet(Subnet { address: address.parse().expect("an address"), prefix })
    }

    #[test]
    fn subnets_are_read_in_all_their_forms() {
        for (text, all, target) in [
            ("", false, Any),
            ("all", true, Any),
            ("10", false, net("10.0.0.0", 8)),
            ("1.2", false, net("1.2.0.0", 16)),
            ("1.2.3", false, net("1.2.3.0", 24)),
            ("1.2.3.4", false, net("1.2.3.4", 32)),
            ("1.2/20", false, net("1.2.0.0", 20)),
            ("0/0", false, net("0.0.0.0", 0)),
            ("all 10/8", true, net("10.0.0.0", 8)),
            ("::/0", false, net("::", 0)),
            ("2001:db8::/32", false, net("2001:db8::", 32)),
            ("fe80::1", false, net("fe80::1", 128)),
            ("1.2.3.4/33", false, net("1.2.3.4", 33)),
            ("1.2.3.4/99999999999", false, net("1.2.3.4", 255)),
            ("all router.lan", true, Name("router.lan".into())),
            ("localhost", false, Name("localhost".into())),
        ] {
            assert_eq!(parse_access(&mut Words::new(text)), Ok((all, target)), "{text}");
        }
    }

    #[test]
    fn mistyped_subnets_are_refused() {
        for text in [
            "1.2.3.4/",
            "1.2.3.4/x",
            "1.2.3.4/8x",
            "1.2.3.4/-1",
            "256.1",
            "1.2.3.",
            "1.2.3.4.5",
            "/8",
            "1::/x",
            "1:2",
            "1.2.3.4%eth0",
            "10/8/8",
            "1.2.3.4 /8",
            "1.2.3.4 5.6.7.8",
            "all 10/8 x",
            "ALL",
            "ALL 10/8",
            "foo/8",
            "..",
        ] {
            assert_eq!(
                parse_access(&mut Words::new(text)).unwrap_err().kind,
                WrongKind::Unparsable,
                "{text}"
            );
        }
    }

    #[test]
    fn names_keep_their_place() {
        let mut config = Config::default();
        for (allow, line) in
            [(true, "10/8"), (false, "bad.example"), (true, "10.1/16"), (true, "good.example")]
        {
            let list = &mut config.server;
            add_rule(&mut list.access, &mut list.access_names, allow, &mut Words::new(line)).expect("right");
        }
        let resolved = resolve_access(&config.server.access, &config.server.access_names, |name| {
            (name == "bad.example").then(|| IpAddr::from([10, 0, 0, 1]))
        });
        let told: Vec<String> = resolved
            .iter()
            .map(|r| r.subnet.map_or("any".into(), |s| format!("{} {}/{}", r.allow, s.address, s.prefix)))
            .collect();
        assert_eq!(told, ["true 10.0.0.0/8", "false 10.0.0.1/32", "true 10.1.0.0/16"]);
    }

    proptest! {
        #[test]
        fn any_subnet_is_refused_or_read(text in "[0-9a-f.:/ x-]{0,24}") {
            let _ = parse_access(&mut Words::new(&text));
        }
    }
}
