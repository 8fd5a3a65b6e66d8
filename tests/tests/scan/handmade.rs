//! What the `parquet` crate's writer does not write, put together by hand: the values are known, no reader is the oracle.

use pilaster_tests::strategies::parquet::{HandmadeFile, Oddities};
use pilaster_tests::strategies::{Choices, choices};
use pilaster_tests::{compare, runner};
use proptest::prelude::*;

use super::reading::{Reading, check, oracle};

#[derive(Debug, Clone)]
struct Case {
    file: HandmadeFile,
    reading: Reading,
}

impl Case {
    fn choose(choices: &mut Choices, allow: fn(&mut Oddities)) -> Self {
        let mut later = choices.split();
        let file = HandmadeFile::choose(choices, allow);
        let reading = Reading::choose(&file.data, &mut later);
        Case { file, reading }
    }
}

fn agrees(case: &Case) -> Result<(), String> {
    check(&case.file.bytes, &case.file.data, &case.reading)
}

/// What the `parquet` crate's reader knows.
fn common(oddities: &mut Oddities) {
    oddities.dictionaries = oddities.dictionaries.min(1);
    oddities.index_pages = false;
    oddities.overlong_decimals = false;
    // It takes them with the least significant bit first, against the format.
    oddities.bit_packed_levels = false;
}

#[test]
fn files_made_by_hand_are_read() {
    let cases = choices(60).prop_map(|mut choices| Case::choose(&mut choices, |_| {}));
    runner::check("files_made_by_hand_are_read", 300, &cases, agrees);
}

/// Where the `parquet` crate's reader knows all that a file has, it finds the values that were put in: what makes the
/// files is right.
#[test]
fn the_parquet_crate_reads_them_too() {
    let cases = choices(60).prop_map(|mut choices| Case::choose(&mut choices, common));
    runner::check("the_parquet_crate_reads_them_too", 200, &cases, |case| {
        let read = oracle(&case.file.bytes)?;
        compare::scanned(&case.file.data, &[read])
    });
}
