//! Orders to the daemon as a whole.

use ntp::control::actions::CMDACCHECK;
use ntp::control::{AccessList, Change};

use super::super::session::Failure;
use super::{Command, Group, form};

/// What this file adds to the table.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "reload",
        forms: &[form("sources", "read the *.sources files again")],
        doc: "Reads the files in the directories of the sourcedir directive again: sources that are new are added, \
              sources that are gone are removed, changed ones are replaced.",
        example: "reload sources",
        group: Group::Daemon,
        run: |session, words| match words {
            ["sources"] => session.order(Change::ReloadSources),
            _ => Err(Failure::usage("Invalid syntax for reload command")),
        },
    },
    Command {
        name: "reset",
        forms: &[form("sources", "forget all measurements")],
        doc: "Drops the measurements of all sources and goes unsynchronised until there are new ones. Useful when the \
              clock was set by somebody else.",
        example: "reset sources",
        group: Group::Daemon,
        run: |session, words| match words {
            ["sources"] => session.order(Change::ResetSources),
            _ => Err(Failure::usage("Invalid syntax for reset command")),
        },
    },
    Command {
        name: "cyclelogs",
        forms: &[form("", "close and open the log files")],
        doc: "Closes the log files and opens them again, after they were renamed by logrotate.",
        example: "cyclelogs",
        group: Group::Daemon,
        run: |session, _| session.order(Change::CycleLogs),
    },
    Command {
        name: "dump",
        forms: &[form("", "write the measurements to the dump directory")],
        doc: "Writes the measurements of every source, and NTS keys and cookies, to their files now. The daemon also \
              does so when it ends.",
        example: "dump",
        group: Group::Daemon,
        run: |session, _| session.order(Change::Dump),
    },
    Command {
        name: "rekey",
        forms: &[form("", "read the key file again")],
        doc: "Reads the keys of the keyfile directive again.",
        example: "rekey",
        group: Group::Daemon,
        run: |session, _| session.order(Change::Rekey),
    },
    Command {
        name: "shutdown",
        forms: &[form("", "end the daemon")],
        doc: "Ends the daemon as a SIGTERM would.",
        example: "shutdown",
        group: Group::Daemon,
        run: |session, _| session.order(Change::Shutdown),
    },
    Command {
        name: "cmdallow",
        forms: &[form("[all] [SUBNET]", "let these hosts read reports")],
        doc: "Lets the hosts of a subnet (every host, if none is given) send monitoring commands over UDP; with all, \
              whatever was said about smaller networks in it is forgotten.",
        example: "cmdallow 192.168.1.0/24",
        group: Group::Daemon,
        run: |session, words| super::access::change(session, words, AccessList::Command, true),
    },
    Command {
        name: "cmddeny",
        forms: &[form("[all] [SUBNET]", "ignore monitoring commands of these hosts")],
        doc: "The contrary of cmdallow.",
        example: "cmddeny all",
        group: Group::Daemon,
        run: |session, words| super::access::change(session, words, AccessList::Command, false),
    },
    Command {
        name: "cmdaccheck",
        forms: &[form("ADDRESS", "may this host read reports?")],
        doc: "Says whether monitoring commands from an address are answered: 208 for yes, 209 for no. Both are successes.",
        example: "cmdaccheck 192.168.1.7",
        group: Group::Daemon,
        run: |session, words| super::access::check(session, words, &CMDACCHECK),
    },
];
