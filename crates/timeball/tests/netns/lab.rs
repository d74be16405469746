//! A network namespace of our own with real daemons in it.
//!
//! Everything runs on the loopback of one namespace: servers, relays that make paths long, clients. Nothing started
//! here has the right to set the clock (`setpriv` takes it from the bounding set), and everything is ended by pid.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Where Cargo put the program under test.
pub const TIMEBALL: &str = env!("CARGO_BIN_EXE_timeball");

/// Says loudly that a test was not run, and why.
pub fn skip(test: &str, why: &str) {
    eprintln!("SKIPPED {test}: {why}");
}

/// What the tests need from the machine; `Err` says what is missing. Looked at once: tests run side by side.
pub fn ready() -> Result<(), String> {
    static READY: OnceLock<Result<(), String>> = OnceLock::new();
    READY.get_or_init(look_around).clone()
}

fn look_around() -> Result<(), String> {
    let id = Command::new("id").arg("-u").output().map_err(|e| e.to_string())?;
    if id.stdout != b"0\n" {
        return Err("network namespaces need root".into());
    }
    for tool in ["ip", "setpriv", "chronyd", "chronyc"] {
        let found = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output();
        if !found.is_ok_and(|o| o.status.success()) {
            return Err(format!("{tool} is not installed (apt-get install iproute2 util-linux chrony)"));
        }
    }
    let probe = format!("tb-probe-{}", std::process::id());
    let made = Command::new("ip").args(["netns", "add", &probe]).output().map_err(|e| e.to_string())?;
    if !made.status.success() {
        return Err(format!("no network namespaces here: {}", String::from_utf8_lossy(&made.stderr).trim()));
    }
    let _ = Command::new("ip").args(["netns", "del", &probe]).output();
    Ok(())
}

/// A namespace, a scratch folder and the processes in it.
pub struct Lab {
    name: String,
    dir: PathBuf,
    children: Vec<(String, Child)>,
}

impl Lab {
    /// A namespace with its loopback up.
    pub fn new(test: &str) -> Self {
        let name = format!("tb-{test}-{}", std::process::id());
        let dir = std::env::temp_dir().join(&name);
        fs::create_dir_all(&dir).expect("a scratch folder");
        let lab = Self { name, dir, children: Vec::new() };
        lab.host(&["netns", "add", &lab.name]);
        lab.inside("ip", &["link", "set", "lo", "up"]);
        lab
    }

    fn host(&self, args: &[&str]) {
        let out = Command::new("ip").args(args).output().expect("ip runs");
        assert!(out.status.success(), "ip {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    }

    /// Adds addresses to the namespace's loopback.
    pub fn addresses(&self, list: &[&str]) {
        for address in list {
            let prefix = if address.contains(':') { 128 } else { 32 };
            let mut args = vec!["address", "add"];
            let with = format!("{address}/{prefix}");
            args.extend([with.as_str(), "dev", "lo"]);
            if prefix == 128 {
                args.push("nodad");
            }
            let out = self.inside("ip", &args);
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        }
    }

    /// The namespace's name.
    pub fn namespace(&self) -> &str {
        &self.name
    }

    /// The scratch folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes a file of the scratch folder and returns its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.dir.join(name);
        fs::write(&path, text).expect("the scratch folder can be written");
        path.to_string_lossy().into_owned()
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command
            .args([
                "netns",
                "exec",
                &self.name,
                "setpriv",
                "--bounding-set=-sys_time",
                "--inh-caps=-sys_time",
            ])
            .arg(program)
            .args(args);
        command
    }

    /// Runs a program inside to its end.
    pub fn inside(&self, program: &str, args: &[&str]) -> Output {
        self.command(program, args).output().expect("the program runs")
    }

    /// Runs a program inside and returns what it printed, asserting success.
    pub fn says(&self, program: &str, args: &[&str]) -> String {
        let out = self.inside(program, args);
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let errors = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{program} {args:?} failed: {text}{errors}");
        text
    }

    /// Starts a daemon inside; its messages go to `NAME.log` of the scratch folder.
    pub fn start(&mut self, name: &str, program: &str, args: &[&str]) -> u32 {
        let log = fs::File::create(self.dir.join(format!("{name}.log"))).expect("a log file");
        let mut command = self.command(program, args);
        let child = command
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("the daemon starts");
        let pid = child.id();
        self.children.push((name.to_owned(), child));
        pid
    }

    /// Ends one daemon, waits for it and tells its exit status.
    #[allow(dead_code)] // not every test that shares this harness ends a daemon early
    pub fn stop(&mut self, name: &str) -> Option<i32> {
        let index = self.children.iter().position(|(n, _)| n == name)?;
        let (_, child) = self.children.remove(index);
        end(child)
    }

    /// What a daemon said so far.
    pub fn log(&self, name: &str) -> String {
        fs::read_to_string(self.dir.join(format!("{name}.log"))).unwrap_or_default()
    }

    /// A real chronyd that serves its own clock (which it cannot set) at stratum `stratum` on `address`.
    pub fn chronyd_server(&mut self, name: &str, address: &str, stratum: u8) {
        let dir = self.dir.join(name);
        let config = self.file(
            &format!("{name}.conf"),
            &format!(
                "local stratum {stratum}\nallow all\nbindaddress {address}\ncmdport 0\nbindcmdaddress /\npidfile {}.pid\n",
                dir.display()
            ),
        );
        self.start(name, "chronyd", &["-x", "-d", "-U", "-u", "root", "-f", &config]);
    }

    /// A relay from `listen` to `target` with delays in ms.
    pub fn relay(&mut self, name: &str, listen: &str, target: &str, there: f64, back: f64, jitter: f64) {
        let program = example("udp_delay");
        let args = [listen, target].map(|a| SocketAddr::new(a.parse().expect("an address"), 123).to_string());
        let numbers = [there, back, jitter].map(|x| x.to_string());
        self.start(name, &program, &[&args[0], &args[1], &numbers[0], &numbers[1], &numbers[2]]);
    }

    /// Calls `done` every 200 ms until it is true; panics with `what` and all logs after `seconds`.
    pub fn wait(&self, what: &str, seconds: u64, mut done: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + Duration::from_secs(seconds);
        while !done(self) {
            if Instant::now() > end {
                let logs: String =
                    self.children.iter().map(|(n, _)| format!("--- {n}\n{}", self.log(n))).collect();
                panic!("{what}: not within {seconds} s\n{logs}");
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for (_, child) in self.children.drain(..).rev() {
            end(child);
        }
        let _ = Command::new("ip").args(["netns", "del", &self.name]).output();
        if std::thread::panicking() {
            eprintln!("kept for inspection: {}", self.dir.display());
        } else {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// SIGTERM, and SIGKILL when that did not help within five seconds.
fn end(mut child: Child) -> Option<i32> {
    let pid = child.id().to_string();
    let _ = Command::new("kill").arg(&pid).output();
    for _ in 0..50 {
        if let Ok(Some(status)) = child.try_wait() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// An example program of this package, built beside the tests.
pub fn example(name: &str) -> String {
    let mut path = PathBuf::from(TIMEBALL);
    path.pop();
    path.push("examples");
    path.push(name);
    assert!(path.exists(), "{} is missing: cargo build --examples", path.display());
    path.to_string_lossy().into_owned()
}

/// The program under test under another name (`chronyd`, `chronyc`), as a symbolic link in the scratch folder.
pub fn alias(lab: &Lab, name: &str) -> String {
    let bin = lab.dir().join("bin");
    fs::create_dir_all(&bin).expect("a folder");
    let link = bin.join(name);
    if !link.exists() {
        std::os::unix::fs::symlink(TIMEBALL, &link).expect("a link");
    }
    link.to_string_lossy().into_owned()
}
