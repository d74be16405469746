//! Whom time is served to.

use ntp::control::actions::ACCHECK;
use ntp::control::client::Argument;
use ntp::control::{AccessList, Change, CommandDef};
use ntp::report::Address;

use super::super::arguments;
use super::super::client::Request;
use super::super::config;
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
        run: |session, words| change(session, words, AccessList::Ntp, true),
    },
    Command {
        name: "deny",
        forms: &[form("[all] [SUBNET]", "serve no time to these hosts")],
        doc: "The contrary of allow.",
        example: "deny 192.168.1.7",
        group: Group::Server,
        run: |session, words| change(session, words, AccessList::Ntp, false),
    },
    Command {
        name: "accheck",
        forms: &[form("ADDRESS", "is time served to this host?")],
        doc: "Says whether time is served to an address: 208 for yes, 209 for no. Both are successes.",
        example: "accheck 192.168.1.7",
        group: Group::Server,
        run: |session, words| check(session, words, &ACCHECK),
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
        forms: &[
            form("reset", "forget the smoothing offset"),
            form("activate", "begin to smooth the served time"),
        ],
        doc: "Controls the smoothing of the served time, when the smoothtime directive is used.",
        example: "smoothtime activate",
        group: Group::Server,
        run: |session, words| {
            let activate = match words {
                ["reset"] => false,
                ["activate"] => true,
                _ => return Err(Failure::usage("Invalid syntax for smoothtime command")),
            };
            session.order(Change::SmoothTime(activate))
        },
    },
];

/// `[all] [subnet]` for the allow and deny families.
pub fn change(session: &mut Session<'_>, words: &[&str], list: AccessList, allow: bool) -> Outcome {
    let rule = config::access_rule(words, allow, session.options.family);
    let rule = rule.ok_or_else(|| Failure::usage("Could not read address"))?;
    session.order(Change::Allow(list, rule))
}

/// `accheck` and `cmdaccheck`: being denied is an answer, not a failure.
pub fn check(session: &mut Session<'_>, words: &[&str], command: &'static CommandDef) -> Outcome {
    let address = match words {
        [word] => arguments::source_address(word, session.options.family).ok().and_then(Address::ip),
        _ => None,
    };
    let address = address.ok_or_else(|| Failure::usage("Could not read address"))?;
    match session.ask(&Request::Report(command, Argument::from(address)))? {
        status if status.is_success() => session.say_status(status),
        status => Err(Failure::Status(status)),
    }
}

/// `local`; the request of releases up to 4.5 is the beginning of today's, with another number.
fn local(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    const OLDER: (u16, usize) = (56, 36);
    let options = match words {
        ["off"] => None,
        _ => Some(config::local(words).ok_or_else(|| Failure::usage("Invalid syntax for local command"))?),
    };
    let newer = options.is_some_and(|local| local.activate != 0.0 || local.wait_synced != 0.0);
    session.order_or_older(Change::Local(options), (!newer).then_some(OLDER))
}
