//! Talking to Timeball's own daemon: what chrony's protocol has no words for goes as JSON datagrams over its Unix
//! socket ([`ntp::control::json`]).

use std::io;
use std::time::{Duration, Instant};

use ntp::control::json::LONGEST;
use ntp::report::json_read::Value;

use super::client::Endpoint;
use super::session::Failure;
use super::unix::UnixLink;

/// How long a daemon that is ours may take to say hello.
const HELLO: Duration = Duration::from_millis(300);
/// How long it may take for anything else, and how often it is asked.
const PATIENCE: Duration = Duration::from_secs(1);
const TRIES: u32 = 3;

/// A socket behind which Timeball's daemon is.
pub struct Own(UnixLink);

impl Own {
    /// The first of `endpoints` that says hello. Nothing else is sent to one that does not.
    pub fn find(endpoints: &[Endpoint], what: &str) -> Result<Self, Failure> {
        let mut opened = false;
        for endpoint in endpoints {
            let Endpoint::Unix(path) = endpoint else { continue };
            let Ok(link) = UnixLink::open(path) else { continue };
            opened = true;
            let own = Self(link);
            let greeting = own.ask_once(r#"{"hello":1}"#, HELLO);
            if greeting.is_some_and(|reply| reply.get("hello").and_then(Value::number) == Some(1.0)) {
                return Ok(own);
            }
        }
        let hint =
            if opened { "" } else { "; no command socket of one can be opened here (perhaps only by root)" };
        Err(Failure::usage(format!("{what} needs Timeball's daemon{hint}")))
    }

    /// Sends one request and returns the reply.
    pub fn ask(&self, request: &str) -> Result<Value, Failure> {
        let reply = (0..TRIES).find_map(|_| self.ask_once(request, PATIENCE)).ok_or(Failure::NoAnswer)?;
        match reply.get("error").and_then(Value::text) {
            Some(text) => Err(Failure::usage(format!("The daemon says: {text}"))),
            None => Ok(reply),
        }
    }

    fn ask_once(&self, request: &str, patience: Duration) -> Option<Value> {
        self.0.socket.send(request.as_bytes()).ok()?;
        let deadline = Instant::now() + patience;
        let mut buffer = vec![0; LONGEST];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            self.0.socket.set_read_timeout(Some(left)).ok()?;
            match self.0.socket.recv(&mut buffer) {
                Ok(length) => {
                    // What is no JSON is no answer to this; chronyd may say something of its own.
                    let text = buffer.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok());
                    if let Some(value) = text.and_then(Value::parse) {
                        return Some(value);
                    }
                }
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(_) => return None,
            }
        }
    }
}
