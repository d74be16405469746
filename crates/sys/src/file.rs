//! Opening and removing files without being led astray by links.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Creates the file `path` for writing, with `mode` (less the umask). An error if anything has that name already,
/// even a link that leads nowhere.
pub fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(mode).custom_flags(libc::O_NOFOLLOW).open(path)
}

/// Opens the file `path` for appending, created with `mode` (less the umask) if it is missing. A symbolic link is
/// refused (ELOOP).
pub fn append(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(mode).custom_flags(libc::O_NOFOLLOW).open(path)
}

/// Opens the file `path` for reading without waiting for anybody: a pipe that nobody writes into is empty.
pub fn open_at_once(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)
}

/// Makes the names in the folder `path` (creations, renames) survive a loss of power.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Removes `path` if it is a socket; nothing there is fine, anything else is an error and stays.
pub fn remove_socket(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(metadata) if metadata.file_type().is_socket() => std::fs::remove_file(path),
        Ok(_) => {
            let message = format!("{}: exists and is not a socket", path.display());
            Err(io::Error::new(io::ErrorKind::AlreadyExists, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::Socket;
    use std::io::Write;

    #[test]
    fn links_are_not_followed_and_only_sockets_are_removed() {
        let folder = std::env::temp_dir().join(format!("timeball-sys-file-{}", std::process::id()));
        std::fs::create_dir(&folder).expect("a new folder");
        let (file, link, socket) = (folder.join("file"), folder.join("link"), folder.join("socket"));
        std::os::unix::fs::symlink(&file, &link).expect("a link");

        assert!(create_new(&link, 0o600).is_err() && append(&link, 0o600).is_err());
        assert!(!file.exists());
        create_new(&file, 0o600).expect("new").write_all(b"one").expect("room");
        assert!(create_new(&file, 0o600).is_err());
        append(&file, 0o600).expect("there").write_all(b" two").expect("room");
        assert_eq!(std::fs::read(&file).expect("there"), b"one two");
        sync_directory(&folder).expect("a folder");

        Socket::unix().and_then(|s| s.bind_unix(&socket)).expect("a Unix socket");
        remove_socket(&socket).expect("a socket");
        assert!(!socket.exists());
        remove_socket(&socket).expect("nothing there");
        assert_eq!(remove_socket(&file).expect_err("a file").kind(), io::ErrorKind::AlreadyExists);
        std::fs::remove_dir_all(&folder).expect("ours");
    }
}
