//! The server: bytes to bytes.
