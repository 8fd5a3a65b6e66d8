//! Any schema, data, writer settings, projection, predicate and batch size: the rows of the `parquet` crate's reader.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use pilaster_kernels::expr::{CompareOp, Expr, Scalar};
use pilaster_tests::runner;
use pilaster_tests::strategies::parquet::{
    Density, Lie, ParquetFile, Settings, ValueRecipe, codecs, column, encodings_of, leaf_types, write,
};
use pilaster_tests::strategies::{Choices, Random, Spread, choices};
use proptest::prelude::*;

use super::reading::{Reading, check, oracle};

/// A file and ways to read it.
#[derive(Debug, Clone)]
struct Case {
    file: ParquetFile,
    readings: Vec<Reading>,
}

impl Case {
    fn choose(choices: &mut Choices) -> Self {
        // The reading first: what the file uses up of the choices must not leave it the simplest.
        let mut later = choices.split();
        let file = ParquetFile::choose(choices);
        let all = oracle(&file.bytes).unwrap();
        let readings = (0..2).map(|_| Reading::choose(&all, &mut later)).collect();
        Case { file, readings }
    }
}

fn agrees(case: &Case) -> Result<(), String> {
    let all = oracle(&case.file.bytes)?;
    readable(&all, &case.file.data)?;
    case.readings.iter().try_for_each(|reading| {
        check(&case.file.bytes, &all, reading).map_err(|reason| format!("{reading:?}: {reason}"))
    })
}

/// The oracle itself: it gives as many rows as were written.
fn readable(all: &RecordBatch, written: &RecordBatch) -> Result<(), String> {
    (all.num_rows() == written.num_rows()).then_some(()).ok_or_else(|| "the oracle lost rows".into())
}

#[test]
fn the_scan_agrees_with_the_parquet_crate() {
    let cases = choices(160).prop_map(|mut choices| Case::choose(&mut choices));
    runner::check("the_scan_agrees_with_the_parquet_crate", 200, &cases, agrees);
}

/// Every type in every encoding that it may have, with a dictionary, with one that is given up in mid-chunk and without;
/// codecs and page versions take turns.
pub fn each_type_in_each_encoding(mut check: impl FnMut(&str, &ParquetFile)) {
    let codecs = codecs();
    let mut turn = 0;
    for data_type in leaf_types() {
        let nested = DataType::List(Arc::new(Field::new("item", data_type.clone(), true)));
        let fields = vec![Field::new("flat", data_type.clone(), true), Field::new("nested", nested, true)];
        let schema = Arc::new(Schema::new(fields));
        for &encoding in encodings_of(&schema) {
            for dictionary_bytes in [None, Some(1 << 20), Some(60)] {
                turn += 1;
                let mut choices = Choices::new((0..60).map(|at| at * turn).collect());
                let mut file = ParquetFile::of(Arc::clone(&schema), &mut choices);
                file.settings.version_2 = turn % 2 == 0;
                file.settings.dictionary_bytes = dictionary_bytes.unwrap_or(1);
                for leaf in &mut file.settings.leaves {
                    leaf.dictionary = dictionary_bytes.is_some();
                    leaf.encoding = Some(encoding);
                    leaf.codec = codecs[turn as usize % codecs.len()];
                }
                check(&format!("{data_type} as {encoding}"), &file.again());
            }
        }
    }
}

#[test]
fn every_type_in_every_encoding() {
    each_type_in_each_encoding(|what, file| {
        let all = oracle(&file.bytes).unwrap();
        assert_eq!(check(&file.bytes, &all, &Reading::whole(2)), Ok(()), "{what}: {file:?}");
    });
}

/// Row groups long enough to be cut into several tasks, of flat and nested columns, with pages of thousands of rows.
#[test]
fn long_row_groups_cut_into_tasks() {
    let rows = 150_000;
    let list = DataType::List(Arc::new(Field::new("item", DataType::Int64, true)));
    let fields = vec![
        Field::new("number", DataType::Int32, true),
        Field::new("text", DataType::Utf8, true),
        Field::new("list", list, true),
    ];
    let recipes = [(Density::Few, Lie::Sorted), (Density::Stretches, Lie::Pool), (Density::Few, Lie::Random)];
    let columns = fields.iter().zip(recipes).map(|(field, (nulls, lie))| {
        let spread = Spread::Wide;
        let recipe = ValueRecipe { nulls, lie, spread, most_bytes: 20, most_elements: 2, seed: 3 };
        column(field, &recipe, rows, &mut Random::new(3))
    });
    let columns = columns.collect();
    let data = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    for version_2 in [false, true] {
        let mut settings = Settings::choose(&data.schema(), rows, &mut Choices::new(Vec::new()));
        settings.version_2 = version_2;
        settings.page_rows = 3000;
        let bytes = write(&data, &settings);
        let at_least = Scalar::from_array(data.column(0), rows / 2).unwrap();
        let number = Expr::column(0, DataType::Int32);
        let predicate = Expr::compare(CompareOp::GtEq, number, Expr::literal(at_least)).unwrap();
        for predicate in [None, Some(predicate)] {
            let reading = Reading { batch_rows: 5000, tasks: 2, predicate, ..Reading::whole(3) };
            assert_eq!(check(&bytes, &data, &reading), Ok(()), "{reading:?}");
        }
    }
}
