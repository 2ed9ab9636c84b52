//! Streamed answers of the responses dialect.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| penstock_fuzz::stream(
    &adapters_responses::egress::ResponsesUpstream,
    input
));
