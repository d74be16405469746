//! The manual page timeball(1), from the tables of options and commands; timeball.conf(5) is `ntp::config::doc`'s.

use crate::cli;
use crate::daemon::{Name, args};
use std::fmt::Write;

/// timeball(1) as roff with man(7)'s macros.
pub fn page() -> String {
    let mut out = String::from(HEAD);
    out.push_str(".SH OPTIONS OF RUN\n");
    for line in args::usage(Name::Timeball).lines() {
        if let Some((option, doc)) = line.strip_prefix("  -").and_then(|l| l.split_once('\t')) {
            let _ = writeln!(out, ".TP\n.B \\-{}\n{}.", escape(option), escape(doc.trim()));
        }
    }
    out.push_str(&cli::manual_sections());
    out.push_str(TAIL);
    out
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('-', "\\-")
}

const HEAD: &str = r#".TH TIMEBALL 1 "" "Timeball" "User commands"
.SH NAME
timeball, chronyd, chronyc \- keeps the time and serves it: NTP daemon and its command line
.SH SYNOPSIS
.B timeball
.br
.B timeball run
.RI [ OPTION ]...\&
.RI [ DIRECTIVE ]...\&
.br
.B timeball demo
.RB [ \-\-speed
.IR TIMES ]
.RB [ \-\-port
.IR PORT ]
.br
.B timeball
.RI [ OPTION ]...\&
.I COMMAND
.RI [ ARGUMENT ]...\&
.SH DESCRIPTION
.B timeball run
is the daemon: it follows NTP servers, disciplines the clock and answers clients.
Without a configuration file it follows pool.ntp.org, serves loopback and private networks, and leaves the system clock alone: a correction is kept in memory and given to clients only.
A configuration file is the permission to set the clock; its language is that of chrony, see
.BR timeball.conf (5).
.PP
.B timeball
alone says in words how the clock is.
Every other word is a command for a running daemon, Timeball's or chrony's.
.PP
.B timeball demo
shows a simulated day of a public server in the browser, 600 times as fast as life or as
.B \-\-speed
says, at the first free port from 8123 on or at
.BR \-\-port .
It needs no network and no rights, and leaves nothing behind; small builds are without it.
.PP
Called
.BR chronyd ,
the program is the daemon by chrony's rules (configuration in /etc/chrony/chrony.conf, socket /run/chrony/chronyd.sock, user _chrony or chrony).
Called
.BR chronyc ,
it is the command line by chronyc's rules.
"#;

const TAIL: &str = r#".SH FILES
.TP
.I /etc/timeball/timeball.conf
The configuration.
.TP
.I /run/timeball/timeball.sock
Where commands are taken; of an unprivileged daemon
.IR $XDG_RUNTIME_DIR/timeball/timeball.sock ,
or below the state folder where there is no session.
.TP
.I /var/lib/timeball
Drift file, measurements and what was learned
.RI ( learned ,
a text with a checksum; delete it to make the daemon forget) and the addresses that names had
.RI ( addresses )
of the built\-in configuration; of an unprivileged daemon
.IR $XDG_STATE_HOME/timeball
or
.IR ~/.local/state/timeball .
.SH ENVIRONMENT
.TP
.B NO_COLOR
If set and not empty, nothing is coloured.
.TP
.B TIMEBALL_HISTORY
Where the lines typed in an interactive session (of
.BR chronyc )
are kept for the next, instead of
.I timeball/history
in
.I $XDG_STATE_HOME
or
.IR ~/.local/state .
Empty: nowhere.
.TP
.BR XDG_RUNTIME_DIR ", " XDG_STATE_HOME ", " HOME
Where the files of an unprivileged daemon are, see above.
.TP
.B NOTIFY_SOCKET
The daemon tells systemd when it is ready and when it ends.
.SH EXIT STATUS
0 on success, 1 when a command failed, no daemon answered, or (status) the clock is not synchronised.
The daemon exits with 0 when told to, with 1 on a fatal error, a failed
.B \-q
or
.BR \-Q ,
an excess of maxchange, or a
.B \-t
that ran out without synchronisation.
.SH SEE ALSO
.BR timeball.conf (5)
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_every_option_and_command() {
        let page = page();
        for needle in [
            ".B \\-q\n",
            ".B \\-f FILE\n",
            ".B \\-\\-help\\-config\n",
            ".B \\-h HOST",
            ".B tracking\n",
            ".B waitsync",
            "SEE ALSO",
        ] {
            assert!(page.contains(needle), "{needle}");
        }
        assert!(page.lines().all(|line| !line.starts_with('\'')));
    }
}
