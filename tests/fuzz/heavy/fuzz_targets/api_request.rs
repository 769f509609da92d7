#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| kvit_fuzz_heavy::properties::api_request::holds(data));
