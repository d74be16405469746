//! Completions for shells, from the tables of commands and options.

use super::Name;
use super::commands::{self, Command, Group, form};
use super::session::{Failure, Outcome, Session};
use crate::daemon::{Name as Program, args};
use ntp::config::directives::{SOURCE_OPTIONS, all as directives, option_names};
use std::fmt::Write as _;

/// `completions`
pub const COMMAND: Command = Command {
    name: "completions",
    forms: &[form("bash|zsh|fish", "print what lets the shell complete words")],
    doc: "Prints a script for a shell. For bash put it into /usr/share/bash-completion/completions/timeball (chronyc may be a link to \
          it), for zsh into a folder of $fpath as _timeball, for fish into ~/.config/fish/completions/timeball.fish.",
    example: "completions bash",
    group: Group::Program,
    run: |session, words| {
        let script = match words {
            ["bash"] => bash(),
            ["zsh"] => zsh(),
            ["fish"] => fish(),
            _ => return Err(Failure::usage("Usage: completions bash|zsh|fish")),
        };
        write_out(session, &script)
    },
};

fn write_out(session: &mut Session<'_>, text: &str) -> Outcome {
    Ok(write!(session.out, "{text}")?)
}

/// Words that may follow a command: what its forms name literally.
pub fn words_of(command: &Command) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut add = |word: &str| {
        let plain = word.trim_matches(['[', ']', '.', ',', '(', ')']);
        let letters = plain.trim_start_matches(['-', '+']);
        let is_word = letters
            .starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit() && plain.starts_with('-'))
            && letters.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            || plain.len() == 2 && plain.starts_with('-') && letters.len() == 1;
        if is_word && !words.iter().any(|known| known == plain) {
            words.push(plain.to_owned());
        }
    };
    for form in command.forms {
        form.arguments.split_whitespace().flat_map(|part| part.split('|')).for_each(&mut add);
    }
    match command.name {
        "add" => option_names(SOURCE_OPTIONS).for_each(&mut add),
        "help" => commands::all().filter(|c| c.group != Group::Hidden).for_each(|c| add(c.name)),
        "selectopts" => {
            for option in ["noselect", "prefer", "trust", "require"] {
                add(&format!("+{option}"));
                add(&format!("-{option}"));
            }
        }
        _ => {}
    }
    if commands::changes::can_last(command.name) {
        add(commands::changes::WORD);
    }
    words
}

/// What may stand in place of the last word of `before`, a line as far as it is typed.
pub fn candidates(before: &str, name: Name) -> Vec<String> {
    let (earlier, last) = before.rsplit_once(' ').unwrap_or(("", before));
    let known = match earlier.split_whitespace().next() {
        None => {
            let known = listed().filter(|command| name == Name::Timeball || !command.group.is_own());
            known.map(|command| command.name.to_owned()).collect()
        }
        Some(word) => commands::find(word, name).map(words_of).unwrap_or_default(),
    };
    known.into_iter().filter(|word| word.starts_with(last)).collect()
}

/// Do its words name sources?
fn takes_source(command: &Command) -> bool {
    command.group == Group::Sources && command.forms.iter().any(|form| form.arguments.contains("ADDRESS"))
}

/// Commands as one types them, without those for old scripts.
fn listed() -> impl Iterator<Item = &'static Command> {
    commands::all().filter(|command| command.group != Group::Hidden)
}

fn names() -> String {
    listed().map(|command| command.name).chain(["run", "demo"]).collect::<Vec<_>>().join(" ")
}

/// Options of `run`, and the directives that may follow.
fn of_run() -> String {
    let usage = args::usage(Program::Timeball);
    let options = usage.lines().filter_map(|line| line.strip_prefix("  -"));
    let options = options.filter_map(|line| Some(format!("-{}", line.split([' ', '\t', ',']).next()?)));
    options.chain(directives().map(|directive| directive.name.to_owned())).collect::<Vec<_>>().join(" ")
}

/// The global options that need no value.
const OPTIONS: &str = "--json --help --version -n -N -c -w -e -m -h -p -4 -6";
/// How the shells ask for the names of sources.
const ASK: &str = "timeball -N -c sources 2>/dev/null | cut -d, -f3";

fn bash() -> String {
    let mut out = format!(
        "# bash completion for timeball and chronyc; written by: timeball completions bash\n\
         _timeball() {{\n\
         \x20 local cur=${{COMP_WORDS[COMP_CWORD]}} command= word words sources=\n\
         \x20 for word in \"${{COMP_WORDS[@]:1:COMP_CWORD-1}}\"; do\n\
         \x20   case $word in -*) ;; *) command=$word; break ;; esac\n\
         \x20 done\n\
         \x20 case $command in\n\
         \x20   '') words='{} {OPTIONS}' ;;\n\
         \x20   run) words='{}' ;;\n",
        names(),
        of_run()
    );
    for command in listed() {
        let words = words_of(command).join(" ");
        let sources = if takes_source(command) { " sources=1" } else { "" };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "    {}) words='{words} --help'{sources} ;;", command.name);
    }
    out.push_str("    *) words= ;;\n  esac\n");
    let _ = writeln!(out, "  [ -z \"$sources\" ] || words=\"$words $({ASK})\"");
    out.push_str("  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -o default -F _timeball timeball chronyc\n");
    out
}

/// Text between single quotes of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The first form's few words.
fn what(command: &Command) -> &'static str {
    command.forms.first().map_or("", |form| form.what)
}

fn zsh() -> String {
    let mut out = "#compdef timeball chronyc\n# written by: timeball completions zsh\n_timeball() {\n  local command word\n".to_owned();
    out.push_str("  for word in ${words[2,CURRENT-1]}; do\n    case $word in -*) ;; *) command=$word; break ;; esac\n  done\n");
    out.push_str("  if [[ -z $command ]]; then\n    local -a commands\n    commands=(\n");
    for command in listed() {
        let _ = writeln!(
            out,
            "      {}",
            quoted(&format!("{}:{}", command.name, what(command).replace(':', "\\:")))
        );
    }
    let _ = writeln!(
        out,
        "      'run:run the daemon'\n      'demo:a simulated day'\n    )\n    _describe command commands\n    compadd -- {OPTIONS}\n    return\n  fi"
    );
    let _ = writeln!(out, "  case $command in\n    run) compadd -- {} ;;", of_run());
    for command in listed() {
        let words = words_of(command).join(" ");
        let sources =
            if takes_source(command) { format!("; compadd -- ${{(f)\"$({ASK})\"}}") } else { String::new() };
        let _ = writeln!(out, "    {}) compadd -- {words} --help{sources} ;;", command.name);
    }
    out.push_str("  esac\n  _files\n}\n_timeball \"$@\"\n");
    out
}

fn fish() -> String {
    let mut out =
        "# fish completion for timeball and chronyc; written by: timeball completions fish\n".to_owned();
    for program in ["timeball", "chronyc"] {
        for command in listed().filter(|command| program == "timeball" || !command.group.is_own()) {
            let _ = writeln!(
                out,
                "complete -c {program} -n __fish_use_subcommand -a {} -d {}",
                command.name,
                quoted(what(command))
            );
            let condition = quoted(&format!("__fish_seen_subcommand_from {}", command.name));
            let words = words_of(command).join(" ");
            if !words.is_empty() {
                let _ = writeln!(out, "complete -c {program} -n {condition} -a {}", quoted(&words));
            }
            if takes_source(command) {
                let _ =
                    writeln!(out, "complete -c {program} -n {condition} -a {}", quoted(&format!("({ASK})")));
            }
        }
    }
    let _ = writeln!(out, "complete -c timeball -n __fish_use_subcommand -a 'run demo'");
    for option in OPTIONS.split(' ') {
        let (kind, name) = option.strip_prefix("--").map_or(('s', &option[1..]), |name| ('l', name));
        let _ = writeln!(out, "complete -c timeball -n __fish_use_subcommand -{kind} {name}");
    }
    let _ =
        writeln!(out, "complete -c timeball -n '__fish_seen_subcommand_from run' -a {}", quoted(&of_run()));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command as Process, Stdio};

    #[test]
    fn the_words_come_from_the_forms() {
        let words = |name: &str| {
            let command = commands::all().find(|command| command.name == name).expect("there");
            words_of(command).join(" ")
        };
        assert_eq!(words("manual"), "on off reset list delete");
        assert!(
            words("add").starts_with("server pool peer asymmetry auto_offline")
                || words("add").contains("iburst")
        );
        assert!(words("add").ends_with("--save"));
        assert!(words("sources").contains("-a -v --watch --why"));
        assert!(words("selectopts").contains("+prefer -prefer"));
        assert!(words("help").contains("tracking"));
        assert_eq!(words("tracking"), "");
    }

    /// The shell's own opinion of a script; `None` where the shell is not installed.
    fn accepted(shell: &str, script: &str) -> Option<bool> {
        let path = std::env::temp_dir().join(format!("timeball-completion-{shell}-{}", std::process::id()));
        std::fs::write(&path, script).expect("the temporary folder is writable");
        let status = Process::new(shell).arg("-n").arg(&path).stdin(Stdio::null()).status();
        let _ = std::fs::remove_file(&path);
        status.ok().map(|status| status.success())
    }

    #[test]
    fn the_shells_accept_their_scripts() {
        for (shell, script) in [("bash", bash()), ("zsh", zsh()), ("fish", fish())] {
            match accepted(shell, &script) {
                Some(good) => assert!(good, "{shell}"),
                None => eprintln!("SKIPPED {shell}: it is not installed"),
            }
            assert!(
                script.contains("tracking") && script.contains("undo-change") && script.contains("makestep")
            );
        }
        assert_eq!(accepted("bash", "case ("), Some(false), "a wrong script is refused");
    }

    #[test]
    fn a_line_being_typed_has_candidates() {
        assert_eq!(candidates("track", Name::Chronyc), ["tracking"]);
        assert_eq!(candidates("manual o", Name::Chronyc), ["on", "off"]);
        assert!(
            candidates("undo", Name::Chronyc).is_empty() && !candidates("undo", Name::Timeball).is_empty()
        );
        assert!(
            candidates("", Name::Chronyc).len() > 40 && candidates("nonsense a", Name::Chronyc).is_empty()
        );
    }

    /// Lines as far as they are typed, and what they become.
    const TYPED: [(&str, &str); 5] = [
        ("timeball trac", "tracking"),
        ("timeball --json manual of", "off"),
        ("timeball add server x ibu", "iburst"),
        ("timeball run makest", "makestep"),
        ("timeball --jso", "--json"),
    ];

    /// What a shell says; `None`, loudly, where it is not installed.
    fn asked(shell: &str, arguments: &[&str]) -> Option<String> {
        match Process::new(shell).args(arguments).stdin(Stdio::null()).output() {
            Ok(out) => {
                let complaints = String::from_utf8_lossy(&out.stderr).into_owned();
                assert!(complaints.is_empty(), "{shell}: {complaints}");
                Some(String::from_utf8_lossy(&out.stdout).trim().to_owned())
            }
            Err(_) => {
                eprintln!("SKIPPED what {shell} completes: it is not installed (apt-get install {shell})");
                None
            }
        }
    }

    /// What lines became, one after the other, in a folder that holds the script.
    fn completed(shell: &str, script: (&str, &str), ask: &[&str]) -> Option<Vec<String>> {
        let dir = std::env::temp_dir().join(format!("timeball-{shell}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("the temporary folder is writable");
        std::fs::write(dir.join(script.0), script.1).expect("it is writable");
        let folder = dir.display().to_string();
        let arguments: Vec<&str> =
            ask.iter().copied().chain([folder.as_str()]).chain(TYPED.iter().map(|(line, _)| *line)).collect();
        let said = asked(shell, &arguments);
        let _ = std::fs::remove_dir_all(dir);
        Some(said?.lines().map(|line| line.trim_end().to_owned()).collect())
    }

    #[test]
    fn fish_completes() {
        const ASK: &str =
            "source $argv[1]/timeball.fish; for line in $argv[2..]; complete -C$line | head -1; end";
        let Some(said) = completed("fish", ("timeball.fish", &fish()), &["--no-config", "-c", ASK]) else {
            return;
        };
        let words: Vec<&str> = said.iter().filter_map(|line| line.split('\t').next()).collect();
        assert_eq!(words, TYPED.map(|(_, becomes)| becomes));
    }

    /// A zsh at a terminal of its own, in which the tabulator is pressed.
    #[test]
    fn zsh_completes() {
        const PRESS: &str = r#"
            zmodload zsh/zpty
            zpty z zsh -f -i
            zpty -w z "PS1=; fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D; show() { print -r -- \"LINE=\$BUFFER=END\"; BUFFER= }; zle -N show; bindkey '^X' show; print READ''Y"
            zpty -r -m z line '*READY*'
            for typed in "${@:2}"; do
              zpty -n -w z "$typed"$'\t\C-x'
              zpty -r -m z line '*LINE=*=END*'
              print -r -- ${${line##*LINE=}%%=END*}
            done
            zpty -d z"#;
        let Some(said) = completed("zsh", ("_timeball", &zsh()), &["-f", "-c", PRESS, "zsh"]) else { return };
        let becomes = TYPED.map(|(line, becomes)| {
            let (before, _) = line.rsplit_once(' ').expect("two words");
            format!("{before} {becomes}")
        });
        assert_eq!(said, becomes);
    }

    #[test]
    fn bash_completes() {
        let ask = |line: &str| {
            let words: Vec<String> = line.split(' ').map(quoted).collect();
            let script = format!(
                "{}\nCOMP_WORDS=({}); COMP_CWORD={}; _timeball; echo \"${{COMPREPLY[*]}}\"\n",
                bash(),
                words.join(" "),
                words.len() - 1
            );
            let out = Process::new("bash").arg("-c").arg(script).output().expect("bash is there");
            String::from_utf8_lossy(&out.stdout).trim().to_owned()
        };
        assert_eq!(ask("timeball trac"), "tracking");
        assert_eq!(ask("timeball --json manual of"), "off");
        assert_eq!(ask("timeball add server x ibu"), "iburst");
        assert_eq!(ask("timeball run -x makest"), "makestep");
    }
}
