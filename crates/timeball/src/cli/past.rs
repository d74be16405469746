//! Lines typed in earlier sessions, kept in a file that is its owner's alone.

use crate::daemon::files;
use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// Lines that a session begins with.
pub const LINES: usize = 500;
/// More than this is not read, bytes.
const LIMIT: u64 = 1 << 20;

/// The file, if there is to be one.
#[derive(Debug, Default)]
pub struct Past {
    file: Option<PathBuf>,
    last: String,
}

/// Where it is: `TIMEBALL_HISTORY` (empty: nowhere), or below the user's state folder.
fn place(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    if let Some(named) = variable("TIMEBALL_HISTORY") {
        return (!named.is_empty()).then(|| named.into());
    }
    let folder = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = folder("XDG_STATE_HOME").or_else(|| folder("HOME").map(|home| home.join(".local/state")));
    state.map(|state| state.join("timeball/history"))
}

impl Past {
    /// Opens it and gives its newest lines. Whatever is wrong with the file, a person can type.
    pub fn open(variable: impl Fn(&str) -> Option<OsString>) -> (Self, Vec<String>) {
        let Some(file) = place(variable) else { return Default::default() };
        if let Some(folder) = file.parent() {
            let _ = DirBuilder::new().recursive(true).mode(0o700).create(folder); // the file will tell
        }
        let text = files::read(&file, LIMIT).ok().flatten().unwrap_or_default();
        let all: Vec<String> = text.lines().map(str::to_owned).collect();
        let lines = all[all.len().saturating_sub(LINES)..].to_vec();
        if all.len() > 2 * LINES {
            let _ = files::replace(&file, (lines.join("\n") + "\n").as_bytes(), 0o600); // it stays long
        }
        (Self { file: Some(file), last: lines.last().cloned().unwrap_or_default() }, lines)
    }

    /// A line was typed. Repetitions are not worth it, and what may be secret stays out.
    pub fn add(&mut self, line: &str) {
        let line = line.trim();
        if line.is_empty() || line == self.last || line.starts_with("password") {
            return;
        }
        line.clone_into(&mut self.last);
        let file = self.file.as_ref().and_then(|path| files::append(path, 0o600).ok());
        if file.is_none_or(|mut file| writeln!(file, "{line}").is_err()) {
            self.file = None; // full or forbidden: not tried again
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn it_is_where_the_user_keeps_such_things() {
        let at = |pairs: &'static [(&str, &str)]| {
            place(move |name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
        };
        assert_eq!(at(&[("HOME", "/h")]), Some("/h/.local/state/timeball/history".into()));
        assert_eq!(at(&[("HOME", "/h"), ("XDG_STATE_HOME", "/s")]), Some("/s/timeball/history".into()));
        assert_eq!(at(&[("HOME", "/h"), ("TIMEBALL_HISTORY", "")]), None);
        assert_eq!(at(&[("TIMEBALL_HISTORY", "/x")]), Some("/x".into()));
        assert_eq!((at(&[]), at(&[("HOME", "relative")])), (None, None));
    }

    #[test]
    fn the_next_session_has_the_lines_of_this_one() {
        let dir = std::env::temp_dir().join(format!("timeball-past-{}", std::process::id()));
        let variable = |name: &str| (name == "XDG_STATE_HOME").then(|| dir.clone().into_os_string());
        let (mut past, lines) = Past::open(variable);
        assert_eq!(lines, [] as [String; 0]);
        for line in ["tracking", "tracking", "", " sources -a ", "password secret", "tracking"] {
            past.add(line);
        }
        let (mut past, lines) = Past::open(variable);
        assert_eq!(lines, ["tracking", "sources -a", "tracking"]);
        let file = dir.join("timeball/history");
        let mode = |path: &std::path::Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(&dir.join("timeball"))), (0o600, 0o700));
        // It does not grow for ever.
        (0..2 * LINES).for_each(|number| past.add(&format!("accheck {number}")));
        let (_, lines) = Past::open(variable);
        assert_eq!((lines.len(), lines[LINES - 1].as_str()), (LINES, "accheck 999"));
        assert_eq!(fs::read_to_string(&file).expect("there").lines().count(), LINES);
        // A folder in its place: nothing is kept, and nothing fails.
        fs::remove_file(&file).and_then(|()| fs::create_dir(&file)).expect("ours");
        let (mut past, lines) = Past::open(variable);
        past.add("activity");
        assert!(lines.is_empty() && past.file.is_none());
        fs::remove_dir_all(dir).expect("ours");
    }
}
