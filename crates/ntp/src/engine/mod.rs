//! The engine: one value that owns sources, estimates, the discipline and what is served.
//!
//! Inputs come in through [`Engine::handle`] with the time they came; what must be done outside comes back as
//! [`Action`]s. There is no clock, socket, file or chance in here, so a run can be replayed bit by bit.

pub mod io;

pub use io::{
    Action, Actions, Input, LogLine, Meta, PacketBuf, Severity, SocketSpec, Stamp, StampSource, TxToken,
};
