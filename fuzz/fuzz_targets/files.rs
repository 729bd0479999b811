#![no_main]

#[path = "../../tests/rig/fuzzed.rs"]
mod fuzzed;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzed::files(bytes));
