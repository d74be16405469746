//! OpenWrt's interfaces: their devices and addresses, as netifd tells them (`ubus call network.interface dump`), else as
//! `/etc/config/network` has them.

use super::uci::Document;
use ntp::report::json_read::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// `lan`.
    pub name: String,
    /// Devices through which its packets may go, the likeliest first.
    pub devices: Vec<String>,
    /// Its addresses and the lengths of their networks.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Time servers that DHCP named.
    pub time_servers: Vec<String>,
}

impl Interface {
    /// The networks that it is in, as `192.168.1.0/24`.
    pub fn subnets(&self) -> Vec<String> {
        self.addresses.iter().map(|&(address, bits)| subnet(address, bits)).collect()
    }

    /// Its first IPv4 address.
    pub fn v4(&self) -> Option<Ipv4Addr> {
        self.addresses.iter().find_map(|(address, _)| match address {
            IpAddr::V4(v4) => Some(*v4),
            IpAddr::V6(_) => None,
        })
    }

    /// Its own IPv6 address, which no provider changes (fd00::/8).
    pub fn unique_local(&self) -> Option<Ipv6Addr> {
        self.addresses.iter().find_map(|(address, _)| match address {
            IpAddr::V6(v6) if v6.octets()[0] == 0xfd => Some(*v6),
            _ => None,
        })
    }
}

/// As configured.
pub fn configured(network: &Document) -> Vec<Interface> {
    let prefix = network.of_kind("globals").find_map(|globals| ula(globals.get("ula_prefix")?));
    let assigned = network.of_kind("interface").filter(|section| section.get("ip6assign").is_some()).count();
    let mut found = Vec::new();
    for section in network.of_kind("interface") {
        let Some(name) = section.name else { continue };
        let device = section.get("device").or_else(|| section.get("ifname")).unwrap_or_default();
        let proto = section.get("proto").unwrap_or("none");
        let mut devices: Vec<String> = tunnel(proto, name).into_iter().collect();
        devices.extend((!device.is_empty() && !device.starts_with('@')).then(|| device.to_owned()));
        let mut addresses = Vec::new();
        let mask = section.get("netmask").and_then(|mask| mask.parse::<Ipv4Addr>().ok());
        for word in section.list("ipaddr") {
            let (address, bits) = word.split_once('/').unwrap_or((word, ""));
            let bits = bits.parse().ok().or(mask.map(|mask| mask.to_bits().leading_ones() as u8));
            addresses.extend(address.parse().ok().zip(bits));
        }
        for word in section.list("ip6addr") {
            let pair = word.split_once('/').unwrap_or((word, "128"));
            addresses.extend(pair.0.parse().ok().zip(pair.1.parse().ok()));
        }
        // With one interface the assignment is certain: the first network of the prefix, unless a hint says which.
        let length = section.get("ip6assign").and_then(|word| word.parse::<u8>().ok());
        let hint = section.get("ip6hint").and_then(|word| u128::from_str_radix(word, 16).ok());
        if let (Some(prefix), Some(length)) = (prefix, length)
            && (hint.is_some() || assigned == 1)
            && (1..=64).contains(&length)
        {
            let network = prefix | (hint.unwrap_or(0) << 64);
            addresses.push((Ipv6Addr::from_bits(network | 1).into(), length));
        }
        found.push(Interface { name: name.to_owned(), devices, addresses, time_servers: Vec::new() });
    }
    found
}

/// What netifd says of those that it knows, put in place of what is configured.
pub fn running(configured: Vec<Interface>, dump: &Value) -> Vec<Interface> {
    let mut found = configured;
    for value in dump.get("interface").and_then(Value::list).unwrap_or_default() {
        let Some(name) = value.get("interface").and_then(Value::text) else { continue };
        let addresses = addresses(value);
        let at = found.iter().position(|interface| interface.name == name);
        let at = at.unwrap_or_else(|| {
            found.push(Interface { name: name.to_owned(), ..Interface::default() });
            found.len() - 1
        });
        let interface = &mut found[at];
        for key in ["device", "l3_device"] {
            if let Some(device) = value.get(key).and_then(Value::text) {
                interface.devices.retain(|known| known != device);
                interface.devices.insert(0, device.to_owned());
            }
        }
        if !addresses.is_empty() {
            interface.addresses = addresses;
        }
        interface.time_servers = time_servers(value);
    }
    found
}

fn addresses(value: &Value) -> Vec<(IpAddr, u8)> {
    let mut found = Vec::new();
    let pair = |value: &Value, mask: &Value| {
        let address: IpAddr = value.text()?.parse().ok()?;
        Some((address, mask.number().filter(|bits| (0.0..=128.0).contains(bits))? as u8))
    };
    for list in ["ipv4-address", "ipv6-address"] {
        for entry in value.get(list).and_then(Value::list).unwrap_or_default() {
            found.extend(entry.get("address").zip(entry.get("mask")).and_then(|(a, m)| pair(a, m)));
        }
    }
    for entry in value.get("ipv6-prefix-assignment").and_then(Value::list).unwrap_or_default() {
        let local = entry.get("local-address");
        found.extend(
            local.and_then(|local| local.get("address").zip(entry.get("mask"))).and_then(|(a, m)| pair(a, m)),
        );
    }
    found
}

fn time_servers(value: &Value) -> Vec<String> {
    let Some(data) = value.get("data") else { return Vec::new() };
    let mut servers: Vec<String> = Vec::new();
    for key in ["ntpserver", "ntp", "sntp"] {
        let texts = match data.get(key) {
            Some(Value::Text(text)) => vec![text.as_str()],
            Some(Value::List(list)) => list.iter().filter_map(Value::text).collect(),
            _ => continue,
        };
        for word in texts.into_iter().flat_map(str::split_whitespace) {
            if !servers.iter().any(|known| known == word) {
                servers.push(word.to_owned());
            }
        }
    }
    servers
}

/// Protocols that make a device of their own.
fn tunnel(proto: &str, name: &str) -> Option<String> {
    match proto {
        "pppoe" | "pppoa" | "ppp" | "pptp" | "3g" => {
            Some(format!("{}-{name}", if proto == "ppp" { "ppp" } else { proto }))
        }
        "6in4" | "6rd" | "6to4" | "ds-lite" | "l2tp" | "vxlan" => {
            Some(format!("{proto}-{name}").replace("ds-lite", "ds"))
        }
        "wireguard" | "qmi" | "mbim" => Some(name.to_owned()),
        _ => None,
    }
}

/// `fd19:8fa6:8bee::/48` as a number.
fn ula(prefix: &str) -> Option<u128> {
    let (address, bits) = prefix.split_once('/')?;
    let bits: u32 = bits.parse().ok().filter(|bits| (1..=64).contains(bits))?;
    Some(address.parse::<Ipv6Addr>().ok()?.to_bits() & (u128::MAX << (128 - bits)))
}

/// The network of an address.
fn subnet(address: IpAddr, bits: u8) -> String {
    match address {
        IpAddr::V4(v4) => {
            let kept = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            format!("{}/{}", Ipv4Addr::from_bits(v4.to_bits() & kept), bits.min(32))
        }
        IpAddr::V6(v6) => {
            let kept = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            format!("{}/{}", Ipv6Addr::from_bits(v6.to_bits() & kept), bits.min(128))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORK: &str = "config globals 'globals'\n\toption ula_prefix 'fd19:8fa6:8bee::/48'\nconfig interface 'lan'\n\
        \toption device 'br-lan'\n\toption proto 'static'\n\toption ipaddr '192.168.1.1'\n\toption netmask '255.255.255.0'\n\
        \toption ip6assign '60'\nconfig interface 'wan'\n\toption device 'eth1'\n\toption proto 'pppoe'\n\
        config interface 'wan6'\n\toption device '@wan'\n\toption proto 'dhcpv6'\n\
        config interface 'iot'\n\tlist ipaddr '10.7.0.1/16'\n";

    #[test]
    fn what_is_configured_is_read() {
        let found = configured(&Document::parse(NETWORK).unwrap());
        assert_eq!(found[0].subnets(), ["192.168.1.0/24", "fd19:8fa6:8bee::/60"]);
        assert_eq!(found[0].v4(), Some(Ipv4Addr::new(192, 168, 1, 1)));
        assert_eq!(found[0].unique_local().map(|a| a.to_string()).as_deref(), Some("fd19:8fa6:8bee::1"));
        assert_eq!(found[1].devices, ["pppoe-wan", "eth1"]);
        assert!(found[2].devices.is_empty());
        assert_eq!(found[3].subnets(), ["10.7.0.0/16"]);
    }

    #[test]
    fn what_runs_wins() {
        let dump = r#"{"interface":[{"interface":"lan","up":true,"l3_device":"br-lan","device":"br-lan",
            "ipv4-address":[{"address":"192.168.9.1","mask":24}],
            "ipv6-prefix-assignment":[{"address":"fd19:8fa6:8bee::","mask":60,"local-address":{"address":"fd19:8fa6:8bee::1","mask":60}}]},
            {"interface":"wan_6","l3_device":"pppoe-wan","data":{"ntpserver":"192.0.2.1 192.0.2.2"}}]}"#;
        let dump = Value::parse(dump).expect("it is JSON");
        let found = running(configured(&Document::parse(NETWORK).unwrap()), &dump);
        assert_eq!(found[0].subnets(), ["192.168.9.0/24", "fd19:8fa6:8bee::/60"]);
        assert_eq!(found[1].devices, ["pppoe-wan", "eth1"], "as configured");
        assert_eq!(found[4].time_servers, ["192.0.2.1", "192.0.2.2"]);
        assert_eq!(subnet("1.2.3.4".parse().unwrap(), 0), "0.0.0.0/0");
    }
}
