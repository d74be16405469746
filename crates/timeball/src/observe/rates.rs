//! From snapshots to rows of the archive: which column is what, and counters into rates.

use super::archive::{Cell, Column, Layout, Ring, Slot};
use ntp::metrics::{Get, Kind, METRICS, Machine, Metric};
use ntp::snapshot::{Snapshot, SourceSnapshot};

/// Totals further apart than this (s) are not compared: what was between is unknown.
const LONGEST: f64 = 60.0;

/// The columns of an archive: numbers of the daemon and the machine, then those of each slot's source.
#[derive(Clone, Debug)]
pub struct Columns {
    /// One of each.
    pub host: Vec<&'static Metric>,
    /// One of each for every slot.
    pub source: Vec<&'static Metric>,
    /// Places for sources.
    pub slots: usize,
}

impl Columns {
    /// All metrics and seven sources, or (`router`) the essential ones and three.
    pub fn new(router: bool) -> Self {
        let wanted = |per_source: bool| {
            let of =
                move |metric: &&Metric| metric.is_per_source() == per_source && (metric.essential || !router);
            METRICS.iter().filter(of).collect()
        };
        Self { host: wanted(false), source: wanted(true), slots: if router { 3 } else { 7 } }
    }

    /// The layout of an archive of these columns, with these resolutions or (`keep` empty) the usual ones.
    pub fn layout(&self, keep: &[(u32, u32)], router: bool) -> Layout {
        const HOUR: u32 = 3600;
        const DAY: u32 = 24 * HOUR;
        let usual: &[(u32, u32)] = match router {
            false => &[(10, DAY), (60, 4 * DAY), (600, 60 * DAY), (2 * HOUR, 1825 * DAY)],
            true => &[(60, DAY), (600, 14 * DAY), (2 * HOUR, 730 * DAY)],
        };
        let keep = if keep.is_empty() { usual } else { keep };
        let rings = keep.iter().map(|(step, span)| Ring { step: *step, rows: span / step }).collect();
        let column = |metric: &&Metric, name: String| Column { name, state: metric.kind == Kind::State };
        let mut columns: Vec<Column> =
            self.host.iter().map(|metric| column(metric, metric.name.to_owned())).collect();
        for slot in 0..self.slots {
            columns
                .extend(self.source.iter().map(|metric| column(metric, format!("{}@s{slot}", metric.name))));
        }
        Layout { rings, columns, slots: vec![Slot::default(); self.slots] }
    }
}

/// By what the archive knows a source: its name, and for those that share one, the address too.
pub fn identity(source: &SourceSnapshot) -> String {
    if source.pool { format!("{} {}", source.name, source.data.address) } else { source.name.clone() }
}

/// The last totals of the counters.
#[derive(Debug, Default)]
pub struct Rates {
    daemon: Option<Totals>,
    machine: Option<Totals>,
}

#[derive(Debug)]
struct Totals {
    /// When, s, by the clock that nobody sets.
    at: f64,
    /// In the order of [`METRICS`]; NaN where there is none.
    values: Vec<f64>,
}

impl Totals {
    /// Seconds since, and each counter's rate; `None`: they cannot be compared.
    fn rates(&self, now: &Self) -> Option<(f64, Vec<f64>)> {
        let seconds = now.at - self.at;
        let rate = |(old, new): (&f64, &f64)| if new >= old { (new - old) / seconds } else { f64::NAN };
        (seconds > 0.0 && seconds <= LONGEST)
            .then(|| (seconds, self.values.iter().zip(&now.values).map(rate).collect()))
    }
}

/// What was found between two snapshots.
#[derive(Clone, Debug)]
pub struct Found {
    /// How many seconds it stands for.
    pub seconds: f64,
    /// Every metric of the daemon and the machine, in the order of [`METRICS`]: rates for counters, NaN for what is not known.
    pub values: Vec<f64>,
}

impl Rates {
    /// Compares with the last one. `machine`: what the machine was like, if it was looked at anew.
    pub fn next(&mut self, snapshot: &Snapshot, machine: Option<&Machine>) -> Found {
        let all = |value: &dyn Fn(&Metric) -> f64| Totals {
            at: snapshot.monotonic,
            values: METRICS.iter().map(value).collect(),
        };
        let daemon = all(&|metric| if let Get::Daemon(get) = metric.get { get(snapshot) } else { f64::NAN });
        let compared = self.daemon.as_ref().and_then(|before| before.rates(&daemon));
        let (seconds, rates) = compared.unwrap_or_else(|| (1.0, vec![f64::NAN; METRICS.len()]));
        let mut values = choose(&daemon.values, &rates);
        self.daemon = Some(daemon);
        if let Some(machine) = machine {
            let totals =
                all(&|metric| if let Get::Machine(get) = metric.get { get(machine) } else { f64::NAN });
            let compared = self.machine.as_ref().and_then(|before| before.rates(&totals));
            let rates = compared.map_or_else(|| vec![f64::NAN; METRICS.len()], |(_, rates)| rates);
            for (value, here) in values.iter_mut().zip(choose(&totals.values, &rates)) {
                if !here.is_nan() {
                    *value = here;
                }
            }
            self.machine = Some(totals);
        }
        Found { seconds, values }
    }
}

fn choose(values: &[f64], rates: &[f64]) -> Vec<f64> {
    let one = |(metric, (value, rate)): (&Metric, (&f64, &f64))| {
        if metric.kind == Kind::Counter { *rate } else { *value }
    };
    METRICS.iter().zip(values.iter().zip(rates)).map(one).collect()
}

impl Columns {
    /// A row of cells. `slots`: the source of each slot that has one now.
    pub fn cells(&self, found: &Found, slots: &[Option<&SourceSnapshot>]) -> Vec<Cell> {
        let value = |metric: &Metric| {
            METRICS.iter().position(|other| other.name == metric.name).map_or(f64::NAN, |at| found.values[at])
        };
        let mut cells: Vec<Cell> = self.host.iter().map(|metric| Cell::of(value(metric))).collect();
        for slot in 0..self.slots {
            let source = slots.get(slot).copied().flatten();
            cells.extend(self.source.iter().map(|metric| match (source, metric.get) {
                (Some(source), Get::Source(get)) => Cell::of(get(source)),
                _ => Cell::UNKNOWN,
            }));
        }
        cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ntp::server::Traffic;

    fn snapshot(at: f64, packets: u64) -> Snapshot {
        Snapshot {
            at: 1.7e9 + at,
            monotonic: at,
            traffic: Traffic::from_all(&[packets]),
            ..Snapshot::default()
        }
    }

    fn value(found: &Found, name: &str) -> f64 {
        found.values[METRICS.iter().position(|metric| metric.name == name).expect("a metric")]
    }

    #[test]
    fn counters_become_rates_and_a_restart_is_unknown() {
        let mut rates = Rates::default();
        let machine = |cpu| Machine { cpu_user: cpu, temperature: 40.0, ..Machine::default() };
        let first = rates.next(&snapshot(5.0, 1000), Some(&machine(1.0)));
        assert!(value(&first, "packets_in").is_nan() && value(&first, "cpu_user").is_nan());
        assert_eq!((first.seconds, value(&first, "temperature")), (1.0, 40.0));
        let second = rates.next(&snapshot(7.0, 1500), None);
        assert_eq!((second.seconds, value(&second, "packets_in")), (2.0, 250.0));
        assert!(value(&second, "temperature").is_nan());
        let third = rates.next(&snapshot(15.0, 1500), Some(&machine(2.0)));
        assert_eq!((value(&third, "packets_in"), value(&third, "cpu_user")), (0.0, 0.1));
        let restarted = rates.next(&snapshot(16.0, 20), None);
        assert!(value(&restarted, "packets_in").is_nan());
        assert_eq!(value(&rates.next(&snapshot(17.0, 30), None), "packets_in"), 10.0);
        let late = rates.next(&snapshot(500.0, 1_000_000), None);
        assert!(value(&late, "packets_in").is_nan() && late.seconds == 1.0);
    }

    #[test]
    fn the_archive_keeps_to_its_budgets() {
        let full = Columns::new(false).layout(&[], false);
        let series = full.rings.iter().map(|ring| u64::from(ring.rows) * 12).sum::<u64>();
        assert!(series <= 550_000, "{series} bytes a series");
        assert!(full.size() <= 32 << 20, "{} bytes, {} columns", full.size(), full.columns.len());
        assert!(full.header(1).is_some());
        let router = Columns::new(true).layout(&[], true);
        assert!(router.size() <= 4 << 20, "{} bytes, {} columns", router.size(), router.columns.len());
        let chosen = Columns::new(true).layout(&[(5, 100)], true);
        assert_eq!(chosen.rings, [Ring { step: 5, rows: 20 }]);
    }

    #[test]
    fn cells_stand_in_the_order_of_the_columns() {
        let columns = Columns::new(false);
        let layout = columns.layout(&[], false);
        let source = SourceSnapshot { delay: 0.25, ..SourceSnapshot::default() };
        let found = Rates::default().next(&snapshot(1.0, 1), None);
        let cells = columns.cells(&found, &[None, Some(&source)]);
        assert_eq!(cells.len(), layout.columns.len());
        let cell = |name: &str| cells[layout.column(name).expect("a column")];
        assert_eq!(cell("source_delay@s1").mean, 0.25);
        assert!(!cell("source_delay@s0").is_known());
        assert_eq!(cell("usable_sources").mean, 0.0);
    }
}
