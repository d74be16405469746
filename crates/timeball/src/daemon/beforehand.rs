//! What the start would find wrong with a configuration on this machine, found without starting: users, devices, keys
//! and files that are not there. What is wrong with the words alone, [`ntp::config::check`] knows.

use super::files::reason;
use super::{Name, identity, keys, memory, refclocks, temperature};
use ntp::auth::Keys;
use ntp::config::{ConfigError, Origin, Parsed, REFCLOCK_DRIVERS, Warning};
use ntp::ids::KeyId;
use std::fs;

/// What was found.
#[derive(Debug, Default, PartialEq)]
pub struct Findings {
    /// The daemon would not start.
    pub errors: Vec<ConfigError>,
    /// It would start, but not do all that it was told to.
    pub warnings: Vec<Warning>,
}

impl Findings {
    fn error(&mut self, origin: Option<&Origin>, text: &str, hint: &str) {
        let place = origin.map(ToString::to_string).unwrap_or_default();
        let message = format!("{text}{place}");
        self.errors.push(ConfigError { origin: origin.cloned(), message, hint: Some(hint.to_owned()) });
    }

    fn warning(&mut self, origin: Option<&Origin>, text: String) {
        self.warnings.extend(origin.cloned().map(|origin| Warning { origin, text }));
    }
}

/// Looks.
pub fn look(parsed: &Parsed) -> Findings {
    let mut found = Findings::default();
    let config = &parsed.config;
    let login = config.process.user.as_deref();
    if let Some(login) = login
        && let Err(text) = identity::run_time_user(Name::Timeball, Some(login))
    {
        let hint = format!("there is no such user here; make it (useradd --system {login}), or name another");
        found.error(last(parsed, "user"), &text, &hint);
    }
    clocks(parsed, &mut found);
    if let Err(text) =
        memory::size_client_log(Name::Timeball, &mut config.server.clone(), memory::Memory::read())
    {
        found.error(last(parsed, "clientloglimit"), &text, "choose less, or leave the line out");
    }
    if let Err(text) = temperature::points(&config.clock) {
        let hint = "each line of that file is a temperature and what it does to the frequency, ppm";
        found.error(last(parsed, "tempcomp"), &text, hint);
    }
    sources(parsed, &mut found);
    if let Some(list) = config.clock.leap_list.as_deref()
        && let Err(error) = sys::file::open_at_once(list)
    {
        let (list, reason) = (list.display(), reason(&error));
        let text = format!("Could not open {list} : {reason}; leap seconds of it are not known");
        found.warning(last(parsed, "leapseclist"), text);
    }
    found
}

/// Reference clocks: their options, and their devices.
fn clocks(parsed: &Parsed, found: &mut Findings) {
    let lines = parsed.config.refclocks.iter().zip(all(parsed, "refclock"));
    for (line, origin) in lines.filter(|(line, _)| REFCLOCK_DRIVERS.contains(&line.driver.as_str())) {
        if let Err(text) = refclocks::check(line) {
            found.error(Some(origin), &text, "options follow the device, each after a colon");
            continue;
        }
        let device = line.parameter.split(':').next().unwrap_or_default();
        // SHM is no file, and the file of SOCK is made by the daemon.
        let is_file = matches!(line.driver.as_str(), "PPS" | "PHC" | "RTC") && device.starts_with('/');
        if let Some(Err(error)) = is_file.then(|| fs::metadata(device)) {
            let reason = reason(&error);
            found.warning(Some(origin), format!("{device}: {reason}; the daemon does not start without it"));
        }
    }
}

/// The key file, and the keys that sources are to be asked with.
fn sources(parsed: &Parsed, found: &mut Findings) {
    let file = parsed.config.process.key_file.as_deref();
    let origin = last(parsed, "keyfile");
    let known = match file.map(|file| (file, keys::read(file))) {
        None => Keys::default(),
        Some((file, Ok(text))) => {
            let (keys, faults) = ntp::auth::file::parse(&text);
            let name = file.display().to_string();
            faults.iter().for_each(|fault| found.warning(origin, fault.of(&name).to_string()));
            keys
        }
        Some((_, Err(why))) => {
            return found.warning(origin, format!("{why}; nothing is authenticated without its keys"));
        }
    };
    for source in parsed.config.sources.iter().filter(|source| source.key != 0) {
        if known.get(KeyId(source.key)).is_none() {
            let text =
                format!("{} is to be asked with key {}, which no keyfile has", source.name, source.key);
            found.warning(mention(parsed, &source.name), text);
        }
    }
}

/// Where the lines of a directive are.
fn all<'a>(parsed: &'a Parsed, directive: &'a str) -> impl Iterator<Item = &'a Origin> {
    let is =
        move |line: &str| line.split(' ').next().is_some_and(|word| word.eq_ignore_ascii_case(directive));
    parsed.lines.iter().zip(&parsed.origins).filter(move |(line, _)| is(line)).map(|(_, origin)| origin)
}

/// The one that holds, where the last does.
fn last<'a>(parsed: &'a Parsed, directive: &'a str) -> Option<&'a Origin> {
    all(parsed, directive).last()
}

/// The line that names a source.
fn mention<'a>(parsed: &'a Parsed, name: &str) -> Option<&'a Origin> {
    let names = |line: &String| line.split(' ').nth(1) == Some(name);
    parsed.lines.iter().zip(&parsed.origins).find(|(line, _)| names(line)).map(|(_, origin)| origin)
}

#[cfg(test)]
mod tests {
    use super::super::files::tests::Folder;
    use super::*;
    use ntp::config::{NoFiles, parse};

    fn found(text: &str) -> (Vec<String>, Vec<String>) {
        let found = look(&parse(text, "t.conf", &NoFiles).expect("its words are right"));
        let errors = found.errors.iter().map(ToString::to_string).collect();
        (errors, found.warnings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_would_keep_the_daemon_from_starting_is_an_error_with_its_line() {
        for (text, expected) in [
            (
                "port 0\nuser no-such-user",
                "Could not get user/group ID of no-such-user at line 2 in file t.conf: ",
            ),
            (
                "refclock PPS /dev/null:foo",
                "Invalid refclock driver option foo; PPS knows clear at line 1 in ",
            ),
            (
                "clientloglimit 9000000000000",
                "clientloglimit 9000000000000 is more than this machine's memory",
            ),
            (
                "port 0\ntempcomp /a 30 /none/points",
                "Could not open /none/points : No such file or directory at line 2",
            ),
        ] {
            let (errors, warnings) = found(text);
            assert!(errors.len() == 1 && errors[0].starts_with(expected), "{text}: {errors:?}");
            assert!(warnings.is_empty(), "{warnings:?}");
        }
        assert_eq!(found("user root\nrefclock SHM 0:perm=0600\nserver a.example"), (vec![], vec![]));
    }

    #[test]
    fn what_is_missing_but_does_not_keep_it_is_a_warning() {
        let folder = Folder::new("beforehand");
        let file = folder.file("keys");
        fs::write(&file, "5 SHA1 HEX:1DC764e0791B11FA67EFC7ECBC4B0D73F68A070C\nnonsense\n").expect("a file");
        let text = format!("server a.example key 5\npeer b.example key 6\nkeyfile {}", file.display());
        let (errors, warnings) = found(&text);
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[0].starts_with("t.conf:3: ") && warnings[0].contains("line 2"), "{warnings:?}");
        assert_eq!(warnings[1], "t.conf:2: b.example is to be asked with key 6, which no keyfile has");
        for (text, expected) in [
            (
                "keyfile /none/keys",
                "t.conf:1: Could not open keyfile /none/keys : No such file or directory; nothing is authenticated without its keys",
            ),
            (
                "leapseclist /none/l",
                "t.conf:1: Could not open /none/l : No such file or directory; leap seconds of it are not known",
            ),
            (
                "refclock PPS /none/pps",
                "t.conf:1: /none/pps: No such file or directory; the daemon does not start without it",
            ),
            ("server a.example key 1", "t.conf:1: a.example is to be asked with key 1, which no keyfile has"),
        ] {
            assert_eq!(found(text), (vec![], vec![expected.to_owned()]), "{text}");
        }
    }
}
