//! The measurement dumps' text.
