//! The core of Timeball: a value without clock, socket, randomness, file or thread.
//!
//! Read [`engine`] first. Time comes in as an argument ([`time::Now`]), steering goes out through one trait
//! ([`clock::Clock`]); everything else is bytes in, actions out.
#![forbid(unsafe_code)]

pub mod auth;
pub mod calendar;
pub mod clock;
pub mod config;
pub mod control;
pub mod discipline;
pub mod drift;
pub mod dump;
pub mod engine;
pub mod estimator;
pub mod ids;
pub mod last_addresses;
pub mod lasting;
pub mod leap_table;
pub mod learned;
pub mod logfile;
pub mod manual;
pub mod metrics;
pub mod refclock;
pub mod report;
pub mod rng;
pub mod rtc;
pub mod sample;
pub mod select;
pub mod server;
pub mod smoothing;
pub mod snapshot;
pub mod source;
pub mod time;
pub mod timeline;
pub mod why;
pub mod wire;
