//! Host names in `allow`, `deny` and their kin: looked up while the daemon already serves.
//!
//! A rule for a name holds from the moment its address is known, in the place where it was written: the list is then
//! made anew from the rules and the names known so far. A name that cannot be found is tried again, ever less often.

use ntp::config::{AccessName, AccessRule, Config, resolve_access};
use ntp::control::AccessList;
use ntp::time::MonoTime;
use std::net::IpAddr;

/// First and longest wait before a name is looked up again, s.
const RETRY: (f64, f64) = (8.0, 1024.0);

/// The names of both lists.
#[derive(Debug)]
pub struct AccessNames {
    lists: [List; 2],
}

#[derive(Debug)]
struct List {
    which: AccessList,
    rules: Vec<AccessRule>,
    names: Vec<AccessName>,
    states: Vec<State>,
}

/// How far the look-up of one name is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// To be looked up at that time, and how long to wait after the next failure, s.
    Waiting(MonoTime, f64),
    /// Being looked up.
    Asked(f64),
    Known(IpAddr),
}

/// Which name: the list and its place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameId(usize, usize);

/// What an answer means.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The list's rules are now these.
    Rules(AccessList, Vec<AccessRule>),
    /// The name has no address; what to say about it, the first time.
    Missing(Option<String>),
}

impl AccessNames {
    /// Those of the configuration, to be looked up at once.
    pub fn new(config: &Config, now: MonoTime) -> Self {
        let list = |which, rules: &[AccessRule], names: &[AccessName]| List {
            which,
            // Without names the list will never be made anew.
            rules: if names.is_empty() { Vec::new() } else { rules.to_vec() },
            names: names.to_vec(),
            states: vec![State::Waiting(now, RETRY.0); names.len()],
        };
        let (server, control) = (&config.server, &config.control);
        Self {
            lists: [
                list(AccessList::Ntp, &server.access, &server.access_names),
                list(AccessList::Command, &control.access, &control.access_names),
            ],
        }
    }

    /// A name whose time has come; it must be looked up.
    pub fn due(&mut self, now: MonoTime) -> Option<(NameId, String)> {
        for (at, list) in self.lists.iter_mut().enumerate() {
            for (index, state) in list.states.iter_mut().enumerate() {
                if let State::Waiting(when, wait) = *state
                    && when <= now
                {
                    *state = State::Asked(wait);
                    return Some((NameId(at, index), list.names[index].name.clone()));
                }
            }
        }
        None
    }

    /// A name was looked up; the first of `addresses` counts.
    pub fn answer(&mut self, now: MonoTime, NameId(at, index): NameId, addresses: &[IpAddr]) -> Outcome {
        let list = &mut self.lists[at];
        let wait = match list.states[index] {
            State::Asked(wait) | State::Waiting(_, wait) => wait,
            State::Known(_) => RETRY.1,
        };
        let Some(&address) = addresses.first() else {
            list.states[index] = State::Waiting(now + wait, (2.0 * wait).min(RETRY.1));
            let name = &list.names[index].name;
            let rule = if list.names[index].allow { "allow" } else { "deny" };
            let text =
                format!("Could not resolve {name}, so its {rule} rule does not hold yet; trying again");
            return Outcome::Missing((wait == RETRY.0).then_some(text));
        };
        list.states[index] = State::Known(address);
        Outcome::Rules(list.which, list.known())
    }

    /// What the configuration says of a list, with the names known so far.
    pub fn rules(&self, which: AccessList, config: &Config) -> Vec<AccessRule> {
        match self.lists.iter().find(|list| list.which == which && !list.names.is_empty()) {
            Some(list) => list.known(),
            None if which == AccessList::Ntp => config.server.access.clone(),
            None => config.control.access.clone(),
        }
    }
}

impl List {
    /// The rules, and those of the names known so far in their places.
    fn known(&self) -> Vec<AccessRule> {
        // Rules are put in the order of the names: the answer for each is that of its state.
        let mut states = self.states.iter();
        resolve_access(&self.rules, &self.names, |_| match states.next() {
            Some(State::Known(address)) => Some(*address),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ntp::config::{NoFiles, parse_lines};
    use ntp::server::AccessTable;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn rules_of_names_hold_in_their_place_when_known() {
        let lines = ["deny a.example", "allow 192.0.2.0/24", "allow b.example", "cmdallow c.example"];
        let config = parse_lines(&lines, &NoFiles).unwrap().config;
        let now = MonoTime::from_nanos(0);
        let mut names = AccessNames::new(&config, now);
        let asked: Vec<(NameId, String)> = std::iter::from_fn(|| names.due(now)).collect();
        assert_eq!(
            asked.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(),
            ["a.example", "b.example", "c.example"]
        );
        let Outcome::Rules(AccessList::Ntp, rules) = names.answer(now, asked[1].0, &[ip("198.51.100.7")])
        else {
            panic!("an address is an address");
        };
        let table = AccessTable::new(&rules);
        assert!(table.check(ip("198.51.100.7")) && table.check(ip("192.0.2.1")));
        let Outcome::Rules(AccessList::Ntp, rules) = names.answer(now, asked[0].0, &[ip("192.0.2.1")]) else {
            panic!("an address is an address");
        };
        assert_eq!(rules.len(), 3);
        assert_eq!((rules[0].allow, rules[2].allow), (false, true), "in the order of the lines");
        assert!(!AccessTable::new(&rules).check(ip("192.0.2.1")));
        let Outcome::Rules(AccessList::Command, rules) = names.answer(now, asked[2].0, &[ip("::2")]) else {
            panic!("an address is an address");
        };
        assert_eq!(rules.len(), 1);
    }

    #[test]
    fn a_missing_name_is_told_once_and_tried_less_and_less_often() {
        let config = parse_lines(&["allow a.example"], &NoFiles).unwrap().config;
        let mut now = MonoTime::from_nanos(0);
        let mut names = AccessNames::new(&config, now);
        let mut told = 0;
        for wait in [8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 1024.0] {
            let (id, _) = names.due(now).expect("its time has come");
            assert_eq!(names.due(now), None, "one look-up at a time");
            let Outcome::Missing(text) = names.answer(now, id, &[]) else { panic!("there is no address") };
            told += usize::from(text.is_some());
            assert_eq!(names.due(now + (wait - 0.5)), None);
            now += wait;
        }
        assert_eq!(told, 1);
        let (id, _) = names.due(now).expect("its time has come");
        assert!(matches!(names.answer(now, id, &[ip("::1")]), Outcome::Rules(..)));
        assert_eq!(names.due(now + 1e6), None);
    }
}
