//! Figures of several rounds: medians, spread, ratios; as a table and as JSON.

use std::fmt::Write;

/// Which way is better, and what is to be reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// At least this many times the other's.
    AtLeast(f64),
    /// At most this many times the other's.
    AtMost(f64),
    /// Only shown.
    None,
}

/// One figure of all candidates.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What it is called in JSON.
    pub key: &'static str,
    /// What it is called in the table.
    pub title: &'static str,
    /// Decimal places.
    pub places: usize,
    /// Ratio to reach, of the first candidate to the second.
    pub goal: Goal,
    /// One list for each candidate: a value each round.
    pub values: Vec<Vec<f64>>,
}

/// Median, least and greatest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The middle.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The greatest.
    pub greatest: f64,
}

impl Spread {
    /// Of some numbers; `None` without any.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let (&least, &greatest) = (sorted.first()?, sorted.last()?);
        let middle = sorted.len() / 2;
        let upper = *sorted.get(middle)?;
        let lower = if sorted.len() % 2 == 1 { upper } else { *sorted.get(middle.checked_sub(1)?)? };
        Some(Self { median: (lower + upper) / 2.0, least, greatest })
    }
}

impl Figure {
    /// The first candidate's values over those of candidate `other`, round by round; the median is that of the medians.
    pub fn ratio(&self, other: usize) -> Option<Spread> {
        let (ours, theirs) = (self.values.first()?, self.values.get(other)?);
        let pairs: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| a / b).collect();
        let median = Spread::of(ours)?.median / Spread::of(theirs)?.median;
        Spread::of(&pairs).map(|spread| Spread { median, ..spread }).filter(|_| median.is_finite())
    }

    /// Is the goal reached? `None`: there is none, or nothing to compare with.
    pub fn reached(&self) -> Option<bool> {
        let ratio = self.ratio(1)?.median;
        match self.goal {
            Goal::AtLeast(least) => Some(ratio >= least),
            Goal::AtMost(most) => Some(ratio <= most),
            Goal::None => None,
        }
    }
}

/// All figures of a run.
#[derive(Clone, Debug)]
pub struct Table {
    /// Whose they are; the others are compared with the first.
    pub names: Vec<String>,
    /// The figures.
    pub figures: Vec<Figure>,
}

impl Table {
    /// No figures yet.
    pub fn new(names: Vec<String>) -> Self {
        Self { names, figures: Vec::new() }
    }

    /// Adds a value of candidate `who` to the figure `key`, which is made if it is new.
    pub fn add(
        &mut self,
        who: usize,
        key: &'static str,
        title: &'static str,
        places: usize,
        goal: Goal,
        value: f64,
    ) {
        let candidates = self.names.len();
        let figure = match self.figures.iter().position(|figure| figure.key == key) {
            Some(at) => &mut self.figures[at],
            None => {
                let values = vec![Vec::new(); candidates];
                self.figures.push(Figure { key, title, places, goal, values });
                self.figures.last_mut().expect("just pushed")
            }
        };
        figure.values[who].push(value);
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut out = format!("{:46}", "median [least … greatest]");
        for name in &self.names {
            let _ = write!(out, "{name:>30}");
        }
        for name in self.names.iter().skip(1) {
            let _ = write!(out, "  {:26}", format!("ratio to {name}"));
        }
        out.push('\n');
        for figure in &self.figures {
            let _ = write!(out, "{:46}", figure.title);
            for values in &figure.values {
                let _ = write!(out, "{:>30}", cell(Spread::of(values), figure.places));
            }
            for other in 1..self.names.len() {
                let ratio = cell(figure.ratio(other), 2);
                let _ = write!(out, "  {ratio:26}");
            }
            if let Some(reached) = figure.reached() {
                let (word, goal) = match figure.goal {
                    Goal::AtLeast(goal) => ("at least", goal),
                    Goal::AtMost(goal) => ("at most", goal),
                    Goal::None => unreachable!("a goal without a goal"),
                };
                let _ = write!(out, "{word} {goal}: {}", if reached { "reached" } else { "MISSED" });
            }
            out.truncate(out.trim_end().len());
            out.push('\n');
        }
        out
    }

    /// For programs.
    pub fn json(&self) -> String {
        let number = |x: f64| if x.is_finite() { format!("{x}") } else { "null".to_owned() };
        let spread = |spread: Option<Spread>| {
            spread.map_or("null".to_owned(), |s| {
                let (median, least, greatest) = (number(s.median), number(s.least), number(s.greatest));
                format!("{{\"median\":{median},\"least\":{least},\"greatest\":{greatest}}}")
            })
        };
        let figures = self.figures.iter().map(|figure| {
            let names = || self.names.iter().enumerate();
            let values = names().map(|(at, name)| {
                let list: Vec<String> = figure.values[at].iter().copied().map(number).collect();
                let all = Spread::of(&figure.values[at]);
                format!("{}:{{\"of\":{},\"rounds\":[{}]}}", quoted(name), spread(all), list.join(","))
            });
            let ratios =
                names().skip(1).map(|(at, name)| format!("{}:{}", quoted(name), spread(figure.ratio(at))));
            let reached = figure.reached().map_or("null".to_owned(), |reached| reached.to_string());
            format!(
                "{}:{{\"values\":{{{}}},\"ratio_to\":{{{}}},\"reached\":{reached}}}",
                quoted(figure.key),
                values.collect::<Vec<_>>().join(","),
                ratios.collect::<Vec<_>>().join(",")
            )
        });
        format!("{{{}}}", figures.collect::<Vec<_>>().join(","))
    }
}

fn cell(spread: Option<Spread>, places: usize) -> String {
    spread.map_or("-".to_owned(), |s| {
        format!("{:.places$} [{:.places$} … {:.places$}]", s.median, s.least, s.greatest)
    })
}

/// A JSON string.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(vec!["ours".to_owned(), "the \"other\"".to_owned()]);
        for (ours, theirs) in [(12.0, 10.0), (15.0, 10.0), (9.0, 12.0)] {
            table.add(0, "speed", "replies/s", 1, Goal::AtLeast(1.15), ours);
            table.add(1, "speed", "replies/s", 1, Goal::AtLeast(1.15), theirs);
        }
        table.add(0, "alone", "only ours", 0, Goal::AtMost(1.0), 3.0);
        table
    }

    #[test]
    fn ratios_are_of_medians_and_their_spread_is_of_rounds() {
        let table = table();
        let ratio = table.figures[0].ratio(1).unwrap();
        assert_eq!((ratio.median, ratio.least, ratio.greatest), (1.2, 0.75, 1.5));
        assert_eq!((table.figures[0].reached(), table.figures[1].reached()), (Some(true), None));
        assert_eq!(Spread::of(&[4.0, 1.0, 3.0, 2.0]).unwrap().median, 2.5);
        assert_eq!(Spread::of(&[f64::NAN]), None);
    }

    #[test]
    fn text_and_json_say_all() {
        let text = table().text();
        assert!(text.contains("12.0 [9.0 … 15.0]") && text.contains("1.20 [0.75 … 1.50]"), "{text}");
        assert!(text.contains("at least 1.15: reached"), "{text}");
        let json = table().json();
        assert!(json.contains(r#""the \"other\"":{"median":1.2,"least":0.75,"greatest":1.5}"#), "{json}");
        assert!(json.ends_with(r#""ratio_to":{"the \"other\"":null},"reached":null}}"#), "{json}");
    }
}
