//! The observer: a process of its own that records, draws and serves the page.
//!
//! [`observer`] is the process; [`recorder`] what it knows, kept in the [`archive`] and the [`events`]; [`http`] who may ask,
//! [`api`] and [`openmetrics`] what they are answered. [`words`] has the sentences.

pub mod abuse;
pub mod api;
pub mod archive;
pub mod ask;
pub mod events;
pub mod files;
pub mod graph;
pub mod http;
pub mod machine;
pub mod observer;
pub mod openmetrics;
pub mod plots;
pub mod rates;
pub mod recorder;
pub mod rrd;
pub mod store;
pub mod watch;
pub mod words;

use ntp::metrics::Machine;
use std::net::SocketAddr;
use std::path::PathBuf;
use sys::process::User;

/// What is to be done.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Is anything recorded?
    pub record: bool,
    /// Where; `None`: there is no place for it.
    pub folder: Option<PathBuf>,
    /// How often it is written, s.
    pub interval: u32,
    /// The small archive.
    pub router: bool,
    /// Resolutions, if they are not the usual ones.
    pub keep: Vec<(u32, u32)>,
    /// Where the page is.
    pub listen: Vec<SocketAddr>,
    /// It may be shown to the world.
    pub public: bool,
    /// Names by which it may be asked for.
    pub hosts: Vec<String>,
    /// Who says what the machine is like, if it is not to be looked at.
    pub machine: Option<fn() -> Machine>,
    /// The daemon was started by root …
    pub is_root: bool,
    /// … and is this user now, if another.
    pub daemon: Option<User>,
    /// Whom to become; found out by the observer itself, because looking users up takes memory.
    pub user: Option<User>,
}

impl Plan {
    /// The observer's user: one of its own, else the daemon's, else nobody.
    pub fn find_user(&mut self) {
        let named = |login| sys::process::user(login).ok().flatten();
        if self.is_root {
            self.user = named("timeball-web").or_else(|| self.daemon.clone()).or_else(|| named("nobody"));
        }
    }
}
