//! The client's end of the Unix socket.
//!
//! A datagram server can only answer a socket that has a path. The daemon runs unprivileged, so that path must be
//! traversable and the socket writable for it; a random directory name keeps others from guessing and replacing it.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use super::random;

/// A connected socket with a path of its own; both directories and the socket go when it is dropped.
pub struct UnixLink {
    /// The connected socket.
    pub socket: UnixDatagram,
    _place: Place,
}

/// `<dir of the server's socket>/chronyc.<pid>/<16 random characters>/sock`.
struct Place {
    outer: PathBuf,
    inner: PathBuf,
    socket: PathBuf,
}

impl UnixLink {
    /// Connects to the daemon's socket at `path`.
    pub fn open(path: &Path) -> io::Result<Self> {
        // Before anything is created: the usual case on most machines is that nothing is there.
        UnixDatagram::unbound()?.connect(path)?;
        let place = Place::new(path.parent().unwrap_or(Path::new("/")))?;
        let socket = UnixDatagram::bind(&place.socket)?;
        fs::set_permissions(&place.socket, Permissions::from_mode(0o666))?;
        socket.connect(path)?;
        Ok(Self { socket, _place: place })
    }
}

impl Place {
    fn new(dir: &Path) -> io::Result<Self> {
        let outer = dir.join(format!("chronyc.{}", std::process::id()));
        let inner = outer.join(random::word());
        let place = Self { socket: inner.join("sock"), inner, outer };
        match traversable(&place.outer) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {} // left by a process with our number
            result => result?,
        }
        traversable(&place.inner)?;
        Ok(place)
    }
}

/// Creates a directory through which everybody may pass but in which only we may look or write.
fn traversable(dir: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o711).create(dir)?;
    fs::set_permissions(dir, Permissions::from_mode(0o711)) // whatever the umask says
}

impl Drop for Place {
    fn drop(&mut self) {
        // What is not there need not go; nothing can be done about what will not go.
        let _ = fs::remove_file(&self.socket);
        let _ = fs::remove_dir(&self.inner);
        let _ = fs::remove_dir(&self.outer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemon_can_answer_and_nothing_stays() {
        let dir = std::env::temp_dir().join(format!("timeball-unix-{}", random::word()));
        fs::create_dir(&dir).expect("the temporary directory is writable");
        let path = dir.join("daemon.sock");
        let daemon = UnixDatagram::bind(&path).expect("a fresh path");

        let link = UnixLink::open(&path).expect("the daemon's socket is there");
        link.socket.send(b"request").expect("connected");
        let mut buffer = [0; 16];
        let (length, from) = daemon.recv_from(&mut buffer).expect("sent above");
        assert_eq!(&buffer[..length], b"request");
        let from = from.as_pathname().expect("the client has a path").to_owned();
        assert_eq!(fs::metadata(&from).expect("exists").permissions().mode() & 0o777, 0o666);
        for up in [1, 2] {
            let dir = from.ancestors().nth(up).expect("two directories above");
            assert_eq!(fs::metadata(dir).expect("exists").permissions().mode() & 0o777, 0o711);
        }
        daemon.send_to(b"reply", &from).expect("writable");
        assert_eq!(link.socket.recv(&mut buffer).expect("answered"), 5);

        drop(link);
        assert_eq!(fs::read_dir(&dir).expect("ours").count(), 1, "only the daemon's socket is left");
        fs::remove_dir_all(&dir).expect("ours");
    }

    #[test]
    fn a_missing_daemon_leaves_no_trace() {
        let dir = std::env::temp_dir().join(format!("timeball-unix-{}", random::word()));
        fs::create_dir(&dir).expect("the temporary directory is writable");
        assert!(UnixLink::open(&dir.join("nobody.sock")).is_err());
        fs::remove_dir(&dir).expect("still empty");
    }
}
