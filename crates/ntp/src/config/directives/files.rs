//! Other configuration files, the process, and names of the past.

use super::prelude::*;

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive {
        name: "confdir",
        usage: "FOLDER...",
        default: "",
        doc: "Reads the files *.conf of up to ten folders here, in the order of their names; of files of the same name only the one in the folder named first. Missing folders are ignored.",
        status: Status::Effective,
        arguments: Own,
        apply: Apply::ConfDir,
    },
    Directive {
        name: "include",
        usage: "PATTERN",
        default: "",
        doc: "Reads a file here, or the files that match a pattern with * ? [ ] in the order of their names.",
        status: Status::Effective,
        arguments: Exactly(1),
        apply: Apply::Include,
    },
    Directive::new(
        "keyfile",
        "FILE",
        "none",
        "File of the symmetric keys: lines of number, type and key.",
        Exactly(1),
        |c, w| path(w).map(|v| c.process.key_file = Some(v)),
    ),
    Directive::new(
        "lock_all",
        "",
        "off",
        "Keeps the daemon's memory from being paged out.",
        Exactly(0),
        |c, _| {
            c.process.lock_all = true;
            Ok(())
        },
    ),
    Directive::new(
        "pidfile",
        "FILE|/",
        "in the run directory",
        "File of the daemon's process number; / is none.",
        Exactly(1),
        |c, w| {
            let file = w.word()?;
            c.process.pid_file = Some((file != "/").then(|| file.into()));
            Ok(())
        },
    ),
    Directive::new(
        "sched_priority",
        "PRIORITY",
        "0",
        "Real-time priority of the daemon (SCHED_FIFO, 1 to 100); 0 is none.",
        Exactly(1),
        |c, w| w.int(0, 100).map(|v| c.process.sched_priority = v),
    ),
    Directive::new(
        "sourcedir",
        "[FOLDER...]",
        "",
        "Folders of files *.sources with lines server, pool and peer, which are read after the start and whenever the command reload sources is given. Files of the same name count once, missing folders are ignored.",
        Own,
        |c, w| {
            c.source_dirs.extend(core::iter::from_fn(|| w.next_word()).map(PathBuf::from));
            Ok(())
        },
    ),
    Directive::new(
        "user",
        "NAME",
        "chosen when it was built",
        "User as whom the daemon runs after the start.",
        Exactly(1),
        |c, w| w.word().map(|v| c.process.user = Some(v.to_owned())),
    ),
];

/// What existing files still say.
pub(super) const OBSOLETE: &[Directive] = &[
    removed("commandkey", "Commands need no key any more."),
    Directive {
        status: Status::Silent,
        ..removed("dumponexit", "Measurements are always written to dumpdir at the end.")
    },
    removed("generatecommandkey", "Commands need no key any more."),
    removed("linux_freq_scale", "The kernel's frequency scale is known."),
    removed("linux_hz", "The kernel's tick rate is known."),
];

const fn removed(name: &'static str, doc: &'static str) -> Directive {
    Directive {
        name,
        usage: "[ANYTHING...]",
        default: "",
        doc,
        status: Status::Removed,
        arguments: Own,
        apply: Apply::Nothing,
    }
}
