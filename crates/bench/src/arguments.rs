//! The command line.

use crate::lab::Placement;
use crate::server::{Candidate, Setup};

/// Printed by `--help`.
pub const HELP: &str = "\
Measures and attacks NTP servers between two network namespaces of its own. Needs root, iproute2, util-linux.

usage: bench [COMMAND] [OPTIONS]

commands (without one: speed)
  speed      our server and chronyd in alternation: replies/s, CPU a request, limits with a million clients, memory, loss
  long       100 million requests: memory stays flat
  scenarios  all of the following; each passes or fails
  hostile      600 000 datagrams that are no requests, beside honest clients
  flood        3 million requests from 2 million forged addresses at half the capacity, beside honest clients
  fairness     one client at 10 000/s and 999 quiet ones
  victim       clients in whose names somebody else sends 20 requests/s
  probes       three requests 2 s apart from each of many addresses, as the pool's monitors send them
  threads      two serving threads: what each costs at half the load
  pages        ten open pages: replies/s beside those without
  bare       the least that answers, on port 123: what the kernel takes for each request (speed --floor measures it)

options
  --rounds N            rounds of speed [5]
  --quick               one short round; short scenarios
  --seconds S           length of each measurement [2]
  --only plain|limits   speed: only this set-up
  --requests N          how many requests long sends [100000000]
  --json                for programs
  --server PROGRAM      our program [built by cargo]
  --against NAME=CMD    speed: another server in alternation; may be repeated. It must stay in the foreground, need
                        no synchronisation and answer on 10.99.0.1, port 123
  --without-chronyd     speed: not against chronyd
  --floor               speed: beside the least that answers, below which no server's cost can be
  --directive LINE      one more line for our configuration; may be repeated
  --cpus S,L            processors of the server and of the load [0,1]
  --shared              ordinary priority; without it, server and load run before all other work of the machine

example
  cargo run --release -p bench -- speed --rounds 3 --against 'rsntp=/usr/local/bin/rsntp -s -p 123'

Exit status: 0; 1 when a server fell, lost honest requests or sent a wrong reply; 2 when nothing could be measured.
";

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Candidates in alternation.
    Speed,
    /// Very many requests.
    Long,
    /// Answer, and nothing else.
    Bare,
    /// A scenario, or all of them.
    Scenario(&'static str),
}

/// Names of scenarios.
pub const SCENARIOS: [&str; 8] =
    ["scenarios", "hostile", "flood", "fairness", "victim", "probes", "threads", "pages"];

/// The command line, read.
#[derive(Clone, Debug)]
pub struct Options {
    /// What to do.
    pub task: Task,
    /// Rounds of [`Task::Speed`].
    pub rounds: usize,
    /// Short.
    pub quick: bool,
    /// Length of a measurement, s.
    pub seconds: f64,
    /// Which set-ups are measured.
    pub setups: Vec<Setup>,
    /// Requests of [`Task::Long`].
    pub requests: u64,
    /// For programs.
    pub json: bool,
    /// Our program; `None`: have it built.
    pub server: Option<String>,
    /// Compare with chronyd.
    pub chronyd: bool,
    /// Compare with these too.
    pub others: Vec<Candidate>,
    /// More lines for our configuration.
    pub directives: String,
    /// Processors and priority.
    pub placement: Placement,
}

impl Options {
    /// Reads the arguments; `Ok(None)`: help is wanted.
    pub fn read(arguments: impl IntoIterator<Item = String>) -> Result<Option<Self>, String> {
        let mut options = Self {
            task: Task::Speed,
            rounds: 5,
            quick: false,
            seconds: 2.0,
            setups: vec![Setup::Plain, Setup::Limits],
            requests: 100_000_000,
            json: false,
            server: None,
            chronyd: true,
            others: Vec::new(),
            directives: String::new(),
            placement: Placement { server: vec![0], load: 1, realtime: true },
        };
        let mut all = arguments.into_iter();
        while let Some(word) = all.next() {
            let mut value = || all.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--help" | "-h" | "help" => return Ok(None),
                "speed" => options.task = Task::Speed,
                "bare" => options.task = Task::Bare,
                "long" | "--long" => options.task = Task::Long,
                "--rounds" => options.rounds = number(&word, &value()?, 1.0, 1000.0)? as usize,
                "--quick" => (options.quick, options.rounds, options.seconds) = (true, 1, 0.7),
                "--seconds" => options.seconds = number(&word, &value()?, 0.1, 60.0)?,
                "--only" => {
                    options.setups = match value()?.as_str() {
                        "plain" => vec![Setup::Plain],
                        "limits" => vec![Setup::Limits],
                        other => return Err(format!("--only plain or --only limits, not \"{other}\"")),
                    };
                }
                "--requests" => options.requests = number(&word, &value()?, 1e5, 4e9)? as u64,
                "--json" => options.json = true,
                "--server" => options.server = Some(value()?),
                "--floor" => {
                    let own = std::env::current_exe().map_err(|error| error.to_string())?;
                    options.others.extend(Candidate::other(&format!("bare={} bare", own.display())));
                }
                "--without-chronyd" => options.chronyd = false,
                "--against" => {
                    let command = value()?;
                    options.others.push(Candidate::other(&command).ok_or("--against needs a command")?);
                }
                "--directive" => options.directives += &(value()? + "\n"),
                "--cpus" => {
                    let both = value()?;
                    let (server, load) = both.split_once(',').ok_or("--cpus needs two numbers, as 0,1")?;
                    options.placement.server = vec![number(&word, server, 0.0, 4095.0)? as usize];
                    options.placement.load = number(&word, load, 0.0, 4095.0)? as usize;
                }
                "--shared" => options.placement.realtime = false,
                // Cargo gives this to every benchmark.
                "--bench" => {}
                other => match SCENARIOS.iter().find(|&&name| name == other) {
                    Some(&name) => options.task = Task::Scenario(name),
                    None => return Err(format!("unknown word \"{other}\"; --help tells what there is")),
                },
            }
        }
        Ok(Some(options))
    }

    /// Our server as the options want it.
    pub fn ours(&self) -> Candidate {
        let program = self.server.as_deref().unwrap_or("timeball");
        Candidate::timeball(program).with(&self.directives)
    }

    /// Who is measured by [`Task::Speed`]; we are the first.
    pub fn candidates(&self) -> Vec<Candidate> {
        let chronyd = self.chronyd.then(Candidate::chronyd);
        [self.ours()].into_iter().chain(chronyd).chain(self.others.iter().cloned()).collect()
    }
}

fn number(word: &str, text: &str, least: f64, most: f64) -> Result<f64, String> {
    let number = text.replace('_', "").parse::<f64>().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("{word}: \"{text}\" is not a number between {least} and {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Option<Options>, String> {
        Options::read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn words_are_understood_or_refused_by_name() {
        let options = read("fairness --quick --cpus 2,3 --server /x --json").unwrap().unwrap();
        assert_eq!((options.task, options.quick, options.json), (Task::Scenario("fairness"), true, true));
        assert_eq!((options.placement.server, options.placement.load), (vec![2], 3));
        assert_eq!(read("bare").unwrap().unwrap().task, Task::Bare);
        assert_eq!(read("--floor").unwrap().unwrap().others.len(), 1);
        assert_eq!(read("--long").unwrap().unwrap().task, Task::Long);
        assert!(read("speed --help").unwrap().is_none());
        for (line, word) in [
            ("--rounds", "--rounds needs a value"),
            ("--rounds none", "\"none\""),
            ("--seconds -1", "\"-1\""),
            ("sped", "\"sped\""),
            ("--cpus 1", "two numbers"),
            ("--only some", "\"some\""),
        ] {
            assert!(read(line).unwrap_err().contains(word), "{line}");
        }
    }

    #[test]
    fn we_are_measured_first() {
        let options = Options::read(["--against", "mine=/bin/x -d"].map(str::to_owned)).unwrap().unwrap();
        let names: Vec<String> = options.candidates().into_iter().map(|candidate| candidate.name).collect();
        assert_eq!(names, ["timeball", "chronyd", "mine"]);
        let options = Options::read(["--against", "/usr/bin/y -d", "--without-chronyd"].map(str::to_owned));
        let names: Vec<String> =
            options.unwrap().unwrap().candidates().into_iter().map(|candidate| candidate.name).collect();
        assert_eq!(names, ["timeball", "y"]);
    }
}
