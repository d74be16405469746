//! Programs that read chronyd with a client of their own: collectd's chrony plugin, and libchrony through pychrony.
//!
//! `tests/fetch-exporters` brings them. Each reads Debian's chronyd and ours in the same state, and must see the same.

use super::lab::{Lab, alias, ready, skip};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where they were put.
fn exporters() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/exporters");
    folder.join("ready").exists().then(|| folder.canonicalize().expect("it is there"))
}

/// What does not change from one moment to the next, of all that pychrony reads, over both transports.
const READ: &str = r#"
import sys
from pychrony import ChronyConnection
for address in sys.argv[1:]:
    with ChronyConnection(address) as chrony:
        t = chrony.get_tracking()
        print(chrony.transport.name, t.reference_id, t.reference_id_name, t.reference_ip, t.stratum, t.leap_status.name, t.is_synchronized())
        for s in chrony.get_sources():
            print(s.address, s.mode.name, s.state.name, s.poll, s.stratum, s.flags, s.reachability > 0, s.last_sample_ago > 1000)
        for s in chrony.get_source_stats():
            print(s.reference_id, s.address, s.samples >= 3, abs(s.offset) < 0.01, s.skew == 2000)
        print(chrony.get_rtc_data())
"#;

#[test]
fn they_read_us_as_they_read_chronyd() {
    let test = "they_read_us_as_they_read_chronyd";
    if let Err(why) = ready() {
        return skip(test, &why);
    }
    let Some(exporters) = exporters() else {
        return skip(test, "target/exporters is missing: tests/fetch-exporters brings it");
    };
    let mut lab = Lab::new("exporters");
    lab.addresses(&["10.9.9.1"]);
    lab.chronyd_server("up", "10.9.9.1", 4);
    let dir = lab.dir().display().to_string();
    let python = lab.file("read.py", READ);
    let ours = alias(&lab, "chronyd");
    for (name, program, port) in [("theirs", "chronyd", 11_323), ("ours", ours.as_str(), 11_324)] {
        let folder = lab.dir().join(name);
        fs::create_dir_all(&folder).expect("a folder");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o750)).expect("ours");
        let config = lab.file(
            &format!("{name}.conf"),
            &format!(
                "port 0\ncmdport {port}\nbindcmdaddress {dir}/{name}/s.sock\npidfile {dir}/{name}.pid\n\
                 server 10.9.9.1 iburst minpoll 0 maxpoll 0\nserver 127.0.0.2 port 9\nserver no.invalid\n\
                 refclock SHM 9977 refid ABCD noselect\n"
            ),
        );
        lab.start(name, program, &["-x", "-d", "-U", "-u", "root", "-f", &config]);
        let plugins = exporters.join("root/usr");
        let config = lab.file(
            &format!("{name}.collectd"),
            &format!(
                "BaseDir \"{dir}/{name}\"\nPIDFile \"{dir}/{name}/c.pid\"\nPluginDir \"{0}/lib/collectd\"\n\
                 TypesDB \"{0}/share/collectd/types.db\"\nInterval 1\nLoadPlugin chrony\n<Plugin chrony>\n\
                 Host \"127.0.0.1\"\nPort \"{port}\"\nTimeout 2\n</Plugin>\nLoadPlugin csv\n<Plugin csv>\n\
                 DataDir \"{dir}/{name}/csv\"\n</Plugin>\n",
                plugins.display()
            ),
        );
        let collectd = plugins.join("sbin/collectd").display().to_string();
        lab.start(&format!("{name}-collectd"), &collectd, &["-f", "-C", &config]);
    }
    let python_of = |lab: &Lab, name: &str, port: u32| {
        let interpreter = exporters.join("python/bin/python").display().to_string();
        let udp = format!("127.0.0.1:{port}");
        let out = lab.inside(&interpreter, &[&python, &udp, &format!("{dir}/{name}/s.sock")]);
        String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)
    };
    let both = |lab: &Lab| (python_of(lab, "theirs", 11_323), python_of(lab, "ours", 11_324));
    let mut last = Default::default();
    lab.wait("pychrony sees the same", 20, |lab| {
        last = both(lab);
        eprintln!("{}\n{}", last.0, last.1);
        last.0 == last.1 && last.0.contains("UNIX_SOCKET") && last.0.contains("SELECTED")
    });
    lab.wait("collectd writes the same series", 20, |_| {
        let (theirs, ours) = (series(&lab_folder(&dir, "theirs")), series(&lab_folder(&dir, "ours")));
        theirs == ours && theirs.iter().any(|line| line.starts_with("clock_stratum-10.9.9.1 4"))
    });
    let written = series(&lab_folder(&dir, "ours"));
    assert_eq!(written.len(), 42, "of the clock and of each of four sources: {written:#?}");
}

fn lab_folder(dir: &str, name: &str) -> PathBuf {
    Path::new(dir).join(name).join("csv")
}

/// The names of all series below a folder, with their last value where that stays the same.
fn series(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(series(&entry.path()));
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        let name = name.get(..name.len().saturating_sub("-2026-01-01".len())).unwrap_or_default().to_owned();
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        let value = text.lines().last().and_then(|line| line.split(',').nth(1)).unwrap_or_default();
        let stays = ["clock_mode", "clock_state", "clock_stratum"].iter().any(|kind| name.starts_with(kind));
        found.push(if stays || value == "nan" { format!("{name} {value}") } else { name });
    }
    found.sort();
    found
}
