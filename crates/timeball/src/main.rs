//! Timeball: one program, by three names.
#![forbid(unsafe_code)]
mod daemon;
fn main() {}
