//! Names to addresses: `getaddrinfo` in a thread of its own, one look-up at a time.
//!
//! The thread lives only while a look-up is out, and so does its pipe: an idle pipe in the poll set would be
//! readable at once under a preloaded simulator. The end of the pipe says that the answer is there.

use super::access_names::NameId;
use ntp::config::Family;
use ntp::ids::QueryId;
use std::collections::VecDeque;
use std::io::{self, PipeReader, Write};
use std::net::{IpAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::thread::{Builder, JoinHandle};

/// Most addresses taken from one answer.
pub const MAX_ADDRESSES: usize = 16;

/// Most look-ups waiting; more are answered with nothing, and the engine asks again later.
const MAX_WAITING: usize = 256;

/// `getaddrinfo` needs some 100 kB with the usual modules; threads' default of 8 MB would be reserved for nothing.
const STACK: usize = 256 * 1024;

/// Who wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// The engine, for a source.
    Engine(QueryId),
    /// An access list.
    Access(NameId),
}

/// Looks names up in order.
#[derive(Debug)]
pub struct Resolver {
    family: Family,
    waiting: VecDeque<(Asker, String)>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    asker: Asker,
    name: String,
    done: PipeReader,
    thread: JoinHandle<Vec<IpAddr>>,
}

/// One answer; empty when the name could not be resolved.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whose look-up.
    pub asker: Asker,
    /// Of which name.
    pub name: String,
    /// At most [`MAX_ADDRESSES`], in the resolver's order.
    pub addresses: Vec<IpAddr>,
}

impl Resolver {
    /// A resolver that answers with addresses of `family` only.
    pub fn new(family: Family) -> Self {
        Self { family, waiting: VecDeque::new(), running: None }
    }

    /// Asks for `name`; `Err` is the (empty) answer when it cannot be asked now.
    pub fn ask(&mut self, asker: Asker, name: String) -> Result<(), Answer> {
        if self.waiting.len() >= MAX_WAITING {
            return Err(Answer { asker, name, addresses: Vec::new() });
        }
        self.waiting.push_back((asker, name));
        self.start();
        Ok(())
    }

    /// Of which family the addresses may be.
    pub fn family(&self) -> Family {
        self.family
    }

    /// The descriptor to wait for, while a look-up is out.
    pub fn pipe(&self) -> Option<BorrowedFd<'_>> {
        self.running.as_ref().map(|running| running.done.as_fd())
    }

    /// Takes the answer after the pipe became readable, and starts the next look-up.
    pub fn finish(&mut self) -> Option<Answer> {
        let Running { asker, name, thread, .. } = self.running.take()?;
        // The thread has let go of the pipe as its last act, so this does not wait. A panic would have aborted.
        let addresses = thread.join().unwrap_or_default();
        self.start();
        Some(Answer { asker, name, addresses })
    }

    /// Begins the next look-up. When there is no descriptor or thread to be had, the name waits for the next
    /// call: the engine asks for something again soon.
    fn start(&mut self) {
        if self.running.is_some() {
            return;
        }
        let Some((asker, name)) = self.waiting.pop_front() else { return };
        match spawn(name.clone(), self.family) {
            Ok((done, thread)) => self.running = Some(Running { asker, name, done, thread }),
            Err(_) => self.waiting.push_front((asker, name)),
        }
    }
}

fn spawn(name: String, family: Family) -> io::Result<(PipeReader, JoinHandle<Vec<IpAddr>>)> {
    let (done, mut end) = io::pipe()?;
    let thread = Builder::new().name("resolver".into()).stack_size(STACK).spawn(move || {
        let addresses = look_up(&name, family);
        // The reader cannot be gone: it is dropped only after this thread was joined.
        let _ = end.write_all(b".");
        addresses
    })?;
    Ok((done, thread))
}

/// All addresses of a name, at most [`MAX_ADDRESSES`]; blocks.
fn look_up(name: &str, family: Family) -> Vec<IpAddr> {
    let Ok(found) = (name, 0).to_socket_addrs() else { return Vec::new() };
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in found.map(|socket_address| socket_address.ip().to_canonical()) {
        if family.accepts(address) && !addresses.contains(&address) && addresses.len() < MAX_ADDRESSES {
            addresses.push(address);
        }
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    /// Waits as the loop would: by reading the pipe.
    fn wait(resolver: &mut Resolver) -> Answer {
        let mut byte = [0];
        resolver.running.as_mut().expect("a look-up is out").done.read_exact(&mut byte).expect("one byte");
        resolver.finish().expect("an answer")
    }

    #[test]
    fn answers_come_in_order_and_the_pipe_goes_with_the_last() {
        let mut resolver = Resolver::new(Family::V4);
        assert!(resolver.pipe().is_none());
        for (query, name) in [(1, "127.0.0.1"), (2, "no such name"), (3, "::1"), (4, "10.1.2.3")] {
            resolver.ask(Asker::Engine(QueryId(query)), name.to_owned()).expect("there is room");
        }
        let expected: [(u32, &str, &[IpAddr]); 4] = [
            (1, "127.0.0.1", &[IpAddr::from([127, 0, 0, 1])]),
            (2, "no such name", &[]),
            (3, "::1", &[]),
            (4, "10.1.2.3", &[IpAddr::from([10, 1, 2, 3])]),
        ];
        for (query, name, addresses) in expected {
            assert!(resolver.pipe().is_some());
            assert_eq!(
                wait(&mut resolver),
                Answer {
                    asker: Asker::Engine(QueryId(query)),
                    name: name.to_owned(),
                    addresses: addresses.to_vec()
                }
            );
        }
        assert!(resolver.pipe().is_none() && resolver.finish().is_none());
    }

    #[test]
    fn a_flood_of_names_is_bounded() {
        let mut resolver = Resolver::new(Family::Any);
        let refused = (0..400)
            .filter(|&i| resolver.ask(Asker::Engine(QueryId(i)), "127.0.0.1".into()).is_err())
            .count();
        assert_eq!(refused, 400 - MAX_WAITING - 1);
        let mut answered = 0;
        while resolver.pipe().is_some() {
            assert_eq!(wait(&mut resolver).addresses.len(), 1);
            answered += 1;
        }
        assert_eq!(answered, MAX_WAITING + 1);
    }
}
