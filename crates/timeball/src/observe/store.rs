//! The files of the observer: made, opened, locked, given a new layout, or done without.

use super::Plan;
use super::archive::{Archive, Layout};
use super::events::EventLog;
use super::observer::Kept;
use super::rates::Columns;
use crate::daemon::folders::{self, Owner};
use crate::daemon::logger;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::path::Path;
use std::time::Duration;

/// The name of the archive in its folder.
pub const ARCHIVE: &str = "archive";
const EVENTS: [&str; 2] = ["events.0", "events.1"];
/// How often, with how long between, the lock of a former observer is waited for, which is about to end.
const PATIENCE: (u32, Duration) = (50, Duration::from_millis(100));

/// Opens what is kept. Whatever cannot be had is done without, and said.
pub fn open(plan: &Plan, columns: &Columns, now: f64) -> Kept {
    let Some(folder) = plan.folder.as_ref().filter(|_| plan.record) else {
        return (None, EventLog::unkept(), None);
    };
    let us = sys::process::effective_uid();
    let owner = plan.user.as_ref().map(|user| Owner { uid: user.uid, gid: user.gid });
    let fallback = Owner {
        uid: us,
        gid: fs::metadata("/proc/self").map_or(us, |meta| std::os::unix::fs::MetadataExt::gid(&meta)),
    };
    if let Err(text) = folders::make_or_say(folder, 0o750, owner.unwrap_or(fallback)) {
        return without(text);
    }
    let layout = columns.layout(&plan.keep, plan.router);
    match archive(folder, layout, owner, now) {
        Ok(archive) => {
            let events = events(folder, owner).unwrap_or_else(|error| {
                logger::warning(&format!("Events are not kept in {} : {error}", folder.display()));
                EventLog::unkept()
            });
            (Some(archive), events, None)
        }
        Err(error) => without(format!("Nothing is recorded in {} : {error}", folder.display())),
    }
}

fn without(text: String) -> Kept {
    logger::warning(&text);
    (None, EventLog::unkept(), Some(text))
}

fn file(path: &Path, owner: Option<Owner>) -> io::Result<File> {
    let file = File::options().read(true).write(true).create(true).truncate(false).mode(0o640).open(path)?;
    if let Some(owner) = owner {
        fchown(&file, Some(owner.uid), Some(owner.gid))?;
    }
    Ok(file)
}

fn events(folder: &Path, owner: Option<Owner>) -> io::Result<EventLog> {
    EventLog::open([file(&folder.join(EVENTS[0]), owner)?, file(&folder.join(EVENTS[1]), owner)?])
}

fn lock(file: &File) -> io::Result<()> {
    for _ in 0..PATIENCE.0 {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(PATIENCE.1),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::other("another Timeball records there"))
}

/// The archive, in the layout that is wanted; with what it knew in another one.
fn archive(folder: &Path, layout: Layout, owner: Option<Owner>, now: f64) -> io::Result<Archive<File>> {
    let path = folder.join(ARCHIVE);
    let existing = file(&path, owner)?;
    lock(&existing)?;
    if existing.metadata()?.len() == 0 {
        return Archive::create(existing, layout);
    }
    let new = folder.join("archive.new");
    match Archive::open(existing, now)? {
        Some(archive) if archive.layout().same_rows(&layout) => Ok(archive),
        Some(old) => {
            logger::info("The archive gets a new layout");
            let fresh = file(&new, owner)?;
            lock(&fresh)?;
            let mut fresh = Archive::create(fresh, layout)?;
            fresh.copy_from(&old)?;
            fs::rename(&new, &path)?;
            sys::file::sync_directory(folder)?;
            drop(old);
            Archive::open(fresh.storage().try_clone()?, now)?
                .ok_or_else(|| io::Error::other("the new archive is unreadable"))
        }
        None => {
            let aside = folder.join("archive.unreadable");
            logger::warning(&format!("The archive is unreadable; it is kept as {}", aside.display()));
            fs::rename(&path, &aside)?;
            let fresh = file(&path, owner)?;
            lock(&fresh)?;
            Archive::create(fresh, layout)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::files::tests::Folder;

    fn plan(folder: &Folder) -> Plan {
        Plan {
            folder: Some(folder.file("kept")),
            record: true,
            router: true,
            keep: vec![(10, 1000), (60, 6000)],
            ..Plan::default()
        }
    }

    #[test]
    fn what_was_kept_survives_a_new_layout_and_damage_is_put_aside() {
        let folder = Folder::new("store");
        let mut plan = plan(&folder);
        let columns = Columns::new(true);
        let now = 1_700_006_400.0;
        let (archive, _, problem) = open(&plan, &columns, now);
        assert_eq!(problem, None);
        let mut archive = archive.expect("an archive");
        let width = archive.layout().columns.len();
        for second in 0..100 {
            archive.push(
                now + f64::from(second) + 1.0,
                1.0,
                &vec![super::super::archive::Cell::of(7.0); width],
            );
        }
        archive.close_rows();
        archive.flush().unwrap();
        drop(archive);
        plan.keep = vec![(20, 1000), (60, 9000)];
        let wider = Columns::new(false);
        let (archive, ..) = open(&plan, &wider, now + 100.0);
        let archive = archive.expect("the archive");
        let column = archive.layout().column("packets_in").unwrap();
        let answer = archive.query(&[column], now, now + 100.0, 5).unwrap();
        assert_eq!(answer.columns[0].mean, [7.0; 5]);
        drop(archive);
        fs::write(folder.file("kept/archive"), "nonsense").unwrap();
        let (archive, ..) = open(&plan, &columns, now);
        assert!(archive.is_some() && folder.file("kept/archive.unreadable").exists());
    }

    #[test]
    fn without_a_folder_nothing_is_kept_and_that_is_said() {
        let folder = Folder::new("store-none");
        fs::write(folder.file("kept"), "a file").unwrap();
        let (archive, _, problem) = open(&plan(&folder), &Columns::new(true), 0.0);
        assert!(archive.is_none() && problem.is_some());
        let off = Plan { record: false, ..plan(&folder) };
        assert!(matches!(open(&off, &Columns::new(true), 0.0), (None, _, None)));
    }
}
