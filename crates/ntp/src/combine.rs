//! Many estimates into one.
