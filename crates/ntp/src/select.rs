//! Which sources are telling the truth: a status for every source.
