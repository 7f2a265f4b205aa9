//! libFuzzer's door to `fuzz`.
#![no_main]

mod fuzz;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::fuzz(data));
