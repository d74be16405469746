//! Requests for time, and what is told without being asked.

use super::{BATCH, EventLoop, say};
use crate::daemon::logger;
use crate::daemon::rtc::Rtc;
use crate::daemon::rush::LOOK;
use ntp::server::{Individual, Template};
use ntp::time::{MonoTime, NtpTime};
use ntp::wire::Mode;
use std::net::SocketAddr;
use sys::batch::Wait;
use sys::message;

impl EventLoop {
    /// Opens and closes the serving sockets as the access list wants it.
    pub(in crate::daemon) fn follow_access(&mut self) {
        let access = &self.engine.shards().config().access;
        let (v4, v6) = (access.any_v4_allowed(), access.any_v6_allowed());
        if self.servers.follow(v4, v6, say) {
            self.start_threads();
        }
    }

    /// Has the serving sockets that are open now served by threads, if that is wanted.
    pub(super) fn start_threads(&mut self) {
        if self.servers.threads() == 0 {
            return;
        }
        self.threads.publish(&self.engine, &self.clocks);
        if let Err(error) = self.threads.restart(&self.servers, self.engine.shards().all()) {
            logger::error(&format!("Could not start serving threads : {error}; the main loop serves"));
            self.servers.serve_in_main_loop();
            self.follow_access();
        }
    }

    /// Where requests come fast. When a second of the real-time clock begins must be seen at once.
    pub(super) fn rush(&self) -> Option<usize> {
        let looking = self.rtc.as_ref().and_then(Rtc::descriptor).is_some();
        self.workspace.rush.at().filter(|_| !looking)
    }

    /// While requests come fast, waits for them where most come, but not beyond `until`.
    pub(super) fn serve_rush(&mut self, until: MonoTime) {
        let mut end = None;
        while let Some(at) = self.rush() {
            let wait = self.workspace.rush.gather();
            match self.serve(at, wait) {
                None => self.workspace.rush.end(),
                Some((_, now)) if now < *end.get_or_insert((now + LOOK as f64 * 1e-9).min(until)) => {}
                _ => return,
            }
        }
    }

    /// Answers requests for time. Returns how many came and when; `None`: nothing came.
    pub(super) fn serve(&mut self, index: usize, wait: Wait) -> Option<(usize, MonoTime)> {
        let count = {
            let socket = self.servers.of_main_loop(index)?.socket();
            self.workspace.answerer.receive(socket, wait)
        };
        if count == 0 {
            return None;
        }
        let mut now = self.clocks.glance();
        if wait != Wait::No && self.clocks.moved_at(now) {
            self.look(now.mono);
            now = self.clocks.glance();
        }
        let socket = self.servers.of_main_loop(index)?;
        let answerer = &mut self.workspace.answerer;
        let (mut responder, state) = self.engine.responder();
        let raw = |system| self.clocks.raw(system);
        let template = Template::new(state, raw(now.system));
        responder.set_time(now.mono);
        answerer.answer(count, socket.socket(), &mut responder, &template, (now.system, &raw));
        answerer.count(socket, &mut responder);
        drop(responder);
        answerer.send(socket.socket());
        if socket.socket().waits() {
            self.workspace.rush.count(index, count, now.system);
        }
        if self.workspace.answerer.wants_stamps() {
            self.take_server_stamps(index);
        }
        Some((count, now.mono))
    }

    /// The kernel's stamps of our replies.
    pub(super) fn take_server_stamps(&mut self, index: usize) {
        let Some(socket) = self.servers.of_main_loop(index) else { return };
        let (mut responder, state) = self.engine.responder();
        let raw = |system| self.clocks.raw(system);
        self.workspace.answerer.take_stamps(socket.socket(), &mut responder, state, &raw);
    }

    /// Answers requests inside PTP messages.
    pub(super) fn serve_ptp(&mut self, index: usize) {
        let Self { engine, clocks, ptp, workspace, .. } = self;
        let (mut responder, state) = engine.responder();
        let now = clocks.now();
        let template = Template::new(state, now.raw);
        responder.set_time(now.mono);
        for _ in 0..BATCH {
            let stamp = |received: &message::Received| clocks.stamp(received.stamp);
            let answered = ptp
                .answer(index, &mut workspace.buffer, &mut responder, &template, stamp, || clocks.raw_now());
            if answered.is_none() {
                break;
            }
        }
    }

    /// Tells what clients are told to whoever listens at `to`.
    pub(super) fn broadcast(&self, to: SocketAddr, poll: i8) {
        let Some(socket) = self.servers.get(usize::from(to.is_ipv6())) else { return };
        let _ = socket.socket().set_broadcast();
        let now = self.clocks.now();
        let template = Template::new(self.engine.server_state(), now.raw);
        let packet = template.fill(&Individual {
            version: 4,
            mode: Mode::Broadcast,
            poll,
            origin: NtpTime::ZERO,
            receive: NtpTime::ZERO,
            transmit: NtpTime::from(template.local(self.clocks.raw_now())),
        });
        let _ = message::send(socket.socket(), &packet, Some(to), None, 0);
    }
}
