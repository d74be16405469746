//! `mailonchange`: a letter to the operator when the clock was wrong.

use super::logger;
use std::io::Write;
use std::process::{Child, Command, Stdio};

/// Where sendmail is, whoever provides it.
const PROGRAMS: [&str; 2] = ["/usr/sbin/sendmail", "/usr/lib/sendmail"];

/// Who is told, and the letters under way.
#[derive(Debug, Default)]
pub struct Mail {
    to: Option<String>,
    letters: Vec<Child>,
}

impl Mail {
    /// Letters to `to`, if there is somebody.
    pub fn new(to: Option<String>) -> Self {
        Self { to, letters: Vec::new() }
    }

    /// Tells that the clock was wrong by `offset` seconds (positive: behind). Nobody waits for the letter to leave.
    pub fn send(&mut self, offset: f64, now: &str) {
        self.letters.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        let Some(to) = &self.to else { return };
        let host = sys::process::host_name().unwrap_or_else(|_| "unknown host".to_owned());
        let text = letter(to, &host, offset, now);
        let program = PROGRAMS.iter().find(|path| std::path::Path::new(path).exists());
        let sent = program.ok_or_else(|| format!("there is no {}", PROGRAMS[0])).and_then(|program| {
            start(program, &text).map_err(|error| format!("{program} : {}", super::files::reason(&error)))
        });
        match sent {
            Ok(child) => self.letters.push(child),
            Err(why) => logger::error(&format!("Could not send mail to {to} : {why}")),
        }
    }
}

/// A letter that sendmail reads its addressee from.
fn letter(to: &str, host: &str, offset: f64, now: &str) -> String {
    // An address with a line break would be another header.
    let to: String = to.chars().filter(|c| !c.is_control()).collect();
    let direction = if offset > 0.0 { "slow" } else { "fast" };
    format!(
        "To: {to}\nSubject: The clock of {host} was wrong\n\nOn {now} UTC the clock of {host} was {:.3} seconds \
         {direction} and is being corrected.\n",
        offset.abs()
    )
}

fn start(program: &str, text: &str) -> std::io::Result<Child> {
    let mut child = Command::new(program)
        .arg("-t")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(text.as_bytes())?;
    }
    Ok(child)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_letter_names_host_time_and_error() {
        let text = letter("root@example.com", "clock", -1.25, "2026-01-01 00:00:00");
        assert!(text.starts_with("To: root@example.com\nSubject: "));
        assert!(
            text.contains("1.250 seconds fast")
                && text.contains("2026-01-01 00:00:00")
                && text.contains("clock")
        );
        assert!(letter("a\nBcc: b", "h", 1.0, "").starts_with("To: aBcc: b\nSubject"), "one header");
    }

    #[test]
    fn what_sendmail_would_get_is_the_letter() {
        // As sendmail, cat has an option -t and reads to the end; who does not breaks the pipe.
        let mut child = start("/bin/cat", "To: a\n\nb\n").expect("cat");
        assert!(child.wait().expect("an end").success());
        assert!(start("/none/sendmail", "").is_err());
    }
}
