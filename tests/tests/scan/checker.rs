//! Planted errors: the comparison must notice each of them, or it proves nothing.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, make_array};
use arrow::buffer::{Buffer, NullBuffer};
use arrow::datatypes::{DataType, Field, Schema};
use pilaster_tests::strategies::Choices;
use pilaster_tests::strategies::parquet::{Density, Lie, ParquetFile, ValueRecipe, column, leaf_types};
use pilaster_tests::strategies::{Random, Spread};

use super::reading::{Reading, budget, open, oracle};

fn recipe() -> ValueRecipe {
    let (nulls, lie, spread) = (Density::Few, Lie::Random, Spread::Wide);
    ValueRecipe { nulls, lie, spread, most_bytes: 20, most_elements: 3, seed: 5 }
}

/// Everything but `Null`, flat and in a list.
fn fields() -> Vec<Field> {
    let types = leaf_types().into_iter().filter(|data_type| data_type != &DataType::Null);
    let both = types.enumerate().flat_map(|(at, data_type)| {
        let list = DataType::List(Arc::new(Field::new("item", data_type.clone(), true)));
        [Field::new(format!("c{at}"), data_type, true), Field::new(format!("l{at}"), list, true)]
    });
    both.collect()
}

/// The column with the last byte of its values changed, below however many lists.
fn spoiled_value(array: &ArrayRef) -> ArrayRef {
    fn spoil(data: arrow::array::ArrayData) -> arrow::array::ArrayData {
        if let [.., child] = data.child_data() {
            let mut children = data.child_data().to_vec();
            *children.last_mut().unwrap() = spoil(child.clone());
            return data.into_builder().child_data(children).build().unwrap();
        }
        let mut buffers = data.buffers().to_vec();
        // Views keep short values in themselves.
        let last = if matches!(data.data_type(), DataType::Utf8View | DataType::BinaryView) {
            0
        } else {
            buffers.len() - 1
        };
        let mut bytes = buffers[last].to_vec();
        let used = match data.data_type() {
            DataType::Boolean => data.len().div_ceil(8) - 1,
            other => other.primitive_width().map_or(bytes.len(), |width| width * data.len()) - 1,
        };
        match data.data_type() {
            DataType::Boolean => bytes[used] ^= 1 << ((data.len() - 1) % 8),
            // The last view's first byte after its length.
            DataType::Utf8View | DataType::BinaryView => bytes[data.len() * 16 - 12] ^= 1,
            _ => bytes[used] ^= 1,
        }
        buffers[last] = Buffer::from_vec(bytes);
        data.into_builder().buffers(buffers).align_buffers(true).build().unwrap()
    }
    make_array(spoil(array.to_data()))
}

/// A column whose last value is one that counts.
fn ends_in_a_value(field: &Field, rows: usize) -> ArrayRef {
    let recipe = ValueRecipe { nulls: Density::None, most_bytes: 9, ..recipe() };
    (0..).map(|seed| column(field, &recipe, rows, &mut Random::new(seed))).find(counts).unwrap()
}

fn counts(array: &ArrayRef) -> bool {
    let last = array.slice(array.len() - 1, 1);
    match array.data_type() {
        DataType::List(_) => {
            let lists = last.as_list::<i32>();
            let inner = lists.value(0);
            !inner.is_empty() && lists.offsets()[1] as usize == lists.values().len() && counts(&inner)
        }
        DataType::Dictionary(..) => {
            // The dictionary's last value must be used.
            let any = array.as_any_dictionary();
            let keys = any.normalized_keys();
            keys.contains(&(any.values().len() - 1)) && counts(any.values())
        }
        DataType::Utf8View | DataType::LargeUtf8 | DataType::Utf8 => {
            let text = arrow::compute::cast(&last, &DataType::Utf8).unwrap();
            text.as_string::<i32>().value(0).ends_with(['a', 'b', 'Z', '%', 't', 'h', 'e', ' ', 's', 'm'])
                && text.as_string::<i32>().value(0).starts_with(['a', 'b', 'Z', '%', 't'])
        }
        DataType::LargeBinary | DataType::Binary | DataType::BinaryView => {
            let bytes = arrow::compute::cast(&last, &DataType::LargeBinary).unwrap();
            !bytes.as_binary::<i64>().value(0).is_empty()
        }
        _ => true,
    }
}

#[test]
fn a_wrong_value_of_any_type_is_noticed() {
    for field in fields() {
        let array = ends_in_a_value(&field, 50);
        let schema = Arc::new(Schema::new(vec![field.clone()]));
        let batch = |array| RecordBatch::try_new(Arc::clone(&schema), vec![array]).unwrap();
        let reading = Reading::whole(1);
        let expected = batch(Arc::clone(&array));
        assert_eq!(reading.agrees(&expected, std::slice::from_ref(&expected)), Ok(()), "{field:?}");
        let wrong = batch(spoiled_value(&array));
        let outcome = reading.agrees(&expected, std::slice::from_ref(&wrong));
        assert!(outcome.is_err(), "{field:?}: {wrong:?} passes for {expected:?}");
    }
}

#[test]
fn a_wrong_null_of_any_type_is_noticed() {
    for field in fields() {
        let array = ends_in_a_value(&field, 50);
        let nulls: NullBuffer = (0..50).map(|row| row != 49).collect();
        let wrong = array.to_data().into_builder().nulls(Some(nulls)).build().unwrap();
        let schema = Arc::new(Schema::new(vec![field.clone()]));
        let batch = |array| RecordBatch::try_new(Arc::clone(&schema), vec![array]).unwrap();
        let (expected, wrong) = (batch(array), batch(make_array(wrong)));
        let reading = Reading::whole(1);
        assert!(reading.agrees(&expected, std::slice::from_ref(&wrong)).is_err(), "{field:?}");
        assert!(reading.agrees(&wrong, std::slice::from_ref(&expected)).is_err(), "{field:?}");
    }
}

/// Rows that are missing, doubled, in another order, or in batches of a wrong size.
#[test]
fn wrong_rows_are_noticed() {
    let fields = vec![Field::new("a", DataType::Int32, false), Field::new("b", DataType::Utf8, true)];
    let mut choices = Choices::new(Vec::new());
    let file = ParquetFile::of(Arc::new(Schema::new(fields)), &mut choices);
    let all = oracle(&file.bytes).unwrap();
    let reading = Reading { batch_rows: 10, ..Reading::whole(2) };
    let got = reading.scan(&open(&file.bytes).unwrap(), &budget()).unwrap();
    assert!(got.len() > 2);
    assert_eq!(reading.agrees(&all, &got), Ok(()));
    assert!(reading.agrees(&all, &got[1..]).is_err());
    assert!(reading.agrees(&all, &[&got[..], &got[..1]].concat()).is_err());
    let mut other = got.clone();
    other.swap(0, 1);
    assert!(reading.agrees(&all, &other).is_err());
    assert!(Reading { batch_rows: 9, ..reading.clone() }.agrees(&all, &got).is_err());
    let hidden = Reading { output: Some(vec![1]), ..reading };
    assert!(hidden.agrees(&all, &got).is_err());
}

/// The same letters in a type that must not stand for the column's.
#[test]
fn a_wrong_type_is_noticed() {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["1", "2"]));
    let batch = |array: ArrayRef| RecordBatch::try_from_iter([("c", array)]).unwrap();
    let reading = Reading::whole(1);
    let expected = batch(Arc::clone(&text));
    for (other, allowed) in [
        (DataType::LargeUtf8, true),
        (DataType::Utf8View, true),
        (DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)), true),
        (DataType::Binary, false),
        (DataType::Int64, false),
    ] {
        let got = batch(arrow::compute::cast(&text, &other).unwrap());
        assert_eq!(reading.agrees(&expected, &[got]).is_ok(), allowed, "{other}");
    }
}
