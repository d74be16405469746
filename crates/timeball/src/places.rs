//! Where Timeball keeps its things when nobody says otherwise: the daemon puts them there, the command line looks
//! for them there.
//!
//! Root's are the system's places. Anybody else's follow the XDG rules, and never are where others may write.

use std::path::PathBuf;

/// The command socket of a daemon that root started.
pub const SYSTEM_SOCKET: &str = "/run/timeball/timeball.sock";
/// chronyd's command socket.
pub const CHRONYD_SOCKET: &str = "/run/chrony/chronyd.sock";
/// The configuration of Timeball.
pub const CONFIG_FILE: &str = "/etc/timeball/timeball.conf";

/// A variable of the environment, as the functions here want it.
pub fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from)
}

/// The folder of the state: drift file and measurements.
pub fn state(is_root: bool, variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    if is_root {
        return Some("/var/lib/timeball".into());
    }
    let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .map(|base| base.join("timeball"))
}

/// Folders in which an observer may keep its archive, in the order in which the command line looks: the usual one, OpenWrt's, and
/// that beside chrony's drift file.
#[cfg(feature = "web")]
pub fn archives(is_root: bool, variable: impl Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
    let own = state(is_root, variable);
    let system = ["/var/lib/timeball", "/etc/timeball/state", "/var/lib/chrony"].map(PathBuf::from);
    let mut all: Vec<PathBuf> = own.into_iter().chain(system).map(|folder| folder.join("observer")).collect();
    all.dedup();
    all
}

/// Where a user's daemon may have its command socket: in the folder of the session, else, without a session, in
/// that of the state. The daemon takes the first.
pub fn user_sockets(variable: impl Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
    let session = variable("XDG_RUNTIME_DIR").filter(|path| path.is_absolute());
    let session = session.map(|base| base.join("timeball/timeball.sock"));
    let state = state(false, variable).map(|folder| folder.join("run/timeball.sock"));
    session.into_iter().chain(state).collect()
}

/// Where the daemon puts its command socket.
pub fn socket(is_root: bool, variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    if is_root { Some(SYSTEM_SOCKET.into()) } else { user_sockets(variable).into_iter().next() }
}

/// Where the command line looks for a command socket, in this order.
pub fn sockets(variable: impl Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
    let own = user_sockets(variable);
    [SYSTEM_SOCKET.into()].into_iter().chain(own).chain([CHRONYD_SOCKET.into()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_follow_the_user_and_the_command_line_finds_the_daemon_s() {
        let none = |_: &str| None;
        let home = |name: &str| (name == "HOME").then(|| PathBuf::from("/home/u"));
        let session = |name: &str| match name {
            "XDG_RUNTIME_DIR" => Some(PathBuf::from("/run/user/7")),
            "XDG_STATE_HOME" => Some(PathBuf::from("relative")),
            other => home(other),
        };
        let own_state = |name: &str| (name == "XDG_STATE_HOME").then(|| PathBuf::from("/data, all"));
        assert_eq!(state(true, none), Some("/var/lib/timeball".into()));
        assert_eq!(state(false, none), None);
        assert_eq!(state(false, session), Some("/home/u/.local/state/timeball".into()));
        assert_eq!(socket(true, none), Some(SYSTEM_SOCKET.into()));
        assert_eq!(socket(false, none), None);
        assert_eq!(socket(false, session), Some("/run/user/7/timeball/timeball.sock".into()));
        assert_eq!(socket(false, home), Some("/home/u/.local/state/timeball/run/timeball.sock".into()));
        assert_eq!(socket(false, own_state), Some("/data, all/timeball/run/timeball.sock".into()));
        for is_root in [false, true] {
            assert!(sockets(session).contains(&socket(is_root, session).expect("a place")));
            assert!(sockets(session).contains(&socket(is_root, home).expect("a place")), "started elsewhere");
        }
        assert_eq!(sockets(none), [SYSTEM_SOCKET, CHRONYD_SOCKET].map(PathBuf::from));
    }
}
