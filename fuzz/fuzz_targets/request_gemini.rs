//! Requests of the gemini dialect.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| penstock_fuzz::request(
    &adapters_gemini::ingress::GenerateContent,
    input
));
