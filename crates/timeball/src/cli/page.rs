//! Printing reports: one record, or a list of them, as text, CSV or JSON.

use ntp::report::{self, Page, Report};

use super::options::Format;
use super::session::{Failure, Outcome, Session};

/// Prints one record.
pub fn record<R: Page>(session: &mut Session<'_>, report: &R, name: &str) -> Outcome {
    match session.options.format {
        Format::Text => write!(session.out, "{}", report.text(name, session.options.wide))?,
        Format::Csv => writeln!(session.out, "{}", report::csv(report, R::COLUMNS, name))?,
        Format::Json => writeln!(session.out, "{}", report::json(report, name))?,
    }
    Ok(())
}

/// A list of records under one heading; in JSON an array.
pub struct List {
    records: usize,
}

impl List {
    /// Prints the heading, which only text has.
    pub fn begin(session: &mut Session<'_>, heading: &str) -> Result<Self, Failure> {
        match session.options.format {
            Format::Text => write!(session.out, "{heading}")?,
            Format::Csv | Format::Json => {}
        }
        Ok(Self { records: 0 })
    }

    /// Asks for what the list needs next. When that fails, a JSON array that was begun is closed first, so that what
    /// was printed remains a document; one that was not leaves the place to the reason.
    pub fn attempt<'s, T>(
        &self,
        session: &mut Session<'s>,
        ask: impl FnOnce(&mut Session<'s>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match ask(session) {
            Ok(answer) => Ok(answer),
            Err(failure) => {
                if self.records > 0 {
                    self.close(session)?;
                }
                Err(failure)
            }
        }
    }

    /// Prints a record.
    pub fn record<R: Page>(&mut self, session: &mut Session<'_>, report: &R, name: &str) -> Outcome {
        self.line(session, report, name, R::COLUMNS, R::text)
    }

    /// Prints a record with other columns than its usual ones.
    pub fn line<R: Report>(
        &mut self,
        session: &mut Session<'_>,
        report: &R,
        name: &str,
        columns: &[&str],
        text: fn(&R, &str, bool) -> String,
    ) -> Outcome {
        match session.options.format {
            Format::Text => write!(session.out, "{}", text(report, name, session.options.wide))?,
            Format::Csv => writeln!(session.out, "{}", report::csv(report, columns, name))?,
            Format::Json => {
                let separator = if self.records == 0 { "[" } else { ",\n " };
                write!(session.out, "{separator}{}", report::json(report, name))?;
            }
        }
        self.records += 1;
        Ok(())
    }

    /// Prints what comes after the last record.
    pub fn end(self, session: &mut Session<'_>) -> Outcome {
        self.close(session)
    }

    fn close(&self, session: &mut Session<'_>) -> Outcome {
        if session.options.format == Format::Json {
            writeln!(session.out, "{}", if self.records == 0 { "[]" } else { "]" })?;
        }
        Ok(())
    }
}
