//! Text that is no text, and views into pages.

use arrow::array::AsArray;
use arrow::datatypes::DataType as A;

use super::*;
use crate::parquet::{Encoding, Levels};

const ENCODINGS: [Encoding; 3] = [Encoding::Plain, Encoding::DeltaLengthByteArray, Encoding::DeltaByteArray];

fn read(values: &[Value], encoding: Encoding, data_type: &A) -> Result<LeafBatch, Error> {
    let mut rng = Rng(1);
    let bytes = encode::values(Physical::ByteArray, encoding, values, &mut rng);
    let page = encode::data_page(Levels::None, Levels::None, values.len(), encoding, &bytes, &mut rng);
    reader(&flat(Physical::ByteArray, data_type, false), &Pages::new([Item::Data(page, None)]))
        .read(values.len())
}

#[test]
fn text_is_utf_8() {
    let long = "x".repeat(200).into_bytes();
    let cases: [(Vec<Value>, bool); 7] = [
        (vec![b"a".to_vec(), "ä".into()], true),
        (vec![vec![0xff]], false),
        // A character cut in two, alone and across a border.
        (vec![vec![0xc3]], false),
        (vec![vec![0xc3], vec![0xa4]], false),
        (vec![long.clone(), vec![0xc3], vec![0xa4]], false),
        (vec![b"ok".to_vec(), [&long[..], &[0x80]].concat()], false),
        (vec![long.clone(), "ß".into(), vec![]], true),
    ];
    for (values, valid) in cases {
        for encoding in ENCODINGS {
            for data_type in [A::Utf8, A::LargeUtf8, A::Utf8View] {
                let read = read(&values, encoding, &data_type);
                assert_eq!(read.is_ok(), valid, "{values:?} {encoding:?} {data_type}");
            }
            assert!(read(&values, encoding, &A::BinaryView).is_ok());
        }
        let mut rng = Rng(2);
        let page = encode::data_page(
            Levels::None,
            Levels::None,
            1,
            Encoding::Dictionary,
            &encode::indices(&[0], &mut rng),
            &mut rng,
        );
        let dictionary = encode::dictionary_page(Physical::ByteArray, &values, &mut rng);
        let pages = Pages::new([Item::Dictionary(dictionary), Item::Data(page, None)]);
        for data_type in [A::Utf8, A::Utf8View, A::Dictionary(Box::new(A::Int32), Box::new(A::Utf8))] {
            let read = reader(&flat(Physical::ByteArray, &data_type, false), &pages).read(1);
            assert_eq!(read.is_ok(), valid, "{values:?} {data_type}");
        }
    }
}

#[test]
fn a_border_next_to_text_of_other_lengths() {
    // The length of the second value is a continuation byte: the page as one string would be valid.
    let first = vec![b'a', 0xc3];
    let second = vec![b'b'; 0x80];
    for data_type in [A::Utf8, A::Utf8View] {
        assert!(read(&[first.clone(), second.clone()], Encoding::Plain, &data_type).is_err());
    }
}

#[test]
fn views_point_into_the_page() {
    let mut rng = Rng(3);
    let values: Vec<Value> =
        (0..100).map(|i| format!("a value of some length, number {i}").into_bytes()).collect();
    let bytes = encode::plain(Physical::ByteArray, &values);
    let page = encode::data_page(Levels::None, Levels::None, 100, Encoding::Plain, &bytes, &mut rng);
    let at = page.values.as_ptr();
    let mut reader =
        reader(&flat(Physical::ByteArray, &A::Utf8View, false), &Pages::new([Item::Data(page, None)]));
    for _ in 0..2 {
        let batch = reader.read(50).unwrap().array;
        let buffers = batch.as_string_view().data_buffers();
        assert_eq!(buffers.iter().map(|buffer| buffer.as_ptr()).collect::<Vec<_>>(), [at]);
    }
}

#[test]
fn growth_is_asked_for() {
    #[derive(Debug)]
    struct Limit(std::sync::atomic::AtomicU64);
    impl crate::memory::Reserve for Limit {
        fn try_grow(&self, bytes: u64) -> crate::error::Result<()> {
            let held = self.0.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed) + bytes;
            if held <= 1 << 20 {
                return Ok(());
            }
            self.shrink(bytes);
            Err(Error::OutOfMemory { backend: crate::Backend::Cpu, asked_bytes: bytes, limit_bytes: 1 << 20 })
        }

        fn shrink(&self, bytes: u64) {
            self.0.fetch_sub(bytes, std::sync::atomic::Ordering::Relaxed);
        }
    }
    // 16 KiB in the page, 16 MiB in the array.
    let values = vec![vec![b'x'; 1 << 14]; 1000];
    let mut rng = Rng(4);
    let bytes = encode::values(Physical::ByteArray, Encoding::DeltaByteArray, &values, &mut rng);
    let page =
        encode::data_page(Levels::None, Levels::None, 1000, Encoding::DeltaByteArray, &bytes, &mut rng);
    for data_type in [A::Utf8, A::LargeBinary, A::Utf8View] {
        let memory = std::sync::Arc::new(Limit(0.into()));
        let leaf = flat(Physical::ByteArray, &data_type, false);
        let pages = Pages::new([Item::Data(page.clone(), None)]);
        let mut reader = reader(&leaf, &pages).within(memory.clone());
        assert_eq!(reader.read(2).unwrap().rows, 2);
        assert_eq!(memory.0.load(std::sync::atomic::Ordering::Relaxed), 0);
        assert!(matches!(reader.read(900), Err(Error::OutOfMemory { .. })));
    }
}
