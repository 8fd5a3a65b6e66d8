//! Pages of files that the `parquet` crate wrote; the oracle is its page reader.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, ListArray, RecordBatch, StringArray};
use arrow::datatypes::Int32Type;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::column::page::Page;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::reader::{FileReader, SerializedFileReader};
use pilaster_kernels::memory::{Reserve, Unlimited};
use pilaster_kernels::parquet::{DataPage, Levels, PageSource};
use pilaster_kernels::{Backend, Error};

use crate::memory::Budget;
use crate::scan::file::Place;
use crate::scan::page::{Chunk, ChunkPages, Pool};

const ROWS: i64 = 3000;

fn file(version: WriterVersion, codec: Compression) -> (Bytes, Arc<ParquetMetaData>) {
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(
        (0..ROWS).map(|row| (row % 5 != 0).then(|| (0..row as i32 % 4).map(Some).collect::<Vec<_>>())),
    );
    let columns: [(&str, ArrayRef); 4] = [
        ("required", Arc::new(Int64Array::from_iter_values(0..ROWS))),
        (
            "nullable",
            Arc::new(Int32Array::from_iter((0..ROWS).map(|row| (row % 3 != 0).then_some(row as i32)))),
        ),
        ("text", Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| format!("text {}", row % 7))))),
        ("lists", Arc::new(lists)),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder()
        .set_writer_version(version)
        .set_compression(codec)
        .set_column_dictionary_enabled("required".into(), false)
        .set_data_page_row_count_limit(500)
        .set_write_batch_size(100)
        .set_dictionary_page_size_limit(2000);
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    let metadata = writer.close().unwrap();
    (bytes.into(), Arc::new(metadata))
}

fn chunk(bytes: &Bytes, metadata: &ColumnChunkMetaData, reserve: &Arc<dyn Reserve>) -> Result<Chunk, Error> {
    let (start, length) = metadata.byte_range();
    let place = Place { path: std::path::Path::new("memory").into(), row_group: Some(0), column: None };
    let bytes = bytes.slice(start as usize..(start + length) as usize);
    Ok(Chunk::new(bytes, metadata, place, reserve)?.of_rows(ROWS as usize))
}

fn pages(chunk: Chunk, reserve: &Arc<dyn Reserve>) -> ChunkPages {
    ChunkPages::new(Arc::new(chunk), Arc::new(Pool::default()), Arc::clone(reserve))
}

fn unlimited() -> Arc<dyn Reserve> {
    Arc::new(Unlimited)
}

/// A page's levels and values as they lie in the file.
fn joined(page: &DataPage, with_lengths: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    for levels in [&page.repetition, &page.definition] {
        match levels {
            Levels::None => {}
            Levels::Hybrid(levels) => {
                if with_lengths {
                    bytes.extend((levels.len() as u32).to_le_bytes());
                }
                bytes.extend(levels.as_slice());
            }
            Levels::BitPacked(_) => panic!("the crate does not write them"),
        }
    }
    bytes.extend(page.values.as_slice());
    bytes
}

#[test]
fn every_page_is_the_crates() {
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        for codec in [Compression::UNCOMPRESSED, Compression::SNAPPY] {
            let (bytes, _) = file(version, codec);
            let reader = SerializedFileReader::new(bytes.clone()).unwrap();
            let group = reader.metadata().row_group(0);
            for (leaf, metadata) in group.columns().iter().enumerate() {
                let chunk = chunk(&bytes, metadata, &unlimited()).unwrap();
                let name = metadata.column_path().string();
                assert_eq!(
                    chunk.is_all_dictionary(),
                    ["text", "lists.list.item"].contains(&name.as_str()),
                    "{name}"
                );
                let mut ours = pages(chunk, &unlimited());
                let mut rows = 0;
                for theirs in reader.get_row_group(0).unwrap().get_column_page_reader(leaf).unwrap() {
                    match theirs.unwrap() {
                        Page::DictionaryPage { buf, num_values, .. } => {
                            let page = ours.dictionary().unwrap().unwrap();
                            assert_eq!((page.len, page.values.as_slice()), (num_values as usize, &buf[..]));
                        }
                        Page::DataPage { buf, num_values, .. } => {
                            let facts = ours.peek().unwrap().unwrap();
                            rows += facts.rows.unwrap_or(0);
                            let page = ours.next().unwrap().unwrap();
                            assert_eq!((page.levels, page.nulls), (num_values as usize, None));
                            assert_eq!(facts.levels, page.levels);
                            assert_eq!(joined(&page, true), &buf[..]);
                        }
                        Page::DataPageV2 { buf, num_values, num_nulls, num_rows, .. } => {
                            let facts = ours.peek().unwrap().unwrap();
                            assert_eq!(facts.rows, Some(num_rows as usize));
                            rows += num_rows as usize;
                            let page = ours.next().unwrap().unwrap();
                            assert_eq!(
                                (page.levels, page.nulls),
                                (num_values as usize, Some(num_nulls as usize))
                            );
                            assert_eq!(joined(&page, false), &buf[..]);
                        }
                    }
                }
                assert!(ours.next().unwrap().is_none() && ours.peek().unwrap().is_none());
                let counted = name != "lists.list.item" || version == WriterVersion::PARQUET_2_0;
                assert_eq!(rows, if counted { ROWS as usize } else { 0 });
            }
        }
    }
}

#[test]
fn a_dictionary_is_given_once_and_pages_can_be_skipped() {
    let (bytes, metadata) = file(WriterVersion::PARQUET_1_0, Compression::SNAPPY);
    let text = metadata.row_group(0).column(2);
    let mut skipped = pages(chunk(&bytes, text, &unlimited()).unwrap(), &unlimited());
    let mut read = pages(chunk(&bytes, text, &unlimited()).unwrap(), &unlimited());
    skipped.skip().unwrap();
    read.next().unwrap();
    assert!(skipped.dictionary().unwrap().is_some());
    assert!(skipped.dictionary().unwrap().is_none());
    let (skipped, read) = (skipped.next().unwrap().unwrap(), read.next().unwrap().unwrap());
    assert_eq!((skipped.offset, skipped.values), (read.offset, read.values));
}

#[test]
fn buffers_hold_the_budget_until_they_are_dropped() {
    let (bytes, metadata) = file(WriterVersion::PARQUET_1_0, Compression::SNAPPY);
    let budget = Arc::new(Budget::new(Backend::Cpu, 1 << 20));
    let reserve: Arc<dyn Reserve> = Arc::clone(&budget) as _;
    let mut source = pages(chunk(&bytes, metadata.row_group(0).column(0), &reserve).unwrap(), &reserve);
    let listed = budget.reserved();
    let page = source.next().unwrap().unwrap();
    let held = page.values.slice(100);
    assert!(budget.reserved() >= listed + page.values.len() as u64);
    drop((page, source));
    assert!(budget.reserved() >= held.len() as u64);
    drop(held);
    assert_eq!(budget.reserved(), 0);
    let small: Arc<dyn Reserve> = Arc::new(Budget::new(Backend::Cpu, 2000));
    let mut source = pages(chunk(&bytes, metadata.row_group(0).column(0), &small).unwrap(), &small);
    assert!(matches!(source.next(), Err(Error::OutOfMemory { .. })));
}

#[test]
fn damaged_chunks_give_typed_errors() {
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        let (bytes, metadata) = file(version, Compression::SNAPPY);
        for column in metadata.row_group(0).columns() {
            let (start, length) = column.byte_range();
            for at in (0..length as usize).step_by(3) {
                for bit in 0..8 {
                    let mut damaged = bytes.to_vec();
                    damaged[start as usize + at] ^= 1 << bit;
                    let budget: Arc<dyn Reserve> = Arc::new(Budget::new(Backend::Cpu, 1 << 24));
                    match read_all(&damaged.into(), column, &budget) {
                        Ok(()) | Err(Error::OutOfMemory { .. }) => {}
                        Err(Error::CorruptFile { offset: Some(offset), .. }) => {
                            assert!((start..=start + length).contains(&offset));
                        }
                        Err(other) => panic!("{other:?}"),
                    }
                }
            }
        }
    }
}

fn read_all(bytes: &Bytes, column: &ColumnChunkMetaData, budget: &Arc<dyn Reserve>) -> Result<(), Error> {
    let mut source = pages(chunk(bytes, column, budget)?, budget);
    while source.peek()?.is_some() {
        source.dictionary()?;
        source.next()?;
    }
    Ok(())
}

#[test]
fn an_offset_index_tells_the_rows_of_repeated_pages_of_version_1() {
    let (bytes, metadata) = file(WriterVersion::PARQUET_1_0, Compression::SNAPPY);
    let lists = metadata.row_group(0).column(3);
    let reader = parquet::file::metadata::ParquetMetaDataReader::new()
        .with_page_index_policy(parquet::file::metadata::PageIndexPolicy::Required);
    let indexed = reader.parse_and_finish(&bytes).unwrap();
    let locations = indexed.offset_index().unwrap()[0][3].page_locations().clone();
    let ends = locations.iter().skip(1).map(|page| page.first_row_index).chain([ROWS]);
    let index: Vec<(usize, u64)> = (locations.iter().zip(ends))
        .map(|(page, end)| ((end - page.first_row_index) as usize, page.compressed_page_size as u64))
        .collect();
    assert!(index.len() > 1);
    let rows = |index: &[(usize, u64)]| {
        let chunk = chunk(&bytes, lists, &unlimited()).unwrap();
        assert!(chunk.lacks_rows());
        let mut source = pages(chunk.located(index), &unlimited());
        let mut rows = Vec::new();
        while let Some(facts) = source.peek().unwrap() {
            rows.push(facts.rows);
            source.skip().unwrap();
        }
        rows
    };
    assert_eq!(rows(&index), index.iter().map(|(rows, _)| Some(*rows)).collect::<Vec<_>>());
    // Another chunk's index.
    for other in [&index[1..], &[], &index.iter().map(|(rows, bytes)| (*rows, bytes + 1)).collect::<Vec<_>>()]
    {
        assert_eq!(rows(other), vec![None; index.len()]);
    }
}
