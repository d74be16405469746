//! Network cards that stamp packets (`hwtimestamp`): switching it on, and turning the card's time into the system's.
//!
//! A card counts in its own time. Its clock is read beside the system's when a stamp has to be understood and the last
//! reading is too old; the rate between two readings carries the stamp to the nearer one.

use super::files::reason;
use super::logger;
use ntp::config::{HardwareConfig, HwTimestampConfig, RxFilter};
use std::path::PathBuf;
use sys::cards::{StampingAbility, StampingConfig, filter, set_stamping, stamping_ability};
use sys::device::phc::{Card, CardReading};

/// All cards that stamp.
#[derive(Debug, Default)]
pub struct Cards {
    cards: Vec<Stamping>,
    /// The card by which the last answer came: requests leave by the same one.
    last: usize,
    /// `hwtstimeout`, ns.
    patience: i64,
}

/// One card.
#[derive(Debug)]
struct Stamping {
    /// Number of the interface.
    index: u32,
    clock: Card,
    options: HwTimestampConfig,
    relation: Relation,
}

/// How the card's time and the system's go together.
#[derive(Clone, Copy, Debug, Default)]
struct Relation {
    last: Option<CardReading>,
    /// System nanoseconds per nanosecond of the card.
    rate: Option<f64>,
}

impl Relation {
    /// A new reading. Two readings nearer than this (ns) tell no rate.
    fn learn(&mut self, new: CardReading) {
        const NEAR: i64 = 10_000_000;
        if let Some(last) = self.last {
            let (card, system) = (new.card.saturating_sub(last.card), new.system.saturating_sub(last.system));
            if card >= NEAR {
                // A clock that was set in between tells nothing.
                let rate = system as f64 / card as f64;
                self.rate = ((rate - 1.0).abs() < 0.1).then_some(rate);
            } else if card > 0 {
                return;
            }
        }
        self.last = Some(new);
    }

    /// How old (ns of the card) the last reading is at a stamp of the card.
    fn age(&self, stamp: i64) -> Option<i64> {
        self.last.map(|last| stamp.saturating_sub(last.card))
    }

    /// System time of a stamp of the card, ns.
    fn system(&self, stamp: i64) -> Option<i64> {
        let (last, rate) = (self.last?, self.rate.unwrap_or(1.0));
        let apart = stamp.saturating_sub(last.card) as f64 * rate;
        Some(last.system.saturating_add(apart as i64))
    }
}

impl Stamping {
    fn open(options: &HwTimestampConfig, index: u32, name: &str) -> Result<(Self, bool), String> {
        let failed = |error: &std::io::Error| {
            format!("Could not enable HW timestamping on {name} : {}", reason(error))
        };
        let ability = stamping_ability(name).map_err(|error| failed(&error))?;
        let clock = ability.clock.filter(|_| ability.hardware());
        let clock =
            clock.ok_or_else(|| format!("Could not enable HW timestamping on {name} : the card cannot"))?;
        let path = PathBuf::from(format!("/dev/ptp{clock}"));
        let clock = Card::open(&path, !options.no_cross).map_err(|error| failed(&error))?;
        let wanted = StampingConfig { flags: 0, sent: 1, filter: filter_for(&ability, options.rx_filter) };
        let set = set_stamping(name, wanted).map_err(|error| failed(&error))?;
        let relation = Relation::default();
        Ok((Self { index, clock, options: options.clone(), relation }, set.filter == filter::NONE))
    }

    /// System time of a stamp, ns.
    fn system(&mut self, stamp: i64) -> Option<i64> {
        let interval = 2f64.powi(self.options.minpoll.clamp(-6, 20)) * 1e9;
        let fresh = self.relation.age(stamp).is_some_and(|age| (age.abs() as f64) < interval);
        if (!fresh || self.relation.rate.is_none())
            && let Ok(reading) = self.clock.read()
        {
            self.relation.learn(reading);
        }
        self.relation.system(stamp)
    }
}

/// Which packets the card is to stamp: as told, else the fewest that include NTP's.
fn filter_for(ability: &StampingAbility, wanted: Option<RxFilter>) -> i32 {
    let can = |filter: i32| ability.filters & 1 << filter != 0;
    let candidates: &[i32] = match wanted {
        Some(RxFilter::None) => &[],
        Some(RxFilter::All) => &[filter::ALL],
        Some(RxFilter::Ntp) => &[filter::NTP],
        Some(RxFilter::Ptp) => &[filter::PTP],
        None => &[filter::NTP, filter::ALL],
    };
    candidates.iter().copied().find(|&filter| can(filter)).unwrap_or(filter::NONE)
}

impl Cards {
    /// Switches on what the configuration asks for. Errors: an interface that was named cannot; with `*` such are left out.
    pub fn open(config: &HardwareConfig) -> Result<Self, String> {
        let mut cards =
            Self { patience: (config.tx_timeout.clamp(0.0, 1.0) * 1e9) as i64, ..Self::default() };
        if config.timestamping.is_empty() {
            return Ok(cards);
        }
        let all = sys::cards::all();
        for line in config.timestamping.iter().filter(|line| line.interface != "*") {
            let index = all.iter().find(|(_, name)| *name == line.interface).map_or(0, |(index, _)| *index);
            cards.add(line, index, &line.interface)?;
        }
        for line in config.timestamping.iter().filter(|line| line.interface == "*") {
            for (index, name) in &all {
                if !cards.cards.iter().any(|card| card.index == *index) {
                    // Most interfaces of a machine are none that can.
                    let _ = cards.add(line, *index, name);
                }
            }
        }
        if cards.cards.is_empty() {
            logger::info("No network card here stamps packets; the kernel does");
        }
        Ok(cards)
    }

    fn add(&mut self, line: &HwTimestampConfig, index: u32, name: &str) -> Result<(), String> {
        let (card, only_sent) = Stamping::open(line, index, name)?;
        let which = if only_sent { "(TX only) " } else { "" };
        logger::info(&format!("Enabled HW timestamping {which}on {name}"));
        self.cards.push(card);
        Ok(())
    }

    /// Are there any?
    pub fn any(&self) -> bool {
        !self.cards.is_empty()
    }

    /// How long an answer waits for the stamp of its request, ns.
    pub fn patience(&self) -> i64 {
        self.patience
    }

    /// System time (ns) of a packet that the card of this interface has received.
    pub fn received(&mut self, interface: u32, stamp: i64) -> Option<i64> {
        let at = self.cards.iter().position(|card| card.index == interface)?;
        self.last = at;
        let card = &mut self.cards[at];
        let system = card.system(stamp)?;
        Some(system.saturating_sub((card.options.rx_compensation * 1e9) as i64))
    }

    /// System time (ns) of a packet that the card has sent by which the last answer came.
    pub fn sent(&mut self, stamp: i64) -> Option<i64> {
        let card = self.cards.get_mut(self.last)?;
        let system = card.system(stamp)?;
        Some(system.saturating_add((card.options.tx_compensation * 1e9) as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ability(filters: u32) -> StampingAbility {
        StampingAbility { flags: 1 | 4 | 64, clock: Some(0), sent: 3, filters }
    }

    #[test]
    fn the_narrowest_filter_that_has_ntp_is_chosen() {
        let (all, ntp, ptp) = (1 << filter::ALL, 1 << filter::NTP, 1 << filter::PTP);
        assert_eq!(filter_for(&ability(1 | all | ntp), None), filter::NTP);
        assert_eq!(filter_for(&ability(1 | all | ptp), None), filter::ALL);
        assert_eq!(filter_for(&ability(1 | ptp), None), filter::NONE, "only sent packets");
        assert_eq!(filter_for(&ability(1 | ptp), Some(RxFilter::Ptp)), filter::PTP);
        assert_eq!(filter_for(&ability(1 | all), Some(RxFilter::None)), filter::NONE);
        assert!(ability(1).hardware() && !StampingAbility { clock: None, ..ability(1) }.hardware());
    }

    #[test]
    fn a_stamp_of_the_card_becomes_system_time() {
        let mut relation = Relation::default();
        assert_eq!(relation.system(5), None);
        // The card is 37 s ahead and runs 50 ppm fast.
        let at = |second: i64| CardReading {
            card: second * 1_000_050_000 + 37_000_000_000,
            system: second * 1_000_000_000,
            width: 100,
        };
        relation.learn(at(1000));
        relation.learn(at(1001));
        let stamp = at(1001).card + 500_025_000;
        assert_eq!(relation.system(stamp), Some(1_001_500_000_000));
        assert_eq!(relation.age(stamp), Some(500_025_000));
        // Somebody sets the card's clock.
        relation.learn(CardReading { card: 2_000_000_000_000, system: 1_002_000_000_000, width: 100 });
        assert_eq!(relation.rate, None);
    }

    #[test]
    fn an_interface_that_cannot_is_refused_and_a_star_goes_on() {
        let line = |name: &str| HwTimestampConfig::of(name.to_owned());
        let with =
            |name: &str| HardwareConfig { timestamping: vec![line(name)], ..HardwareConfig::default() };
        let refused = Cards::open(&with("lo")).expect_err("the loopback interface");
        assert!(refused.starts_with("Could not enable HW timestamping on lo"), "{refused}");
        assert!(Cards::open(&with("none0")).is_err());
        assert!(Cards::open(&with("*")).is_ok());
        assert!(!Cards::open(&HardwareConfig::default()).expect("nothing asked for").any());
    }
}
