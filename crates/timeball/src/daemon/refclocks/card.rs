//! The driver PHC: the clock of a network card, and pulses that it stamps.

use super::drivers::Driver;
use super::{Clocks, Parameter};
use crate::daemon::files::reason;
use ntp::config::RefclockConfig;
use ntp::refclock::{Reading, Truth};
use ntp::wire::Leap;
use std::os::fd::RawFd;
use std::path::PathBuf;
use sys::device::phc::{Card, CardReading};

/// Longest distance of two looks from which the card's rate is taken, ns.
const RATE_SPAN: i64 = 100_000_000_000;

/// A card's clock.
pub struct CardDriver {
    card: Card,
    /// Pulses are read instead of the clock itself, on this channel.
    pulses: Option<u32>,
    /// The last look, and how fast the system's clock runs against the card's.
    last: Option<CardReading>,
    rate: f64,
}

impl CardDriver {
    /// Opens the device named, or that of the interface named.
    pub fn open(line: &RefclockConfig) -> Result<Self, String> {
        let parameter = Parameter::new(line)?;
        let path = if parameter.device.starts_with('/') {
            PathBuf::from(parameter.device)
        } else {
            let index = sys::cards::card_clock(parameter.device).map_err(|error| {
                format!("Could not open PHC of {} : {}", parameter.device, reason(&error))
            })?;
            let index =
                index.ok_or_else(|| format!("Could not open PHC of {} : it has none", parameter.device))?;
            PathBuf::from(format!("/dev/ptp{index}"))
        };
        let failed =
            |error: std::io::Error| format!("Could not open PHC {} : {}", path.display(), reason(&error));
        let card = Card::open(&path, !parameter.has("nocrossts")).map_err(failed)?;
        let channel = parameter.number("channel=", 10)?.unwrap_or(0);
        let pin = parameter.number("pin=", 10)?;
        let pulses = parameter.has("extpps").then_some(channel);
        if pulses.is_some() {
            // A card may have pins that cannot be assigned.
            card.stamp_pulses(channel, pin, parameter.has("clear")).map_err(failed)?;
        }
        Ok(Self { card, pulses, last: None, rate: 1.0 })
    }

    /// A look at both clocks, which also tells the card's rate.
    fn look(&mut self) -> Option<CardReading> {
        let new = self.card.read().ok()?;
        if let Some(last) = self.last {
            let (card, system) = (new.card.saturating_sub(last.card), new.system.saturating_sub(last.system));
            if (1_000_000..RATE_SPAN).contains(&card) && (card - system).abs() < card / 100 {
                self.rate = system as f64 / card as f64;
            }
        }
        self.last = Some(new);
        Some(new)
    }
}

impl Driver for CardDriver {
    fn ask(&mut self, clocks: &Clocks) -> Option<Reading> {
        let look = self.look()?;
        if self.pulses.is_some() {
            return None;
        }
        Some(Reading {
            at: clocks.raw(look.system),
            truth: Truth::Time(look.card),
            leap: Leap::None,
            error: look.width as f64 * 0.5e-9,
        })
    }

    fn take(&mut self, clocks: &Clocks) -> Option<Reading> {
        let channel = self.pulses?;
        let pulse = self.card.take_pulse(channel).ok()??;
        let look = self.look()?;
        let ago = look.card.saturating_sub(pulse) as f64 * self.rate;
        Some(Reading {
            at: clocks.raw(look.system.saturating_sub(ago as i64)),
            truth: Truth::Pulse(0.0),
            leap: Leap::None,
            error: look.width as f64 * 0.5e-9,
        })
    }

    fn descriptor(&self) -> Option<RawFd> {
        self.pulses.map(|_| self.card.descriptor())
    }
}
