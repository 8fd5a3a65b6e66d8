//! Whole files through the scan.

#![no_main]

libfuzzer_sys::fuzz_target!(
    // libFuzzer's hook aborts at every panic. The `parquet` crate panics over some damaged footers, which the scan turns
    // into an error; a panic that leaves the target aborts all the same.
    init: {
        std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    },
    |bytes: &[u8]| {
        let _ = pilaster_tests::hostile::file(bytes);
    }
);
