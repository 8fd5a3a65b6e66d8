use std::fs::File;

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Encoding;

use super::{Codec, KINDS, Layout, Options, generate};

fn options() -> Options {
    Options { rows: 5000, row_group_rows: 2000, page_bytes: 4096, seed: 1 }
}

#[test]
fn every_kind_has_the_encoding_that_it_names() {
    let folder = tempfile::tempdir().unwrap();
    for kind in KINDS {
        let file = generate(kind, Codec::None, &options(), folder.path()).unwrap();
        assert!(file.generated);
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(&file.path).unwrap()).unwrap();
        let metadata = std::sync::Arc::clone(builder.metadata());
        assert_eq!(metadata.num_row_groups(), file.rows.div_ceil(2000), "{}", kind.name);
        for row_group in metadata.row_groups() {
            let encodings: Vec<Encoding> = row_group.column(0).encodings().collect();
            let wanted = match kind.layout {
                Layout::Dictionary => Encoding::RLE_DICTIONARY,
                Layout::Encoded(encoding) => encoding,
            };
            assert!(encodings.contains(&wanted), "{}: {encodings:?}", kind.name);
        }
        let batches: Vec<_> = builder.build().unwrap().collect::<Result<_, _>>().unwrap();
        let nulls: usize = batches.iter().map(|batch| batch.column(0).null_count()).sum();
        let share = nulls * 100 / file.rows;
        let expected = if kind.name.contains("90") {
            85..95
        } else if kind.name.contains("20") {
            15..25
        } else {
            0..7
        };
        assert!(expected.contains(&share), "{}: {share} % nulls", kind.name);
    }
}

#[test]
fn a_file_that_is_there_is_not_made_anew_and_its_bytes_depend_on_the_seed() {
    let folder = tempfile::tempdir().unwrap();
    let kind = &KINDS[0];
    let make = |options: &Options| generate(kind, Codec::Snappy, options, folder.path()).unwrap();
    let first = make(&options());
    let bytes = std::fs::read(&first.path).unwrap();
    assert!(!make(&options()).generated);
    std::fs::remove_file(&first.path).unwrap();
    assert_eq!(std::fs::read(make(&options()).path).unwrap(), bytes);
    let other = make(&Options { seed: 2, ..options() });
    assert!(other.path != first.path && std::fs::read(other.path).unwrap() != bytes);
    // Cut short, it is not complete.
    std::fs::write(&first.path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(make(&options()).generated);
}

#[test]
fn codecs_have_names() {
    for codec in Codec::ALL {
        assert_eq!(codec.to_string().parse(), Ok(codec));
    }
    assert!("lzo".parse::<Codec>().unwrap_err().to_string().contains("lz4_raw"));
}
