//! Keys of rows against the order that [`order_words`] gives within one batch, and against each other across batches.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{Int8Type, Int32Type};

use super::super::order_words;
use super::*;

fn encoder(data_type: &DataType, key: SortKey) -> RowKeyEncoder {
    RowKeyEncoder::new([&Field::new("k", data_type.clone(), true)], &[key]).unwrap()
}

fn directions() -> impl Iterator<Item = SortKey> {
    [(false, false), (false, true), (true, false), (true, true)]
        .into_iter()
        .map(|(descending, nulls_first)| SortKey { column: 0, descending, nulls_first })
}

/// Every pair of rows compares as it does in [`order_words`], also where each row is a batch of its own.
fn agrees(column: &ArrayRef) {
    let rows = column.len();
    for key in directions() {
        let words = order_words(std::slice::from_ref(column), &[key]).unwrap();
        let of = |row: usize| &words.words[row * words.width..(row + 1) * words.width];
        let encoder = encoder(column.data_type(), key);
        let whole = encoder.encode(std::slice::from_ref(column), rows).unwrap();
        let alone: Vec<RowKeys> =
            (0..rows).map(|row| encoder.encode(&[column.slice(row, 1)], 1).unwrap()).collect();
        for (a, alone) in alone.iter().enumerate() {
            assert_eq!(whole.row(a), alone.row(0), "{} row {a}", column.data_type());
            for b in 0..rows {
                let (found, expected) = (whole.row(a).cmp(whole.row(b)), of(a).cmp(of(b)));
                assert_eq!(found, expected, "{} rows {a} and {b}, {key:?}", column.data_type());
            }
        }
    }
}

#[test]
fn all_ordered_types_compare_as_a_sort_compares_them() {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true)])),
        Arc::new(Int8Array::from(vec![Some(i8::MIN), None, Some(-1), Some(0), Some(i8::MAX)])),
        Arc::new(UInt32Array::from(vec![Some(u32::MAX), None, Some(0), Some(1 << 31)])),
        Arc::new(Int64Array::from(vec![Some(i64::MIN), Some(i64::MAX), None, Some(-1), Some(0)])),
        Arc::new(UInt64Array::from(vec![
            Some(u64::MAX),
            Some(0),
            None,
            Some(1 << 63),
            Some(i64::MAX as u64),
        ])),
        Arc::new(Float32Array::from(vec![Some(-0.0), Some(0.0), None, Some(f32::NAN), Some(f32::INFINITY)])),
        Arc::new(Float64Array::from(vec![
            Some(-f64::NAN),
            Some(f64::NAN),
            None,
            Some(-5e-324),
            Some(-0.0),
            Some(0.0),
            Some(f64::NEG_INFINITY),
        ])),
        Arc::new(Date32Array::from(vec![Some(-1), Some(9_000), None])),
        Arc::new(TimestampNanosecondArray::from(vec![Some(-1), Some(9_000), None])),
        Arc::new(Decimal128Array::from(vec![Some(i128::MAX), Some(i128::MIN), None, Some(0), Some(-1)])),
        Arc::new(Decimal256Array::from(vec![Some(i256::MAX), Some(i256::MIN), None, Some(i256::ZERO)])),
        Arc::new(StringArray::from(vec![
            Some(""),
            Some("\0"),
            Some("a"),
            Some("a\0"),
            Some("a\0\0"),
            Some("ab"),
            Some("a\u{1}"),
            None,
            Some("a longer one than would fit any inline form of a string"),
        ])),
        Arc::new(BinaryViewArray::from(vec![Some(&[255u8, 0][..]), Some(&[255]), None, Some(&[255, 255])])),
        Arc::new(
            vec![Some("b"), None, Some("a"), Some("b")].into_iter().collect::<DictionaryArray<Int8Type>>(),
        ),
        Arc::new(NullArray::new(3)),
    ];
    columns.iter().for_each(agrees);
}

#[test]
fn several_keys_compare_one_after_the_other() {
    let names: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), Some("a"), Some("a\0"), None, None]));
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(0), Some(5), Some(6)]));
    let fields = [Field::new("name", DataType::Utf8, true), Field::new("number", DataType::Int32, true)];
    let keys = [
        SortKey { column: 0, descending: true, nulls_first: false },
        SortKey { column: 1, descending: true, nulls_first: true },
    ];
    let rows = RowKeyEncoder::new(&fields, &keys).unwrap().encode(&[names, numbers], 5).unwrap();
    let mut order: Vec<usize> = (0..5).collect();
    order.sort_by(|&a, &b| rows.row(a).cmp(rows.row(b)));
    assert_eq!(order, [2, 1, 0, 4, 3]);
}

#[test]
fn what_a_column_is_stored_as_makes_no_difference() {
    let key = SortKey { column: 0, descending: false, nulls_first: false };
    for wide in [DataType::Decimal128(18, 2), DataType::Decimal128(38, 2), DataType::Decimal256(76, 2)] {
        let encoder = encoder(&wide, key);
        let narrow: ArrayRef =
            Arc::new(Decimal32Array::from(vec![Some(-5), Some(7)]).with_precision_and_scale(9, 2).unwrap());
        let same = arrow::compute::cast(&narrow, &wide).unwrap();
        assert_eq!(encoder.encode(&[narrow], 2).unwrap(), encoder.encode(&[same], 2).unwrap());
    }
    let encoder = encoder(&DataType::Utf8, key);
    let words: DictionaryArray<Int32Type> = vec![Some("x"), None, Some("y")].into_iter().collect();
    let plain: ArrayRef = Arc::new(StringViewArray::from(vec![Some("x"), None, Some("y")]));
    let (a, b) = (encoder.encode(&[Arc::new(words)], 3).unwrap(), encoder.encode(&[plain], 3).unwrap());
    assert_eq!(a, b);
    assert_eq!(a.row(0).cmp(b.row(1)), Ordering::Less);
}

#[test]
fn columns_that_are_not_as_told_are_refused() {
    let key = SortKey { column: 0, descending: false, nulls_first: false };
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    let nullable = Field::new("k", DataType::Int64, true);
    let never = Field::new("k", DataType::Int64, false);
    assert!(RowKeyEncoder::new([&never], &[key]).unwrap().encode(&[Arc::clone(&numbers)], 2).is_err());
    let encoder = RowKeyEncoder::new([&nullable], &[key]).unwrap();
    assert!(encoder.encode(&[], 2).is_err());
    assert!(encoder.encode(&[Arc::clone(&numbers)], 3).is_err());
    assert!(encoder.encode(&[Arc::new(StringArray::from(vec!["a", "b"]))], 2).is_err());
    assert!(RowKeyEncoder::new([&nullable], &[SortKey { column: 1, ..key }]).is_err());
    let list = Field::new("k", DataType::new_list(DataType::Int64, true), true);
    assert!(matches!(RowKeyEncoder::new([&list], &[key]), Err(Error::Unsupported { .. })));
    let beyond: ArrayRef = Arc::new(Decimal128Array::from(vec![i128::MAX]));
    let narrow = Field::new("k", DataType::Decimal128(9, 0), true);
    assert!(RowKeyEncoder::new([&narrow], &[key]).unwrap().encode(&[beyond], 1).is_err());
}
