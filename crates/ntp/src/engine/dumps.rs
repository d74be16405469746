//! Measurement dumps: samples to text and back.
