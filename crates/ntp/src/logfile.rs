//! Entries of the log files measurements, statistics, selection and tracking, in chrony's columns.

/// One entry of one log file.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {}
