//! Other programs. On a copy of a file system, and when nothing is to be done yet, they are only named.

use std::process::{Command, Stdio};

/// Runs commands, or says that it would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    /// For real.
    Real,
    /// Names them.
    Pretend,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ran {
    /// It succeeded, and printed this.
    Well(String),
    /// It was only named.
    Would,
    /// It failed, and why.
    Badly(String),
}

impl Runner {
    /// Runs one; never a shell.
    pub fn run(self, words: &[&str]) -> Ran {
        let Some((program, arguments)) = words.split_first() else { return Ran::Would };
        if self == Self::Pretend {
            return Ran::Would;
        }
        let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
        match output {
            Err(error) => Ran::Badly(format!("{program} : {error}")),
            Ok(output) if output.status.success() => {
                Ran::Well(String::from_utf8_lossy(&output.stdout).into_owned())
            }
            Ok(output) => {
                let said = [output.stderr, output.stdout].concat();
                let said = String::from_utf8_lossy(&said);
                let last: Vec<&str> = said.trim().lines().rev().take(3).collect();
                let last = last.into_iter().rev().collect::<Vec<_>>().join("; ");
                Ran::Badly(format!("{} failed: {last}", words.join(" ")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_run_or_named_and_failures_are_quoted() {
        assert_eq!(Runner::Real.run(&["echo", "a", "b"]), Ran::Well("a b\n".into()));
        assert_eq!(Runner::Pretend.run(&["false"]), Ran::Would);
        let Ran::Badly(text) = Runner::Real.run(&["ls", "/nowhere-at-all"]) else {
            panic!("it cannot succeed")
        };
        assert!(text.starts_with("ls /nowhere-at-all failed: ") && text.contains("No such file"), "{text}");
        assert!(matches!(Runner::Real.run(&["/no/such/program"]), Ran::Badly(_)));
    }
}
