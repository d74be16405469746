//! From samples to estimates.
