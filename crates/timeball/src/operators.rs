//! Who runs a time server, as far as its name and address tell, and who is known to smear leap seconds.

use std::net::IpAddr;

/// Second labels below which countries register names: `example.co.uk` belongs to somebody, `co.uk` to nobody.
const SHARED: &[&str] = &[
    "ac", "co", "com", "edu", "gob", "gouv", "gov", "ltd", "mil", "ne", "net", "nhs", "nom", "or", "org",
    "plc", "sch",
];

/// Who smears leap seconds: domain, prefixes of addresses, what they say of it.
struct Smearer {
    domain: &'static str,
    prefixes: &'static [(&'static str, u8)],
}

/// Servers of these spread a leap second over a day, so that they and all others disagree by up to half a second then.
const SMEARERS: &[Smearer] = &[
    Smearer { domain: "google.com", prefixes: &[("216.239.35.0", 24), ("2001:4860:4806::", 48)] },
    Smearer { domain: "goog", prefixes: &[] },
    Smearer { domain: "aws.com", prefixes: &[("169.254.169.123", 32), ("fd00:ec2::123", 128)] },
    Smearer { domain: "amazon.pool.ntp.org", prefixes: &[] },
    Smearer { domain: "amazonaws.com", prefixes: &[] },
    Smearer {
        domain: "facebook.com",
        prefixes: &[
            ("129.134.25.123", 32),
            ("129.134.26.123", 32),
            ("129.134.27.123", 32),
            ("129.134.28.123", 32),
            ("129.134.29.123", 32),
            ("2a03:2880:ff08::123", 128),
            ("2a03:2880:ff09::123", 128),
            ("2a03:2880:ff0a::123", 128),
            ("2a03:2880:ff0b::123", 128),
            ("2a03:2880:ff0c::123", 128),
        ],
    },
];

/// Is it one of the names behind which the pool puts other servers each time?
pub fn is_pool_name(name: &str) -> bool {
    below(name, "pool.ntp.org")
}

/// Is it an address that only this machine or its neighbours can reach?
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || matches!(v6.segments()[0], 0xfc00..=0xfdff | 0xfe80..=0xfebf),
    }
}

/// Whoever runs the server: the domain somebody registered, or, without a name of its own, the network it is in
/// (`192.0/16`, `2001:db8/32`), because who was given that is not known here. Neighbours and machines of one's own fail each by itself.
pub fn operator(name: &str, address: Option<IpAddr>) -> String {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let address = address.or_else(|| name.parse().ok());
    if let Some(smearer) = smearer(&name, address) {
        return smearer.to_owned();
    }
    let named = name.contains('.') && name.parse::<IpAddr>().is_err() && !is_pool_name(&name);
    match (named, address) {
        (true, _) => registered(&name).to_owned(),
        (false, Some(address)) if is_private(address) => address.to_string(),
        (false, Some(address)) => network(address),
        (false, None) => name,
    }
}

/// The domain of the operator, if it is known to smear.
pub fn smearer(name: &str, address: Option<IpAddr>) -> Option<&'static str> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let address = address.or_else(|| name.parse().ok());
    let inside = |smearer: &&Smearer| {
        let of = |(prefix, length): &(&str, u8)| {
            address.zip(prefix.parse().ok()).is_some_and(|(address, prefix)| same(address, prefix, *length))
        };
        below(&name, smearer.domain) || smearer.prefixes.iter().any(of)
    };
    SMEARERS.iter().find(inside).map(|smearer| smearer.domain)
}

/// `name` is `domain` or ends with it.
fn below(name: &str, domain: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The last two labels of a name, three below `co.uk` and the like.
fn registered(name: &str) -> &str {
    let mut dots = name.rmatch_indices('.').map(|(at, _)| at);
    let (Some(first), second) = (dots.next(), dots.next()) else { return name };
    let label = second.map_or(&name[..first], |second| &name[second + 1..first]);
    let country = name.len() - first == 3;
    let start = if country && SHARED.contains(&label) { dots.next() } else { second };
    start.map_or(name, |dot| &name[dot + 1..])
}

/// The network of an address: 16 bits of IPv4, 32 of IPv6.
pub fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => format!("{}.{}/16", v4.octets()[0], v4.octets()[1]),
        IpAddr::V6(v6) => format!("{:x}:{:x}/32", v6.segments()[0], v6.segments()[1]),
    }
}

/// Do the first `length` bits agree?
fn same(a: IpAddr, b: IpAddr, length: u8) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            (a.to_bits() ^ b.to_bits()).checked_shr(32 - u32::from(length)).unwrap_or(0) == 0
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            (a.to_bits() ^ b.to_bits()).checked_shr(128 - u32::from(length)).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_domains_or_networks() {
        for (name, address, expected) in [
            ("ntp1.fau.de", None, "fau.de"),
            ("ntp0.nl.net", None, "nl.net"),
            ("time.esa.int.", None, "esa.int"),
            ("fau.de", None, "fau.de"),
            ("ntp.example.co.uk", None, "example.co.uk"),
            ("example.co.uk", None, "example.co.uk"),
            ("a.b.example.com", None, "example.com"),
            ("2.openwrt.pool.ntp.org", Some("192.0.2.7"), "192.0/16"),
            ("192.0.2.7", None, "192.0/16"),
            ("2001:db8:1::7", None, "2001:db8/32"),
            ("TIME2.Google.com", None, "google.com"),
            ("216.239.35.4", None, "google.com"),
            ("gps", Some("10.1.2.3"), "10.1.2.3"),
            ("192.168.1.7", None, "192.168.1.7"),
            ("gps", None, "gps"),
        ] {
            let address = address.map(|text| text.parse().expect("an address"));
            assert_eq!(operator(name, address), expected, "{name}");
        }
    }

    #[test]
    fn smearers_are_known_by_name_and_address() {
        for (name, smears) in [
            ("time.google.com", true),
            ("time.facebook.com", true),
            ("169.254.169.123", true),
            ("3.amazon.pool.ntp.org", true),
            ("2001:4860:4806:8::", true),
            ("notgoogle.com", false),
            ("3.pool.ntp.org", false),
            ("169.254.169.124", false),
        ] {
            assert_eq!(smearer(name, None).is_some(), smears, "{name}");
        }
        assert!(is_pool_name("2.de.pool.ntp.org") && is_pool_name("pool.ntp.org"));
        assert!(!is_pool_name("mypool.ntp.org.example") && !is_pool_name("carpool.ntp.org"));
    }
}
