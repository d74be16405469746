//! Changes made by commands: what of them lasts, what undoes them, and by which addresses sources are still known.

#[allow(dead_code)] // shared with other tests
mod rig;

use ntp::config::{AccessRule, Config, SourceConfig, SourceKind};
use ntp::control::actions::{SourceFilter, SourceOption, SourceRef};
use ntp::control::{AccessList, Backend, Change, Status};
use ntp::engine::Start;
use ntp::engine::journal::Undone;
use ntp::lasting::{self, Lasting, Saved};
use ntp::report::{Address, SelectOptions};
use rig::{Answer, Rig, config, server};
use std::net::IpAddr;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn address(text: &str) -> Address {
    ip(text).into()
}

fn rig(sources: &[SourceConfig]) -> Rig {
    of(&config(sources))
}

fn of(config: &Config) -> Rig {
    Rig::new(config, Start { steers: true, ..Start::default() }, 0.0, |_, _| Some(Answer::default()))
}

fn order(rig: &mut Rig, change: Change) -> Status {
    rig.operate(|operator| operator.change(&change))
}

fn lines(rig: &Rig) -> Vec<String> {
    rig.engine.journal().entries().iter().map(|entry| entry.change.to_string()).collect()
}

fn names(rig: &Rig) -> Vec<String> {
    (0..rig.engine.source_count())
        .filter_map(|index| Some(rig.engine.source_config(index)?.name.clone()))
        .collect()
}

/// What the file would hold.
fn saved(rig: &Rig) -> Vec<Saved> {
    let entries = rig.engine.journal().entries();
    let text = lasting::format(entries.iter().map(|entry| (entry.number, entry.at, &entry.change)));
    let (changes, damaged) = lasting::parse(&text).expect("our own file");
    assert_eq!(damaged, 0);
    changes
}

fn replay(rig: &mut Rig, changes: Vec<Saved>) {
    rig.operate(|operator| operator.engine.replay(operator.now, operator.clock, changes, operator.out));
}

fn undo(rig: &mut Rig, number: u32, rules: &[AccessRule]) -> Option<Undone> {
    rig.operate(|operator| {
        operator.engine.undo(operator.now, operator.clock, number, &|_| rules.to_vec(), operator.out)
    })
}

fn added(name: &str) -> Change {
    Change::AddSource(Box::new(SourceConfig { iburst: true, ..SourceConfig::new(SourceKind::Server, name) }))
}

#[test]
fn what_commands_change_is_made_again_by_the_next_run() {
    let configured = [server("192.0.2.1"), server("192.0.2.2")];
    let mut first = rig(&configured);
    assert_eq!(order(&mut first, added("192.0.2.9")), Status::Success);
    assert_eq!(order(&mut first, added("192.0.2.9")), Status::SourceAlreadyKnown);
    assert_eq!(order(&mut first, Change::DeleteSource(address("192.0.2.1"))), Status::Success);
    let minpoll = Change::SetOption(address("192.0.2.2"), SourceOption::Minpoll(4));
    assert_eq!(order(&mut first, minpoll.clone()), Status::Success);
    assert_eq!(order(&mut first, minpoll), Status::Success, "said twice, kept once");
    let flags = SelectOptions { prefer: true, ..SelectOptions::default() };
    let source = SourceRef::Address(address("192.0.2.9"));
    assert_eq!(
        order(&mut first, Change::SelectOptions { source, mask: flags, options: flags }),
        Status::Success
    );
    assert_eq!(order(&mut first, Change::Online(SourceFilter::ALL)), Status::Success);
    let rule = AccessRule { allow: true, all: false, subnet: None };
    assert_eq!(order(&mut first, Change::Allow(AccessList::Ntp, rule)), Status::Success);
    let expected = [
        "add server 192.0.2.9 iburst",
        "delete 192.0.2.1",
        "minpoll 192.0.2.2 4",
        "selectopts 192.0.2.9 +prefer",
        "online",
        "allow",
    ];
    assert_eq!(lines(&first), expected);

    let mut second = rig(&configured);
    replay(&mut second, saved(&first));
    assert_eq!(lines(&second), expected);
    assert_eq!(names(&second), ["192.0.2.2", "192.0.2.9"]);
    let config = |index| second.engine.source_config(index).expect("there").clone();
    assert_eq!((config(0).minpoll, config(1).prefer), (4, true));
    assert!(second.operate(|operator| operator.access_check(AccessList::Ntp, ip("8.8.8.8"))));
    assert!(second.engine.journal().entries().iter().all(|entry| entry.saved));

    // What does not fit any more is said, and the rest is done.
    let mut third = rig(&[server("192.0.2.2")]);
    replay(&mut third, saved(&first));
    assert_eq!(names(&third), ["192.0.2.2", "192.0.2.9"]);
    assert_eq!(third.said("Could not make change 2 again (delete 192.0.2.1)"), 1);
}

/// Scripts of the network say it all day; what is said of one source or network is one entry.
#[test]
fn sources_are_kept_offline() {
    let configured = [server("192.0.2.1"), server("192.0.2.2"), server("198.51.100.7")];
    let one = SourceFilter::one(address("192.0.2.1"));
    let network = SourceFilter { mask: address("255.255.255.0"), address: address("198.51.100.0") };
    let mut first = rig(&configured);
    for _ in 0..3 {
        assert_eq!(order(&mut first, Change::Online(one)), Status::Success);
        assert_eq!(order(&mut first, Change::Offline(one)), Status::Success);
    }
    assert_eq!(order(&mut first, Change::Offline(network)), Status::Success);
    assert_eq!(lines(&first), ["offline 192.0.2.1", "offline 255.255.255.0/198.51.100.0"]);
    let online = |rig: &Rig| -> Vec<bool> {
        (0..3).map(|index| rig.engine.source_config(index).expect("there").online).collect()
    };
    let mut second = rig(&configured);
    assert_eq!(online(&second), [true, true, true]);
    replay(&mut second, saved(&first));
    assert_eq!(online(&second), [false, true, false]);
    let number = second.engine.journal().entries()[0].number;
    assert!(matches!(undo(&mut second, number, &[]), Some(Undone::Now(_))));
    assert_eq!(online(&second), [true, true, false]);
}

#[test]
fn a_change_is_taken_back() {
    let mut rig = rig(&[server("192.0.2.1")]);
    order(&mut rig, Change::DeleteSource(address("192.0.2.1")));
    order(&mut rig, added("192.0.2.9"));
    order(&mut rig, Change::SetOption(address("192.0.2.9"), SourceOption::Minpoll(4)));
    order(&mut rig, Change::SetOption(address("192.0.2.9"), SourceOption::Minpoll(5)));
    order(&mut rig, Change::ConfigureMakeStep { limit: 3, threshold: 1.0 });
    let allow = |subnet: &str| {
        let Some(Lasting::Access(list, rule)) = Lasting::parse(&format!("allow {subnet}")) else {
            panic!("{subnet}")
        };
        Change::Allow(list, rule)
    };
    order(&mut rig, allow("10.0.0.0/8"));
    order(&mut rig, allow("192.0.2.0/24"));

    let overruled = undo(&mut rig, 3, &[]);
    assert_eq!(overruled.map(|undone| matches!(undone, Undone::Overruled(_))), Some(true));
    assert_eq!(rig.engine.source_config(0).expect("there").minpoll, 5);
    let now = |undone: Option<Undone>| matches!(undone, Some(Undone::Now(_)));
    assert!(now(undo(&mut rig, 4, &[])));
    assert_eq!(rig.engine.source_config(0).expect("there").minpoll, 6, "as before both");
    assert!(now(undo(&mut rig, 1, &[])));
    assert_eq!(names(&rig), ["192.0.2.9", "192.0.2.1"]);
    assert!(now(undo(&mut rig, 2, &[])));
    assert_eq!(names(&rig), ["192.0.2.1"]);
    assert!(now(undo(&mut rig, 6, &[])));
    let allowed = |rig: &mut Rig, text| rig.operate(|o| o.access_check(AccessList::Ntp, ip(text)));
    assert_eq!((allowed(&mut rig, "10.1.1.1"), allowed(&mut rig, "192.0.2.7")), (false, true));
    assert!(now(undo(&mut rig, 5, &[])));
    assert_eq!(lines(&rig), ["allow 192.0.2.0/24"]);
    assert_eq!(undo(&mut rig, 5, &[]), None);
}

#[test]
fn a_pool_goes_with_its_last_member_and_comes_back_whole() {
    let pool =
        SourceConfig { max_sources: 2, iburst: true, ..SourceConfig::new(SourceKind::Pool, "pool.example") };
    let mut rig = rig(&[pool]);
    rig.names.push(("pool.example".to_owned(), vec![ip("192.0.2.1"), ip("192.0.2.2")]));
    rig.look_up();
    rig.run_until(20.0);
    while rig.engine.source_count() > 0 {
        let member = rig.operate(|operator| operator.source_data(0)).expect("there").address;
        assert_eq!(order(&mut rig, Change::DeleteSource(member)), Status::Success);
    }
    assert_eq!(lines(&rig), ["delete pool.example"]);
    assert!(matches!(undo(&mut rig, 1, &[]), Some(Undone::Now(_))));
    assert!(names(&rig).iter().all(|name| name == "pool.example"));
    assert!(rig.engine.source_count() >= 1);
}

#[test]
fn a_source_is_known_by_every_address_of_its_name() {
    let mut rig = rig(&[server("ntp.example"), server("192.0.2.50")]);
    rig.names.push(("ntp.example".to_owned(), vec![ip("192.0.2.1"), ip("192.0.2.2")]));
    rig.look_up();
    let other = Change::SetOption(address("192.0.2.2"), SourceOption::Minpoll(4));
    assert_eq!(order(&mut rig, other), Status::Success, "a client may get the other address first");
    assert_eq!(lines(&rig), ["minpoll ntp.example 4"]);
    let unknown = Change::DeleteSource(address("192.0.2.3"));
    assert_eq!(order(&mut rig, unknown), Status::NoSuchSource);

    // The address changes.
    rig.names[0].1 = vec![ip("192.0.2.7")];
    assert_eq!(order(&mut rig, Change::Refresh), Status::Success);
    rig.look_up();
    assert_eq!(rig.said("replaced with 192.0.2.7"), 1);
    assert_eq!(order(&mut rig, Change::DeleteSource(address("192.0.2.1"))), Status::Success);
    assert_eq!(names(&rig), ["192.0.2.50"]);
}
