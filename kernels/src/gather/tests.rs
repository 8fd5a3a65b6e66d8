//! Hand-computed gathers and joins of columns.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Int32Type};

use super::*;

#[test]
fn take_repeats_and_keeps_the_physical_type() {
    let dictionary: DictionaryArray<Int32Type> = vec![Some("a"), None, Some("b")].into_iter().collect();
    let column: ArrayRef = Arc::new(dictionary);
    let taken = take(&column, &[2, 2, 1, 0]).unwrap();
    assert_eq!(taken.data_type(), column.data_type());
    let plain = arrow::compute::cast(&taken, &DataType::Utf8).unwrap();
    assert_eq!(plain.as_string::<i32>(), &StringArray::from(vec![Some("b"), Some("b"), None, Some("a")]));
}

#[test]
fn take_outside_is_an_error() {
    let column: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3]).slice(1, 2));
    assert!(matches!(take(&column, &[2]), Err(Error::InvalidInput(_))));
    assert_eq!(take(&column, &[]).unwrap().len(), 0);
    assert_eq!(take(&column, &[1, 0]).unwrap().as_primitive::<Int32Type>().values(), &[3, 2]);
}

#[test]
fn concat_widens_decimals_of_one_scale() {
    let narrow: ArrayRef =
        Arc::new(Decimal32Array::from(vec![Some(125), None]).with_precision_and_scale(9, 2).unwrap());
    let wide: ArrayRef = Arc::new(
        Decimal128Array::from(vec![i128::from(i64::MAX) * 5]).with_precision_and_scale(38, 2).unwrap(),
    );
    let joined = concat(&[narrow.clone(), wide], &DataType::Decimal128(38, 2)).unwrap();
    let expected = Decimal128Array::from(vec![Some(125), None, Some(i128::from(i64::MAX) * 5)])
        .with_precision_and_scale(38, 2)
        .unwrap();
    assert_eq!(joined.as_ref(), &expected as &dyn Array);
    let other: ArrayRef = Arc::new(Decimal128Array::from(vec![1]).with_precision_and_scale(38, 3).unwrap());
    assert!(concat(&[narrow, other], &DataType::Decimal128(38, 2)).is_err());
}

#[test]
fn concat_joins_dictionaries_and_plain_strings() {
    let dictionary: DictionaryArray<Int32Type> = vec![Some("a"), None].into_iter().collect();
    let other: DictionaryArray<Int32Type> = vec![Some("b"), Some("a")].into_iter().collect();
    let plain: ArrayRef = Arc::new(StringArray::from(vec!["c"]));
    let (dictionary, other): (ArrayRef, ArrayRef) = (Arc::new(dictionary), Arc::new(other));
    let both = concat(&[dictionary.clone(), other], &DataType::Utf8).unwrap();
    assert!(matches!(both.data_type(), DataType::Dictionary(..)));
    let mixed = concat(&[both, plain], &DataType::Utf8).unwrap();
    let expected = StringArray::from(vec![Some("a"), None, Some("b"), Some("a"), Some("c")]);
    assert_eq!(mixed.as_ref(), &expected as &dyn Array);
    assert_eq!(concat(&[], &DataType::Utf8).unwrap().len(), 0);
}

#[test]
fn concat_falls_back_to_values_when_dictionary_keys_run_out() {
    let part = |from: i32| -> ArrayRef {
        let values = StringArray::from_iter_values((from..from + 100).map(|value| value.to_string()));
        let keys = Int8Array::from_iter_values(0..100);
        Arc::new(DictionaryArray::new(keys, Arc::new(values)))
    };
    let joined = concat(&[part(0), part(100)], &DataType::Utf8).unwrap();
    assert_eq!(joined.len(), 200);
    let plain = arrow::compute::cast(&joined, &DataType::Utf8).unwrap();
    assert_eq!((plain.as_string::<i32>().value(0), plain.as_string::<i32>().value(199)), ("0", "199"));
}

/// Arrow does not merge the values of such dictionaries, and panics where keys do not suffice for all of them.
#[test]
fn views_of_dictionaries_that_outgrow_their_keys() {
    let part = |range: std::ops::Range<i32>| -> ArrayRef {
        let keys = Int8Array::from_iter_values(0..range.len() as i8);
        let values = StringViewArray::from_iter_values(range.map(|value| value.to_string()));
        Arc::new(DictionaryArray::new(keys, Arc::new(values)))
    };
    for second in [50..150, 100..128, 100..100] {
        let joined = concat(&[part(0..100), part(second.clone()), part(0..0)], &DataType::Utf8View).unwrap();
        let plain = arrow::compute::cast(&joined, &DataType::Utf8View).unwrap();
        let expected = (0..100).chain(second).map(|value| value.to_string());
        assert_eq!(plain.as_ref(), &StringViewArray::from_iter_values(expected) as &dyn Array);
    }
}

#[test]
fn keys_under_nulls_may_be_anything() {
    let part = |null_key: i8| -> ArrayRef {
        let keys = Int8Array::new(vec![0, null_key, 1].into(), Some(vec![true, false, true].into()));
        Arc::new(DictionaryArray::new(keys, Arc::new(StringArray::from(vec!["a", "b"]))))
    };
    let joined = concat(&[part(0), part(i8::MAX), part(i8::MIN)], &DataType::Utf8).unwrap();
    let plain = arrow::compute::cast(&joined, &DataType::Utf8).unwrap();
    let expected = [Some("a"), None, Some("b")].repeat(3);
    assert_eq!(plain.as_ref(), &StringArray::from(expected) as &dyn Array);
}

#[test]
fn rows_of_several_parts() {
    let part = |values: &[i64]| -> ArrayRef { Arc::new(Int64Array::from(values.to_vec())) };
    let parts = [part(&[1, 2, 3]).slice(1, 2), part(&[4])];
    let taken = mixed(&parts, &[(1, 0), (0, 1), (0, 0), (1, 0)]).unwrap();
    assert_eq!(taken.as_ref(), part(&[4, 3, 2, 4]).as_ref());
    assert!(matches!(mixed(&parts, &[(0, 2)]), Err(Error::InvalidInput(_))));
    assert!(matches!(mixed(&parts, &[(2, 0)]), Err(Error::InvalidInput(_))));
    let narrow = DataType::Decimal32(9, 2);
    let wide = DataType::Decimal128(38, 2);
    assert_eq!(common_type([&narrow, &wide, &narrow], &wide).unwrap(), wide);
    assert_eq!(common_type([], &wide).unwrap(), wide);
    assert!(common_type([&narrow, &DataType::Utf8], &wide).is_err());
}
