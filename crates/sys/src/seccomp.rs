//! A filter of system calls (seccomp): from here on this thread may make the calls of a list, and no others.
//!
//! How to use it: put the groups of [`calls`] together that the program needs, with rules of its own where a group is too
//! much or too little, and call [`restrict`] **after** everything is opened and before hostile bytes are read:
//!
//! ```no_run
//! use sys::seccomp::{Otherwise, Rule, calls, restrict};
//! const IPV4_ONLY: &[Rule] = &[Rule::only(libc::SYS_socket, 0, u32::MAX, libc::AF_INET as u32)];
//! restrict(&[calls::COMMON, calls::FILES, IPV4_ONLY], Otherwise::Fail).expect("a kernel that can");
//! ```
//!
//! What to list is found with `strace -c -f`, in both C libraries; a group that others may need belongs into [`calls`].
//!
//! The filter holds for the calling thread and all that it starts afterwards; threads that run already are not held. It
//! cannot be taken away again, only made narrower by another one. The calling thread can then gain no rights by running a program.
//!
//! Where the kernel has no filters, or this file does not know the processor's numbers, [`restrict`] fails and changes nothing:
//! log it and go on. A preloaded simulator does not know `PR_SET_SECCOMP` either.

use crate::{cvt, privileges};
use libc::{c_long, sock_filter};
use std::io;

/// What becomes of a call that no rule allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// It fails with EPERM: a call that was forgotten in the list does little harm.
    Fail,
    /// The process ends with SIGSYS.
    Kill,
    /// The thread gets SIGSYS, which ends the process unless somebody looks after it.
    Signal,
}

impl Otherwise {
    fn answer(self) -> u32 {
        match self {
            Self::Fail => libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned(),
            Self::Kill => libc::SECCOMP_RET_KILL_PROCESS,
            Self::Signal => libc::SECCOMP_RET_TRAP,
        }
    }
}

/// A call that is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    call: c_long,
    condition: Option<Condition>,
}

/// The low 32 bits of an argument, of which those in `mask` must be those of `value`. (What the kernel takes for an `int`
/// has no others.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Condition {
    argument: u8,
    mask: u32,
    value: u32,
}

impl Rule {
    /// The call of this number (`libc::SYS_…`).
    pub const fn any(call: c_long) -> Self {
        Self { call, condition: None }
    }

    /// … if the low 32 bits of its argument (0 to 5), of which only those in `mask` matter, are `value`.
    pub const fn only(call: c_long, argument: u8, mask: u32, value: u32) -> Self {
        Self { call, condition: Some(Condition { argument, mask, value }) }
    }
}

/// `AUDIT_ARCH_…` (linux/audit.h): whose numbers a call's are. `None`: [`calls`] has no numbers for this processor.
const PROCESSOR: Option<u32> = if cfg!(all(target_arch = "x86_64", target_pointer_width = "64")) {
    Some(0xc000_003e)
} else if cfg!(target_arch = "aarch64") {
    Some(0xc000_00b7)
} else {
    None
};

// Classic BPF (linux/bpf_common.h).
const LOAD: u16 = 0x20; // A = the word at k
const AND: u16 = 0x54; // A &= k
const IF_EQUAL: u16 = 0x15; // A == k: skip jt instructions, else jf
const RETURN: u16 = 0x06; // the answer is k

// Offsets in `struct seccomp_data` (linux/seccomp.h); both processors have the low half of an argument first.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

fn instruction(code: u16, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k }
}

/// Unless A is `k`, skips `skip` instructions.
fn unless(k: u32, skip: u8) -> sock_filter {
    sock_filter { code: IF_EQUAL, jt: 0, jf: skip, k }
}

/// The program; `processor` as in [`PROCESSOR`].
fn program(groups: &[&[Rule]], otherwise: Otherwise, processor: u32) -> Vec<sock_filter> {
    let allow = instruction(RETURN, libc::SECCOMP_RET_ALLOW);
    // Calls by another processor's numbers (32-bit programs on a 64-bit kernel) would be taken for others.
    let mut program = vec![
        instruction(LOAD, ARCHITECTURE),
        sock_filter { code: IF_EQUAL, jt: 1, jf: 0, k: processor },
        instruction(RETURN, libc::SECCOMP_RET_KILL_PROCESS),
        instruction(LOAD, NUMBER),
    ];
    for rule in groups.iter().copied().flatten() {
        let number = rule.call as u32; // numbers are small
        match rule.condition {
            None => program.extend([unless(number, 1), allow]),
            Some(Condition { argument, mask, value }) => program.extend([
                unless(number, 5),
                instruction(LOAD, ARGUMENTS + 8 * u32::from(argument)),
                instruction(AND, mask),
                unless(value, 1),
                allow,
                instruction(LOAD, NUMBER),
            ]),
        }
    }
    program.push(instruction(RETURN, otherwise.answer()));
    program
}

/// The program that allows all calls but some.
fn exceptions(forbidden: &[Rule], otherwise: Otherwise, processor: u32) -> Vec<sock_filter> {
    let mut program = vec![
        instruction(LOAD, ARCHITECTURE),
        sock_filter { code: IF_EQUAL, jt: 1, jf: 0, k: processor },
        instruction(RETURN, libc::SECCOMP_RET_KILL_PROCESS),
        instruction(LOAD, NUMBER),
    ];
    for rule in forbidden {
        program.extend([unless(rule.call as u32, 1), instruction(RETURN, otherwise.answer())]);
    }
    program.push(instruction(RETURN, libc::SECCOMP_RET_ALLOW));
    program
}

/// From now on this thread, and those it starts, make no calls but those of `groups`.
pub fn restrict(groups: &[&[Rule]], otherwise: Otherwise) -> io::Result<()> {
    let processor = PROCESSOR.ok_or(io::ErrorKind::Unsupported)?;
    load(program(groups, otherwise, processor))
}

/// From now on this thread, and those it starts, make none of the `forbidden` calls, whatever their arguments.
pub fn forbid(forbidden: &[Rule], otherwise: Otherwise) -> io::Result<()> {
    let processor = PROCESSOR.ok_or(io::ErrorKind::Unsupported)?;
    load(exceptions(forbidden, otherwise, processor))
}

fn load(mut program: Vec<sock_filter>) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    privileges::set_no_new_privileges()?;
    let program = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    let mode = libc::c_ulong::from(libc::SECCOMP_MODE_FILTER);
    // SAFETY: the option reads the program, whose length is right and which lives until the call returns.
    cvt(unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program) }).map(drop)
}

/// Groups of calls, as Rust's library, glibc and musl make them.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub mod calls {
    use super::Rule;
    use libc::*;

    /// Memory, time, randomness, signals, locks, the end: what every thread does unawares.
    pub const COMMON: &[Rule] = &[
        Rule::any(SYS_brk),
        Rule::any(SYS_mmap),
        Rule::any(SYS_munmap),
        Rule::any(SYS_mremap),
        Rule::any(SYS_madvise),
        Rule::any(SYS_mprotect),
        Rule::any(SYS_futex),
        Rule::any(SYS_clock_gettime),
        Rule::any(SYS_clock_getres),
        Rule::any(SYS_gettimeofday),
        #[cfg(target_arch = "x86_64")]
        Rule::any(SYS_time),
        Rule::any(SYS_getrandom),
        Rule::any(SYS_rt_sigaction),
        Rule::any(SYS_rt_sigprocmask),
        Rule::any(SYS_rt_sigreturn),
        Rule::any(SYS_sigaltstack),
        Rule::any(SYS_restart_syscall),
        Rule::any(SYS_getpid),
        Rule::any(SYS_gettid),
        Rule::any(SYS_getuid),
        Rule::any(SYS_geteuid),
        Rule::any(SYS_sched_yield),
        Rule::any(SYS_exit),
        Rule::any(SYS_exit_group),
    ];

    /// What is done with files that are open, sockets among them.
    pub const FILES: &[Rule] = &[
        Rule::any(SYS_read),
        Rule::any(SYS_readv),
        Rule::any(SYS_pread64),
        Rule::any(SYS_write),
        Rule::any(SYS_writev),
        Rule::any(SYS_pwrite64),
        Rule::any(SYS_lseek),
        Rule::any(SYS_fstat),
        Rule::any(SYS_fsync),
        Rule::any(SYS_fdatasync),
        Rule::any(SYS_ftruncate),
        Rule::any(SYS_flock),
        Rule::any(SYS_fcntl),
        Rule::any(SYS_close),
    ];

    /// Opening files and folders to read them, never to write or make one.
    pub const LOOKING: &[Rule] = &[
        Rule::only(SYS_openat, 2, (O_ACCMODE | O_CREAT | O_TRUNC).cast_unsigned(), 0),
        Rule::any(SYS_newfstatat),
        Rule::any(SYS_statx),
        Rule::any(SYS_getdents64),
        Rule::any(SYS_readlinkat),
        #[cfg(target_arch = "x86_64")]
        Rule::only(SYS_open, 1, (O_ACCMODE | O_CREAT | O_TRUNC).cast_unsigned(), 0),
        #[cfg(target_arch = "x86_64")]
        Rule::any(SYS_stat),
        #[cfg(target_arch = "x86_64")]
        Rule::any(SYS_lstat),
        #[cfg(target_arch = "x86_64")]
        Rule::any(SYS_readlink),
    ];

    /// Sockets that exist, and connections to them; none is made, bound or connected.
    pub const TALKING: &[Rule] = &[
        Rule::any(SYS_accept),
        Rule::any(SYS_accept4),
        Rule::any(SYS_recvfrom),
        Rule::any(SYS_recvmsg),
        Rule::any(SYS_recvmmsg),
        Rule::any(SYS_sendto),
        Rule::any(SYS_sendmsg),
        Rule::any(SYS_sendmmsg),
        Rule::any(SYS_shutdown),
        Rule::any(SYS_getsockopt),
        Rule::any(SYS_setsockopt),
        Rule::any(SYS_getsockname),
        Rule::any(SYS_getpeername),
    ];

    /// Waiting for files, sockets and time.
    pub const WAITING: &[Rule] = &[
        Rule::any(SYS_ppoll),
        Rule::any(SYS_pselect6),
        Rule::any(SYS_epoll_ctl),
        Rule::any(SYS_epoll_pwait),
        Rule::any(SYS_epoll_pwait2),
        Rule::any(SYS_clock_nanosleep),
        Rule::any(SYS_nanosleep),
        #[cfg(target_arch = "x86_64")]
        Rule::any(SYS_poll),
        #[cfg(target_arch = "x86_64")]
        Rule::any(SYS_epoll_wait),
    ];

    /// What a daemon that steers the clock does besides: it opens sockets for each request, writes and replaces its files,
    /// starts threads that look names up or serve, and steers. It starts no program.
    pub const STEERING: &[Rule] = &[
        Rule::any(SYS_adjtimex),
        Rule::any(SYS_clock_adjtime),
        Rule::any(SYS_clock_settime),
        Rule::only(SYS_socket, 0, u32::MAX, AF_INET.cast_unsigned()),
        Rule::only(SYS_socket, 0, u32::MAX, AF_INET6.cast_unsigned()),
        Rule::only(SYS_socket, 0, u32::MAX, AF_UNIX.cast_unsigned()),
        // The C library asks for routes and addresses when it looks a name up.
        Rule::only(SYS_socket, 0, u32::MAX, AF_NETLINK.cast_unsigned()),
        Rule::any(SYS_socketpair),
        Rule::any(SYS_bind),
        Rule::any(SYS_connect),
        Rule::any(SYS_ioctl),
        Rule::any(SYS_openat),
        Rule::any(SYS_renameat),
        Rule::any(SYS_renameat2),
        Rule::any(SYS_unlinkat),
        Rule::any(SYS_mkdirat),
        Rule::any(SYS_fchmod),
        Rule::any(SYS_fchmodat),
        Rule::any(SYS_fchown),
        Rule::any(SYS_fchownat),
        Rule::any(SYS_faccessat),
        Rule::any(SYS_utimensat),
        Rule::any(SYS_umask),
        Rule::any(SYS_getcwd),
        Rule::any(SYS_pipe2),
        Rule::any(SYS_dup),
        Rule::any(SYS_dup3),
        Rule::any(SYS_eventfd2),
        Rule::any(SYS_shmdt),
        Rule::only(SYS_clone, 0, CLONE_THREAD.cast_unsigned(), CLONE_THREAD.cast_unsigned()),
        // Its flags are in memory, where no filter can see them; what it starts may still start no program.
        Rule::any(SYS_clone3),
        Rule::any(SYS_set_robust_list),
        Rule::any(SYS_set_tid_address),
        Rule::any(SYS_rseq),
        Rule::any(SYS_membarrier),
        Rule::any(SYS_sched_getaffinity),
        Rule::any(SYS_sched_setaffinity),
        Rule::any(SYS_sched_getparam),
        Rule::any(SYS_sched_getscheduler),
        Rule::any(SYS_sched_setscheduler),
        Rule::any(SYS_prctl),
        Rule::any(SYS_capget),
        Rule::any(SYS_capset),
        Rule::any(SYS_prlimit64),
        Rule::any(SYS_getrusage),
        Rule::any(SYS_sysinfo),
        Rule::any(SYS_uname),
        Rule::any(SYS_times),
        Rule::any(SYS_wait4),
        Rule::any(SYS_waitid),
        Rule::any(SYS_kill),
        Rule::any(SYS_tgkill),
        Rule::any(SYS_getppid),
        Rule::any(SYS_getgid),
        Rule::any(SYS_getegid),
        #[cfg(target_arch = "x86_64")]
        Rule::any(SYS_open),
        #[cfg(target_arch = "x86_64")]
        Rule::any(SYS_rename),
        #[cfg(target_arch = "x86_64")]
        Rule::any(SYS_unlink),
        #[cfg(target_arch = "x86_64")]
        Rule::any(SYS_mkdir),
        #[cfg(target_arch = "x86_64")]
        Rule::any(SYS_chmod),
        #[cfg(target_arch = "x86_64")]
        Rule::any(SYS_chown),
        #[cfg(target_arch = "x86_64")]
        Rule::any(SYS_access),
        #[cfg(target_arch = "x86_64")]
        Rule::any(SYS_pipe),
        #[cfg(target_arch = "x86_64")]
        Rule::any(SYS_dup2),
        #[cfg(target_arch = "x86_64")]
        Rule::any(SYS_arch_prctl),
    ];

    /// Starting programs and looking into them.
    pub const STARTING: &[Rule] = &[
        Rule::any(SYS_execve),
        Rule::any(SYS_execveat),
        #[cfg(target_arch = "x86_64")]
        Rule::any(SYS_fork),
        #[cfg(target_arch = "x86_64")]
        Rule::any(SYS_vfork),
        Rule::any(SYS_ptrace),
    ];

    /// A Unix socket of its own: the system log's, which the C library opens when there is the first line to write.
    pub const SYSTEM_LOG: &[Rule] =
        &[Rule::only(SYS_socket, 0, u32::MAX, AF_UNIX.cast_unsigned()), Rule::any(SYS_connect)];
}

/// Groups of calls; there are no numbers for this processor, and [`restrict`] says so.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[allow(missing_docs, reason = "see the other processors'")]
pub mod calls {
    use super::Rule;
    pub const COMMON: &[Rule] = &[];
    pub const FILES: &[Rule] = &[];
    pub const LOOKING: &[Rule] = &[];
    pub const TALKING: &[Rule] = &[];
    pub const WAITING: &[Rule] = &[];
    pub const SYSTEM_LOG: &[Rule] = &[];
    pub const STEERING: &[Rule] = &[];
    pub const STARTING: &[Rule] = &[];
}

#[cfg(all(test, any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tests {
    use super::*;
    use std::fs::File;
    use std::net::UdpSocket;
    use std::os::unix::net::UnixDatagram;

    /// In a thread of its own, which takes the filter with it when it ends.
    fn inside(groups: &[&[Rule]], what: impl FnOnce() + Send) {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                restrict(groups, Otherwise::Fail).expect("a kernel with filters");
                what();
            });
            thread.join().expect("what was expected in there");
        });
    }

    #[test]
    fn what_is_not_allowed_fails_and_the_rest_works() {
        let dir = std::env::temp_dir();
        let own = dir.join(format!("timeball-seccomp-{}", std::process::id()));
        let all = [calls::COMMON, calls::FILES, calls::LOOKING, calls::TALKING, calls::WAITING];
        inside(&all, || {
            let refused = |error: io::Error| error.raw_os_error() == Some(libc::EPERM);
            assert!(std::fs::read("/proc/self/stat").is_ok_and(|text| !text.is_empty()));
            assert!(std::fs::read_dir("/proc/self").is_ok_and(|entries| entries.count() > 3));
            assert!(File::create(&own).is_err_and(refused), "a file was made");
            assert!(File::options().write(true).open("/dev/null").is_err_and(refused), "opened to write");
            assert!(UdpSocket::bind("127.0.0.1:0").is_err_and(refused), "a socket was made");
            assert!(UnixDatagram::unbound().is_err_and(refused), "a socket was made");
            assert!(std::fs::remove_file("/nothing").is_err_and(refused), "a file could be removed");
            // Reading the clock is allowed, and steering it is not.
            assert!(crate::clock::realtime() > 0);
            let mut nothing = crate::abi::Timex::default();
            assert!(crate::clock::adjust(&mut nothing).is_err_and(refused), "the clock was within reach");
        });
        assert!(!own.exists());
        inside(&[calls::COMMON, calls::FILES, calls::SYSTEM_LOG], || {
            assert!(UnixDatagram::unbound().is_ok());
            assert!(UdpSocket::bind("127.0.0.1:0").is_err());
        });
        assert!(UdpSocket::bind("127.0.0.1:0").is_ok(), "only the thread was held");
    }

    #[test]
    fn what_is_forbidden_fails_and_the_rest_works() {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                forbid(calls::STARTING, Otherwise::Fail).expect("a kernel with filters");
                assert!(UdpSocket::bind("127.0.0.1:0").is_ok());
                assert!(std::process::Command::new("/bin/true").status().is_err(), "a program was started");
            });
            thread.join().expect("what was expected in there");
        });
    }

    #[test]
    fn a_program_decides_by_number_processor_and_argument() {
        /// What the kernel would say to this call.
        fn run(program: &[sock_filter], data: &[u32; 16]) -> u32 {
            let (mut a, mut at) = (0, 0);
            loop {
                let i = program[at];
                at += 1;
                match i.code {
                    LOAD => a = data[i.k as usize / 4],
                    AND => a &= i.k,
                    IF_EQUAL => at += usize::from(if a == i.k { i.jt } else { i.jf }),
                    RETURN => return i.k,
                    other => panic!("unknown instruction {other}"),
                }
            }
        }
        let rules = [Rule::any(7), Rule::only(9, 2, 0x0f, 0x03), Rule::any(11)];
        let call = |number: u32, processor: u32, third: u32| {
            let mut data = [0; 16];
            (data[0], data[1], data[8]) = (number, processor, third);
            run(&program(&[&rules], Otherwise::Kill, 5), &data)
        };
        let (yes, no) = (libc::SECCOMP_RET_ALLOW, libc::SECCOMP_RET_KILL_PROCESS);
        for (number, processor, third, expected) in [
            (7, 5, 0, yes),
            (7, 6, 0, no),
            (8, 5, 0, no),
            (9, 5, 0xf3, yes),
            (9, 5, 0xf4, no),
            (11, 5, 0, yes),
            (12, 5, 0, no),
        ] {
            assert_eq!(call(number, processor, third), expected, "call {number} of {processor}, {third:x}");
        }
    }
}
