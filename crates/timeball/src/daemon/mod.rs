//! The daemon: the operating system's side of the engine.

pub mod system_clock;
pub mod virtual_clock;
