//! Our own requests, when they left, and what was answered.

use super::{BATCH, EventLoop, Workspace};
use ntp::engine::{Input, Meta, PacketBuf, Stamp, StampSource};
use ntp::ids::SocketId;
use std::os::fd::AsRawFd;
use sys::message;
use sys::poll::{Entry, poll};

impl EventLoop {
    /// Sends a request. The clock is read as late as possible.
    pub(super) fn send(&mut self, socket: SocketId, token: u64, bytes: PacketBuf) {
        let Some(client) = self.workspace.clients.iter_mut().find(|client| client.id() == socket) else {
            return self.tell(Input::SendFailed { socket });
        };
        let at = self.clocks.stamp(None);
        match client.send(token, bytes, &mut self.ptp) {
            Ok(()) => self.tell(Input::Sent { token, at }),
            Err(_) => self.tell(Input::SendFailed { socket }),
        }
    }

    /// The kernel's stamps of our requests.
    pub(super) fn take_stamps(&mut self, id: SocketId) {
        let Workspace { clients, buffer, .. } = &mut self.workspace;
        let Some(client) = clients.iter_mut().find(|client| client.id() == id) else { return };
        for _ in 0..BATCH {
            let Ok(Some(sent)) = message::receive_error_queue(client.socket(), buffer) else { break };
            let card = sent.hardware.and_then(|stamp| self.cards.sent(stamp));
            if card.is_none() && sent.stamp.is_none() {
                continue;
            }
            let token = if card.is_none() && self.cards.any() {
                client.stamped_for_now(&buffer[..sent.len])
            } else {
                client.stamped(&buffer[..sent.len])
            };
            let Some(token) = token else { continue };
            let at = match card {
                Some(system) => Stamp { time: self.clocks.raw(system), source: StampSource::Hardware },
                None => self.clocks.stamp(sent.stamp),
            };
            let now = self.clocks.now();
            self.engine.handle(now, &mut self.clocks, Input::Sent { token, at }, &mut self.out);
        }
    }

    /// Answers to our requests.
    pub(super) fn listen(&mut self, id: SocketId) {
        if self.cards.any() {
            self.wait_for_card(id);
        }
        let Workspace { clients, buffer, .. } = &mut self.workspace;
        let Some(client) = clients.iter().find(|client| client.id() == id) else { return };
        for _ in 0..BATCH {
            // A refusal by the server's machine is forgeable news and changes nothing: the answer is missing.
            let Ok(received) = message::receive(client.socket(), buffer) else { continue };
            let Some(received) = received else { break };
            let from = received.from.unwrap_or(client.remote());
            let meta = Meta { from, to: received.to, interface: received.interface };
            let card = received.hardware.and_then(|stamp| self.cards.received(received.interface, stamp));
            let rx = match card {
                Some(system) => Stamp { time: self.clocks.raw(system), source: StampSource::Hardware },
                None => self.clocks.stamp(received.stamp),
            };
            let now = self.clocks.now();
            let Some(bytes) = client.message(&buffer[..received.len], &mut self.ptp) else { continue };
            let input = Input::Datagram { socket: id, meta, rx, bytes };
            self.engine.handle(now, &mut self.clocks, input, &mut self.out);
        }
    }

    /// An answer is here: the card's stamp of its request may come a moment later (`hwtstimeout`).
    pub(super) fn wait_for_card(&mut self, id: SocketId) {
        let mut left = self.cards.patience();
        loop {
            let client = self.workspace.clients.iter().find(|client| client.id() == id);
            let Some(client) = client.filter(|client| client.waits_for_stamp() && left > 0) else { return };
            let mut entry = [Entry::new(client.as_raw_fd())];
            let began = sys::clock::monotonic();
            // The answer makes the socket readable: looking again soon is all there is.
            let _ = poll(&mut entry, Some(0));
            if entry[0].error_queue() {
                self.take_stamps(id);
            } else {
                std::thread::sleep(std::time::Duration::from_micros(50));
            }
            left -= sys::clock::monotonic().saturating_sub(began).max(1);
        }
    }
}
