//! Command and monitoring protocol, version 6.
