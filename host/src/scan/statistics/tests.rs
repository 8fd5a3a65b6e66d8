//! Statistics that must not be believed.

use parquet::basic::SortOrder;

use super::*;

const DEFINED: ColumnOrder = ColumnOrder::TYPE_DEFINED_ORDER(SortOrder::SIGNED);

fn stored(physical: PhysicalType, data_type: &DataType) -> Stored<'_> {
    Stored { physical, length: 4, data_type, order: DEFINED, nullable: true }
}

fn between<'a>(min: &'a [u8], max: &'a [u8]) -> Stated<'a> {
    Stated { min: Some(min), max: Some(max), exact_max: true, deprecated: false, nulls: Some(0) }
}

fn found(stored: Stored<'_>, stated: Stated<'_>) -> (Option<Value>, Option<Value>) {
    let facts = Facts::stated(stored, 10, stated);
    (facts.min, facts.max)
}

#[test]
fn signed_numbers_are_trusted_in_the_deprecated_fields_and_others_are_not() {
    let (low, high) = ((-5i32).to_le_bytes(), 7i32.to_le_bytes());
    let old = Stated { deprecated: true, ..between(&low, &high) };
    let undefined = |stored| Stored { order: ColumnOrder::UNDEFINED, ..stored };
    let signed = undefined(stored(PhysicalType::INT32, &DataType::Int32));
    assert_eq!(found(signed, old), (Some(Value::Integer(-5)), Some(Value::Integer(7))));
    // Values in the new fields of a column without an order are nobody's.
    assert_eq!(found(signed, between(&low, &high)), (None, None));
    assert_eq!(found(undefined(stored(PhysicalType::INT32, &DataType::UInt32)), old), (None, None));
    assert_eq!(found(undefined(stored(PhysicalType::BYTE_ARRAY, &DataType::Utf8)), old), (None, None));
    let decimal = DataType::Decimal128(9, 2);
    assert_eq!(found(undefined(stored(PhysicalType::FIXED_LEN_BYTE_ARRAY, &decimal)), old), (None, None));
    let unknown = Stored { order: ColumnOrder::UNKNOWN, ..stored(PhysicalType::INT32, &DataType::Int32) };
    assert_eq!(found(unknown, between(&low, &high)), (None, None));
}

#[test]
fn unsigned_numbers_are_read_unsigned() {
    let (low, high) = (1u32.to_le_bytes(), u32::MAX.to_le_bytes());
    assert_eq!(
        found(stored(PhysicalType::INT32, &DataType::UInt32), between(&low, &high)),
        (Some(Value::Integer(1)), Some(Value::Integer(u32::MAX.into())))
    );
    // A writer that ordered them as signed contradicts itself.
    assert_eq!(found(stored(PhysicalType::INT32, &DataType::UInt32), between(&high, &low)), (None, None));
}

#[test]
fn bounds_that_contradict_themselves_are_dropped() {
    let (low, high) = (3i64.to_le_bytes(), 2i64.to_le_bytes());
    let column = stored(PhysicalType::INT64, &DataType::Int64);
    assert_eq!(found(column, between(&low, &high)), (None, None));
    // Of the wrong width.
    assert_eq!(found(column, between(&low[..4], &high)), (None, Some(Value::Integer(2))));
    // More nulls than rows, and nulls alone beside bounds.
    let facts = Facts::stated(column, 10, Stated { nulls: Some(11), ..between(&high, &low) });
    assert!(facts.nulls && facts.values);
    let facts = Facts::stated(column, 10, Stated { nulls: Some(10), ..between(&high, &low) });
    assert!(facts.nulls && facts.values);
    let facts = Facts::stated(column, 10, Stated { nulls: Some(10), ..Stated::default() });
    assert!(facts.nulls && !facts.values);
}

#[test]
fn nan_discards_bounds_and_may_always_be_there() {
    let column = stored(PhysicalType::DOUBLE, &DataType::Float64);
    let (one, nan) = (1f64.to_le_bytes(), f64::NAN.to_le_bytes());
    assert_eq!(found(column, between(&one, &nan)), (None, None));
    assert_eq!(found(column, between(&nan, &one)), (None, None));
    let facts = Facts::stated(column, 10, between(&one, &one));
    assert_eq!((facts.min, facts.max, facts.nan), (Some(Value::Float(1.0)), Some(Value::Float(1.0)), true));
    // Zeros of either sign are one value.
    let (plus, minus) = (0f64.to_le_bytes(), (-0f64).to_le_bytes());
    assert!(found(column, between(&plus, &minus)).0.is_some());
}

#[test]
fn a_cut_maximum_holds_for_all_that_begin_with_it() {
    let column = stored(PhysicalType::BYTE_ARRAY, &DataType::Utf8);
    let bytes = |text: &[u8]| Some(Value::Bytes(text.to_vec()));
    assert_eq!(found(column, between(b"ab", b"cd")), (bytes(b"ab"), bytes(b"cd")));
    let cut = |max: &'static [u8]| Stated { exact_max: false, ..between(b"ab", max) };
    assert_eq!(found(column, cut(b"cd")), (bytes(b"ab"), bytes(b"ce")));
    assert_eq!(found(column, cut(b"c\xff\xff")), (bytes(b"ab"), bytes(b"d")));
    assert_eq!(found(column, cut(b"\xff\xff")), (bytes(b"ab"), None));
}

#[test]
fn decimals_of_fixed_length_are_big_endian_and_signed() {
    let decimal = DataType::Decimal128(9, 2);
    let column = stored(PhysicalType::FIXED_LEN_BYTE_ARRAY, &decimal);
    assert_eq!(
        found(column, between(&(-300i32).to_be_bytes(), &70_000i32.to_be_bytes())),
        (Some(Value::Integer(-300)), Some(Value::Integer(70_000)))
    );
    assert_eq!(found(column, between(&[0; 3], &[0; 17])), (None, None));
}
