//! Whole files through the scan.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = pilaster_tests::hostile::file(bytes);
});
