//! Who we are: root at the start, then a user of our own that keeps one right, to steer the clock.

use super::Name;
use super::folders::Owner;
use std::fs;
use std::os::unix::fs::MetadataExt;
use sys::privileges::{Capability, drop_to};
use sys::process::User;

/// The user to become, if any: `-u`, then `user`, then the first of the name's own users that exists.
/// Only root can become somebody else.
pub fn run_time_user(name: Name, asked: Option<&str>) -> Result<Option<User>, String> {
    let find = |login: &str| {
        sys::process::user(login).map_err(|error| format!("Could not get user/group ID of {login} : {error}"))
    };
    let user = match asked {
        Some(login) => Some(find(login)?.ok_or_else(|| format!("Could not get user/group ID of {login}"))?),
        None => {
            let own: &[&str] = match name {
                Name::Chronyd => &["_chrony", "chrony"],
                Name::Timeball => &["timeball"],
            };
            let mut found = None;
            for login in own {
                found = found.or(find(login)?);
            }
            found
        }
    };
    let us = sys::process::effective_uid();
    Ok(user.filter(|user| us == 0 && user.uid != us))
}

/// The owner of what we make: the run-time user, else ourselves.
pub fn owner(user: Option<&User>) -> Owner {
    match user {
        Some(user) => Owner { uid: user.uid, gid: user.gid },
        None => {
            let uid = sys::process::effective_uid();
            // The group is the one the kernel shows for this process; where there is no /proc, groups are named
            // after their users.
            let gid = fs::metadata("/proc/self").map_or(uid, |metadata| metadata.gid());
            Owner { uid, gid }
        }
    }
}

/// Becomes `user`, keeping the right to steer the clock (`steer`) and to ports below 1024 (`ports`: those that
/// may have to be opened later).
pub fn become_user(user: &User, steer: bool, ports: &[u16]) -> Result<(), String> {
    let mut keep = Vec::new();
    if steer {
        keep.push(Capability::SysTime);
    }
    if ports.iter().any(|port| (1..1024).contains(port)) {
        keep.push(Capability::NetBindService);
    }
    drop_to(user, &keep).map_err(|error| format!("Could not become user {} : {error}", user.name))?;
    // Nothing we might run can give more rights than these. Old kernels do not know it; nothing is lost.
    let _ = sys::privileges::set_no_new_privileges();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_users_are_refused_by_name() {
        let wrong = run_time_user(Name::Chronyd, Some("no-such-user-here")).unwrap_err();
        assert_eq!(wrong, "Could not get user/group ID of no-such-user-here");
    }

    #[test]
    fn root_needs_no_change_and_owns_what_it_makes() {
        assert_eq!(run_time_user(Name::Chronyd, Some("root")), Ok(None));
        let metadata = fs::metadata("/proc/self").unwrap();
        assert_eq!(owner(None), Owner { uid: metadata.uid(), gid: metadata.gid() });
        let user = User { name: "u".into(), uid: 7, gid: 8 };
        assert_eq!(owner(Some(&user)), Owner { uid: 7, gid: 8 });
    }
}
