use crate::scan::page::header::{Header, Kind, V1, V2};
use crate::scan::page::thrift::Cursor;

fn read(bytes: &[u8]) -> Option<(Header, usize)> {
    let mut cursor = Cursor { bytes, at: 0 };
    Header::read(&mut cursor).map(|header| (header, cursor.at))
}

/// type = 2, uncompressed = 8, compressed = 10, dictionary { values = 1, encoding = 0 }
const DICTIONARY: [u8; 13] = [0x15, 4, 0x15, 16, 0x15, 20, 0x4c, 0x15, 2, 0x15, 0, 0, 0];

#[test]
fn a_dictionary_page() {
    let kind = Kind::Dictionary { values: 1, encoding: 0 };
    let expected = Header { uncompressed: 8, compressed: 10, crc: None, kind };
    assert_eq!(read(&DICTIONARY), Some((expected, DICTIONARY.len())));
}

#[test]
fn data_pages_of_both_versions() {
    // type = 0, sizes 8 and 10, crc = -2, v1 { levels = 5, encoding = 8, definition = 3, repetition = 4, statistics {} }
    let v1 =
        [0x15, 0, 0x15, 16, 0x15, 20, 0x15, 3, 0x1c, 0x15, 10, 0x15, 16, 0x15, 6, 0x15, 8, 0x1c, 0, 0, 0];
    let kind = Kind::V1(V1 { levels: 5, encoding: 8, definition_encoding: 3, repetition_encoding: 4 });
    let expected = Header { uncompressed: 8, compressed: 10, crc: Some(u32::MAX - 1), kind };
    assert_eq!(read(&v1), Some((expected, v1.len())));
    // type = 3, v2 { levels = 5, nulls = 1, rows = 4, encoding = 0, definition = 2 bytes, repetition = 3, compressed = false }
    let v2 = |flag: &[u8]| {
        let start =
            [0x15, 6, 0x15, 16, 0x15, 20, 0x5c, 0x15, 10, 0x15, 2, 0x15, 8, 0x15, 0, 0x15, 4, 0x15, 6];
        [&start[..], flag, &[0, 0]].concat()
    };
    for (flag, compressed) in [(&[][..], true), (&[0x11], true), (&[0x12], false)] {
        let bytes = v2(flag);
        let kind = Kind::V2(V2 {
            levels: 5,
            nulls: 1,
            rows: 4,
            encoding: 0,
            definition_bytes: 2,
            repetition_bytes: 3,
            compressed,
        });
        let expected = Header { uncompressed: 8, compressed: 10, crc: None, kind };
        assert_eq!(read(&bytes), Some((expected, bytes.len())));
    }
}

#[test]
fn fields_that_are_not_known_are_skipped() {
    // binary of 2 bytes, list of two i32, list of three Booleans, double, struct { bool }, i16 with a long field number.
    let more = [
        0x18, 2, b'a', b'b', 0x19, 0x25, 2, 4, 0x19, 0x31, 1, 2, 1, 0x17, 0, 0, 0, 0, 0, 0, 0, 0, 0x1c, 0x11,
        0, 0x04, 60, 2, 0,
    ];
    let bytes = [&DICTIONARY[..12], &more[..]].concat();
    let (header, length) = read(&bytes).unwrap();
    assert_eq!((header.kind, length), (Kind::Dictionary { values: 1, encoding: 0 }, bytes.len()));
    // An index page has no facts; a data page without its own is none.
    assert_eq!(read(&[0x15, 2, 0x15, 16, 0x15, 20, 0]).map(|(header, _)| header.kind), Some(Kind::Other));
    assert_eq!(read(&[0x15, 0, 0x15, 16, 0x15, 20, 0]), None);
}

#[test]
fn damaged_headers_end_without_a_result() {
    for length in 0..DICTIONARY.len() {
        assert_eq!(read(&DICTIONARY[..length]), None, "{length}");
    }
    // A list that claims 2^60 structs, structs nested without end, a varint without end, a size of more than 32 bits.
    assert_eq!(read(&[0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f, 0]), None);
    assert_eq!(read(&[0x1c; 100_000]), None);
    assert_eq!(read(&[&[0x15][..], &[0xff; 20]].concat()), None);
    assert_eq!(read(&[0x15, 2, 0x15, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x15, 20, 0]), None);
}
