//! Whom time is served to.

use ntp::config::Family;
use ntp::control::Status;

use super::super::arguments;
use super::super::config;
use super::super::requests::Body;
use super::super::session::{Failure, Outcome, Session};
use super::{Command, Group, form};

/// What this file adds to the table.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "allow",
        forms: &[form("[all] [SUBNET]", "serve time to these hosts")],
        doc: "Serves time to the hosts of a subnet (to every host, if none is given). A subnet is an address with or \
              without prefix length, and may be shortened: 10, 192.168, 2001:db8::/32. Smaller networks keep what was \
              said about them, unless all is given.",
        example: "allow 192.168.1.0/24",
        group: Group::Server,
        run: |session, words| change(session, words, 17, 18),
    },
    Command {
        name: "deny",
        forms: &[form("[all] [SUBNET]", "serve no time to these hosts")],
        doc: "The contrary of allow.",
        example: "deny 192.168.1.7",
        group: Group::Server,
        run: |session, words| change(session, words, 19, 20),
    },
    Command {
        name: "accheck",
        forms: &[form("ADDRESS", "is time served to this host?")],
        doc: "Says whether time is served to an address: 208 for yes, 209 for no. Both are successes.",
        example: "accheck 192.168.1.7",
        group: Group::Server,
        run: |session, words| check(session, words, 25),
    },
    Command {
        name: "local",
        forms: &[
            form(
                "[stratum N] [orphan] [distance S] [activate S] [waitsynced S] [waitunsynced S]",
                "serve time even when not synchronised",
            ),
            form("off", "stop that"),
        ],
        doc: "Serves the local clock as if it were synchronised, at stratum 10 unless said otherwise, when nothing \
              better is known. Options are those of the local directive.",
        example: "local stratum 8 orphan",
        group: Group::Server,
        run: local,
    },
    Command {
        name: "smoothtime",
        forms: &[form("reset", "forget the smoothing offset"), form("activate", "begin to smooth the served time")],
        doc: "Controls the smoothing of the served time, when the smoothtime directive is used.",
        example: "smoothtime activate",
        group: Group::Server,
        run: |session, words| {
            let option = match words {
                ["reset"] => 0,
                ["activate"] => 1,
                _ => return Err(Failure::usage("Invalid syntax for smoothtime command")),
            };
            session.order(&Body::new().integer(option).order(52))
        },
    },
];

/// `[all] [subnet]` for the allow and deny families; `plain` and `all` are the command numbers.
pub fn change(session: &mut Session<'_>, words: &[&str], plain: u16, all: u16) -> Outcome {
    let (command, words) = match words {
        ["all", rest @ ..] => (all, rest),
        _ => (plain, words),
    };
    let subnet = match words {
        [] => arguments::subnet("", Family::Any),
        [word] => arguments::subnet(word, session.options.family),
        _ => None,
    };
    let subnet = subnet.ok_or_else(|| Failure::usage("Could not read address"))?;
    session.order(&Body::new().subnet(subnet).order(command))
}

/// `accheck` and `cmdaccheck`: being denied is an answer, not a failure.
pub fn check(session: &mut Session<'_>, words: &[&str], command: u16) -> Outcome {
    let address = match words {
        [word] if !word.starts_with("ID#") => arguments::source_address(word, session.options.family).ok(),
        _ => None,
    };
    let address = address.ok_or_else(|| Failure::usage("Could not read address"))?;
    match session.ask(&Body::new().address(address).order(command))? {
        status if status.is_success() => session.say_status(status),
        status => Err(Failure::Status(status)),
    }
}

/// `local`, in the form of this year and, for daemons before 4.6, the old one.
fn local(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let options = match words {
        ["off"] => None,
        _ => Some(config::local(words).ok_or_else(|| Failure::usage("Invalid syntax for local command"))?),
    };
    let on = i32::from(options.is_some());
    let local = options.unwrap_or_default();
    let common = |body: Body| {
        let stratum = if on == 1 { i32::from(local.stratum) } else { 0 };
        let distance = if on == 1 { local.distance } else { 0.0 };
        body.integer(on).integer(stratum).float(distance).integer(i32::from(local.orphan))
    };
    let request = common(Body::new())
        .float(local.activate)
        .float(local.wait_synced)
        .float(local.wait_unsynced)
        .order(74);
    let new_options = local.activate != 0.0 || local.wait_synced != 0.0;
    super::order_or_older(session, &request, (!new_options).then(|| common(Body::new()).order(56)))
}
