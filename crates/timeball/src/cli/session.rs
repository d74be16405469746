//! What one run of the command line keeps between commands, and the words in which a command can fail.

use std::io::{self, Write};

use ntp::control::client::{Argument, Reply};
use ntp::control::{Answer, BadReply, Change, CommandDef, REPLY_NULL, Status};
use ntp::report::json;

use super::Name;
use super::client::{Client, NoAnswer, Request};
use super::help::Style;
use super::options::{Format, Options};

/// A conversation: the daemon, the options, and where to print.
pub struct Session<'a> {
    /// The daemon.
    pub client: Client,
    /// What was said before the command; `dns` changes it.
    pub options: Options,
    /// The name run under.
    pub name: Name,
    /// Reports and numeric replies.
    pub out: &'a mut dyn Write,
    /// Complaints about the command itself.
    pub err: &'a mut dyn Write,
    /// May words be emphasised?
    pub style: Style,
    /// Set by `exit`.
    pub done: bool,
    /// The exit status if the last command fails: 1 unless it said another.
    pub exit: i32,
}

/// What became of a command.
pub type Outcome = Result<(), Failure>;

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// The command was not understood; the text goes to stderr.
    Usage(String),
    /// The daemon refused; its status becomes a numeric reply on stdout.
    Status(Status),
    /// Nobody answered: 506.
    NoAnswer,
    /// The answer was not an answer to this: 508.
    BadReply,
    /// A numeric reply of the client's own.
    Reply(&'static str),
    /// chronyc says nothing here, so neither do we.
    Silent,
    /// Output could not be written.
    Output,
}

impl Failure {
    /// A complaint about the command line.
    pub fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }
}

impl From<NoAnswer> for Failure {
    fn from(_: NoAnswer) -> Self {
        Self::NoAnswer
    }
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::Output
    }
}

impl Session<'_> {
    /// Asks the daemon for a report.
    pub fn fetch<R: Answer>(
        &mut self,
        command: &'static CommandDef,
        argument: Argument,
    ) -> Result<R, Failure> {
        let read = |reply: &Reply<'_>| match reply.status {
            Status::Success => match reply.report::<R>() {
                Err(BadReply::Short) => None,
                report => Some(report.map_err(|_| Failure::BadReply)),
            },
            status => Some(Err(Failure::Status(status))),
        };
        self.client.exchange(&Request::Report(command, argument), &read)?
    }

    /// Asks the daemon and returns the status of its reply, which has no body.
    pub fn ask(&mut self, request: &Request) -> Result<Status, Failure> {
        let read = |reply: &Reply<'_>| Some((reply.code, reply.status));
        match self.client.exchange(request, &read)? {
            (REPLY_NULL, status) => Ok(status),
            _ => Err(Failure::BadReply),
        }
    }

    /// Gives an order: prints `200 OK` when it was carried out.
    pub fn order(&mut self, change: Change) -> Outcome {
        self.order_or_older(change, None)
    }

    /// Gives an order and, to a daemon that does not know it yet, the older form of it: a number, and so many of its
    /// first bytes.
    pub fn order_or_older(&mut self, change: Change, older: Option<(u16, usize)>) -> Outcome {
        let mut status = self.ask(&change.clone().into())?;
        if let (Status::Invalid, Some((number, length))) = (status, older) {
            status = self.ask(&Request::OlderChange(change, number, length))?;
        }
        match status {
            Status::Success => self.say_status(status),
            status => Err(Failure::Status(status)),
        }
    }

    /// Gives the same order about several sources: prints `200 OK` once when all were carried out.
    pub fn order_each(&mut self, changes: impl Iterator<Item = Change>) -> Outcome {
        for change in changes {
            match self.ask(&change.into())? {
                Status::Success => {}
                status => return Err(Failure::Status(status)),
            }
        }
        self.say_status(Status::Success)
    }

    /// Prints the numeric reply for `status`.
    pub fn say_status(&mut self, status: Status) -> Outcome {
        self.say_reply(&status.to_string())
    }

    /// Prints a numeric reply such as `200 OK`; as JSON `{"code":200,"text":"OK"}`.
    pub fn say_reply(&mut self, reply: &str) -> Outcome {
        if self.options.format == Format::Json {
            let (code, text) = reply.split_once(' ').unwrap_or(("0", reply));
            let mut quoted = String::new();
            json::string(&mut quoted, text);
            writeln!(self.out, "{{\"code\":{code},\"text\":{quoted}}}")?;
        } else {
            writeln!(self.out, "{reply}")?;
        }
        Ok(())
    }

    /// Says why a command failed, where chronyc says it.
    pub fn report_failure(&mut self, failure: Failure) {
        let hint = match failure {
            Failure::Status(Status::Unauthorised) => {
                Some("Only the daemon's Unix socket allows this; try as root.")
            }
            Failure::NoAnswer => Some("No daemon answers. To start one, type:  timeball run"),
            _ => None,
        };
        // Nothing is left to be done when even this cannot be written.
        let _ = match failure {
            Failure::Usage(text) => writeln!(self.err, "{text}").map_err(Failure::from),
            Failure::Status(status) => self.say_status(status),
            Failure::NoAnswer => self.say_reply("506 Cannot talk to daemon"),
            Failure::BadReply => self.say_reply("508 Bad reply from daemon"),
            Failure::Reply(text) => self.say_reply(text),
            Failure::Silent => Ok(()),
            Failure::Output => writeln!(self.err, "Could not write to stdout").map_err(Failure::from),
        };
        if let Some(hint) = hint.filter(|_| self.name == Name::Timeball) {
            let _ = writeln!(self.err, "{hint}"); // stderr may be closed
        }
    }
}
