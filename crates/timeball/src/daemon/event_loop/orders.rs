//! Commands, and the answers to them.

use super::{BATCH, EventLoop};
use crate::daemon::sockets::pinned_interface;
use ntp::control::{Origin, REPLY_MAX, REQUEST_MAX, handle, json};
use ntp::engine::Operator;
use sys::message;
use sys::socket::UnixAddress;

impl EventLoop {
    /// Obeys commands that came by UDP.
    pub(super) fn obey_udp(&mut self, index: usize) {
        let mut reply = [0; REPLY_MAX];
        for _ in 0..BATCH {
            let Some(socket) = self.commands.udp(index) else { return };
            let Ok(received) = message::receive(socket, &mut self.workspace.buffer) else { continue };
            let Some(received) = received else { break };
            let Some(from) = received.from else { continue };
            let Some(len) = self.obey(Origin::Udp(from.ip()), received.len, &mut reply) else {
                continue;
            };
            let Some(socket) = self.commands.udp(index) else { return };
            let interface = pinned_interface(from, received.interface);
            let _ = message::send(socket, &reply[..len], Some(from), received.reply_from, interface);
        }
    }

    /// Obeys commands that came by the Unix socket.
    pub(super) fn obey_unix(&mut self) {
        let mut reply = [0; REPLY_MAX];
        for _ in 0..BATCH {
            let Some(socket) = self.commands.unix() else { return };
            let Ok(received) = message::receive_unix(socket, &mut self.workspace.buffer) else { continue };
            let Some(received) = received else { break };
            if json::is_request(&self.workspace.buffer[..received.len]) {
                self.tell_own(received.len, &received.from);
                continue;
            }
            let Some(len) = self.obey(Origin::Unix, received.len, &mut reply) else { continue };
            // Who has no name cannot be answered.
            if let Some(socket) = self.commands.unix().filter(|_| !received.from.is_nameless()) {
                let _ = message::send_unix(socket, &reply[..len], Some(&received.from));
            }
        }
    }

    /// Answers what chrony's protocol has no words for.
    pub(super) fn tell_own(&mut self, len: usize, to: &UnixAddress) {
        let now = self.clocks.now();
        let Self { engine, clocks, out, changes, access_names, config, .. } = self;
        let request = &self.workspace.buffer[..len];
        let rules = |list| access_names.rules(list, config);
        let reply = changes
            .answer(engine, (now, clocks, out), request, &rules)
            .unwrap_or_else(|| json::answer(engine, now, request));
        self.follow_access();
        if let Some(socket) = self.commands.unix().filter(|_| !to.is_nameless()) {
            let _ = message::send_unix(socket, reply.as_bytes(), Some(to));
        }
    }

    /// One command, from the buffer; the length of its reply.
    pub(super) fn obey(&mut self, from: Origin, len: usize, reply: &mut [u8; REPLY_MAX]) -> Option<usize> {
        // One byte more than the longest request is kept, so that a longer one is refused.
        let request = &self.workspace.buffer[..len.min(REQUEST_MAX + 1)];
        let now = self.clocks.now();
        let Self { engine, clocks, out, .. } = self;
        let mut operator = Operator { engine, clock: clocks, now, out };
        let len = handle(&mut operator, from, &self.config.control.open, request, reply);
        self.follow_access();
        // What is answered with "OK" is done: whoever copies a dump then finds all of it.
        self.drain();
        len
    }
}
