//! The drift file's text.
