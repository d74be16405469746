//! The scenarios that the discipline is measured with, and what chronyd reached in them.
//!
//! `chrony` holds chronyd's figures (version of June 2026, three seeds, another simulator with the same definitions):
//! a yardstick, not a promise. One client, servers of stratum 1; delays one way in seconds for each packet, negative
//! ones lose it; frequencies in s/s for each second. Polls 6 to 10 unless said, no `makestep`.

use super::{Plan, Scenario};
use crate::generator::Generator;
use crate::link::{Link, Way};
use crate::oscillator::Oscillator;
use crate::server::Server;

/// One scenario of the table.
#[derive(Clone, Copy, Debug)]
pub struct Reference {
    /// Its name.
    pub name: &'static str,
    /// Delay to each server, s.
    pub up: &'static [&'static str],
    /// Delay from each server, s.
    pub down: &'static [&'static str],
    /// Frequency error of the client's oscillator, s/s.
    pub oscillator: &'static str,
    /// How far the client is ahead at the start, s.
    pub offset: f64,
    /// Poll exponents.
    pub polls: (i32, i32),
    /// `iburst`.
    pub iburst: bool,
    /// Length and warm-up, s.
    pub length: (f64, f64),
    /// Offsets of the servers, s; none: all exact.
    pub server_offsets: &'static [f64],
    /// Frequency errors of the servers, s/s; none: all exact.
    pub server_frequencies: &'static [&'static str],
    /// When somebody steps the client's clock by how much, s.
    pub step: Option<(f64, f64)>,
    /// What chronyd reached.
    pub chrony: Chrony,
}

/// Figures of chronyd after the warm-up.
#[derive(Clone, Copy, Debug)]
pub struct Chrony {
    /// Root mean square error, s.
    pub rms: f64,
    /// Largest error, s.
    pub max: f64,
    /// Root mean square frequency error, s/s.
    pub frequency_rms: f64,
    /// Mean time between two packets of the client, s; it seems, over the whole run.
    pub interval: f64,
}

/// Scenarios in which the shortest way there and the shortest way back differ, always or for hours.
const ASYMMETRIC: &[&str] =
    &["net5asym_w9_p6", "inet_real_p6", "inet_real_ad", "inet_real1_p6", "route_net5_p6", "churn_net5_p6"];

impl Reference {
    /// Are the paths to its servers asymmetric, which no estimator can see?
    pub fn asymmetric(&self) -> bool {
        ASYMMETRIC.contains(&self.name)
    }

    /// As a scenario.
    pub fn scenario(&self) -> Scenario {
        let generator = |text: &str| Generator::parse(text).expect("the table's expressions are tested");
        let mut plan = Plan {
            oscillator: Oscillator::perfect().expression(generator(self.oscillator)),
            offset: self.offset,
            outside_steps: self.step.into_iter().collect(),
            ..Plan::default()
        };
        (plan.source.minpoll, plan.source.maxpoll) = self.polls;
        plan.source.iburst = self.iburst;
        for (index, (up, down)) in self.up.iter().zip(self.down).enumerate() {
            let mut server = Server::ideal().offset(self.server_offsets.get(index).copied().unwrap_or(0.0));
            if let Some(frequency) = self.server_frequencies.get(index) {
                server = server.oscillator(Oscillator::perfect().expression(generator(frequency)));
            }
            let way = |text| Way::with_delay(generator(text));
            plan.servers.push((server, Link { there: way(up), back: way(down) }));
        }
        Scenario {
            name: self.name,
            about: format!(
                "chronyd: {:.3} µs rms, a packet each {:.0} s",
                self.chrony.rms * 1e6,
                self.chrony.interval
            ),
            length: self.length.0,
            warmup: self.length.1,
            plan,
        }
    }
}

/// A scenario with every field at its usual value.
const USUAL: Reference = Reference {
    name: "",
    up: &[],
    down: &[],
    oscillator: "(+ 1e-4 (sum (* 1e-9 (normal))))",
    offset: 0.1,
    polls: (6, 10),
    iburst: false,
    length: (40_000.0, 4000.0),
    server_offsets: &[],
    server_frequencies: &[],
    step: None,
    chrony: Chrony { rms: 0.0, max: 0.0, frequency_rms: 0.0, interval: 0.0 },
};

/// All of them.
#[rustfmt::skip]
pub const TABLE: &[Reference] = &[
    Reference {
        name: "lan5_w9_ad",
        up: &["(+ 0.0001 (* 1e-05 (exponential)))"],
        down: &["(+ 0.0001 (* 1e-05 (exponential)))"],
        chrony: Chrony { rms: 1.54e-05, max: 0.0001, frequency_rms: 6.7e-08, interval: 229.0 },
        ..USUAL
    },
    Reference {
        name: "lan5_w9_p6",
        up: &["(+ 0.0001 (* 1e-05 (exponential)))"],
        down: &["(+ 0.0001 (* 1e-05 (exponential)))"],
        polls: (6, 6),
        chrony: Chrony { rms: 5.38e-06, max: 2e-05, frequency_rms: 7.1e-08, interval: 65.0 },
        ..USUAL
    },
    Reference {
        name: "lan4_w9_ad",
        up: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        down: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        chrony: Chrony { rms: 0.000103, max: 0.00031, frequency_rms: 1.3e-07, interval: 509.0 },
        ..USUAL
    },
    Reference {
        name: "lan4_w9_p6",
        up: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        down: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        polls: (6, 6),
        chrony: Chrony { rms: 2.34e-05, max: 8.8e-05, frequency_rms: 1.6e-07, interval: 65.0 },
        ..USUAL
    },
    Reference {
        name: "lan5_w8_p6",
        up: &["(+ 0.0001 (* 1e-05 (exponential)))"],
        down: &["(+ 0.0001 (* 1e-05 (exponential)))"],
        oscillator: "(+ 1e-4 (sum (* 1e-08 (normal))))",
        polls: (6, 6),
        chrony: Chrony { rms: 1.39e-05, max: 6.1e-05, frequency_rms: 2.9e-07, interval: 65.0 },
        ..USUAL
    },
    Reference {
        name: "lan4_w8_p6",
        up: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        down: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        oscillator: "(+ 1e-4 (sum (* 1e-08 (normal))))",
        polls: (6, 6),
        chrony: Chrony { rms: 5.34e-05, max: 0.0002, frequency_rms: 6.8e-07, interval: 65.0 },
        ..USUAL
    },
    Reference {
        name: "lan4_w8_ad",
        up: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        down: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        oscillator: "(+ 1e-4 (sum (* 1e-08 (normal))))",
        chrony: Chrony { rms: 0.000148, max: 0.0012, frequency_rms: 8.9e-07, interval: 150.0 },
        ..USUAL
    },
    Reference {
        name: "lan4_w7_ad",
        up: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        down: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        oscillator: "(+ 1e-4 (sum (* 1e-07 (normal))))",
        chrony: Chrony { rms: 0.00014, max: 0.00061, frequency_rms: 2.9e-06, interval: 65.0 },
        ..USUAL
    },
    Reference {
        name: "hw6_w9_p4",
        up: &["(+ 1e-05 (* 1e-06 (exponential)))"],
        down: &["(+ 1e-05 (* 1e-06 (exponential)))"],
        polls: (4, 4),
        length: (20_000.0, 2000.0),
        chrony: Chrony { rms: 5.76e-07, max: 2.7e-06, frequency_rms: 3.4e-08, interval: 16.0 },
        ..USUAL
    },
    Reference {
        name: "net1_w9_p6",
        up: &["(+ 0.02 (* 0.001 (exponential)))"],
        down: &["(+ 0.02 (* 0.001 (exponential)))"],
        polls: (6, 6),
        chrony: Chrony { rms: 0.000105, max: 0.00029, frequency_rms: 2.3e-07, interval: 65.0 },
        ..USUAL
    },
    Reference {
        name: "net1_w9_ad",
        up: &["(+ 0.02 (* 0.001 (exponential)))"],
        down: &["(+ 0.02 (* 0.001 (exponential)))"],
        length: (100_000.0, 10_000.0),
        chrony: Chrony { rms: 0.000427, max: 0.0012, frequency_rms: 2.1e-07, interval: 813.0 },
        ..USUAL
    },
    Reference {
        name: "net1_w8_p6",
        up: &["(+ 0.02 (* 0.001 (exponential)))"],
        down: &["(+ 0.02 (* 0.001 (exponential)))"],
        oscillator: "(+ 1e-4 (sum (* 1e-08 (normal))))",
        polls: (6, 6),
        chrony: Chrony { rms: 0.000234, max: 0.00094, frequency_rms: 1.6e-06, interval: 65.0 },
        ..USUAL
    },
    Reference {
        name: "net5_w9_p6",
        up: &["(+ 0.005 (* 0.001 (exponential)))", "(+ 0.008 (* 0.001 (exponential)))", "(+ 0.012 (* 0.001 (exponential)))", "(+ 0.018 (* 0.001 (exponential)))", "(+ 0.025 (* 0.001 (exponential)))"],
        down: &["(+ 0.005 (* 0.001 (exponential)))", "(+ 0.008 (* 0.001 (exponential)))", "(+ 0.012 (* 0.001 (exponential)))", "(+ 0.018 (* 0.001 (exponential)))", "(+ 0.025 (* 0.001 (exponential)))"],
        polls: (6, 6),
        chrony: Chrony { rms: 7.43e-05, max: 0.0002, frequency_rms: 1.2e-07, interval: 13.0 },
        ..USUAL
    },
    Reference {
        name: "net5_w9_ad",
        up: &["(+ 0.005 (* 0.001 (exponential)))", "(+ 0.008 (* 0.001 (exponential)))", "(+ 0.012 (* 0.001 (exponential)))", "(+ 0.018 (* 0.001 (exponential)))", "(+ 0.025 (* 0.001 (exponential)))"],
        down: &["(+ 0.005 (* 0.001 (exponential)))", "(+ 0.008 (* 0.001 (exponential)))", "(+ 0.012 (* 0.001 (exponential)))", "(+ 0.018 (* 0.001 (exponential)))", "(+ 0.025 (* 0.001 (exponential)))"],
        length: (100_000.0, 10_000.0),
        chrony: Chrony { rms: 0.000488, max: 0.0012, frequency_rms: 1.5e-07, interval: 161.0 },
        ..USUAL
    },
    Reference {
        name: "net5_w8_p6",
        up: &["(+ 0.005 (* 0.001 (exponential)))", "(+ 0.008 (* 0.001 (exponential)))", "(+ 0.012 (* 0.001 (exponential)))", "(+ 0.018 (* 0.001 (exponential)))", "(+ 0.025 (* 0.001 (exponential)))"],
        down: &["(+ 0.005 (* 0.001 (exponential)))", "(+ 0.008 (* 0.001 (exponential)))", "(+ 0.012 (* 0.001 (exponential)))", "(+ 0.018 (* 0.001 (exponential)))", "(+ 0.025 (* 0.001 (exponential)))"],
        oscillator: "(+ 1e-4 (sum (* 1e-08 (normal))))",
        polls: (6, 6),
        chrony: Chrony { rms: 0.000227, max: 0.00081, frequency_rms: 5.7e-07, interval: 13.0 },
        ..USUAL
    },
    Reference {
        name: "net5_w10_p6",
        up: &["(+ 0.005 (* 0.001 (exponential)))", "(+ 0.008 (* 0.001 (exponential)))", "(+ 0.012 (* 0.001 (exponential)))", "(+ 0.018 (* 0.001 (exponential)))", "(+ 0.025 (* 0.001 (exponential)))"],
        down: &["(+ 0.005 (* 0.001 (exponential)))", "(+ 0.008 (* 0.001 (exponential)))", "(+ 0.012 (* 0.001 (exponential)))", "(+ 0.018 (* 0.001 (exponential)))", "(+ 0.025 (* 0.001 (exponential)))"],
        oscillator: "(+ 1e-4 (sum (* 1e-10 (normal))))",
        polls: (6, 6),
        chrony: Chrony { rms: 5.7e-05, max: 0.00015, frequency_rms: 1.1e-07, interval: 13.0 },
        ..USUAL
    },
    Reference {
        name: "net5asym_w9_p6",
        up: &["(+ 0.0052 (* 0.001 (exponential)))", "(+ 0.0075 (* 0.001 (exponential)))", "(+ 0.013000000000000001 (* 0.001 (exponential)))", "(+ 0.016499999999999997 (* 0.001 (exponential)))", "(+ 0.027000000000000003 (* 0.001 (exponential)))"],
        down: &["(+ 0.0048000000000000004 (* 0.001 (exponential)))", "(+ 0.0085 (* 0.001 (exponential)))", "(+ 0.011 (* 0.001 (exponential)))", "(+ 0.0195 (* 0.001 (exponential)))", "(+ 0.023 (* 0.001 (exponential)))"],
        polls: (6, 6),
        chrony: Chrony { rms: 0.000172, max: 0.00035, frequency_rms: 8.6e-08, interval: 13.0 },
        ..USUAL
    },
    Reference {
        name: "asymj_t011",
        up: &["(+ 0.0001 (* 3.0000000000000028e-05 (exponential)))"],
        down: &["(+ 0.0001 (* 0.0009699999999999999 (exponential)))"],
        length: (100_000.0, 10_000.0),
        chrony: Chrony { rms: 7.07e-05, max: 0.00035, frequency_rms: 1.7e-07, interval: 358.0 },
        ..USUAL
    },
    Reference {
        name: "asymj_net_p6",
        up: &["(+ 0.01 (* 0.0002 (exponential)))"],
        down: &["(+ 0.01 (* 0.002 (exponential)))"],
        polls: (6, 6),
        chrony: Chrony { rms: 0.000133, max: 0.00062, frequency_rms: 8.3e-07, interval: 65.0 },
        ..USUAL
    },
    Reference {
        name: "fstep_lan4_p6",
        up: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        down: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        oscillator: "(+ 1e-4 (sum (+ (* 1e-9 (normal)) (* 1e-6 (equal 0.1 (sum 1.0) 20000)))))",
        polls: (6, 6),
        chrony: Chrony { rms: 2.88e-05, max: 0.00031, frequency_rms: 4.1e-07, interval: 65.0 },
        ..USUAL
    },
    Reference {
        name: "fstep_net5_p6",
        up: &["(+ 0.005 (* 0.001 (exponential)))", "(+ 0.008 (* 0.001 (exponential)))", "(+ 0.012 (* 0.001 (exponential)))", "(+ 0.018 (* 0.001 (exponential)))", "(+ 0.025 (* 0.001 (exponential)))"],
        down: &["(+ 0.005 (* 0.001 (exponential)))", "(+ 0.008 (* 0.001 (exponential)))", "(+ 0.012 (* 0.001 (exponential)))", "(+ 0.018 (* 0.001 (exponential)))", "(+ 0.025 (* 0.001 (exponential)))"],
        oscillator: "(+ 1e-4 (sum (+ (* 1e-9 (normal)) (* 1e-6 (equal 0.1 (sum 1.0) 20000)))))",
        polls: (6, 6),
        chrony: Chrony { rms: 0.000121, max: 0.00065, frequency_rms: 3.6e-07, interval: 13.0 },
        ..USUAL
    },
    Reference {
        name: "temp_lan4_p6",
        up: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        down: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        oscillator: "(+ 1e-4 (* 5e-7 (sine 7200)) (sum (* 1e-10 (normal))))",
        polls: (6, 6),
        chrony: Chrony { rms: 5.25e-05, max: 0.00022, frequency_rms: 6.4e-07, interval: 65.0 },
        ..USUAL
    },
    Reference {
        name: "temp_net5_ad",
        up: &["(+ 0.005 (* 0.001 (exponential)))", "(+ 0.008 (* 0.001 (exponential)))", "(+ 0.012 (* 0.001 (exponential)))", "(+ 0.018 (* 0.001 (exponential)))", "(+ 0.025 (* 0.001 (exponential)))"],
        down: &["(+ 0.005 (* 0.001 (exponential)))", "(+ 0.008 (* 0.001 (exponential)))", "(+ 0.012 (* 0.001 (exponential)))", "(+ 0.018 (* 0.001 (exponential)))", "(+ 0.025 (* 0.001 (exponential)))"],
        oscillator: "(+ 1e-4 (* 5e-7 (sine 7200)) (sum (* 1e-10 (normal))))",
        length: (100_000.0, 10_000.0),
        chrony: Chrony { rms: 0.000464, max: 0.0011, frequency_rms: 3.9e-07, interval: 161.0 },
        ..USUAL
    },
    Reference {
        name: "burst_net1_p6",
        up: &["(+ 0.02 (* 1e-3 (exponential)))"],
        down: &["(+ 0.02 (* 1e-3 (exponential)) (* (exponential) 0.02 (+ 1 (* -1 (equal 0.1 (min (% time 3600) 2700) (% time 3600))))))"],
        polls: (6, 6),
        chrony: Chrony { rms: 0.000381, max: 0.0076, frequency_rms: 1.2e-05, interval: 65.0 },
        ..USUAL
    },
    Reference {
        name: "burst_net5_p6",
        up: &["(+ 0.005 (* 0.001 (exponential)))", "(+ 0.008 (* 0.001 (exponential)))", "(+ 0.012 (* 0.001 (exponential)))", "(+ 0.018 (* 0.001 (exponential)))", "(+ 0.025 (* 0.001 (exponential)))"],
        down: &["(+ 0.005 (* 1e-3 (exponential)) (* (exponential) 0.02 (+ 1 (* -1 (equal 0.1 (min (% time 3600) 2700) (% time 3600))))))", "(+ 0.008 (* 1e-3 (exponential)) (* (exponential) 0.02 (+ 1 (* -1 (equal 0.1 (min (% time 3600) 2700) (% time 3600))))))", "(+ 0.012 (* 1e-3 (exponential)) (* (exponential) 0.02 (+ 1 (* -1 (equal 0.1 (min (% time 3600) 2700) (% time 3600))))))", "(+ 0.018 (* 1e-3 (exponential)) (* (exponential) 0.02 (+ 1 (* -1 (equal 0.1 (min (% time 3600) 2700) (% time 3600))))))", "(+ 0.025 (* 1e-3 (exponential)) (* (exponential) 0.02 (+ 1 (* -1 (equal 0.1 (min (% time 3600) 2700) (% time 3600))))))"],
        polls: (6, 6),
        chrony: Chrony { rms: 0.000155, max: 0.0016, frequency_rms: 1.4e-06, interval: 13.0 },
        ..USUAL
    },
    Reference {
        name: "loss30_net1_p6",
        up: &["(+ 0.02 (* 1e-3 (exponential)) (* -10 (equal 0.15 (uniform) 0.15)))"],
        down: &["(+ 0.02 (* 1e-3 (exponential)) (* -10 (equal 0.15 (uniform) 0.15)))"],
        polls: (6, 6),
        chrony: Chrony { rms: 0.000153, max: 0.00045, frequency_rms: 3.2e-07, interval: 65.0 },
        ..USUAL
    },
    Reference {
        name: "false2of5_p6",
        up: &["(+ 0.005 (* 0.001 (exponential)))", "(+ 0.008 (* 0.001 (exponential)))", "(+ 0.012 (* 0.001 (exponential)))", "(+ 0.018 (* 0.001 (exponential)))", "(+ 0.025 (* 0.001 (exponential)))"],
        down: &["(+ 0.005 (* 0.001 (exponential)))", "(+ 0.008 (* 0.001 (exponential)))", "(+ 0.012 (* 0.001 (exponential)))", "(+ 0.018 (* 0.001 (exponential)))", "(+ 0.025 (* 0.001 (exponential)))"],
        polls: (6, 6),
        server_offsets: &[0.0, 0.0, 0.0, 0.05, -0.08],
        chrony: Chrony { rms: 7.43e-05, max: 0.0002, frequency_rms: 1.2e-07, interval: 13.0 },
        ..USUAL
    },
    Reference {
        name: "false2of5b_p6",
        up: &["(+ 0.005 (* 0.001 (exponential)))", "(+ 0.008 (* 0.001 (exponential)))", "(+ 0.012 (* 0.001 (exponential)))", "(+ 0.018 (* 0.001 (exponential)))", "(+ 0.025 (* 0.001 (exponential)))"],
        down: &["(+ 0.005 (* 0.001 (exponential)))", "(+ 0.008 (* 0.001 (exponential)))", "(+ 0.012 (* 0.001 (exponential)))", "(+ 0.018 (* 0.001 (exponential)))", "(+ 0.025 (* 0.001 (exponential)))"],
        polls: (6, 6),
        server_offsets: &[0.0, 0.0, 0.0, 0.004, -0.006],
        chrony: Chrony { rms: 7.43e-05, max: 0.0002, frequency_rms: 1.2e-07, interval: 13.0 },
        ..USUAL
    },
    Reference {
        name: "cold1073_ad",
        up: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        down: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        oscillator: "(+ 1.073e-3 (sum (* 1e-09 (normal))))",
        length: (10_000.0, 1000.0),
        chrony: Chrony { rms: 9.9e-05, max: 0.00021, frequency_rms: 1e-07, interval: 259.0 },
        ..USUAL
    },
    Reference {
        name: "cold1073_net5",
        up: &["(+ 0.005 (* 0.001 (exponential)))", "(+ 0.008 (* 0.001 (exponential)))", "(+ 0.012 (* 0.001 (exponential)))", "(+ 0.018 (* 0.001 (exponential)))", "(+ 0.025 (* 0.001 (exponential)))"],
        down: &["(+ 0.005 (* 0.001 (exponential)))", "(+ 0.008 (* 0.001 (exponential)))", "(+ 0.012 (* 0.001 (exponential)))", "(+ 0.018 (* 0.001 (exponential)))", "(+ 0.025 (* 0.001 (exponential)))"],
        oscillator: "(+ 1.073e-3 (sum (* 1e-09 (normal))))",
        iburst: true,
        length: (10_000.0, 1000.0),
        chrony: Chrony { rms: 0.000222, max: 0.00041, frequency_rms: 1.2e-07, interval: 52.0 },
        ..USUAL
    },
    Reference {
        name: "bigjit_t006",
        up: &["(+ 0.0001 (* 0.1 (exponential)))"],
        down: &["(+ 0.0001 (* 0.1 (exponential)))"],
        offset: 1.0,
        chrony: Chrony { rms: 0.0195, max: 0.062, frequency_rms: 7.3e-06, interval: 571.0 },
        ..USUAL
    },
    Reference {
        name: "heavy_net1_p6",
        up: &["(+ 0.02 (* 5e-4 (exponential) (exponential) (exponential)))"],
        down: &["(+ 0.02 (* 5e-4 (exponential) (exponential) (exponential)))"],
        polls: (6, 6),
        chrony: Chrony { rms: 5.01e-05, max: 0.00015, frequency_rms: 9.3e-08, interval: 65.0 },
        ..USUAL
    },
    Reference {
        name: "heavy_net5_p6",
        up: &["(+ 0.005 (* 5e-4 (exponential) (exponential) (exponential)))", "(+ 0.008 (* 5e-4 (exponential) (exponential) (exponential)))", "(+ 0.012 (* 5e-4 (exponential) (exponential) (exponential)))", "(+ 0.018 (* 5e-4 (exponential) (exponential) (exponential)))", "(+ 0.025 (* 5e-4 (exponential) (exponential) (exponential)))"],
        down: &["(+ 0.005 (* 5e-4 (exponential) (exponential) (exponential)))", "(+ 0.008 (* 5e-4 (exponential) (exponential) (exponential)))", "(+ 0.012 (* 5e-4 (exponential) (exponential) (exponential)))", "(+ 0.018 (* 5e-4 (exponential) (exponential) (exponential)))", "(+ 0.025 (* 5e-4 (exponential) (exponential) (exponential)))"],
        polls: (6, 6),
        chrony: Chrony { rms: 4.23e-05, max: 0.00013, frequency_rms: 5.2e-08, interval: 13.0 },
        ..USUAL
    },
    Reference {
        name: "gamma_net1_p6",
        up: &["(+ 0.02 (* 2.5e-4 (+ (exponential) (exponential) (exponential) (exponential))))"],
        down: &["(+ 0.02 (* 2.5e-4 (+ (exponential) (exponential) (exponential) (exponential))))"],
        polls: (6, 6),
        chrony: Chrony { rms: 8.02e-05, max: 0.00024, frequency_rms: 2.6e-07, interval: 65.0 },
        ..USUAL
    },
    Reference {
        name: "gauss_net1_p6",
        up: &["(+ 0.02 (* 3e-4 (normal)))"],
        down: &["(+ 0.02 (* 3e-4 (normal)))"],
        polls: (6, 6),
        chrony: Chrony { rms: 8.41e-05, max: 0.00058, frequency_rms: 6.7e-07, interval: 65.0 },
        ..USUAL
    },
    Reference {
        name: "sym_up0_p6",
        up: &["(+ 0.01 (* 1e-5 (exponential)))"],
        down: &["(+ 0.01 (* 0.001 (exponential)))"],
        polls: (6, 6),
        chrony: Chrony { rms: 1.79e-05, max: 6.2e-05, frequency_rms: 1.2e-07, interval: 65.0 },
        ..USUAL
    },
    Reference {
        name: "inet_real_p6",
        up: &["(+ 0.005100 (* 1e-4 (exponential)) (* 2e-3 (exponential) (max 0.0 (sine 21000))) (* -10 (equal 0.01 (uniform) 0.01)))", "(+ 0.007750 (* 1e-4 (exponential)) (* 2e-3 (exponential) (max 0.0 (sine 17000))) (* -10 (equal 0.01 (uniform) 0.01)))", "(+ 0.012500 (* 1e-4 (exponential)) (* 2e-3 (exponential) (max 0.0 (sine 26000))) (* -10 (equal 0.01 (uniform) 0.01)))", "(+ 0.017250 (* 1e-4 (exponential)) (* 2e-3 (exponential) (max 0.0 (sine 31000))) (* -10 (equal 0.01 (uniform) 0.01)))", "(+ 0.026000 (* 1e-4 (exponential)) (* 2e-3 (exponential) (max 0.0 (sine 14000))) (* -10 (equal 0.01 (uniform) 0.01)))"],
        down: &["(+ 0.004900 (* 1e-4 (exponential)) (* 4e-3 (exponential) (max 0.0 (cosine 21000))) (* -10 (equal 0.01 (uniform) 0.01)))", "(+ 0.008250 (* 1e-4 (exponential)) (* 4e-3 (exponential) (max 0.0 (cosine 17000))) (* -10 (equal 0.01 (uniform) 0.01)))", "(+ 0.011500 (* 1e-4 (exponential)) (* 4e-3 (exponential) (max 0.0 (cosine 26000))) (* -10 (equal 0.01 (uniform) 0.01)))", "(+ 0.018750 (* 1e-4 (exponential)) (* 4e-3 (exponential) (max 0.0 (cosine 31000))) (* -10 (equal 0.01 (uniform) 0.01)))", "(+ 0.024000 (* 1e-4 (exponential)) (* 4e-3 (exponential) (max 0.0 (cosine 14000))) (* -10 (equal 0.01 (uniform) 0.01)))"],
        oscillator: "(+ 1e-4 (* 2e-7 (sine 3000)) (* 5e-7 (sine 43200)) (sum (* 1e-9 (normal))))",
        polls: (6, 6),
        length: (100_000.0, 5000.0),
        server_frequencies: &["(* 4e-8 (sine 5100))", "(* -3e-8 (sine 7300))", "(* 5e-8 (sine 3700))", "(* 4e-8 (cosine 9100))", "(* 6e-8 (sine 4400))"],
        chrony: Chrony { rms: 0.0004, max: 0.0011, frequency_rms: 3.9e-07, interval: 13.0 },
        ..USUAL
    },
    Reference {
        name: "inet_real_ad",
        up: &["(+ 0.005100 (* 1e-4 (exponential)) (* 2e-3 (exponential) (max 0.0 (sine 21000))) (* -10 (equal 0.01 (uniform) 0.01)))", "(+ 0.007750 (* 1e-4 (exponential)) (* 2e-3 (exponential) (max 0.0 (sine 17000))) (* -10 (equal 0.01 (uniform) 0.01)))", "(+ 0.012500 (* 1e-4 (exponential)) (* 2e-3 (exponential) (max 0.0 (sine 26000))) (* -10 (equal 0.01 (uniform) 0.01)))", "(+ 0.017250 (* 1e-4 (exponential)) (* 2e-3 (exponential) (max 0.0 (sine 31000))) (* -10 (equal 0.01 (uniform) 0.01)))", "(+ 0.026000 (* 1e-4 (exponential)) (* 2e-3 (exponential) (max 0.0 (sine 14000))) (* -10 (equal 0.01 (uniform) 0.01)))"],
        down: &["(+ 0.004900 (* 1e-4 (exponential)) (* 4e-3 (exponential) (max 0.0 (cosine 21000))) (* -10 (equal 0.01 (uniform) 0.01)))", "(+ 0.008250 (* 1e-4 (exponential)) (* 4e-3 (exponential) (max 0.0 (cosine 17000))) (* -10 (equal 0.01 (uniform) 0.01)))", "(+ 0.011500 (* 1e-4 (exponential)) (* 4e-3 (exponential) (max 0.0 (cosine 26000))) (* -10 (equal 0.01 (uniform) 0.01)))", "(+ 0.018750 (* 1e-4 (exponential)) (* 4e-3 (exponential) (max 0.0 (cosine 31000))) (* -10 (equal 0.01 (uniform) 0.01)))", "(+ 0.024000 (* 1e-4 (exponential)) (* 4e-3 (exponential) (max 0.0 (cosine 14000))) (* -10 (equal 0.01 (uniform) 0.01)))"],
        oscillator: "(+ 1e-4 (* 2e-7 (sine 3000)) (* 5e-7 (sine 43200)) (sum (* 1e-9 (normal))))",
        length: (100_000.0, 5000.0),
        server_frequencies: &["(* 4e-8 (sine 5100))", "(* -3e-8 (sine 7300))", "(* 5e-8 (sine 3700))", "(* 4e-8 (cosine 9100))", "(* 6e-8 (sine 4400))"],
        chrony: Chrony { rms: 0.00055, max: 0.0018, frequency_rms: 3.9e-07, interval: 101.0 },
        ..USUAL
    },
    Reference {
        name: "inet_real1_p6",
        up: &["(+ 0.007750 (* 1e-4 (exponential)) (* 2e-3 (exponential) (max 0.0 (sine 17000))) (* -10 (equal 0.01 (uniform) 0.01)))"],
        down: &["(+ 0.008250 (* 1e-4 (exponential)) (* 4e-3 (exponential) (max 0.0 (cosine 17000))) (* -10 (equal 0.01 (uniform) 0.01)))"],
        oscillator: "(+ 1e-4 (* 2e-7 (sine 3000)) (* 5e-7 (sine 43200)) (sum (* 1e-9 (normal))))",
        polls: (6, 6),
        length: (100_000.0, 5000.0),
        server_frequencies: &["(* 4e-8 (sine 5100))"],
        chrony: Chrony { rms: 0.000295, max: 0.0023, frequency_rms: 1.5e-06, interval: 65.0 },
        ..USUAL
    },
    Reference {
        name: "route_net5_p6",
        up: &["(+ 0.005 (* 0.0003 (exponential)))", "(+ 0.008 (* 0.0003 (exponential)))", "(+ 0.012 (* 3e-4 (exponential)) (* 0.006 (equal 0.1 (min (max time 25000) 45000) time)))", "(+ 0.018 (* 0.0003 (exponential)))", "(+ 0.025 (* 0.0003 (exponential)))"],
        down: &["(+ 0.005 (* 3e-4 (exponential)) (* 0.004 (equal 0.1 (min (max time 15000) 30000) time)))", "(+ 0.008 (* 0.0003 (exponential)))", "(+ 0.012 (* 0.0003 (exponential)))", "(+ 0.018 (* 0.0003 (exponential)))", "(+ 0.025 (* 0.0003 (exponential)))"],
        polls: (6, 6),
        length: (60_000.0, 5000.0),
        chrony: Chrony { rms: 0.0004, max: 0.00093, frequency_rms: 7.2e-07, interval: 13.0 },
        ..USUAL
    },
    Reference {
        name: "route_sym1_p6",
        up: &["(+ 0.02 (* 3e-4 (exponential)) (* 0.003 (equal 0.1 (min (max time 15000) 30000) time)))"],
        down: &["(+ 0.02 (* 3e-4 (exponential)) (* 0.003 (equal 0.1 (min (max time 15000) 30000) time)))"],
        polls: (6, 6),
        length: (45_000.0, 5000.0),
        chrony: Chrony { rms: 0.000224, max: 0.00075, frequency_rms: 4.7e-07, interval: 65.0 },
        ..USUAL
    },
    Reference {
        name: "wifi1_p6",
        up: &["(+ 0.003 (* 1e-3 (exponential)) (* 0.03 (exponential) (equal 0.05 (uniform) 0.05)))"],
        down: &["(+ 0.003 (* 1e-3 (exponential)) (* 0.03 (exponential) (equal 0.05 (uniform) 0.05)))"],
        polls: (6, 6),
        chrony: Chrony { rms: 0.000193, max: 0.00096, frequency_rms: 9.1e-07, interval: 65.0 },
        ..USUAL
    },
    Reference {
        name: "wifi1_ad",
        up: &["(+ 0.003 (* 1e-3 (exponential)) (* 0.03 (exponential) (equal 0.05 (uniform) 0.05)))"],
        down: &["(+ 0.003 (* 1e-3 (exponential)) (* 0.03 (exponential) (equal 0.05 (uniform) 0.05)))"],
        length: (100_000.0, 10_000.0),
        chrony: Chrony { rms: 0.000511, max: 0.0013, frequency_rms: 2.9e-07, interval: 775.0 },
        ..USUAL
    },
    Reference {
        name: "wifi3_p6",
        up: &["(+ 0.003 (* 1e-3 (exponential)) (* 0.03 (exponential) (equal 0.05 (uniform) 0.05)))", "(+ 0.003 (* 1e-3 (exponential)) (* 0.03 (exponential) (equal 0.05 (uniform) 0.05)))", "(+ 0.003 (* 1e-3 (exponential)) (* 0.03 (exponential) (equal 0.05 (uniform) 0.05)))"],
        down: &["(+ 0.003 (* 1e-3 (exponential)) (* 0.03 (exponential) (equal 0.05 (uniform) 0.05)))", "(+ 0.003 (* 1e-3 (exponential)) (* 0.03 (exponential) (equal 0.05 (uniform) 0.05)))", "(+ 0.003 (* 1e-3 (exponential)) (* 0.03 (exponential) (equal 0.05 (uniform) 0.05)))"],
        polls: (6, 6),
        chrony: Chrony { rms: 0.000105, max: 0.00036, frequency_rms: 2e-07, interval: 22.0 },
        ..USUAL
    },
    Reference {
        name: "pool4_far_p6",
        up: &["(+ 0.06 (* 2e-3 (exponential) (exponential)))", "(+ 0.04 (* 1e-3 (exponential)))", "(+ 0.08 (* 3e-3 (exponential)))", "(+ 0.05 (* 5e-3 (exponential)))"],
        down: &["(+ 0.06 (* 2e-3 (exponential) (exponential)))", "(+ 0.04 (* 1e-3 (exponential)))", "(+ 0.08 (* 3e-3 (exponential)))", "(+ 0.05 (* 5e-3 (exponential)))"],
        polls: (6, 6),
        chrony: Chrony { rms: 0.000137, max: 0.00045, frequency_rms: 2.5e-07, interval: 16.0 },
        ..USUAL
    },
    Reference {
        name: "t003_m5e-2",
        up: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        down: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        oscillator: "(+ -0.05 (sum (* 1e-09 (normal))))",
        offset: 6.5,
        length: (10_000.0, 2000.0),
        chrony: Chrony { rms: 9.99e-05, max: 0.00023, frequency_rms: 1e-07, interval: 262.0 },
        ..USUAL
    },
    Reference {
        name: "t003_m5e-3",
        up: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        down: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        oscillator: "(+ -0.005 (sum (* 1e-09 (normal))))",
        offset: 0.65,
        length: (10_000.0, 2000.0),
        chrony: Chrony { rms: 0.000105, max: 0.00022, frequency_rms: 1e-07, interval: 262.0 },
        ..USUAL
    },
    Reference {
        name: "t003_p5e-3",
        up: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        down: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        oscillator: "(+ 0.005 (sum (* 1e-09 (normal))))",
        offset: -0.65,
        length: (10_000.0, 2000.0),
        chrony: Chrony { rms: 0.000104, max: 0.00021, frequency_rms: 1e-07, interval: 259.0 },
        ..USUAL
    },
    Reference {
        name: "t003_p5e-2",
        up: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        down: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        oscillator: "(+ 0.05 (sum (* 1e-09 (normal))))",
        offset: -6.5,
        length: (10_000.0, 2000.0),
        chrony: Chrony { rms: 9.82e-05, max: 0.0002, frequency_rms: 1.2e-07, interval: 259.0 },
        ..USUAL
    },
    Reference {
        name: "t004_100",
        up: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        down: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        offset: 100.0,
        length: (10_000.0, 3000.0),
        chrony: Chrony { rms: 0.0001, max: 0.00022, frequency_rms: 1e-07, interval: 264.0 },
        ..USUAL
    },
    Reference {
        name: "t004_m100",
        up: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        down: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        offset: -100.0,
        length: (10_000.0, 3000.0),
        chrony: Chrony { rms: 0.000105, max: 0.00021, frequency_rms: 1.2e-07, interval: 265.0 },
        ..USUAL
    },
    Reference {
        name: "t005_step100",
        up: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        down: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        length: (10_000.0, 3000.0),
        step: Some((150.0, 100.0)),
        chrony: Chrony { rms: 0.0001, max: 0.00023, frequency_rms: 7.3e-08, interval: 243.0 },
        ..USUAL
    },
    Reference {
        name: "t005_stepm1",
        up: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        down: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        length: (10_000.0, 6000.0),
        step: Some((5000.0, -1.0)),
        chrony: Chrony { rms: 4.76e-05, max: 0.00017, frequency_rms: 4.1e-07, interval: 149.0 },
        ..USUAL
    },
    Reference {
        name: "t007_w7",
        up: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        down: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        oscillator: "(+ 1e-4 (sum (* 1e-07 (normal))))",
        length: (10_000.0, 1000.0),
        chrony: Chrony { rms: 0.000162, max: 0.00059, frequency_rms: 3.7e-06, interval: 65.0 },
        ..USUAL
    },
    Reference {
        name: "t014_int",
        up: &["(+ 1e-4 (* -1 (equal 0.1 (min (% time 10000) 1200) 1200)))"],
        down: &["(+ 1e-4 (* -1 (equal 0.1 (min (% time 10000) 1200) 1200)))"],
        length: (100_000.0, 3000.0),
        chrony: Chrony { rms: 0.000427, max: 0.0019, frequency_rms: 3.6e-06, interval: 423.0 },
        ..USUAL
    },
    Reference {
        name: "t014_20th",
        up: &["(+ 1e-4 (* -1 (equal 0.1 (min (% (sum 1.0) 20) 1) 1)))"],
        down: &["(+ 1e-4 0.0)"],
        length: (100_000.0, 22_000.0),
        chrony: Chrony { rms: 0.001, max: 0.0029, frequency_rms: 1.6e-07, interval: 445.0 },
        ..USUAL
    },
    Reference {
        name: "def_001",
        up: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        down: &["(+ 0.0001 (* 0.0001 (exponential)))"],
        length: (10_000.0, 210.0),
        chrony: Chrony { rms: 9.53e-05, max: 0.00021, frequency_rms: 1.4e-07, interval: 259.0 },
        ..USUAL
    },
    Reference {
        name: "wan_big_w7_net1",
        up: &["(+ 0.02 (* 0.001 (exponential)))"],
        down: &["(+ 0.02 (* 0.001 (exponential)))"],
        oscillator: "(+ 1e-4 (sum (* 1e-07 (normal))))",
        chrony: Chrony { rms: 0.0017, max: 0.01, frequency_rms: 6.8e-06, interval: 235.0 },
        ..USUAL
    },
    Reference {
        name: "lan_lowj",
        up: &["(+ 0.0001 (* 1e-07 (exponential)))"],
        down: &["(+ 0.0001 (* 1e-07 (exponential)))"],
        oscillator: "(+ 1e-4 (sum (* 1e-09 (normal))))",
        polls: (6, 6),
        chrony: Chrony { rms: 1.08e-06, max: 4.8e-06, frequency_rms: 1.8e-08, interval: 65.0 },
        ..USUAL
    },
    Reference {
        name: "srvbad_net5_p6",
        up: &["(+ 0.005 (* 0.0003 (exponential)))", "(+ 0.008 (* 0.0003 (exponential)))", "(+ 0.012 (* 0.0003 (exponential)))", "(+ 0.018 (* 0.0003 (exponential)))", "(+ 0.025 (* 0.0003 (exponential)))"],
        down: &["(+ 0.005 (* 0.0003 (exponential)))", "(+ 0.008 (* 0.0003 (exponential)))", "(+ 0.012 (* 0.0003 (exponential)))", "(+ 0.018 (* 0.0003 (exponential)))", "(+ 0.025 (* 0.0003 (exponential)))"],
        polls: (6, 6),
        server_frequencies: &["0", "0", "(* 0.05 (equal 0.1 (sum 1.0) 20000))", "1e-6", "0"],
        chrony: Chrony { rms: 3.81e-05, max: 0.00012, frequency_rms: 7.2e-08, interval: 13.0 },
        ..USUAL
    },
    Reference {
        name: "churn_net5_p6",
        up: &["(+ 0.005200 (* 3e-4 (exponential)) (* -10 (equal 0.1 (min (max time 15000) 22000) time)))", "(+ 0.007500 (* 3e-4 (exponential)) (* -10 (equal 0.1 (min (max time 15000) 22000) time)))", "(+ 0.013000 (* 3e-4 (exponential)) (* -10 (equal 0.1 (min (max time 30000) 36000) time)))", "(+ 0.016500 (* 3e-4 (exponential)))", "(+ 0.027000 (* 3e-4 (exponential)))"],
        down: &["(+ 0.004800 (* 0.0003 (exponential)))", "(+ 0.008500 (* 0.0003 (exponential)))", "(+ 0.011000 (* 0.0003 (exponential)))", "(+ 0.019500 (* 0.0003 (exponential)))", "(+ 0.023000 (* 0.0003 (exponential)))"],
        polls: (6, 6),
        chrony: Chrony { rms: 0.000198, max: 0.00053, frequency_rms: 6.3e-07, interval: 13.0 },
        ..USUAL
    },
    Reference {
        name: "two_net_p6",
        up: &["(+ 0.01 (* 0.0005 (exponential)))", "(+ 0.015 (* 0.0005 (exponential)))"],
        down: &["(+ 0.01 (* 0.0005 (exponential)))", "(+ 0.015 (* 0.0005 (exponential)))"],
        polls: (6, 6),
        chrony: Chrony { rms: 4.87e-05, max: 0.00012, frequency_rms: 9.2e-08, interval: 32.0 },
        ..USUAL
    },
    Reference {
        name: "outage_net1",
        up: &["(+ 0.02 (* 1e-3 (exponential)) (* -10 (equal 0.1 (min (max time 15000) 25000) time)))"],
        down: &["(+ 0.02 (* 1e-3 (exponential)) (* -10 (equal 0.1 (min (max time 15000) 25000) time)))"],
        polls: (6, 6),
        chrony: Chrony { rms: 0.000285, max: 0.0012, frequency_rms: 9e-07, interval: 65.0 },
        ..USUAL
    },
    Reference {
        name: "long_w10_net5",
        up: &["(+ 0.005 (* 0.001 (exponential)))", "(+ 0.008 (* 0.001 (exponential)))", "(+ 0.012 (* 0.001 (exponential)))", "(+ 0.018 (* 0.001 (exponential)))", "(+ 0.025 (* 0.001 (exponential)))"],
        down: &["(+ 0.005 (* 0.001 (exponential)))", "(+ 0.008 (* 0.001 (exponential)))", "(+ 0.012 (* 0.001 (exponential)))", "(+ 0.018 (* 0.001 (exponential)))", "(+ 0.025 (* 0.001 (exponential)))"],
        oscillator: "(+ 1e-4 (sum (* 1e-10 (normal))))",
        length: (600_000.0, 20_000.0),
        chrony: Chrony { rms: 0.000142, max: 0.00051, frequency_rms: 1.9e-08, interval: 198.0 },
        ..USUAL
    },
    Reference {
        name: "w0_net1_p6",
        up: &["(+ 0.02 (* 0.001 (exponential)))"],
        down: &["(+ 0.02 (* 0.001 (exponential)))"],
        oscillator: "1e-4",
        polls: (6, 6),
        length: (60_000.0, 6000.0),
        chrony: Chrony { rms: 0.000113, max: 0.00053, frequency_rms: 3.3e-07, interval: 65.0 },
        ..USUAL
    },
    Reference {
        name: "hw7_w9_p0",
        up: &["(+ 1e-05 (* 1e-07 (exponential)))"],
        down: &["(+ 1e-05 (* 1e-07 (exponential)))"],
        polls: (0, 0),
        length: (6000.0, 1000.0),
        chrony: Chrony { rms: 3.97e-08, max: 1.9e-07, frequency_rms: 1.2e-08, interval: 1.0 },
        ..USUAL
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_of_the_table_can_be_built() {
        assert_eq!(TABLE.len(), 66);
        assert_eq!(TABLE.iter().filter(|r| r.asymmetric()).count(), ASYMMETRIC.len());
        for (index, reference) in TABLE.iter().enumerate() {
            let scenario = reference.scenario();
            assert_eq!(reference.up.len(), reference.down.len(), "{}", reference.name);
            assert!(scenario.warmup < scenario.length && reference.chrony.rms > 0.0, "{}", reference.name);
            assert!(TABLE[..index].iter().all(|r| r.name != reference.name), "{} twice", reference.name);
        }
    }
}
