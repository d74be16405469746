//! The properties are in crates/ntp/tests/properties/own_request.rs.
#![no_main]

#[path = "../../crates/ntp/tests/properties/own_request.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::check(data));
