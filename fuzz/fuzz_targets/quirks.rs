//! Requests fitted to servers that differ.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| penstock_fuzz::quirks(input));
