//! Page indexes that contradict themselves count as absent.

use arrow::datatypes::DataType;
use parquet::basic::{ColumnOrder, SortOrder, Type as PhysicalType};
use pilaster_kernels::expr::Value;

use super::*;

fn zigzag(value: i64) -> Vec<u8> {
    let mut value = ((value << 1) ^ (value >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn list(kind: u8, elements: &[Vec<u8>]) -> Vec<u8> {
    assert!(elements.len() < 15);
    [vec![(elements.len() as u8) << 4 | kind], elements.concat()].concat()
}

fn offset_index(pages: &[(i64, i64, i64)]) -> Vec<u8> {
    let location = |&(offset, size, first): &(i64, i64, i64)| {
        [vec![0x16], zigzag(offset), vec![0x15], zigzag(size), vec![0x16], zigzag(first), vec![0]].concat()
    };
    [vec![0x19], list(12, &pages.iter().map(location).collect::<Vec<_>>()), vec![0]].concat()
}

/// Pages of 32-bit integers: null page, bounds, nulls.
fn column_index(pages: &[(bool, i32, i32, i64)]) -> Vec<u8> {
    let binary = |value: i32| [vec![4], value.to_le_bytes().to_vec()].concat();
    let nulls: Vec<_> = pages.iter().map(|page| vec![if page.0 { 1 } else { 2 }]).collect();
    let mins: Vec<_> = pages.iter().map(|page| if page.0 { vec![0] } else { binary(page.1) }).collect();
    let maxs: Vec<_> = pages.iter().map(|page| if page.0 { vec![0] } else { binary(page.2) }).collect();
    let counts: Vec<_> = pages.iter().map(|page| zigzag(page.3)).collect();
    let fields = [list(1, &nulls), list(8, &mins), list(8, &maxs), zigzag(0), list(6, &counts)];
    let heads = [0x19, 0x19, 0x19, 0x15, 0x19];
    let fields = heads.iter().zip(fields).flat_map(|(head, field)| [vec![*head], field].concat());
    fields.chain([0]).collect()
}

fn stored() -> Stored<'static> {
    Stored {
        physical: PhysicalType::INT32,
        length: 0,
        data_type: &DataType::Int32,
        order: ColumnOrder::TYPE_DEFINED_ORDER(SortOrder::SIGNED),
        nullable: true,
    }
}

#[test]
fn pages_cover_the_rows_in_order() {
    let found = spans(&offset_index(&[(100, 20, 0), (120, 30, 5), (160, 10, 5)]), 9, 90..200).unwrap();
    let rows: Vec<_> = found.iter().map(|page| page.rows.clone()).collect();
    assert_eq!(rows, [0..5, 5..5, 5..9]);
    assert_eq!(found.iter().map(|page| page.bytes).collect::<Vec<_>>(), [20, 30, 10]);
}

#[test]
fn offset_indexes_that_cannot_be_true_are_refused() {
    for (why, pages) in [
        ("no page", &[][..]),
        ("a first row that is not 0", &[(100, 20, 1)]),
        ("rows that go back", &[(100, 20, 0), (120, 20, 6), (140, 20, 4)]),
        ("a row past the end", &[(100, 20, 0), (120, 20, 10)]),
        ("a page before the chunk", &[(80, 20, 0)]),
        ("a page past the chunk", &[(190, 20, 0)]),
        ("pages that overlap", &[(100, 20, 0), (110, 20, 5)]),
        ("an empty page", &[(100, 0, 0)]),
        ("a negative size", &[(100, -1, 0)]),
        ("a negative row", &[(100, 20, -1)]),
        ("an offset beyond all", &[(i64::MAX, 20, 0)]),
    ] {
        assert_eq!(spans(&offset_index(pages), 9, 90..200), None, "{why}");
    }
    let good = offset_index(&[(100, 20, 0), (120, 30, 5)]);
    for length in 0..good.len() {
        assert_eq!(spans(&good[..length], 9, 90..200), None, "cut at {length}");
    }
    // A list that claims 2^60 pages.
    assert_eq!(spans(&[0x19, 0xfc, 255, 255, 255, 255, 255, 255, 255, 255, 15, 0], 9, 90..200), None);
}

#[test]
fn column_indexes_give_facts_page_by_page() {
    let pages = [0..5, 5..7, 7..9].map(|rows| PageSpan { rows, bytes: 1 });
    let found = |index: &[(bool, i32, i32, i64)]| page_facts(&column_index(index), stored(), &pages);
    let facts = found(&[(false, -1, 4, 0), (true, 0, 0, 2), (false, 9, 3, 1)]).unwrap();
    let integer = |value: i128| Some(Value::Integer(value));
    assert_eq!((&facts[0].min, &facts[0].max, facts[0].nulls), (&integer(-1), &integer(4), false));
    assert!(facts[1].nulls && !facts[1].values);
    // Bounds that contradict each other are dropped; the nulls stay.
    assert_eq!((&facts[2].min, &facts[2].max, facts[2].nulls), (&None, &None, true));
    // Counts that cannot be: below zero, a page of nulls with values.
    let facts = found(&[(false, 1, 2, -1), (true, 0, 0, 1), (false, 1, 2, 9)]).unwrap();
    assert_eq!(facts[..2], [Facts::default(), Facts::default()]);
    assert!(facts[2].nulls);
    // Another number of pages, and any cut.
    assert_eq!(found(&[(false, 1, 2, 0)]), None);
    let good = column_index(&[(false, -1, 4, 0), (true, 0, 0, 2), (false, 1, 3, 1)]);
    for length in 0..good.len() {
        assert_eq!(page_facts(&good[..length], stored(), &pages), None, "cut at {length}");
    }
}
