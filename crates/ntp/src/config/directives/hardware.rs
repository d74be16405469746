//! Network cards that know the time.

use super::prelude::*;

/// Options of `hwtimestamp`.
pub(super) const HWTIMESTAMP_OPTIONS: &[OptionDef<HwTimestampConfig>] = &[
    OptionDef::new("maxpoll", "POLL", "minpoll + 1", "Longest interval of readings.", |h, w| {
        w.option_int(i32::MIN, MAX).map(|v| h.maxpoll = Some(v))
    }),
    OptionDef::new("maxsamples", "SAMPLES", "16", "Most samples kept.", |h, w| {
        w.option_int(0, MAX).map(|v| h.max_samples = v)
    }),
    OptionDef::new("minpoll", "POLL", "0", "Shortest interval of readings.", |h, w| {
        w.option_int(i32::MIN, MAX).map(|v| h.minpoll = v)
    }),
    OptionDef::new("minsamples", "SAMPLES", "2", "Fewest samples kept.", |h, w| {
        w.option_int(0, MAX).map(|v| h.min_samples = v)
    }),
    OptionDef::new("nocrossts", FLAG, "off", "Without cross-timestamping.", |h, _| {
        h.no_cross = true;
        Ok(())
    }),
    OptionDef::new("precision", "SECONDS", "1e-7", "Precision of the readings.", |h, w| {
        w.option_number().map(|v| h.precision = v)
    }),
    OptionDef::new("rxcomp", "SECONDS", "0", "Subtracted from receive times.", |h, w| {
        w.option_number().map(|v| h.rx_compensation = v)
    }),
    OptionDef::new(
        "rxfilter",
        "FILTER",
        "narrowest",
        "Which packets are stamped: all, ntp, ptp, none.",
        |h, w| {
            let filters = [
                ("all", Some(RxFilter::All)),
                ("ntp", Some(RxFilter::Ntp)),
                ("ptp", Some(RxFilter::Ptp)),
                ("none", Some(RxFilter::None)),
            ];
            choice(w, &filters).map(|v| h.rx_filter = v)
        },
    ),
    OptionDef::new("txcomp", "SECONDS", "0", "Added to transmit times.", |h, w| {
        w.option_number().map(|v| h.tx_compensation = v)
    }),
];

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::new(
        "hwtimestamp",
        "INTERFACE|* [minpoll POLL] [maxpoll POLL] [minsamples N] [maxsamples N] [precision SECONDS] [txcomp SECONDS] [rxcomp SECONDS] [nocrossts] [rxfilter all|ntp|ptp|none]",
        "off",
        "Takes the times of requests that we send and of their answers from the network card, whose clock is read beside the system's; * is every card that can. Clients' requests keep the stamps of the kernel.",
        Own,
        hwtimestamp,
    ),
    Directive::new(
        "hwtstimeout",
        "SECONDS",
        "0.001",
        "How long an answer waits for the card's transmit time of its request.",
        Exactly(1),
        |c, w| w.number().map(|v| c.hardware.tx_timeout = v),
    ),
    Directive::new(
        "maxtxbuffers",
        "N",
        "0",
        "Accepted without effect: a sent packet is recognised by what it contains, so none has to be kept for its transmit time.",
        Exactly(1),
        |c, w| w.int(0, 1_048_576).map(|v| c.hardware.max_tx_buffers = v),
    )
    .idle(),
    Directive::new(
        "ptpdomain",
        "DOMAIN",
        "123",
        "Domain number of NTP packets in PTP messages.",
        Exactly(1),
        |c, w| w.int(0, 255).map(|v| c.hardware.ptp_domain = v as u8),
    ),
    Directive::new(
        "ptpport",
        "PORT",
        "0",
        "UDP port of NTP packets in PTP messages, usually 319, for cards that stamp only these; 0 is off.",
        Exactly(1),
        |c, w| port(w).map(|v| c.hardware.ptp_port = v),
    ),
];

fn hwtimestamp(config: &mut Config, words: &mut Words<'_>) -> Result<(), Wrong> {
    let interface = words.next_word().ok_or(WrongKind::Unparsable)?.to_owned();
    let mut card = HwTimestampConfig::of(interface);
    read_options(&mut card, words, HWTIMESTAMP_OPTIONS)
        .map_err(|wrong| Wrong { kind: WrongKind::Unparsable, ..wrong })?;
    config.hardware.timestamping.push(card);
    Ok(())
}
