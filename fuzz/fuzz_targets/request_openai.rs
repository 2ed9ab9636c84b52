//! Requests of the openai dialect.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| penstock_fuzz::request(&penstock_fuzz::OPENAI, input));
