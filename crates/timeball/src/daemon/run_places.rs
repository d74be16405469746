//! Where the pid file and the command socket are.

use super::files::PidFile;
use super::folders::{self, Owner};
use super::{Name, logger};
use crate::places;
use ntp::config::Config;
use std::path::{Path, PathBuf};
/// Where the pid file and the command socket are.
#[derive(Debug, PartialEq, Eq)]
pub struct Places {
    pid_file: Option<PathBuf>,
    pub(super) socket: Option<PathBuf>,
}

impl Places {
    pub(super) fn new(name: Name, config: &Config, is_root: bool) -> Self {
        let (pid_file, socket) = match name {
            Name::Chronyd => (Some("/run/chrony/chronyd.pid".into()), Some(places::CHRONYD_SOCKET.into())),
            Name::Timeball => (None, places::socket(is_root, places::variable)),
        };
        Self {
            pid_file: config.process.pid_file.clone().unwrap_or(pid_file),
            socket: config.control.socket.clone().unwrap_or(socket),
        }
    }

    /// Makes the folders and writes the pid file. Only the pid file can stop the start.
    pub(super) fn take(&self, config: &Config, owner: Owner) -> Result<Option<PidFile>, String> {
        let ours = sys::process::id();
        if let Some(path) = &self.pid_file {
            PidFile::check(path, ours)?;
        }
        if let Some(folder) = self.socket.as_deref().and_then(Path::parent) {
            // Judged, and complained about, when the socket is opened in it.
            let _ = folders::make(folder, 0o770, owner);
        }
        for folder in [&config.process.dump_dir, &config.log.dir].into_iter().flatten() {
            if let Err(text) = folders::make_or_say(folder, 0o750, owner) {
                logger::error(&text);
            }
        }
        let write = |path: &PathBuf| PidFile::write(path, ours).map_err(|failure| failure.to_string());
        self.pid_file.as_ref().map(write).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_follow_the_name_and_the_configuration() {
        let mut config = Config::default();
        let chronyd = Places::new(Name::Chronyd, &config, true);
        assert_eq!(chronyd.pid_file, Some("/run/chrony/chronyd.pid".into()));
        assert_eq!(chronyd.socket, Some("/run/chrony/chronyd.sock".into()));
        let timeball = Places::new(Name::Timeball, &config, true);
        assert_eq!(timeball, Places { pid_file: None, socket: Some("/run/timeball/timeball.sock".into()) });
        config.process.pid_file = Some(None);
        config.control.socket = Some(Some("/x/y.sock".into()));
        let moved = Places::new(Name::Chronyd, &config, true);
        assert_eq!(moved, Places { pid_file: None, socket: Some("/x/y.sock".into()) });
    }
}
