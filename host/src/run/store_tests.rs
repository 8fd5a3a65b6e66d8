//! Rows that are kept: what stays in memory, what goes to disk, and that both come back.

use arrow::array::{ArrayRef, AsArray, DictionaryArray, Int64Array, StringArray};
use arrow::datatypes::{Int32Type, Int64Type};

use super::*;
use crate::run::engine::Engine;
use crate::session::SessionConfig;

fn query(limit: u64, folder: &std::path::Path) -> Query {
    let config = SessionConfig {
        threads: 2,
        cpu_batch_rows: 1_000,
        host_memory_limit_bytes: limit,
        spill_folder: Some(folder.into()),
        ..SessionConfig::default()
    };
    Query::new(&Arc::new(Engine::new(config).unwrap()))
}

/// Rows `from..from + rows`, as a number and as a word of a dictionary.
fn chunk(from: i64, rows: usize) -> Chunk {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(from..from + rows as i64));
    let words = (from..from + rows as i64).map(|row| (row % 7 != 0).then(|| format!("w{}", row % 3)));
    let words: Vec<Option<String>> = words.collect();
    let words: DictionaryArray<Int32Type> = words.iter().map(Option::as_deref).collect();
    Chunk { position: from as u64, ..Chunk::new(vec![numbers, Arc::new(words)], rows) }
}

fn files(folder: &std::path::Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn rows_come_back_from_memory_and_from_disk() {
    let folder = tempfile::tempdir().unwrap();
    let query = query(400_000, folder.path());
    let store = Store::new(&query);
    let mut pieces = Vec::new();
    for from in (0..40_000).step_by(2_500) {
        pieces.extend(store.keep(chunk(from, 2_500)).unwrap());
        assert!(query.results.reserved() <= query.results.limit_bytes());
    }
    assert!(query.results.reserved() > 0, "some stay in memory");
    let waiting = pieces.iter().find(|piece| piece.bytes_to_read() > 0).unwrap();
    assert!(matches!(waiting.read(), Err(Error::InvalidInput(_))), "not sealed");
    store.seal().unwrap();
    assert!(store.spilled_bytes() > 0);
    assert_eq!(files(folder.path()), 1);
    assert!(pieces.iter().all(|piece| piece.rows() <= 1_000));
    let mut next = 0;
    for read in ReadBack::new(pieces, query.host_reserve()) {
        let read = read.unwrap();
        assert_eq!(read.position, next as u64);
        assert!(query.host.reserved() >= read.columns[0].len() as u64 * 8, "what is read is reserved");
        let expected = chunk(next, read.rows);
        assert_eq!(
            read.columns[0].as_primitive::<Int64Type>(),
            expected.columns[0].as_primitive::<Int64Type>()
        );
        let plain = |column: &ArrayRef| arrow::compute::cast(column, &DataType::Utf8).unwrap();
        let (found, wanted) = (plain(&read.columns[1]), plain(&expected.columns[1]));
        assert_eq!(found.as_string::<i32>(), wanted.as_string::<i32>());
        next += read.rows as i64;
    }
    assert_eq!(next, 40_000);
    drop(store);
    assert_eq!((query.host.reserved(), files(folder.path())), (0, 0));
}

#[test]
fn types_that_differ_go_to_files_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let query = query(0, folder.path());
    let store = Store::new(&query);
    let mut pieces = Vec::new();
    for row in 0..6 {
        let column: ArrayRef = match row % 2 {
            0 => Arc::new(Int64Array::from(vec![row])),
            _ => Arc::new(StringArray::from(vec![row.to_string()])),
        };
        pieces.extend(store.keep(Chunk::new(vec![column], 1)).unwrap());
    }
    store.seal().unwrap();
    assert_eq!(files(folder.path()), 2);
    for (row, piece) in pieces.iter().enumerate() {
        let column = piece.read().unwrap().columns[0].clone();
        assert_eq!(piece.data_types(), [column.data_type().clone()]);
        let text = arrow::compute::cast(&column, &DataType::Utf8).unwrap();
        assert_eq!(text.as_string::<i32>().value(0), row.to_string());
    }
    // Rows without columns take nothing, and are still counted.
    let none = store.keep(Chunk::new(Vec::new(), 5)).unwrap();
    assert_eq!(none.iter().map(Piece::rows).sum::<usize>(), 5);
}

#[test]
fn a_disk_that_fails_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let query = query(0, folder.path());
    let store = Store::new(&query);
    let pieces = store.write(&chunk(0, 100)).unwrap();
    store.seal().unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    assert!(matches!(pieces[0].read(), Err(Error::Io { .. })));
    let gone = folder.path().to_owned();
    drop(folder);
    assert!(!gone.exists());
    assert!(matches!(Store::new(&query).write(&chunk(0, 1)), Err(Error::Io { .. })));
}
