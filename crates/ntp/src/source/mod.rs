//! One association with a server.
