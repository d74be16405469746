//! Two network namespaces and the link between them.
//!
//! The program runs itself anew inside namespaces of its own (network and mounts, by `unshare`): that is the load's side. The server's
//! namespace is kept alive by a mount that only the program's own mount namespace has, and every server is told by the
//! kernel to die with the program. Files in `/run` and `/var/lib` are in memory that only they see. So nothing can stay behind,
//! however the program ends.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Set in the environment of the run that is inside.
const INSIDE: &str = "TIMEBALL_BENCH_INSIDE";
/// The server's namespace.
const SERVER_SIDE: &str = "server";

/// The set-up of both sides; `$1` is the server's interface, `$2` the load's, `$3` the number of queues.
const SET_UP: &str = r#"set -e
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
mount -t sysfs sysfs /sys
mkdir -p /run/netns
ip netns add server
ip link add "$1" netns server address 02:00:00:00:00:01 numrxqueues "$3" numtxqueues "$3" type veth \
  peer name "$2" address 02:00:00:00:00:02 numrxqueues "$3" numtxqueues "$3"
echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
ip link set lo up
ip link set "$2" up
ip netns exec server sh -c '
echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
ip link set lo up
ip link set "$1" up
ip addr add 10.99.0.1/16 dev "$1"
ip neigh replace 10.99.255.254 lladdr 02:00:00:00:00:fe dev "$1" nud permanent
ip route add 10.0.0.0/8 via 10.99.255.254
echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter
echo 0 >"/proc/sys/net/ipv4/conf/$1/rp_filter"' sh "$1""#;

/// What the machine must have.
const TOOLS: [&str; 7] = ["ip", "unshare", "setpriv", "taskset", "chrt", "mount", "sh"];

/// Makes sure that the program runs inside of its own namespaces: returns there, and never outside.
/// `server` is added to the arguments of the run inside.
pub fn enter(server: Option<&str>) -> Result<(), String> {
    if std::env::var_os(INSIDE).is_some() {
        return Ok(());
    }
    for tool in TOOLS {
        let found =
            Command::new("sh").args(["-c", &format!("command -v {tool}")]).stdout(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            return Err(format!("{tool} is not installed (apt-get install iproute2 util-linux)"));
        }
    }
    let user = Command::new("id").arg("-u").output().map_err(|error| error.to_string())?;
    if user.stdout != b"0\n" {
        return Err("network namespaces need root".to_owned());
    }
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let options = ["--net", "--mount", "--propagation", "private", "--"].map(OsString::from);
    let error = Command::new("unshare")
        .args(options)
        .arg(own)
        .args(std::env::args_os().skip(1))
        .args(server.into_iter().flat_map(|program| ["--server", program]))
        .env(INSIDE, "1")
        .exec();
    Err(format!("unshare: {error}"))
}

/// The link, and how its ends receive.
#[derive(Debug)]
pub struct Lab {
    server_interface: String,
    load_interface: String,
    server_cpus: Vec<usize>,
    load_cpu: usize,
    realtime: bool,
}

/// Which processors do what.
#[derive(Clone, Debug)]
pub struct Placement {
    /// The server's.
    pub server: Vec<usize>,
    /// The load generator's.
    pub load: usize,
    /// Run both before all ordinary work of the machine.
    pub realtime: bool,
}

impl Lab {
    /// Both namespaces, once [`enter`] has returned.
    pub fn new(placement: &Placement) -> Result<Self, String> {
        // Names of kernel threads are not in any namespace: make them ours by the process's number.
        let id = std::process::id() % 1000;
        let lab = Self {
            server_interface: format!("s{id}"),
            load_interface: format!("l{id}"),
            server_cpus: placement.server.clone(),
            load_cpu: placement.load,
            realtime: placement.realtime,
        };
        let queues = lab.server_cpus.len().to_string();
        let done = Command::new("sh")
            .args(["-c", SET_UP, "sh", &lab.server_interface, &lab.load_interface, &queues])
            .stderr(Stdio::piped())
            .output()
            .map_err(|error| error.to_string())?;
        if !done.status.success() {
            return Err(format!(
                "no network to measure in: {}",
                String::from_utf8_lossy(&done.stderr).trim()
            ));
        }
        lab.place(std::process::id(), &[lab.load_cpu]);
        Ok(lab)
    }

    /// The load's interface.
    pub fn interface(&self) -> &str {
        &self.load_interface
    }

    /// A command that runs `program` on the server's side and processors (`cpus` instead, if given), without the right to set the clock; the
    /// kernel ends it with this program.
    pub fn serving(&self, program: &str, cpus: Option<&[usize]>) -> Command {
        let cpus = list(cpus.unwrap_or(&self.server_cpus));
        let mut command = Command::new("ip");
        command.args(["netns", "exec", SERVER_SIDE, "taskset", "-c", &cpus]);
        if self.realtime {
            command.args(["chrt", "-r", "1"]);
        }
        command.args(["setpriv", "--bounding-set=-sys_time", "--inh-caps=-sys_time", "--pdeathsig", "KILL"]);
        command.arg(program).env_remove(INSIDE);
        command
    }

    /// What the server's kernel has lost on the way so far: datagrams without room in the server's buffer, replies without room to
    /// be sent, frames dropped by the server's end of the link and by the load's.
    pub fn lost(&self) -> [u64; 4] {
        let script = format!("cat /proc/net/snmp; grep -h {} /proc/net/dev", self.server_interface);
        let out = Command::new("ip").args(["netns", "exec", SERVER_SIDE, "sh", "-c", &script]).output();
        let text =
            out.map_or_else(|_| String::new(), |out| String::from_utf8_lossy(&out.stdout).into_owned());
        let udp = |name: &str| {
            let mut rows = text.lines().filter_map(|line| line.strip_prefix("Udp: "));
            let at = rows.next()?.split(' ').position(|word| word == name)?;
            rows.next()?.split(' ').nth(at)?.parse().ok()
        };
        let column = |text: &str, interface: &str, at: usize| {
            let line =
                text.lines().find_map(|line| line.trim_start().strip_prefix(interface)?.strip_prefix(':'));
            line?.split_whitespace().nth(at)?.parse().ok()
        };
        let own = std::fs::read_to_string("/proc/net/dev").unwrap_or_default();
        [
            udp("RcvbufErrors"),
            udp("SndbufErrors"),
            column(&text, &self.server_interface, 11),
            column(&own, &self.load_interface, 11),
        ]
        .map(|number: Option<u64>| number.unwrap_or(0))
    }

    /// Lets each end receive as a network card does: a kernel thread of its own for the server's (so that its cost can
    /// be told from the program's), on the server's processors; the load's end is polled by a timer, so that a reply costs the server
    /// a write into a ring and no interrupt of the other processor.
    pub fn receive_like_cards(&self) -> Result<(), String> {
        let both = [(SERVER_SIDE, &self.server_interface), ("", &self.load_interface)];
        for (side, interface) in both {
            if side.is_empty() {
                sys::packets::offload(interface, true, false).map_err(|error| format!("offload: {error}"))?;
            } else {
                self.within_server(|| sys::packets::offload(interface, true, false))
                    .map_err(|error| format!("offload: {error}"))?;
            }
            let path = format!("/sys/class/net/{interface}");
            let mut script = format!("echo 1 >{path}/threaded");
            if side.is_empty() {
                script += &format!(
                    "; echo 30000 >{path}/gro_flush_timeout; echo 2000000000 >{path}/napi_defer_hard_irqs"
                );
                run("sh", &["-c", &script])?;
            } else {
                run("ip", &["netns", "exec", side, "sh", "-c", &script])?;
            }
        }
        Ok(())
    }

    /// What `act` gives in a thread on the server's side; so are the threads that it starts.
    pub fn within_server<R>(&self, act: impl FnOnce() -> io::Result<R> + Send) -> io::Result<R>
    where
        R: Send,
    {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                sys::packets::enter_network(&format!("/run/netns/{SERVER_SIDE}"))?;
                act()
            });
            inside.join().unwrap_or_else(|_| Err(io::Error::other("the thread ended")))
        })
    }

    /// Puts the kernel's receiving threads where they belong; returns those of the server's end. Once traffic has flowed.
    pub fn receivers(&self) -> Vec<u32> {
        let (server, load) = (threads_of(&self.server_interface), threads_of(&self.load_interface));
        for (at, &thread) in server.iter().enumerate() {
            self.place(thread, &self.server_cpus[at % self.server_cpus.len()..][..1]);
        }
        for &thread in &load {
            self.place(thread, &[self.load_cpu]);
        }
        server
    }

    /// Binds a thread to processors, and lets it run before ordinary work if that is wanted and allowed.
    fn place(&self, thread: u32, cpus: &[usize]) {
        let id = thread.to_string();
        let _ = run("taskset", &["-p", "-c", &list(cpus), &id]);
        if self.realtime && run("chrt", &["-r", "-p", "1", &id]).is_err() {
            eprintln!("bench: no real-time priority here: other work on this machine disturbs the figures");
        }
    }
}

/// The kernel's threads that receive for `interface`.
fn threads_of(interface: &str) -> Vec<u32> {
    let wanted = format!("napi/{interface}-");
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut found: Vec<u32> = all
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
            name.starts_with(&wanted).then_some(id)
        })
        .collect();
    found.sort_unstable();
    found
}

fn list(cpus: &[usize]) -> String {
    cpus.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}

fn run(program: &str, args: &[&str]) -> Result<(), String> {
    let out = Command::new(program).args(args).output().map_err(|error| format!("{program}: {error}"))?;
    if out.status.success() {
        return Ok(());
    }
    Err(format!("{program} {}: {}", args.join(" "), String::from_utf8_lossy(&out.stderr).trim()))
}
