//! What the engine asks for.

use super::EventLoop;
use crate::daemon::access_names::Outcome;
use crate::daemon::resolver::{Answer, Asker};
use crate::daemon::sockets::{ClientSocket, has_route};
use crate::daemon::state::Loaded;
use crate::daemon::{keys, logger};
use ntp::engine::{Action, Input};
use ntp::logfile::Utc;
use ntp::time::LocalTime;

impl EventLoop {
    /// Does what the engine asked for, and what it asks for in return.
    pub(in crate::daemon) fn act(&mut self) {
        if self.servers.threads() > 0 {
            self.threads.publish(&self.engine, &self.clocks);
        }
        self.drain();
        // The first names are answered (or there were none): the dumps know their sources now.
        if self.state.dumps_wait() && self.resolver.pipe().is_none() {
            let now = self.clocks.now();
            if let Some(Loaded { vouched }) = self.state.load_dumps(&mut self.engine, now) {
                self.engine.dumps_loaded(now, vouched, &mut self.clocks, &mut self.out);
                self.drain();
            }
        }
    }

    pub(super) fn drain(&mut self) {
        let mut batch = std::mem::take(&mut self.workspace.batch);
        while !self.out.is_empty() {
            std::mem::swap(&mut self.out, &mut batch);
            for action in batch.drain() {
                self.perform(action);
            }
        }
        self.workspace.batch = batch;
    }

    pub(super) fn perform(&mut self, action: Action) {
        match action {
            Action::OpenSocket(spec) => match ClientSocket::open(&spec, &self.config, &mut self.servers) {
                Ok((client, local)) => {
                    self.workspace.clients.push(client);
                    self.tell(Input::Opened { socket: spec.id, local });
                }
                Err(_) => self.tell(Input::SendFailed { socket: spec.id }),
            },
            Action::CloseSocket(id) => self.workspace.clients.retain(|client| client.id() != id),
            Action::Send { socket, token, bytes } => self.send(socket, token.0, bytes),
            Action::CheckRoute { source, remote } => {
                self.tell(Input::Route { source, exists: has_route(remote) });
            }
            Action::Resolve { query, name } => {
                if let Err(answer) = self.resolver.ask(Asker::Engine(query), name) {
                    self.on_answer(&answer);
                }
            }
            Action::LookAtRtc => self.with_rtc(|rtc| rtc.look()),
            Action::SetRtc(second) => self.with_rtc(|rtc| rtc.set(second)),
            Action::SaveRtc => {
                if let (Some(path), Some(text)) = (&self.config.rtc.file, self.engine.rtc_text()) {
                    self.state.replace(path, &text);
                }
            }
            Action::Broadcast { to, poll } => self.broadcast(to, poll),
            Action::Mail(offset) => {
                let now = Utc(LocalTime::from_nanos(self.clocks.raw_now().nanos())).to_string();
                self.mail.send(offset, &now);
            }
            Action::ReadRefclock(source) => {
                if let Some(reading) = self.refclocks.ask(source, &self.clocks) {
                    self.tell(Input::Reading { source, reading });
                }
            }
            Action::Log(line) => logger::log(line.severity, &line.text),
            Action::Record(record) => self.logs.write(&record),
            Action::SaveDrift { frequency, skew } => self.state.save_drift(frequency, skew),
            Action::SaveLearned => self.state.save_learned(&self.engine.learned()),
            Action::SaveTraffic => self.state.save_traffic(&self.engine),
            Action::SaveRequests => {
                let named = self.config.server.request_log_file.as_deref();
                self.state.save_requests(&self.engine, self.clocks.now(), named);
            }
            Action::SaveDumps => self.state.save_dumps(&self.engine.dumps()),
            Action::ReloadSources => {
                let now = self.clocks.now();
                self.engine.set_sourcedir_sources(now, &self.folders.read(), &mut self.out);
            }
            Action::CycleLogs => {
                self.logs.cycle();
                logger::reopen();
            }
            Action::Rekey => self.read_keys(),
            Action::Exit(status) => self.workspace.exit = Some(status),
        }
    }

    /// Reads the key file again.
    pub(super) fn read_keys(&mut self) {
        if let Some(keys) = self.config.process.key_file.as_deref().and_then(keys::load) {
            self.engine.set_keys(keys, &mut self.out);
        }
    }

    /// Has the names of access lists looked up whose time has come. Those of sources were first.
    pub(super) fn ask_access_names(&mut self) {
        let now = self.clocks.now().mono;
        while let Some((id, name)) = self.access_names.due(now) {
            if let Err(answer) = self.resolver.ask(Asker::Access(id), name) {
                self.on_answer(&answer);
            }
        }
    }

    pub(super) fn on_answer(&mut self, answer: &Answer) {
        match answer.asker {
            Asker::Engine(query) => {
                let found = self.state.addresses_of(&answer.name, &answer.addresses, self.resolver.family());
                self.tell(Input::Resolved { query, result: &found });
            }
            Asker::Access(name) => {
                let now = self.clocks.now().mono;
                match self.access_names.answer(now, name, &answer.addresses) {
                    Outcome::Rules(list, rules) => {
                        self.engine.set_access_list(list, &rules);
                        self.follow_access();
                    }
                    Outcome::Missing(text) => text.iter().for_each(|text| logger::warning(text)),
                }
            }
        }
    }
}
