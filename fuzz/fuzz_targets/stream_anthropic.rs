//! Streamed answers of the anthropic dialect.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| penstock_fuzz::stream(&penstock_fuzz::ANTHROPIC, input));
