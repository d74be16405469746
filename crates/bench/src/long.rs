//! Very many requests: does memory stay flat?

use crate::arguments::Options;
use crate::flow::{Flow, Sources};
use crate::lab::Lab;
use crate::load::Load;
use crate::server::Setup;
use crate::speed::WINDOW;

/// Looks at the resident set; the first counts as the beginning: by then everything that is used has been used.
const LOOKS: u64 = 20;
/// Clients: more than the table of [`Setup::Limits`] has room for.
const CLIENTS: u32 = 3_000_000;
/// Growth from the first look to the last that is no growth, kB.
const FLAT: u64 = 64;

/// Sends `options.requests` requests to our server with limits.
pub fn run(lab: &Lab, options: &Options) -> Result<(), String> {
    lab.receive_like_cards()?;
    let mut load = Load::new(lab.interface()).map_err(|error| format!("packet socket: {error}"))?;
    let mut server = options.ours().start(lab, &mut load, Setup::Limits)?;
    lab.receivers();
    let idle = server.resident();
    let (mut sizes, mut received, mut sent, mut wrong) = (Vec::new(), 0, 0, 0);
    let part = options.requests.div_ceil(LOOKS);
    let base = crate::flow::CLIENTS;
    // All of them come before the first look.
    let count = CLIENTS.min(part as u32);
    for look in 0..LOOKS {
        // The first part visits every client; then they come at random.
        let sources =
            if look == 0 { Sources::InTurn { base, count } } else { Sources::Random { base, count } };
        let flow = Flow { sources, ..Flow::clients(CLIENTS) };
        let outcome = load.closed(&flow, WINDOW, |so_far| so_far >= part);
        if !server.alive() {
            return Err(format!("the server ended:\n{}", server.said()));
        }
        let tally = &outcome.tallies[0];
        (received, sent, wrong) = (received + tally.received, sent + tally.sent, wrong + outcome.wrong().0);
        sizes.push(server.resident());
        if !options.json {
            let rate = tally.received as f64 / outcome.seconds;
            println!("{sent} requests, {received} replies, {rate:.0}/s, resident {} kB", server.resident());
        }
    }
    let (first, most) = (sizes[0], sizes.iter().copied().max().unwrap_or(0));
    if options.json {
        let list: Vec<String> = sizes.iter().map(u64::to_string).collect();
        println!(
            "{{\"requests\":{sent},\"replies\":{received},\"wrong\":{wrong},\"resident_idle\":{idle},\"resident\":[{}]}}",
            list.join(",")
        );
    }
    server.stop()?;
    if wrong > 0 {
        return Err(format!("{wrong} wrong replies"));
    }
    if most > first + FLAT {
        return Err(format!("memory grew from {first} kB to {most} kB"));
    }
    Ok(())
}
