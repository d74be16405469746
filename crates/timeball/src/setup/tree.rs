//! A root file system: this machine's, or a copy below some folder.
//!
//! Paths are those that the machine sees (`/etc/config/dhcp`). In a copy, links are followed inside the copy, so that
//! an absolute link never leads out of it. What is at a path is a [`Node`]; a path becomes another node at once or
//! not at all.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use sys::file::{create_new, sync_directory};

/// Largest file that is read, bytes.
const LARGEST: u64 = 4 << 20;
/// Most links followed on the way to a file.
const MOST_LINKS: u32 = 40;

/// A root file system.
#[derive(Clone, Debug)]
pub struct Tree {
    base: PathBuf,
    is_live: bool,
    /// Tests: how many changes are made before the power is cut.
    fuse: Cell<Option<u32>>,
    /// Texts that are taken to be in files.
    supposed: BTreeMap<String, String>,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// Nothing.
    Absent,
    /// A file.
    File(Content),
    /// A symbolic link, and where it points.
    Link(String),
    /// A folder, and its permissions.
    Folder(u32),
}

/// A file's content and what belongs to it.
#[derive(Clone, Debug)]
pub struct Content {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Permissions.
    pub mode: u32,
    /// User, group and time of the last change, of a file that was there before us.
    pub origin: Option<(u32, u32, SystemTime)>,
}

/// Two files are the same if content and permissions are.
impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes && self.mode == other.mode
    }
}

impl Eq for Content {}

impl Node {
    /// A new file.
    pub fn file(text: impl Into<Vec<u8>>, mode: u32) -> Self {
        Self::File(Content { bytes: text.into(), mode, origin: None })
    }

    /// The text of a file; empty for nothing, `None` for what is no text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Absent => Some(""),
            Self::File(content) => std::str::from_utf8(&content.bytes).ok(),
            Self::Link(_) | Self::Folder(_) => None,
        }
    }
}

impl Tree {
    /// This machine's.
    pub fn live() -> Self {
        Self { base: "/".into(), is_live: true, fuse: Cell::new(None), supposed: BTreeMap::new() }
    }

    /// The copy below `base`.
    pub fn copy(base: &Path) -> Self {
        Self { base: base.to_owned(), is_live: false, fuse: Cell::new(None), supposed: BTreeMap::new() }
    }

    /// Is it this machine's? Only then do commands make sense.
    pub fn is_live(&self) -> bool {
        self.is_live
    }

    /// Cuts the power at the change after `changes` more.
    #[cfg(test)]
    pub fn cut_after(&self, changes: Option<u32>) {
        self.fuse.set(changes);
    }

    fn spend(&self) -> io::Result<()> {
        if let Some(left) = self.fuse.get() {
            self.fuse.set(Some(left.saturating_sub(1)));
            if left == 0 {
                return Err(io::Error::other("the power is cut"));
            }
        }
        Ok(())
    }

    /// The path without links in it, as the machine sees it. What does not exist has no links.
    pub fn resolve(&self, path: &str) -> String {
        let mut waiting: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut done = String::new();
        let mut links = 0;
        while let Some(word) = waiting.pop() {
            match word.as_str() {
                "" | "." => continue,
                ".." => {
                    let end = done.rfind('/').unwrap_or(0);
                    done.truncate(end);
                    continue;
                }
                _ => {}
            }
            let here = format!("{done}/{word}");
            match fs::read_link(self.outside(&here)) {
                Ok(target) if links < MOST_LINKS => {
                    links += 1;
                    let target = target.to_string_lossy().into_owned();
                    if target.starts_with('/') {
                        done.clear();
                    }
                    waiting.extend(target.split('/').rev().map(str::to_owned));
                }
                _ => done = here,
            }
        }
        if done.is_empty() { "/".to_owned() } else { done }
    }

    /// The path with the links of its folders followed, but not its own.
    fn place(&self, path: &str) -> PathBuf {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        self.outside(&format!("{}/{name}", self.resolve(folder).trim_end_matches('/')))
    }

    fn outside(&self, resolved: &str) -> PathBuf {
        self.base.join(resolved.trim_start_matches('/'))
    }

    /// Where the path is for other programs of this machine.
    pub fn real(&self, path: &str) -> PathBuf {
        self.outside(&self.resolve(path))
    }

    /// Is there anything, links followed?
    pub fn exists(&self, path: &str) -> bool {
        self.supposed.contains_key(path) || self.real(path).exists()
    }

    /// The text of a file, if there is one that is text.
    pub fn text(&self, path: &str) -> Option<String> {
        if let Some(text) = self.supposed.get(path) {
            return Some(text.clone());
        }
        String::from_utf8(read(&self.real(path)).ok()?).ok()
    }

    /// The names in a folder, sorted; none if there is no such folder.
    pub fn list(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.real(path)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort_unstable();
        names
    }

    /// What is at `path`, a link not followed.
    pub fn node(&self, path: &str) -> io::Result<Node> {
        let place = self.place(path);
        let metadata = match fs::symlink_metadata(&place) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Node::Absent);
            }
            other => other?,
        };
        let mode = metadata.mode() & 0o7777;
        if metadata.is_symlink() {
            Ok(Node::Link(fs::read_link(&place)?.to_string_lossy().into_owned()))
        } else if metadata.is_dir() {
            Ok(Node::Folder(mode))
        } else if metadata.is_file() {
            let origin = Some((metadata.uid(), metadata.gid(), metadata.modified()?));
            Ok(Node::File(Content { bytes: read(&place)?, mode, origin }))
        } else {
            Err(io::Error::other("is neither file nor folder nor link"))
        }
    }

    /// Makes `path` be `node`; after a crash it is what it was, or that. A folder that is not empty stays.
    pub fn become_node(&self, path: &str, node: &Node) -> io::Result<()> {
        let place = self.place(path);
        let folder = place.parent().unwrap_or(Path::new("/")).to_owned();
        let temporary = temporary(&place);
        self.spend()?;
        match node {
            Node::Absent => match fs::symlink_metadata(&place) {
                Ok(metadata) if metadata.is_dir() => fs::remove_dir(&place)?,
                Ok(_) => fs::remove_file(&place)?,
                Err(_) => return Ok(()),
            },
            Node::Folder(mode) => {
                fs::DirBuilder::new().mode(*mode).create(&place)?;
                fs::set_permissions(&place, Permissions::from_mode(*mode))?;
            }
            Node::Link(target) => {
                let _ = fs::remove_file(&temporary);
                symlink(target, &temporary)?;
                self.spend()?;
                fs::rename(&temporary, &place)?;
            }
            Node::File(content) => {
                let _ = fs::remove_file(&temporary);
                write(&temporary, content)?;
                self.spend()?;
                fs::rename(&temporary, &place)?;
            }
        }
        sync_directory(&folder)
    }

    /// Makes a folder and those above it that are missing.
    pub fn make_folders(&self, path: &str) -> io::Result<()> {
        let above = path.rsplit_once('/').map_or("", |(above, _)| above);
        if !above.is_empty() && !self.exists(above) {
            self.make_folders(above)?;
        }
        self.become_node(path, &Node::Folder(0o755))
    }

    /// The same tree, as if the file `path` had this text: to see what would come of it.
    pub fn with(&self, path: &str, text: &str) -> Self {
        let mut tree = self.clone();
        tree.supposed.insert(path.to_owned(), text.to_owned());
        tree
    }

    /// Removes what an interrupted change of `path` has left.
    pub fn tidy(&self, path: &str) {
        let _ = fs::remove_file(temporary(&self.place(path))); // mostly there is nothing
    }
}

/// Hidden, because programs take every other file of some folders for theirs.
fn temporary(place: &Path) -> PathBuf {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    place.with_file_name(format!(".{name}.timeball-new"))
}

fn write(place: &Path, content: &Content) -> io::Result<()> {
    let mut file = create_new(place, 0o600)?;
    file.write_all(&content.bytes)?;
    if let Some((user, group, modified)) = content.origin {
        let now = file.metadata()?;
        if (now.uid(), now.gid()) != (user, group) {
            chown(place, Some(user), Some(group))?;
        }
        file.set_times(FileTimes::new().set_modified(modified))?;
    }
    file.set_permissions(Permissions::from_mode(content.mode))?;
    file.sync_all()
}

fn read(place: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(place)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other("is larger than 4 MB"));
    }
    Ok(bytes)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A folder that goes away.
    pub struct Scratch(pub PathBuf);

    impl Scratch {
        pub fn new(name: &str) -> Self {
            // In memory, where syncing is quick.
            let memory = Path::new("/dev/shm");
            let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
            let path = base.join(format!("timeball-setup-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).expect("the temporary folder can be written");
            Self(path)
        }

        /// The folder as a root, filled with files.
        pub fn tree(&self, files: &[(&str, &str)]) -> Tree {
            for (path, text) in files {
                let place = self.0.join(path.trim_start_matches('/'));
                fs::create_dir_all(place.parent().expect("it has a folder")).expect("can be made");
                fs::write(&place, text).expect("can be written");
                if path.contains("/init.d/") {
                    fs::set_permissions(&place, Permissions::from_mode(0o755)).expect("is ours");
                }
            }
            Tree::copy(&self.0)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn links_of_a_copy_stay_inside() {
        let scratch = Scratch::new("links");
        let tree = scratch.tree(&[("/tmp/run/x", "here"), ("/etc/a", "a")]);
        symlink("/tmp", scratch.0.join("var")).unwrap();
        symlink("../../../../../etc", scratch.0.join("tmp/up")).unwrap();
        symlink("loop", scratch.0.join("loop")).unwrap();
        assert_eq!(tree.resolve("/var/run/x"), "/tmp/run/x");
        assert_eq!(tree.text("/var/run/x").as_deref(), Some("here"));
        assert_eq!(tree.text("/var/up/a").as_deref(), Some("a"));
        assert!(!tree.exists("/loop") && !tree.exists("/var/none"));
        assert_eq!(tree.node("/var").unwrap(), Node::Link("/tmp".to_owned()));
    }

    #[test]
    fn nodes_become_others_and_come_back_whole() {
        let scratch = Scratch::new("nodes");
        let tree = scratch.tree(&[("/etc/a", "old")]);
        fs::set_permissions(scratch.0.join("etc/a"), Permissions::from_mode(0o4640)).unwrap();
        let old = tree.node("/etc/a").unwrap();
        let time = fs::metadata(scratch.0.join("etc/a")).unwrap().modified().unwrap();
        for node in [Node::file("new", 0o755), Node::Link("b".into()), Node::Absent, Node::Absent] {
            tree.become_node("/etc/a", &node).unwrap();
            assert_eq!(tree.node("/etc/a").unwrap(), node);
        }
        tree.become_node("/etc/a", &old).unwrap();
        assert_eq!(tree.node("/etc/a").unwrap(), old);
        assert_eq!(fs::metadata(scratch.0.join("etc/a")).unwrap().modified().unwrap(), time);
        tree.become_node("/etc/d", &Node::Folder(0o750)).unwrap();
        assert_eq!(tree.node("/etc/d").unwrap(), Node::Folder(0o750));
        tree.become_node("/etc/d", &Node::Absent).unwrap();
        assert!(tree.become_node("/etc", &Node::Absent).is_err(), "not empty");
        assert_eq!(tree.list("/etc"), ["a"]);
    }

    #[test]
    fn a_cut_leaves_the_old_and_is_tidied() {
        let scratch = Scratch::new("cut");
        let tree = scratch.tree(&[("/etc/a", "old")]);
        let old = tree.node("/etc/a").unwrap();
        for changes in 0..2 {
            tree.cut_after(Some(changes));
            assert!(tree.become_node("/etc/a", &Node::file("new", 0o644)).is_err());
            tree.cut_after(None);
            assert_eq!(tree.node("/etc/a").unwrap(), old);
            assert_eq!(tree.list("/etc").len(), 1 + changes as usize);
        }
        tree.tidy("/etc/a");
        assert_eq!(tree.list("/etc"), ["a"]);
    }
}
