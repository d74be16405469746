//! The properties are in crates/ntp/tests/properties/files_and_devices.rs.
#![no_main]

#[path = "../../crates/ntp/tests/properties/files_and_devices.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::check(data));
