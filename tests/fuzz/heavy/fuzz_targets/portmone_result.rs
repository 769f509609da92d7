#![no_main]
libfuzzer_sys::fuzz_target!(
    |data: &[u8]| kvit_fuzz_heavy::properties::portmone_result::holds(data)
);
