//! Made-up measurements, from which the right ranking is known.

use super::*;
use ntp::ids::RefId;
use ntp::rng::Rng;
use ntp::sample::Sample;

/// A server as it really is.
#[derive(Clone, Copy)]
struct Server {
    name: &'static str,
    address: &'static str,
    /// One way, s.
    way: f64,
    /// Its time minus true time, s, and how much faster it runs, s/s.
    wrong: f64,
    rate: f64,
    /// Lost of each hundred requests.
    lost: usize,
    stratum: u8,
    refid: u32,
}

const SERVER: Server = Server {
    name: "",
    address: "",
    way: 5e-3,
    wrong: 0.0,
    rate: 0.0,
    lost: 0,
    stratum: 1,
    refid: 0x4750_5300,
};

/// Five near ones, two far, one wrong, one that smears, one that loses every fifth request.
fn ten() -> Vec<Server> {
    let names = ["a.example", "b.example", "c.example", "d.example", "e.example"];
    let addresses = ["192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "203.1.113.1"];
    let near = names.into_iter().zip(addresses).enumerate().map(|(i, (name, address))| Server {
        name,
        address,
        way: 1e-3 * (i + 1) as f64,
        ..SERVER
    });
    let others = [
        Server { name: "f.far.example", address: "203.2.113.1", way: 60e-3, ..SERVER },
        Server { name: "g.remote.example", address: "203.3.113.1", way: 90e-3, ..SERVER },
        Server { name: "h.wrong.example", address: "203.4.113.1", wrong: 47e-3, ..SERVER },
        Server { name: "i.smear.example", address: "203.5.113.1", wrong: 0.2, rate: 11.57e-6, ..SERVER },
        Server { name: "j.lossy.example", address: "203.6.113.1", way: 2e-3, lost: 20, ..SERVER },
    ];
    // All names of one domain otherwise: what belongs together is told by address there.
    near.map(|server| Server { name: server.address, ..server }).chain(others).collect()
}

/// Ten minutes, a request every 16 s, queues of 0.2 ms on average, and a clock of ours that is 12 ms ahead.
fn measure(servers: &[Server]) -> (Vec<Candidate>, Vec<Record>, OscTime) {
    let mut rng = Rng::from_number(7);
    let now = OscTime::from_seconds(640.0);
    let mut records = Vec::new();
    for server in servers {
        let mut record = Record { stratum: server.stratum, refid: RefId(server.refid), ..Record::default() };
        for step in 0..40 {
            record.asked += 1;
            if step * server.lost / 100 != (step + 1) * server.lost / 100 {
                continue;
            }
            record.answered += 1;
            let mut queue = || -rng.uniform().max(1e-9).ln() * 0.2e-3;
            let (there, back) = (server.way + queue(), server.way + queue());
            let at = 16.0 * step as f64;
            let theta = -0.012 + server.wrong + server.rate * at + 20e-6 * at;
            let nanos = |seconds: f64| (seconds * 1e9) as i64;
            record.samples.push(Sample {
                v: OscTime::from_seconds(at),
                forward: nanos(theta + there),
                backward: nanos(back - theta),
                half: (there + back) / 2.0,
                dispersion: 2e-6,
                root_delay: 1e-4,
                root_dispersion: 1e-4,
                stratum: server.stratum,
                leap: Leap::None,
            });
        }
        records.push(record);
    }
    let candidate = |server: &Server| Candidate {
        name: server.name.to_owned(),
        host: server.name.to_owned(),
        address: format!("{}:123", server.address).parse().expect("an address"),
    };
    (servers.iter().map(candidate).collect(), records, now)
}

fn judged(servers: &[Server]) -> Judgement {
    let (candidates, records, now) = measure(servers);
    judge(&candidates, &records, now)
}

/// Indices, best first.
fn order(judgement: &Judgement) -> Vec<usize> {
    let mut order: Vec<usize> = (0..judgement.verdicts.len()).collect();
    order.sort_by_key(|&index| judgement.verdicts[index].rank);
    order
}

fn proposed(judgement: &Judgement) -> Vec<usize> {
    order(judgement).into_iter().filter(|&index| judgement.verdicts[index].proposed).collect()
}

#[test]
fn near_and_true_ones_come_first_and_liars_last() {
    // The operators of the last five differ by name; without that they would share example's domain.
    let mut servers = ten();
    for (server, name) in servers.iter_mut().skip(5).zip(["f.test", "g.test", "h.test", "i.test", "j.test"]) {
        server.name = name;
    }
    let judgement = judged(&servers);
    let verdicts = &judgement.verdicts;
    assert_eq!(order(&judgement)[..8], [0, 1, 2, 3, 4, 9, 5, 6], "{verdicts:#?}");
    assert_eq!(proposed(&judgement), [0, 1, 2, 3, 4]);
    assert!(matches!(verdicts[7].worth, Worth::Wrong(by) if (by - 0.047).abs() < 2e-3), "{:?}", verdicts[7]);
    assert!(
        matches!(verdicts[8].worth, Worth::Drifts(by) if (by - 11.57e-6).abs() < 2e-6),
        "{:?}",
        verdicts[8]
    );
    assert!((verdicts[9].loss - 0.2).abs() < 0.01);
    // As of the end, 40 s after the last sample: −12 ms, and 20 ppm for 640 s.
    let offset = judgement.offset.expect("a majority");
    assert!((offset - 0.0008).abs() < 2e-4, "{offset}");
    for (verdict, server) in verdicts.iter().zip(&servers).filter(|(verdict, _)| verdict.worth == Worth::Good)
    {
        assert!((verdict.delay.expect("known") - 2.0 * server.way).abs() < 2e-4, "{verdict:?}");
        assert!(verdict.bound.expect("known") >= server.way, "{verdict:?}");
    }
}

#[test]
fn what_could_be_wrong_together_is_not_proposed_together() {
    let mut servers: Vec<Server> = ten().into_iter().take(5).collect();
    servers[1].name = "one.example.org";
    servers[2].name = "two.example.org";
    for server in &mut servers[3..5] {
        (server.stratum, server.refid) = (2, 0xc000_0201);
    }
    let extra = Server { name: "x.test", address: "203.7.113.1", way: 9e-3, ..SERVER };
    servers.extend([extra, Server { name: "y.test", address: "203.8.113.1", ..extra }]);
    let judgement = judged(&servers);
    assert_eq!(proposed(&judgement), [0, 1, 3, 5, 6]);
    assert!(judgement.verdicts[2].why_not.as_deref().is_some_and(|why| why.contains("example.org")));
    assert!(judgement.verdicts[4].why_not.as_deref().is_some_and(|why| why.contains("same server")));
    // Where there are too few, they are better than nothing.
    assert_eq!(proposed(&judged(&servers[..5])).len(), FEWEST);
}

#[test]
fn never_more_than_seven() {
    let servers: Vec<Server> = ["1", "2", "3", "4", "5", "6", "7", "8", "9"]
        .into_iter()
        .map(|digit| {
            let address: &'static str = Box::leak(format!("203.{digit}.113.1").into_boxed_str());
            Server { name: address, address, ..SERVER }
        })
        .collect();
    let judgement = judged(&servers);
    assert_eq!(proposed(&judgement).len(), MOST);
    assert!(judgement.verdicts.iter().all(|verdict| verdict.worth == Worth::Good));
}

#[test]
fn those_that_cannot_be_judged_say_why() {
    let (mut candidates, mut records, now) = measure(&ten()[..5]);
    let mut add = |name: &str, record: Record| {
        let address = format!("203.9.{}.1:123", candidates.len()).parse().expect("an address");
        candidates.push(Candidate { name: name.to_owned(), host: name.to_owned(), address });
        records.push(record);
    };
    add("silent.test", Record { asked: 9, ..Record::default() });
    add(
        "kiss.test",
        Record { asked: 9, answered: 9, kiss: Some(RefId::from_text("RATE")), ..Record::default() },
    );
    add("lost.test", Record { asked: 9, answered: 9, unsynchronised: 9, ..Record::default() });
    add("few.test", Record { asked: 2, answered: 1, ..Record::default() });
    candidates[4].name = "time.google.com".to_owned();
    records[3].leap = Leap::Insert;
    let judgement = judge(&candidates, &records, now);
    let worths: Vec<Worth> = judgement.verdicts.iter().map(|verdict| verdict.worth.clone()).collect();
    let expected = [
        Worth::Good,
        Worth::Good,
        Worth::Good,
        Worth::OtherLeap,
        Worth::Smears("google.com"),
        Worth::Silent,
        Worth::Kissed("RATE".to_owned()),
        Worth::Unsynchronised,
        Worth::Few,
    ];
    assert_eq!(worths, expected);
    assert_eq!(proposed(&judgement), [0, 1, 2]);
}

#[test]
fn two_that_disagree_are_no_majority_and_nothing_at_all_is_no_trouble() {
    let servers = ten();
    let judgement = judged(&[servers[0], servers[7]]);
    assert!(judgement.verdicts.iter().all(|verdict| verdict.worth == Worth::NoMajority), "{judgement:?}");
    assert!(proposed(&judgement).is_empty() && judgement.offset.is_none());
    let nothing = judge(&[], &[], OscTime::from_nanos(0));
    assert!(nothing.verdicts.is_empty() && nothing.offset.is_none());
}
