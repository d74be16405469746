//! Telling who waits for us: the process that started us, systemd, and the reader of `-N`.

use super::logger;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use sys::process::Detached;
use sys::socket::{Socket, UnixAddress};

/// Everybody who waits.
#[derive(Debug)]
pub struct Readiness {
    systemd: Option<PathBuf>,
    descriptor: Option<u32>,
    parent: Option<Detached>,
}

impl Readiness {
    /// `systemd`: the path of `NOTIFY_SOCKET`; `descriptor`: that of `-N`; `parent`: waits in the foreground.
    pub fn new(systemd: Option<PathBuf>, descriptor: Option<u32>, parent: Option<Detached>) -> Self {
        Self { systemd, descriptor, parent }
    }

    /// The daemon runs. An error is fatal: somebody would wait for ever.
    pub fn ready(&mut self) -> Result<(), String> {
        self.tell_systemd("READY=1");
        if let Some(descriptor) = self.descriptor {
            write_newline(descriptor)
                .map_err(|_| "Could not send notification requested by -N option".to_owned())?;
        }
        match self.parent.take() {
            Some(parent) => {
                parent.ready().map_err(|error| format!("Could not tell the parent process : {error}"))
            }
            None => Ok(()),
        }
    }

    /// In a child process: the wait is for the daemon, not for us.
    pub fn abandon(&mut self) {
        *self = Self { systemd: None, descriptor: None, parent: None };
    }

    /// The daemon is about to end.
    pub fn stopping(&self) {
        self.tell_systemd("STOPPING=1");
    }

    /// The daemon could not start: the parent, if there is one, says why where the user sees it.
    pub fn failed(&mut self, message: &str) -> bool {
        // Should it be gone, the log has the message.
        self.parent.take().is_some_and(|parent| parent.failed(message).is_ok())
    }

    fn tell_systemd(&self, state: &str) {
        let Some(path) = &self.systemd else { return };
        let outcome = notify(path, state);
        if let Err(error) = outcome {
            logger::warning(&format!("Could not notify {} : {error}", path.display()));
        }
    }
}

/// sd_notify(3) for sockets that are paths.
fn notify(path: &Path, state: &str) -> io::Result<()> {
    if !path.is_absolute() {
        return Err(io::Error::other("only sockets with an absolute path are supported"));
    }
    sys::message::send_unix(&Socket::unix()?, state.as_bytes(), Some(&UnixAddress::new(path)?))
}

/// Through /proc, because a number is not yet a descriptor of ours.
fn write_newline(descriptor: u32) -> io::Result<()> {
    OpenOptions::new().write(true).open(format!("/proc/self/fd/{descriptor}"))?.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::super::files::tests::Folder;
    use super::*;
    use std::io::Read;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn systemd_hears_of_the_start_and_the_end() {
        let folder = Folder::new("notify");
        let path = folder.file("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        let mut readiness = Readiness::new(Some(path), None, None);
        readiness.ready().unwrap();
        readiness.stopping();
        let mut buffer = [0; 64];
        for expected in ["READY=1", "STOPPING=1"] {
            let len = systemd.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..len], expected.as_bytes());
        }
    }

    #[test]
    fn a_newline_goes_to_the_descriptor_and_a_closed_one_is_fatal() {
        let (mut reader, writer) = io::pipe().unwrap();
        let number = u32::try_from(writer.as_raw_fd()).unwrap();
        Readiness::new(None, Some(number), None).ready().unwrap();
        let mut byte = [0];
        reader.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"\n");
        let wrong = Readiness::new(None, Some(98_765), None).ready().unwrap_err();
        assert_eq!(wrong, "Could not send notification requested by -N option");
    }
}
