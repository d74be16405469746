//! Set-up and its undoing: everything around the daemon that a machine needs to be a time server.
//!
//! [`tree`] is the file system that is changed (this machine's or a copy), [`place`] finds out what kind of system it
//! is, [`uci`] reads and edits OpenWrt's files.

pub mod apply;
pub mod interfaces;
pub mod journal;
pub mod lines;
pub mod lock;
pub mod parts;
pub mod place;
pub mod plan;
pub mod runner;
pub mod translate;
pub mod tree;
pub mod uci;
