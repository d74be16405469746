//! NTP inside PTP messages, between two daemons that may make no system calls but those they need.

use super::lab::{Lab, alias, ready, skip};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A call that is missing in the filter's list ends the daemon by SIGSYS (level -1): start, requests, log files, a look-up of a
/// name, dump and drift files, and the end.
#[test]
fn messages_inside_ptp_and_a_filter_of_system_calls() {
    if let Err(why) = ready() {
        return skip("messages_inside_ptp_and_a_filter_of_system_calls", &why);
    }
    let mut lab = Lab::new("ptp");
    lab.addresses(&["10.9.8.1", "10.9.8.2"]);
    let dir = lab.dir().display().to_string();
    let chronyd = alias(&lab, "chronyd");
    let roles = [
        ("server", "local stratum 3\nallow\nbindaddress 10.9.8.1\n"),
        (
            "client",
            "server 10.9.8.1 port 319 iburst minpoll 1 maxpoll 1 extfield F323\nserver nobody.invalid\nport 0\n\
             hwtimestamp *\n",
        ),
    ];
    for (name, lines) in roles {
        let folder = format!("{dir}/{name}");
        fs::create_dir_all(&folder).expect("a folder");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o750)).expect("permissions");
        let config = lab.file(
            &format!("{name}.conf"),
            &format!(
                "{lines}ptpport 319\nptpdomain 44\ncmdport 0\nbindcmdaddress {folder}/cmd.sock\n\
                 pidfile {dir}/{name}.pid\nlogdir {folder}\nlog measurements tracking\ndriftfile {folder}/drift\n\
                 dumpdir {folder}\n"
            ),
        );
        lab.start(name, &chronyd, &["-x", "-d", "-U", "-u", "root", "-F", "-1", "-f", &config]);
    }
    let socket = format!("{dir}/client/cmd.sock");
    lab.wait("the server is selected", 12, |lab| {
        assert!(lab.log("client").contains("exiting") == lab.log("client").contains("shutdown"));
        lab.log("client").contains("Selected source 10.9.8.1")
    });
    let loaded = |lab: &Lab, name: &str| {
        let log = lab.log(name);
        let refused = log.contains("No system call filter here");
        assert!(refused || log.contains("Loaded seccomp filter (level -1)"), "{name}: {log}");
        if refused {
            eprintln!("SKIPPED: no system call filters on this machine; the rest of the test holds");
        }
    };
    loaded(&lab, "server");
    loaded(&lab, "client");
    let data = lab.says("chronyc", &["-h", &socket, "ntpdata", "10.9.8.1"]);
    assert!(data.contains("Remote port     : 319"), "{data}");
    assert!(data.contains("NTP tests       : 111 111 111"), "{data}");
    lab.says("chronyc", &["-h", &socket, "dump"]);
    lab.says("chronyc", &["-h", &socket, "shutdown"]);
    lab.wait("the client ends", 8, |lab| lab.log("client").contains("chronyd exiting"));
    assert_eq!(lab.stop("client"), Some(0), "{}", lab.log("client"));
    for file in ["drift", "measurements.log", "10.9.8.1.dat"] {
        assert!(fs::metadata(format!("{dir}/client/{file}")).is_ok(), "{file} is missing");
    }
    assert_eq!(lab.stop("server"), Some(0), "{}", lab.log("server"));
}

/// Debian's chronyd puts the messages in another form than later ones do: it is our server, and our client.
#[test]
fn ptp_messages_of_debian_s_chronyd() {
    if let Err(why) = ready() {
        return skip("ptp_messages_of_debian_s_chronyd", &why);
    }
    let mut lab = Lab::new("ptp-theirs");
    lab.addresses(&["10.9.8.1", "10.9.8.2", "10.9.8.3", "10.9.8.4"]);
    let dir = lab.dir().display().to_string();
    let source = |address: &str| format!("server {address} port 319 minpoll 0 maxpoll 0\nport 0\n");
    let server = "local stratum 3\nallow\n";
    let roles = [
        ("1", true, server.to_owned()),
        ("2", true, source("10.9.8.3")),
        ("3", false, server.to_owned()),
        ("4", false, source("10.9.8.1")),
    ];
    for (name, ours, lines) in roles {
        let folder = format!("{dir}/{name}");
        fs::create_dir_all(&folder).expect("a folder");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o750)).expect("permissions");
        let text = format!(
            "{lines}bindaddress 10.9.8.{name}\nptpport 319\ncmdport 0\nbindcmdaddress {folder}/s\npidfile {dir}/{name}.pid\n"
        );
        let config = lab.file(&format!("{name}.conf"), &text);
        let options = ["-x", "-d", "-U", "-u", "root", "-f", &config];
        let program = if ours { alias(&lab, "chronyd") } else { "chronyd".to_owned() };
        lab.start(name, &program, &options);
    }
    for (name, of) in [("2", "10.9.8.3"), ("4", "10.9.8.1")] {
        lab.wait(&format!("{name} is answered by {of}"), 15, |lab| {
            let socket = format!("{dir}/{name}/s");
            let data = lab.inside("chronyc", &["-h", &socket, "-n", "-c", "ntpdata", of]);
            // The number of good packets.
            let text = String::from_utf8_lossy(&data.stdout).into_owned();
            text.trim().split(',').nth(33).is_some_and(|good| good.parse::<u32>().is_ok_and(|good| good >= 3))
        });
    }
}
