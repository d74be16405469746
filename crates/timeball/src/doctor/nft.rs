//! What the rules of nftables do to NTP.

/// A chain and its rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// The hook, as `prerouting`; empty: other chains jump to it.
    pub hook: String,
    /// What becomes of packets that no rule decides about: `drop` or `accept`.
    pub policy: String,
    /// Its rules, one a line.
    pub rules: Vec<String>,
}

/// The chains in what `nft list ruleset` prints, or in a file that nft reads.
pub fn read(text: &str) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    let (mut depth, mut inside) = (0_i32, None::<i32>);
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with('#') {
            continue;
        }
        let before = depth;
        // Sets in a rule open and close on their line.
        depth += line.matches('{').count() as i32 - line.matches('}').count() as i32;
        let words: Vec<&str> = line.split_whitespace().collect();
        match (inside, words.as_slice()) {
            (None, ["chain", name, ..]) => {
                inside = Some(before);
                chains.push(Chain { name: name.trim_end_matches('{').to_owned(), ..Chain::default() });
            }
            (Some(outside), _) if depth <= outside => inside = None,
            (Some(_), ["type", _, "hook", hook, ..]) => {
                if let Some(chain) = chains.last_mut() {
                    chain.hook = (*hook).to_owned();
                    let policy = line.split("policy ").nth(1).unwrap_or("");
                    chain.policy = policy
                        .split([';', ' '])
                        .next()
                        .filter(|word| !word.is_empty())
                        .unwrap_or("accept")
                        .to_owned();
                }
            }
            (Some(_), [_, ..]) => {
                if let Some(chain) = chains.last_mut() {
                    chain.rules.push(line.to_owned());
                }
            }
            _ => {}
        }
    }
    chains
}

/// Does the rule name the port of NTP, as `side` (`dport` or `sport`)?
pub fn names_ntp(rule: &str, side: &str) -> bool {
    let words: Vec<&str> = rule.split([' ', ',', '{', '}']).filter(|word| !word.is_empty()).collect();
    let Some(at) = words.iter().position(|word| *word == side) else { return false };
    words.iter().skip(at + 1).take_while(|word| is_port(word)).any(|word| match word.split_once('-') {
        Some((low, high)) => {
            low.parse::<u16>().is_ok_and(|low| low <= 123)
                && high.parse::<u16>().is_ok_and(|high| high >= 123)
        }
        None => matches!(*word, "123" | "ntp"),
    })
}

/// A number, a range of them, or the name of a service.
fn is_port(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
        || matches!(word, "ntp" | "domain" | "ssh" | "http" | "https")
}

/// Rules that keep the kernel from following connections of NTP, by hook.
pub fn untracking<'a>(chains: &'a [Chain], hook: &'a str, side: &'a str) -> impl Iterator<Item = &'a str> {
    let of_hook =
        chains.iter().filter(move |chain| chain.hook == hook || chain.name == format!("raw_{hook}"));
    let rules = of_hook.flat_map(|chain| chain.rules.iter());
    rules.map(String::as_str).filter(move |rule| rule.contains("notrack") && names_ntp(rule, side))
}

/// A rule before routing that also meets what is only passing through: requests of others to servers outside, which
/// then leave with private addresses because nothing translates what is not followed.
pub fn breaks_neighbours(rule: &str) -> bool {
    !["fib daddr type local", "ip daddr", "ip6 daddr", "fib daddr . iif type local"]
        .iter()
        .any(|limit| rule.contains(limit))
}

/// Does anything rewrite the addresses of neighbours on their way out?
pub fn masquerades(chains: &[Chain]) -> bool {
    let rewrites = |rule: &String| rule.contains("masquerade") || rule.contains("snat ");
    chains.iter().flat_map(|chain| &chain.rules).any(rewrites)
}

/// Are requests for `port` let in? `None`: nothing filters.
pub fn lets_in(chains: &[Chain], protocol: &str, port: u16) -> Option<bool> {
    let filters: Vec<&Chain> = chains.iter().filter(|chain| chain.hook == "input").collect();
    let closes = |chain: &&Chain| {
        chain.policy == "drop"
            || chain.rules.iter().any(|rule| {
                let last = rule.split(" comment ").next().unwrap_or(rule);
                !last.contains("dport") && (last.ends_with("drop") || last.contains("reject"))
            })
    };
    if !filters.iter().any(closes) {
        return None;
    }
    let named = |rule: &&String| {
        let wanted = port.to_string();
        rule.split([' ', ',', '{', '}']).any(|word| word == wanted || (port == 123 && word == "ntp"))
    };
    let open = |rule: &String| {
        rule.contains("dport")
            && named(&rule)
            && rule.contains("accept")
            && (rule.contains(protocol) || rule.contains("th dport"))
    };
    Some(chains.iter().flat_map(|chain| &chain.rules).any(open))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUIDE: &str = "chain raw_prerouting {\n type filter hook prerouting priority raw;\n \
        udp dport 123 notrack counter comment \"no tracking\"\n}\nchain raw_output {\n \
        type filter hook output priority raw;\n udp sport 123 notrack counter\n}";

    #[test]
    fn chains_are_read_from_files_and_lists() {
        let chains = read(GUIDE);
        assert_eq!(chains.len(), 2);
        assert_eq!((chains[0].hook.as_str(), chains[0].policy.as_str()), ("prerouting", "accept"));
        assert_eq!(untracking(&chains, "prerouting", "dport").count(), 1);
        assert_eq!(untracking(&chains, "output", "sport").count(), 1);
        assert_eq!(untracking(&chains, "output", "dport").count(), 0);

        let list = "table inet t {\n\tset s {\n\t\ttype ipv4_addr\n\t}\n\tchain in {\n\t\ttype filter hook input priority \
            filter; policy drop;\n\t\tudp dport { 53, 123 } accept\n\t}\n\tchain other {\n\t\tdrop\n\t}\n}\n";
        let chains = read(list);
        assert_eq!(chains.iter().map(|chain| chain.name.as_str()).collect::<Vec<_>>(), ["in", "other"]);
        assert_eq!((chains[0].policy.as_str(), chains[0].rules.len()), ("drop", 1));
        assert_eq!(lets_in(&chains, "udp", 123), Some(true));
        assert_eq!(lets_in(&chains, "udp", 124), Some(false));
        assert_eq!(lets_in(&read(GUIDE), "udp", 123), None, "nothing filters");
    }

    #[test]
    fn rules_that_meet_what_passes_through_are_recognised() {
        for (rule, breaks) in [
            ("udp dport 123 notrack counter", true),
            ("udp dport { 123, 124 } notrack", true),
            ("iifname \"br-lan\" udp dport 123 notrack", true),
            ("udp dport 123 fib daddr type local notrack", false),
            ("ip daddr 192.0.2.1 udp dport ntp notrack", false),
        ] {
            assert!(names_ntp(rule, "dport"), "{rule}");
            assert_eq!(breaks_neighbours(rule), breaks, "{rule}");
        }
        assert!(names_ntp("udp dport 100-200 accept", "dport"));
        assert!(!names_ntp("udp dport 53 meta mark 123 accept", "dport"));
        assert!(!names_ntp("udp sport 123 accept", "dport"));
    }
}
