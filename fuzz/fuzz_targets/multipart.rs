//! Forms that go up while they come in.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| penstock_fuzz::multipart(input));
