//! What was packed reads back as what came in, by a reader that shares no code with the packer.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal64Array, Decimal128Array, DictionaryArray, Float32Array,
    Float64Array, Int32Array, Int64Array, StringArray, StringViewArray, UInt64Array,
};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Int32Type};
use proptest::prelude::*;

use super::{DeviceColumns, Storage, pack};

const WIDE: u64 = 1 << 20;

/// Arena of a batch as bytes.
fn arena(columns: &DeviceColumns, batch: usize) -> Vec<u8> {
    let batch = &columns.batches[batch];
    let mut bytes = vec![0; batch.bytes as usize];
    for (offset, piece) in &batch.pieces {
        assert_eq!(offset % 4, 0);
        bytes[*offset as usize..][..piece.len()].copy_from_slice(piece);
    }
    bytes
}

fn bit(bytes: &[u8], word: u32, row: usize) -> bool {
    bytes[word as usize * 4 + row / 8] >> (row % 8) & 1 == 1
}

/// All rows of a column as integers (codes, bits), nulls apart; checks that nulls are stored as zero.
fn unpack(columns: &DeviceColumns, column: usize) -> Vec<Option<i128>> {
    let layout = &columns.layouts[column];
    let mut rows = Vec::new();
    for (index, batch) in columns.batches.iter().enumerate() {
        let bytes = arena(columns, index);
        let [validity, values] = batch.positions[column];
        for row in 0..batch.rows as usize {
            let value = match layout.storage {
                Storage::Bit => i128::from(bit(&bytes, values, row)),
                storage => {
                    let width = storage.bits() as usize / 8;
                    let start = values as usize * 4 + row * width;
                    let mut wide = [0; 16];
                    wide[..width].copy_from_slice(&bytes[start..start + width]);
                    let raw = i128::from_le_bytes(wide);
                    let shift = 128 - storage.bits() as u32;
                    if layout.signed { raw << shift >> shift } else { raw }
                }
            };
            let valid = !layout.nullable || bit(&bytes, validity, row);
            assert!(valid || value == 0, "garbage under a null");
            rows.push(valid.then_some(value));
        }
    }
    rows
}

fn pack_one(arrays: &[ArrayRef], data_type: &DataType, binding_bytes: u64) -> DeviceColumns {
    let batches: Vec<&[ArrayRef]> = arrays.iter().map(std::slice::from_ref).collect();
    pack(&batches, std::slice::from_ref(data_type), &[0], binding_bytes).unwrap()
}

fn strings(columns: &DeviceColumns) -> Vec<Option<String>> {
    let dictionary = columns.dictionaries[0].as_ref().unwrap();
    let values = dictionary.values.as_string::<i32>();
    unpack(columns, 0)
        .into_iter()
        .map(|code| code.map(|code| values.value(code as usize).to_string()))
        .collect()
}

/// Values with garbage under nulls.
fn with_garbage(rows: &[Option<i64>]) -> ArrayRef {
    let values: ScalarBuffer<i64> = rows.iter().map(|row| row.unwrap_or(i64::MIN + 7)).collect();
    let nulls: NullBuffer = rows.iter().map(Option::is_some).collect();
    Arc::new(Int64Array::new(values, Some(nulls)))
}

proptest! {
    #[test]
    fn integers_read_back(
        batches in prop::collection::vec(prop::collection::vec(prop::option::of(any::<i64>()), 0..70), 0..4),
        shift in 0u32..64, cut in 0usize..8, most in 4u64..200,
    ) {
        let batches: Vec<Vec<Option<i64>>> =
            batches.into_iter().map(|rows| rows.into_iter().map(|row| row.map(|row| row >> shift)).collect()).collect();
        let arrays: Vec<ArrayRef> = batches.iter().map(|rows| {
            let cut = cut.min(rows.len());
            with_garbage(rows).slice(cut, rows.len() - cut)
        }).collect();
        let expected: Vec<Option<i128>> =
            batches.iter().flat_map(|rows| &rows[cut.min(rows.len())..]).map(|row| row.map(i128::from)).collect();
        let packed = pack_one(&arrays, &DataType::Int64, most * 8);
        prop_assert_eq!(unpack(&packed, 0), expected.clone());
        let valid = expected.iter().flatten();
        prop_assert_eq!(packed.ranges[0], valid.clone().min().map(|low| (*low, *valid.max().unwrap())));
        prop_assert!(packed.batches.iter().all(|batch| batch.bytes <= most * 8));
    }

    #[test]
    fn strings_read_back(
        batches in prop::collection::vec(prop::collection::vec(prop::option::of("[a-c]{0,2}"), 0..40), 1..4),
        cut in 0usize..5, most in 2u64..64,
    ) {
        let slice = |array: ArrayRef| { let cut = cut.min(array.len()); array.slice(cut, array.len() - cut) };
        let expected: Vec<Option<String>> =
            batches.iter().flat_map(|rows| rows[cut.min(rows.len())..].to_vec()).collect();
        let plain: Vec<ArrayRef> =
            batches.iter().map(|rows| slice(Arc::new(rows.iter().collect::<StringArray>()))).collect();
        let views: Vec<ArrayRef> =
            batches.iter().map(|rows| slice(Arc::new(rows.iter().collect::<StringViewArray>()))).collect();
        let encoded: Vec<ArrayRef> = batches.iter().map(|rows| {
            slice(Arc::new(rows.iter().map(Option::as_deref).collect::<DictionaryArray<Int32Type>>()))
        }).collect();
        for arrays in [plain, views, encoded] {
            let packed = pack_one(&arrays, &DataType::Utf8, most * 8);
            prop_assert_eq!(strings(&packed), expected.clone());
            let distinct: std::collections::HashSet<_> = expected.iter().flatten().collect();
            prop_assert_eq!(packed.dictionaries[0].as_ref().unwrap().values.len(), distinct.len());
        }
    }

    #[test]
    fn booleans_read_back(rows in prop::collection::vec(any::<Option<bool>>(), 0..100), cut in 0usize..40) {
        let cut = cut.min(rows.len());
        let array: ArrayRef = Arc::new(rows.iter().copied().collect::<BooleanArray>());
        let packed = pack_one(&[array.slice(cut, rows.len() - cut)], &DataType::Boolean, WIDE);
        let expected: Vec<Option<i128>> = rows[cut..].iter().map(|row| row.map(i128::from)).collect();
        prop_assert_eq!(unpack(&packed, 0), expected);
    }
}

proptest! {
    /// Of valid values that are finite and not zero, whatever lies under nulls and outside of a slice.
    #[test]
    fn exponents_are_those_of_the_values(
        batches in prop::collection::vec(prop::collection::vec((any::<u64>(), 0u8..6), 0..70), 0..4), cut in 0usize..8,
    ) {
        let edges = [0.0, -0.0, f64::NAN, f64::NEG_INFINITY].map(f64::to_bits);
        let value = |(bits, draw): &(u64, u8)| match draw {
            0 => edges[(bits % 4) as usize],
            1 => bits >> 12,
            _ => *bits,
        };
        let arrays = |narrow: bool| -> Vec<ArrayRef> {
            let array = |rows: &Vec<(u64, u8)>| -> ArrayRef {
                let nulls: NullBuffer = rows.iter().map(|(bits, _)| bits % 5 > 0).collect();
                let values = rows.iter().map(|row| f64::from_bits(value(row)));
                match narrow {
                    true => Arc::new(Float32Array::new(values.map(|value| value as f32).collect(), Some(nulls))),
                    false => Arc::new(Float64Array::new(values.collect(), Some(nulls))),
                }
            };
            batches.iter().map(array).map(|array| array.slice(cut.min(array.len()), array.len() - cut.min(array.len()))).collect()
        };
        let kept = batches.iter().flat_map(|rows| rows.iter().skip(cut)).filter(|(bits, _)| bits % 5 > 0);
        let values: Vec<f64> = kept.map(|row| f64::from_bits(value(row))).collect();
        let hull = |exponents: Vec<u32>| {
            Some((exponents.iter().copied().min().unwrap_or(1), exponents.iter().copied().max().unwrap_or(1)))
        };
        let double = values.iter().filter(|value| value.is_finite() && **value != 0.0);
        let double = double.map(|value| ((value.to_bits() >> 52 & 0x7ff) as u32).max(1)).collect();
        prop_assert_eq!(pack_one(&arrays(false), &DataType::Float64, WIDE).exponents[0], hull(double));
        let single = values.iter().map(|value| *value as f32).filter(|value| value.is_finite() && *value != 0.0);
        let single = single.map(|value| (value.to_bits() >> 23 & 0xff).max(1)).collect();
        prop_assert_eq!(pack_one(&arrays(true), &DataType::Float32, WIDE).exponents[0], hull(single));
    }
}

#[test]
fn narrowest_storage() {
    let storage = |values: Vec<i64>| {
        let packed = pack_one(&[Arc::new(Int64Array::from(values))], &DataType::Int64, WIDE);
        (packed.layouts[0].storage, packed.layouts[0].signed)
    };
    assert_eq!(storage(vec![0, 255]), (Storage::Byte, false));
    assert_eq!(storage(vec![-128, 127]), (Storage::Byte, true));
    assert_eq!(storage(vec![-1, 128]), (Storage::Half, true));
    assert_eq!(storage(vec![256]), (Storage::Half, false));
    assert_eq!(storage(vec![65_536]), (Storage::Word, false));
    assert_eq!(storage(vec![1 << 32]), (Storage::Double, false));
    assert_eq!(storage(vec![i64::MIN, i64::MAX]), (Storage::Double, true));
    assert_eq!(storage(vec![]), (Storage::Byte, false));
    let huge = pack_one(&[Arc::new(UInt64Array::from(vec![u64::MAX]))], &DataType::UInt64, WIDE);
    assert_eq!((huge.layouts[0].storage, huge.layouts[0].signed), (Storage::Double, false));
    assert_eq!(unpack(&huge, 0), [Some(i128::from(u64::MAX))]);
}

#[test]
fn physically_mixed_decimals_share_a_layout() {
    let logical = DataType::Decimal128(30, 2);
    let narrow = Decimal64Array::from(vec![5, -7]).with_precision_and_scale(18, 2).unwrap();
    let wide = Decimal128Array::from(vec![1 << 80]).with_precision_and_scale(30, 2).unwrap();
    let packed = pack_one(&[Arc::new(narrow), Arc::new(wide)], &logical, WIDE);
    assert_eq!(packed.layouts[0].storage, Storage::Quad);
    assert_eq!(unpack(&packed, 0), [Some(5), Some(-7), Some(1 << 80)]);
    let other_scale = Decimal64Array::from(vec![5]).with_precision_and_scale(18, 3).unwrap();
    let array: ArrayRef = Arc::new(other_scale);
    assert!(pack(&[std::slice::from_ref(&array)], &[logical], &[0], WIDE).is_err());
}

#[test]
fn floats_keep_their_bits() {
    let values = [f64::from_bits(0x7ff8_0000_dead_beef), -0.0, f64::MIN_POSITIVE / 4.0, f64::INFINITY];
    let packed = pack_one(&[Arc::new(Float64Array::from(values.to_vec()))], &DataType::Float64, WIDE);
    let bits: Vec<Option<i128>> = values.iter().map(|value| Some(i128::from(value.to_bits()))).collect();
    assert_eq!(unpack(&packed, 0), bits);
}

#[test]
fn full_width_values_are_not_copied() {
    let array: ArrayRef = Arc::new(Int32Array::from(vec![i32::MIN, 1, i32::MAX]));
    let source = array.to_data().buffers()[0].as_ptr();
    let packed = pack_one(std::slice::from_ref(&array), &DataType::Int32, WIDE);
    assert_eq!(packed.batches[0].pieces[0].1.as_ptr(), source);
}

#[test]
fn only_used_columns_travel_and_unpackable_types_are_named() {
    let batch: Vec<ArrayRef> =
        vec![Arc::new(Int32Array::from(vec![1, 2])), Arc::new(StringArray::from(vec!["a", "b"]))];
    let packed = pack(&[&batch], &[DataType::Int32, DataType::Utf8], &[1], WIDE).unwrap();
    assert_eq!(packed.batches[0].bytes, 4);
    assert!(packed.dictionaries[0].is_none());
    assert!(pack(&[&batch], &[DataType::Int32, DataType::Int32], &[1], WIDE).is_err());
    let error = super::packable(&DataType::Decimal256(60, 2)).unwrap_err();
    assert!(error.to_string().contains("Decimal256"), "{error}");
    assert!(pack(&[&batch], &[DataType::Int32, DataType::Utf8], &[0, 1], 3).is_err());
}
