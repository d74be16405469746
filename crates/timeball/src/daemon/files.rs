//! Everything durable: state files are replaced as a whole, the pid file and log files follow no links.
//!
//! A state file (drift file, measurement dump) is old or new, never torn: the text goes to `PATH.tmp`, reaches
//! the disk, takes the old one's name, and the folder reaches the disk too. Errors are reported once until they
//! change or go away; a full disk must neither stop the clock nor fill the log.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use sys::file::{create_new, sync_directory};

/// What could not be done to which file.
#[derive(Debug)]
pub struct Failure {
    verb: &'static str,
    path: PathBuf,
    error: io::Error,
}

impl Failure {
    /// "Could not `verb` `path`", and why.
    pub fn new(verb: &'static str, path: &Path, error: io::Error) -> Self {
        Self { verb, path: path.to_owned(), error }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Could not {} {} : {}", self.verb, self.path.display(), reason(&self.error))
    }
}

/// The system's words for an error without Rust's "(os error N)": what people grep for.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// Replaces the file at `path` by `text`: afterwards, and after a crash at any instant, it is the old one or
/// the new one. `mode` is its permissions before the umask.
pub fn replace(path: &Path, text: &[u8], mode: u32) -> Result<(), Failure> {
    let mut name = OsString::from(path);
    name.push(".tmp");
    let temporary = PathBuf::from(name);
    let fail = |error| Failure::new("open", &temporary, error);

    remove_if_there(&temporary).map_err(fail)?;
    let mut file = create_new(&temporary, mode).map_err(fail)?;
    let written = file.write_all(text).and_then(|()| file.sync_all());
    drop(file);
    if let Err(error) = written {
        let _ = fs::remove_file(&temporary);
        return Err(Failure::new("write", &temporary, error));
    }
    fs::rename(&temporary, path).map_err(|error| Failure::new("replace", path, error))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    sync_directory(folder).map_err(|error| Failure::new("sync", folder, error))
}

/// The text of a file of at most `limit` bytes; `Ok(None)` when there is none. Bytes that are no UTF-8 stand for themselves
/// no longer, but hide nothing else; whoever writes into a pipe of that name is not waited for.
pub fn read(path: &Path, limit: u64) -> Result<Option<String>, Failure> {
    let fail = |error| Failure::new("open", path, error);
    let file = match sys::file::open_at_once(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error)),
    };
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, limit), &mut bytes).map_err(fail)?;
    Ok(Some(
        String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
    ))
}

/// Opens a log for appending; a symbolic link in its place is refused.
pub fn append(path: &Path, mode: u32) -> Result<File, Failure> {
    sys::file::append(path, mode).map_err(|error| Failure::new("open", path, error))
}

/// Remembers what was reported, so that a lasting error is one line in the log.
#[derive(Debug, Default)]
pub struct Complaints(BTreeMap<PathBuf, String>);

impl Complaints {
    /// The text to log, if `outcome` is an error that was not the last one reported for `path`.
    pub fn news(&mut self, path: &Path, outcome: Result<(), Failure>) -> Option<String> {
        let Err(failure) = outcome else {
            self.0.remove(path);
            return None;
        };
        let text = failure.to_string();
        if self.0.get(path) == Some(&text) {
            return None;
        }
        // Dumps have as many paths as sources had addresses; forgetting costs a repeated line.
        if self.0.len() >= 64 {
            self.0.clear();
        }
        self.0.insert(path.to_owned(), text.clone());
        Some(text)
    }
}

/// Our process number in a file, as long as we live.
#[derive(Debug)]
pub struct PidFile(PathBuf);

impl PidFile {
    /// Refuses if the process named there is alive, unless it is ourselves: after a restart of a container
    /// the file of the last run often names the same number.
    pub fn check(path: &Path, ours: u32) -> Result<(), String> {
        let Ok(Some(text)) = read(path, 64) else { return Ok(()) };
        let Ok(pid) = text.trim().parse::<i32>() else { return Ok(()) };
        if pid == ours.cast_signed() || !sys::process::alive(pid) {
            return Ok(());
        }
        Err(format!("Another chronyd may already be running (pid={pid}), check {}", path.display()))
    }

    /// Unlinks what is there and creates our own, exclusively.
    pub fn write(path: &Path, ours: u32) -> Result<Self, Failure> {
        let fail = |error| Failure::new("open", path, error);
        remove_if_there(path).map_err(fail)?;
        let mut file = create_new(path, 0o644).map_err(fail)?;
        file.write_all(format!("{ours}\n").as_bytes()).map_err(fail)?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A socket's place in the file system, removed with it if it is still ours.
#[derive(Debug)]
pub struct SocketPath {
    path: PathBuf,
    inode: (u64, u64),
}

impl SocketPath {
    /// Clears the way for a socket: nothing there, or a socket that nobody answers on any more.
    /// `answers` tries to reach it.
    pub fn clear(path: &Path, answers: impl FnOnce(&Path) -> bool) -> io::Result<()> {
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if !metadata.file_type().is_socket() {
            return Err(io::Error::other("not a socket, not removed"));
        }
        if answers(path) {
            return Err(io::Error::other("another process answers there"));
        }
        fs::remove_file(path)
    }

    /// Remembers which socket is ours, just after it was bound.
    pub fn bound(path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), inode: (metadata.dev(), metadata.ino()) })
    }

    /// The place itself.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|m| (m.dev(), m.ino()) == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixDatagram;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    /// A fresh folder that goes away at the end of the test.
    pub struct Folder(pub PathBuf);

    impl Folder {
        pub fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("timeball-test-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir(&path).expect("the temporary folder can be made");
            Self(path)
        }

        pub fn file(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_a_planted_link_is_not_followed() {
        let folder = Folder::new("replace");
        let (state, victim) = (folder.file("drift"), folder.file("victim"));
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, folder.file("drift.tmp")).unwrap();
        replace(&state, b"1\n", 0o644).unwrap();
        replace(&state, b"2\n", 0o644).unwrap();
        assert_eq!(read(&state, 100).unwrap().as_deref(), Some("2\n"));
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert!(!folder.file("drift.tmp").exists());
        assert_eq!(read(&folder.file("nothing"), 100).unwrap(), None);
        let missing = replace(&folder.file("no/drift"), b"", 0o644).unwrap_err().to_string();
        assert_eq!(
            missing,
            format!("Could not open {} : No such file or directory", folder.file("no/drift.tmp").display())
        );
    }

    #[test]
    fn a_pipe_in_a_files_place_is_not_waited_for_and_odd_bytes_hide_nothing() {
        let folder = Folder::new("pipe");
        let pipe = folder.file("drift");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(read(&pipe, 100).unwrap().as_deref(), Some(""));
        replace(&pipe, b"1\n", 0o644).unwrap();
        assert_eq!(read(&pipe, 100).unwrap().as_deref(), Some("1\n"), "a file again");
        let keys = folder.file("keys");
        fs::write(&keys, b"# cl\xe9\n7 MD5 HEX:00\n").unwrap();
        assert_eq!(read(&keys, 100).unwrap().as_deref(), Some("# cl\u{fffd}\n7 MD5 HEX:00\n"));
    }

    #[test]
    fn logs_are_appended_to_and_follow_no_link() {
        let folder = Folder::new("append");
        let log = folder.file("a.log");
        for _ in 0..2 {
            append(&log, 0o600).unwrap().write_all(b"x\n").unwrap();
        }
        assert_eq!(fs::read_to_string(&log).unwrap(), "x\nx\n");
        assert_eq!(fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);
        symlink(&log, folder.file("b.log")).unwrap();
        assert!(append(&folder.file("b.log"), 0o600).is_err());
    }

    #[test]
    fn a_lasting_error_is_told_once() {
        let mut complaints = Complaints::default();
        let path = Path::new("/x/drift");
        let refused = || Err(Failure::new("open", path, ErrorKind::PermissionDenied.into()));
        assert!(complaints.news(path, refused()).is_some());
        assert!(complaints.news(path, refused()).is_none());
        assert!(complaints.news(path, Ok(())).is_none());
        assert!(complaints.news(path, refused()).is_some());
    }

    #[test]
    fn the_pid_file_refuses_the_living_and_ignores_the_dead_and_ourselves() {
        let folder = Folder::new("pid");
        let path = folder.file("a.pid");
        let (parent, ours) = (std::os::unix::process::parent_id(), std::process::id());
        assert_eq!(PidFile::check(&path, ours), Ok(()));
        fs::write(&path, format!("{parent}\n")).unwrap();
        assert_eq!(
            PidFile::check(&path, ours),
            Err(format!("Another chronyd may already be running (pid={parent}), check {}", path.display()))
        );
        for stale in [format!("{ours}\n"), "4194999\n".to_owned(), "nonsense".to_owned()] {
            fs::write(&path, stale).unwrap();
            assert_eq!(PidFile::check(&path, ours), Ok(()));
        }
        let file = PidFile::write(&path, ours).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{ours}\n"));
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn only_dead_sockets_are_cleared_away() {
        let folder = Folder::new("socket");
        let path = folder.file("a.sock");
        let answers = |p: &Path| UnixDatagram::unbound().unwrap().connect(p).is_ok();
        SocketPath::clear(&path, answers).unwrap();
        let alive = UnixDatagram::bind(&path).unwrap();
        assert!(SocketPath::clear(&path, answers).is_err() && path.exists());
        drop(alive);
        SocketPath::clear(&path, answers).unwrap();
        assert!(!path.exists());
        fs::write(&path, "a file").unwrap();
        assert!(SocketPath::clear(&path, answers).is_err() && path.exists());

        fs::remove_file(&path).unwrap();
        let first = UnixDatagram::bind(&path).unwrap();
        let ours = SocketPath::bound(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let _other = UnixDatagram::bind(&path).unwrap();
        drop(ours);
        assert!(path.exists(), "another process's socket stays");
        drop(first);
    }

    /// A state whose every byte follows from its number, and whose length varies.
    fn state(number: u64) -> Vec<u8> {
        let mut text = format!("{number}\n").into_bytes();
        text.extend((0..number % 9000).map(|i| b'a' + ((number + i) % 26) as u8));
        text
    }

    /// As the child: replaces the state at full speed and says each number when it is done. As the parent:
    /// kills a hundred such children at random instants and looks at what they left.
    #[test]
    fn kill_nine_leaves_the_old_state_or_the_new_one() {
        const WRITER: &str = "TIMEBALL_TEST_STATE_WRITER";
        if let Some(path) = std::env::var_os(WRITER) {
            let path = PathBuf::from(path);
            let start = fs::read(&path).map_or(0, |text| number_of(&text));
            for number in start + 1.. {
                replace(&path, &state(number), 0o644).expect("the state can be written");
                println!("done {number}");
            }
        }
        let folder = Folder::new("kill");
        let path = folder.file("state");
        let mut rng = ntp::rng::Rng::from_number(9);
        let mut last = 0;
        for round in 0..100 {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "daemon::files::tests::kill_nine_leaves_the_old_state_or_the_new_one"])
                .arg("--nocapture")
                .env(WRITER, &path)
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let number = |line: io::Result<String>| line.ok()?.strip_prefix("done ")?.parse::<u64>().ok();
            let first = lines.by_ref().find_map(number).expect("the writer writes");
            std::thread::sleep(Duration::from_micros(rng.below(10_000) as u64));
            child.kill().unwrap();
            child.wait().unwrap();
            let told = lines.filter_map(number).last().unwrap_or(first);

            let text = fs::read(&path).unwrap();
            let found = number_of(&text);
            assert_eq!(text, state(found), "round {round}: torn");
            assert!(found == told || found == told + 1, "round {round}: told {told}, found {found}");
            assert!(found > last, "round {round}: nothing was written");
            last = found;
        }
    }

    fn number_of(text: &[u8]) -> u64 {
        let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
        std::str::from_utf8(line)
            .ok()
            .and_then(|digits| digits.parse().ok())
            .expect("a state begins with its number")
    }
}
