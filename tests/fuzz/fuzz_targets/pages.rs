//! Pages of one column chunk through `LeafReader`; `pilaster_tests::hostile::pages` describes the bytes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = pilaster_tests::hostile::pages(bytes);
});
