//! What changes a whole process, tried in processes of their own, each with a single thread (which the usual harness
//! does not give): this program starts itself again for each test and looks at how that ends.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Output, Stdio};
use sys::privileges::{Capability, drop_to, have_cap_sys_time, set_no_new_privileges};
use sys::process;
use sys::socket::{Family, Socket};

/// Names the test whose inner half a process is to run.
const INNER: &str = "TIMEBALL_TEST_INNER";

/// A test: what is done in a process of its own, and what is expected of that from outside.
struct Test {
    name: &'static str,
    inner: fn(),
    outer: fn(Command),
}

const TESTS: &[Test] = &[
    Test {
        name: "root_becomes_a_user_and_keeps_what_it_may",
        inner: become_nobody,
        outer: |command| {
            if process::effective_uid() == 0 {
                succeeds(command);
            } else {
                eprintln!("SKIPPED: only root can become another user");
            }
        },
    },
    Test {
        name: "the_foreground_waits_for_the_background",
        inner: || {
            let detached = process::daemonise().expect("one thread");
            assert_eq!(std::env::current_dir().expect("a folder").as_os_str(), "/");
            detached.ready().expect("a waiting parent");
            println!("this leads nowhere");
            std::process::exit(7);
        },
        outer: |command| {
            let output = outcome(command);
            assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &[][..]), "{output:?}");
        },
    },
    Test {
        name: "the_foreground_tells_why_the_background_failed",
        inner: || {
            let detached = process::daemonise().expect("one thread");
            detached.failed("the port is taken").expect("a waiting parent");
            std::process::exit(7);
        },
        outer: |command| {
            let output = outcome(command);
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            assert_eq!(String::from_utf8_lossy(&output.stderr), "the port is taken\n");
        },
    },
    Test {
        name: "a_background_that_dies_is_a_failure",
        inner: || {
            let _detached = process::daemonise().expect("one thread");
            std::process::exit(0);
        },
        outer: |command| assert_eq!(outcome(command).status.code(), Some(1)),
    },
    Test {
        name: "threads_keep_a_process_in_the_foreground",
        inner: || {
            let (_line, end) = std::sync::mpsc::channel::<()>();
            let _thread = std::thread::spawn(move || end.recv());
            let error = process::daemonise().expect_err("two threads");
            assert!(error.to_string().contains("2 threads"), "{error}");
        },
        outer: succeeds,
    },
    Test {
        name: "a_signal_ends_the_wait_and_a_second_one_the_process",
        inner: || {
            sys::signal::install().expect("handlers");
            println!("ready");
            let news = sys::poll::poll(&mut [], Some(10_000_000_000)).expect("an interrupted wait is none");
            assert_eq!((news, sys::signal::caught()), (0, Some(15)));
            println!("caught");
            sys::poll::poll(&mut [], Some(10_000_000_000)).expect("not reached");
            std::process::exit(7);
        },
        outer: |mut command| {
            let mut child = command.stdout(Stdio::piped()).spawn().expect("setpriv (util-linux)");
            let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
            for word in ["ready", "caught"] {
                assert_eq!(lines.next().and_then(Result::ok).as_deref(), Some(word));
                process::terminate(child.id().cast_signed()).expect("our child");
            }
            assert_eq!(child.wait().expect("our child").code(), Some(1));
        },
    },
    Test { name: "priority_is_granted_or_refused", inner: ask_for_priority, outer: succeeds },
];

fn become_nobody() {
    let nobody = process::user("nobody").expect("a user database").expect("nobody");
    if let Err(error) = process::lock_memory() {
        assert_eq!(error.raw_os_error(), Some(sys::errno::EPERM), "a container's root may not: {error}");
    }
    drop_to(&nobody, &[Capability::SysTime, Capability::NetBindService]).expect("root may");
    set_no_new_privileges().expect("everybody may");
    assert_eq!(process::effective_uid(), nobody.uid);
    let status = std::fs::read_to_string("/proc/self/status").expect("ours");
    let line = |name| status.lines().find_map(|l| l.strip_prefix(name)).expect(name).trim().to_owned();
    assert_eq!(line("CapEff:"), "0000000000000400", "the right to steer was not there to be kept");
    assert_eq!((line("CapPrm:"), line("CapInh:")), (line("CapEff:"), "0000000000000000".to_owned()));
    assert_eq!((line("Groups:"), line("NoNewPrivs:")), (String::new(), "1".to_owned()));
    let ids: Vec<u32> = line("Uid:").split_whitespace().map(|id| id.parse().expect("a number")).collect();
    assert_eq!(ids, [nobody.uid; 4]);
    // What was kept works, what was not is gone.
    let low = Socket::udp(Family::Inet).expect("a socket");
    low.bind("127.0.0.1:7".parse().expect("an address")).expect("a low port");
    assert!(drop_to(&process::user("root").expect("users").expect("root"), &[]).is_err(), "no way back");
    assert!(process::alive(1), "alive although not ours");
}

fn ask_for_priority() {
    match process::set_realtime_priority(1) {
        Ok(()) => {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("ours");
            // Field 41 is the policy; counted after the name, which may hold blanks.
            let policy = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(38));
            assert_eq!(policy, Some("1"), "SCHED_FIFO");
        }
        Err(error) => assert_eq!(error.raw_os_error(), Some(sys::errno::EPERM), "{error}"),
    }
    assert!(process::set_realtime_priority(1000).is_err());
}

fn outcome(mut command: Command) -> Output {
    command.stdin(Stdio::null()).output().expect("setpriv (util-linux)")
}

fn succeeds(command: Command) {
    let output = outcome(command);
    assert!(output.status.success(), "{output:?}");
}

/// This program again, for the inner half of the test `name`; never with the right to steer the clock.
fn again(name: &str) -> Command {
    let program = std::env::current_exe().expect("our own path");
    let mut command = if have_cap_sys_time() {
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set=-sys_time", "--inh-caps=-sys_time"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.env(INNER, name);
    command
}

/// Runs all tests, or those whose names contain the first argument that is no option.
fn main() -> ExitCode {
    if let Ok(name) = std::env::var(INNER) {
        let test = TESTS.iter().find(|test| test.name == name).expect("a test of this name");
        (test.inner)();
        return ExitCode::SUCCESS;
    }
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-')).unwrap_or_default();
    let mut failed = 0;
    for test in TESTS.iter().filter(|test| test.name.contains(&wanted)) {
        // In a thread only to survive its panic, whose message is on standard error.
        let result = std::thread::spawn(|| (test.outer)(again(test.name))).join();
        println!("test {} ... {}", test.name, if result.is_ok() { "ok" } else { "FAILED" });
        failed += u32::from(result.is_err());
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
