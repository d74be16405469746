//! The folders we write in: made when missing, owned by the run-time user; the command socket's folder is
//! also its access control and therefore judged.

use super::files::reason;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::Path;

/// Who will own what we make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// User number.
    pub uid: u32,
    /// Group number.
    pub gid: u32,
}

/// Makes `path` with `mode` (before the umask) for `owner`, and its missing parents with 0755 for the present
/// user. What exists stays as it is.
pub fn make(path: &Path, mode: u32, owner: Owner) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
    }
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
        other => other?,
    }
    let made = fs::symlink_metadata(path)?;
    if made.uid() != owner.uid || made.gid() != owner.gid {
        chown(path, Some(owner.uid), Some(owner.gid))?;
    }
    Ok(())
}

/// As [`make`], with the error in words.
pub fn make_or_say(path: &Path, mode: u32, owner: Owner) -> Result<(), String> {
    make(path, mode, owner)
        .map_err(|error| format!("Could not create directory {} : {}", path.display(), reason(&error)))
}

/// Makes the command socket's folder, or judges the one that is there: no rights for others, and ours.
pub fn make_private(path: &Path, owner: Owner) -> Result<(), String> {
    make_or_say(path, 0o770, owner)?;
    let metadata = fs::symlink_metadata(path)
        .map_err(|error| format!("Could not access {} : {}", path.display(), reason(&error)))?;
    if !metadata.is_dir() {
        return Err(format!("{} is not a directory", path.display()));
    }
    if metadata.mode() & 0o7777 & !0o770 != 0 {
        return Err(format!("Wrong permissions on {}", path.display()));
    }
    if metadata.uid() != owner.uid {
        return Err(format!("Wrong owner of {} (UID != {})", path.display(), owner.uid));
    }
    if metadata.gid() != owner.gid {
        return Err(format!("Wrong owner of {} (GID != {})", path.display(), owner.gid));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::files::tests::Folder;
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn ours() -> Owner {
        let metadata = fs::metadata("/proc/self").unwrap();
        Owner { uid: metadata.uid(), gid: metadata.gid() }
    }

    #[test]
    fn missing_folders_are_made_and_existing_ones_left_alone() {
        let folder = Folder::new("make");
        let deep = folder.file("a/b/c");
        make(&deep, 0o750, ours()).unwrap();
        assert_eq!(fs::metadata(&deep).unwrap().mode() & 0o777, 0o750);
        fs::set_permissions(&deep, fs::Permissions::from_mode(0o700)).unwrap();
        make(&deep, 0o750, ours()).unwrap();
        assert_eq!(fs::metadata(&deep).unwrap().mode() & 0o777, 0o700);
        fs::write(folder.file("f"), "").unwrap();
        assert!(make_or_say(&folder.file("f/x"), 0o750, ours()).unwrap_err().starts_with("Could not create"));
    }

    #[test]
    fn the_socket_folder_is_judged() {
        let folder = Folder::new("private");
        let run = folder.file("run");
        make_private(&run, ours()).unwrap();
        assert_eq!(fs::metadata(&run).unwrap().mode() & 0o7, 0);
        let other = Owner { uid: ours().uid + 1, ..ours() };
        assert_eq!(
            make_private(&run, other),
            Err(format!("Wrong owner of {} (UID != {})", run.display(), other.uid))
        );
        fs::set_permissions(&run, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(make_private(&run, ours()), Err(format!("Wrong permissions on {}", run.display())));
        std::os::unix::fs::symlink(&run, folder.file("link")).unwrap();
        assert!(make_private(&folder.file("link"), ours()).is_err());
    }
}
