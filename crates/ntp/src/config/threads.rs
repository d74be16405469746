//! Threads that serve.

/// How many threads serve beside the main loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServingThreads {
    /// Nothing was said: as many as `auto` under the name `timeball`, none under the name `chronyd`.
    #[default]
    Default,
    /// `auto`: one for each processor but one; none on one or two. With `serveraffinity`, one for each named.
    Auto,
    /// So many; 0: the main loop serves.
    Number(u16),
}

/// `serverthreads`, `serverpinning`, `serveraffinity`, `servercoalesce`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadsConfig {
    /// `serverthreads`.
    pub number: ServingThreads,
    /// `serverpinning`: all requests of a client come to the same thread.
    pub pinning: bool,
    /// `serveraffinity`: the processors they run on, in turn; none: any.
    pub affinity: Vec<u16>,
    /// `servercoalesce`: how long requests may gather before they are answered, µs; 0: not at all. The main loop does it too.
    pub coalesce: u16,
}

impl Default for ThreadsConfig {
    fn default() -> Self {
        Self { number: ServingThreads::Default, pinning: true, affinity: Vec::new(), coalesce: 2000 }
    }
}

impl ThreadsConfig {
    /// How many threads serve on a machine of `cores` processors; `auto`: when nothing was said.
    pub fn count(&self, cores: usize, auto: bool) -> usize {
        match self.number {
            ServingThreads::Number(number) => number.into(),
            ServingThreads::Default if !auto => 0,
            ServingThreads::Default | ServingThreads::Auto if !self.affinity.is_empty() => {
                self.affinity.len()
            }
            ServingThreads::Default | ServingThreads::Auto => {
                if cores <= 2 {
                    0
                } else {
                    cores - 1
                }
            }
        }
    }

    /// What an operator should know of the numbers on a machine of `cores` processors.
    pub fn warning(&self, cores: usize) -> Option<String> {
        let ServingThreads::Number(number) = self.number else { return None };
        let many = usize::from(number) > cores;
        let plural = if cores == 1 { "processor" } else { "processors" };
        many.then(|| {
            format!("serverthreads {number}: this machine has {cores} {plural}; more threads only take turns")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_many_threads_serve() {
        let config = |number, affinity: &[u16]| ThreadsConfig {
            number,
            affinity: affinity.to_vec(),
            ..ThreadsConfig::default()
        };
        use ServingThreads::{Auto, Default, Number};
        for (number, affinity, cores, as_timeball, as_chronyd) in [
            (Default, &[][..], 1, 0, 0),
            (Default, &[], 2, 0, 0),
            (Default, &[], 8, 7, 0),
            (Auto, &[], 2, 0, 0),
            (Auto, &[], 3, 2, 2),
            (Auto, &[4, 5, 6], 8, 3, 3),
            (Number(0), &[1], 8, 0, 0),
            (Number(2), &[], 1, 2, 2),
        ] {
            let config = config(number, affinity);
            assert_eq!((config.count(cores, true), config.count(cores, false)), (as_timeball, as_chronyd));
        }
        let said = config(Number(9), &[]).warning(2).expect("too many");
        assert_eq!(said, "serverthreads 9: this machine has 2 processors; more threads only take turns");
        assert!(config(Number(2), &[]).warning(2).is_none() && config(Auto, &[]).warning(1).is_none());
    }
}
