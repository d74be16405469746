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
    /// Its rules.
    pub rules: Vec<String>,
    /// The lines they begin in.
    lines: Vec<usize>,
}

impl Chain {
    fn add(&mut self, line: usize, rule: &str) {
        self.rules.push(rule.to_owned());
        self.lines.push(line);
    }

    /// Does it meet what is forwarded? What leaves this machine is not.
    fn meets_forwarded(&self, all: &[Self]) -> bool {
        let reached = |hook: &str| {
            let goes = |rule: &String| {
                rule.split(' ').any(|word| word == "jump" || word == "goto") && rule.ends_with(&self.name)
            };
            all.iter().any(|chain| chain.hook == hook && chain.rules.iter().any(goes))
        };
        match self.hook.as_str() {
            "" => self.name != "raw_output" && (!reached("output") || reached("prerouting")),
            hook => hook != "output",
        }
    }
}

/// The chains in what `nft list ruleset` prints, or in a file that nft reads.
pub fn read(text: &str) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    // The blocks around, and whether each is a chain.
    let mut blocks: Vec<bool> = Vec::new();
    for (line, statement, end) in statements(text) {
        let words: Vec<&str> = statement.split_whitespace().collect();
        let inside = blocks.last() == Some(&true);
        match (chains.last_mut().filter(|_| inside), words.as_slice()) {
            (_, [.., name]) if end == '{' => {
                let is_chain = words.contains(&"chain");
                blocks.push(is_chain);
                if is_chain {
                    chains.push(Chain { name: (*name).to_owned(), ..Chain::default() });
                }
                continue;
            }
            (Some(chain), ["type", _, "hook", hook, ..]) => {
                chain.hook = (*hook).to_owned();
                chain.policy = "accept".to_owned();
            }
            (Some(chain), ["policy", policy]) => chain.policy = (*policy).to_owned(),
            (Some(chain), [_, ..]) => chain.add(line, &statement),
            (None, ["add" | "insert", "rule", rest @ ..]) => {
                let families = ["ip", "ip6", "inet", "arp", "bridge", "netdev"];
                let skip = usize::from(rest.first().is_some_and(|word| families.contains(word)));
                let mut chain =
                    Chain { name: rest.get(skip + 1).copied().unwrap_or("").into(), ..Chain::default() };
                chain.add(line, &statement);
                chains.push(chain);
            }
            _ => {}
        }
        if end == '}' {
            blocks.pop();
        }
    }
    chains
}

/// The statements of a text, each with the line it begins in (from 1) and what ends it: a line's end or a semicolon, the
/// brace that opens a block, or the one that closes it. Sets in a rule belong to the rule.
fn statements(text: &str) -> Vec<(usize, String, char)> {
    let mut all = Vec::new();
    let (mut now, mut begin, mut sets, mut quoted) = (String::new(), 1, 0_u32, false);
    for (at, line) in text.lines().enumerate() {
        for c in line.trim().chars() {
            if now.is_empty() {
                begin = at + 1;
            }
            match c {
                '"' => quoted = !quoted,
                _ if quoted => {}
                '#' => break,
                '{' if sets == 0 && opens_block(&now) => {
                    all.push((begin, std::mem::take(&mut now).trim().to_owned(), c));
                    continue;
                }
                '{' => sets += 1,
                '}' if sets > 0 => sets -= 1,
                '}' | ';' if sets == 0 => {
                    all.push((begin, std::mem::take(&mut now).trim().to_owned(), c));
                    continue;
                }
                _ => {}
            }
            if !c.is_whitespace() {
                now.push(c);
            } else if !now.is_empty() && !now.ends_with(' ') {
                now.push(' ');
            }
        }
        quoted = false;
        if sets > 0 {
            now.truncate(now.trim_end().len());
            now.push(' ');
        } else if !now.is_empty() {
            all.push((begin, std::mem::take(&mut now).trim().to_owned(), '\n'));
        }
    }
    all
}

/// Does a brace after these words open a block, not a set?
fn opens_block(words: &str) -> bool {
    let first = words.trim_start_matches("add ").split_whitespace().next();
    matches!(first, Some("table" | "chain" | "set" | "map" | "flowtable"))
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

/// Rules that keep neighbours from the time, and their lines: what is not followed is not translated, so requests that only
/// pass through leave with private addresses, and replies to them find nobody.
pub fn breaking(chains: &[Chain]) -> impl Iterator<Item = (usize, &str)> {
    let forwarding = chains.iter().filter(|chain| chain.meets_forwarded(chains));
    forwarding
        .flat_map(|chain| chain.lines.iter().copied().zip(chain.rules.iter().map(String::as_str)))
        .filter(|(_, rule)| breaks_neighbours(rule))
}

/// Such a rule: `notrack` for NTP that does not ask whether a packet is for this machine.
fn breaks_neighbours(rule: &str) -> bool {
    // Replies to neighbours are for this machine until they are translated.
    let asks_way = names_ntp(rule, "dport")
        && ["fib daddr type local", "fib daddr . iif type local"].iter().any(|limit| rule.contains(limit));
    let asks_address = ["ip daddr ", "ip6 daddr "]
        .iter()
        .any(|limit| rule.contains(limit) && !rule.contains(&format!("{limit}!=")));
    let is_ntp = names_ntp(rule, "dport") || names_ntp(rule, "sport");
    rule.split([' ', ';']).any(|word| word == "notrack") && is_ntp && !asks_way && !asks_address
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
        let list = list.replace("\t\tdrop\n", "\t\tip saddr {\n 192.0.2.1, # one\n 192.0.2.2 }\n drop\n");
        let chains = read(&list);
        assert_eq!(chains[1].rules, ["ip saddr { 192.0.2.1, 192.0.2.2 }", "drop"]);
        assert_eq!(chains.iter().map(|chain| chain.name.as_str()).collect::<Vec<_>>(), ["in", "other"]);
        assert_eq!((chains[0].policy.as_str(), chains[0].rules.len()), ("drop", 1));
        assert_eq!(lets_in(&chains, "udp", 123), Some(true));
        assert_eq!(lets_in(&chains, "udp", 124), Some(false));
        assert_eq!(lets_in(&read(GUIDE), "udp", 123), None, "nothing filters");
    }

    #[test]
    fn rules_that_meet_what_passes_through_are_recognised() {
        let hook = |rule: &str| format!("chain p {{ type filter hook prerouting priority -300; {rule}; }}");
        for (rule, breaks) in [
            ("udp dport 123 notrack counter", true),
            ("udp dport { 123, 124 } notrack", true),
            ("iifname \"br-lan\" udp sport 123 counter notrack", true),
            ("udp dport 123 ip daddr != 192.0.2.1 notrack", true),
            ("udp sport 123 fib daddr type local notrack", true),
            ("udp dport 123 fib daddr type local notrack", false),
            (
                "udp dport 123 fib daddr type local @th,69,3 != { 2, 4 } counter notrack comment \"NTP; in\"",
                false,
            ),
            ("ip daddr 192.0.2.1 udp dport ntp notrack", false),
            ("udp dport 53 notrack", false),
            ("udp dport 123 accept comment \"no notrack-rule\"", false),
        ] {
            let chains = read(&hook(rule));
            assert_eq!(chains[0].rules, [rule]);
            assert_eq!(breaking(&chains).next(), breaks.then_some((1, rule)), "{rule}");
            assert_eq!(breaking(&read(&hook(rule).replace("prerouting", "output"))).next(), None);
        }
        assert!(names_ntp("udp dport 100-200 accept", "dport"));
        assert!(!names_ntp("udp dport 53 meta mark 123 accept", "dport"));
        assert!(!names_ntp("udp sport 123 accept", "dport"));
        assert_eq!(
            breaking(&read(GUIDE)).next(),
            Some((3, "udp dport 123 notrack counter comment \"no tracking\""))
        );
        assert_eq!(breaking(&read("# udp dport 123 notrack\n")).next(), None);
        let command = "table inet t {\n}\nadd rule inet t p udp dport 123 notrack";
        assert_eq!(breaking(&read(command)).next(), Some((3, "add rule inet t p udp dport 123 notrack")));
        let jumps = "table inet t {\n chain x {\n udp sport 123 notrack\n }\n chain out {\n type filter hook output priority raw\n jump x\n }\n}";
        assert_eq!(breaking(&read(jumps)).next(), None);
    }
}
