use super::{Cursor, Header};

fn read(bytes: &[u8]) -> Option<(Header, usize)> {
    let mut cursor = Cursor { bytes, at: 0 };
    Header::read(&mut cursor).map(|header| (header, cursor.at))
}

/// type = 2, uncompressed = 8, compressed = 10, dictionary { values = 1, encoding = 0 }
const DICTIONARY: [u8; 13] = [0x15, 4, 0x15, 16, 0x15, 20, 0x4c, 0x15, 2, 0x15, 0, 0, 0];

#[test]
fn a_dictionary_page() {
    let expected = Header { kind: 2, uncompressed: 8, compressed: 10, dictionary_values: 1 };
    assert_eq!(read(&DICTIONARY), Some((expected, DICTIONARY.len())));
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
    assert_eq!((header.dictionary_values, length), (1, bytes.len()));
}

#[test]
fn damaged_headers_end_without_a_result() {
    for length in 0..DICTIONARY.len() {
        assert_eq!(read(&DICTIONARY[..length]), None, "{length}");
    }
    // A list that claims 2^60 structs, structs nested without end, a varint without end.
    assert_eq!(read(&[0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f, 0]), None);
    assert_eq!(read(&[0x1c; 100_000]), None);
    assert_eq!(read(&[&[0x15][..], &[0xff; 20]].concat()), None);
}
