//! Batches of a scan against batches of another reader: the same values, in whatever physical types.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, GenericListArray, MapArray, OffsetSizeTrait, RecordBatch,
    StructArray,
};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};

use super::Mismatch;

/// Batches of a scan, in order, against one batch with all that they should hold.
///
/// A batch is also valid in itself: every offset, key and view points to where it may, every string is UTF-8.
///
/// # Errors
/// The first difference.
pub fn scanned(expected: &RecordBatch, got: &[RecordBatch]) -> Result<(), Mismatch> {
    for (at, batch) in got.iter().enumerate() {
        valid(batch).map_err(|reason| format!("batch {at}: {reason}"))?;
        if batch.num_rows() == 0 {
            return Err(format!("batch {at} has no row"));
        }
    }
    let rows: usize = got.iter().map(RecordBatch::num_rows).sum();
    if rows != expected.num_rows() {
        return Err(format!("{rows} rows, expected {}", expected.num_rows()));
    }
    for (index, field) in expected.schema().fields().iter().enumerate() {
        let arrays: Vec<ArrayRef> = got.iter().map(|batch| Arc::clone(batch.column(index))).collect();
        column(field, expected.column(index), &arrays)
            .map_err(|reason| format!("column {index} ({}): {reason}", field.name()))?;
    }
    Ok(())
}

/// A batch's arrays keep Arrow's rules, and its schema's.
///
/// # Errors
/// The first that does not.
pub fn valid(batch: &RecordBatch) -> Result<(), Mismatch> {
    for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
        if field.data_type() != array.data_type() {
            return Err(format!("{} is {}, not {}", field.name(), array.data_type(), field.data_type()));
        }
        let rules = array.to_data().validate_full();
        rules.map_err(|error| format!("column {} breaks Arrow's rules: {error}", field.name()))?;
    }
    Ok(())
}

fn column(field: &Field, expected: &ArrayRef, got: &[ArrayRef]) -> Result<(), Mismatch> {
    if let Some(array) = got.iter().find(|array| !stands_for(array.data_type(), field.data_type())) {
        return Err(format!("{} where {} is due", array.data_type(), field.data_type()));
    }
    let canonical_got = got.iter().map(canonical).collect::<Result<Vec<_>, _>>()?;
    let parts: Vec<&dyn Array> = canonical_got.iter().map(AsRef::as_ref).collect();
    if parts.is_empty() {
        return Ok(());
    }
    let got = concat(&parts).map_err(|error| format!("batches of different types: {error}"))?;
    let expected = canonical(expected)?;
    if got.data_type() != expected.data_type() {
        return Err(format!("{} where {} is due", got.data_type(), expected.data_type()));
    }
    if got.to_data() == expected.to_data() {
        return Ok(());
    }
    let differs = |row: &usize| got.slice(*row, 1).to_data() != expected.slice(*row, 1).to_data();
    match (0..got.len()).find(differs) {
        Some(row) => {
            let (found, due) = (got.slice(row, 1), expected.slice(row, 1));
            Err(format!("row {row}: {found:?}, expected {due:?}"))
        }
        None => Err("the arrays differ, though no row does".into()),
    }
}

/// True where an array of type `found` may come out of a scan for a column of type `wanted`.
fn stands_for(found: &DataType, wanted: &DataType) -> bool {
    use DataType as T;
    match (found, wanted) {
        _ if found == wanted => true,
        (T::Dictionary(_, found), _) => stands_for(found, wanted),
        (_, T::Dictionary(_, wanted)) => stands_for(found, wanted),
        (T::Utf8 | T::LargeUtf8 | T::Utf8View, T::Utf8 | T::LargeUtf8 | T::Utf8View) => true,
        (T::Binary | T::LargeBinary | T::BinaryView, T::Binary | T::LargeBinary | T::BinaryView) => true,
        (T::List(a), T::List(b)) | (T::LargeList(a), T::LargeList(b)) | (T::Map(a, _), T::Map(b, _)) => {
            stands_for(a.data_type(), b.data_type())
        }
        (T::FixedSizeList(a, m), T::FixedSizeList(b, n)) => {
            m == n && stands_for(a.data_type(), b.data_type())
        }
        (T::Struct(a), T::Struct(b)) => {
            let same = |(a, b): (&FieldRef, &FieldRef)| {
                a.name() == b.name() && stands_for(a.data_type(), b.data_type())
            };
            a.len() == b.len() && a.iter().zip(b).all(same)
        }
        _ => match (decimal(found), decimal(wanted)) {
            (Some(found), Some(wanted)) => found.0 <= wanted.0 && found.1 == wanted.1,
            _ => false,
        },
    }
}

fn decimal(data_type: &DataType) -> Option<(u8, i8)> {
    use DataType as T;
    match data_type {
        T::Decimal32(p, s) | T::Decimal64(p, s) | T::Decimal128(p, s) | T::Decimal256(p, s) => Some((*p, *s)),
        _ => None,
    }
}

/// The same values in one type of each kind: no dictionaries, long offsets, wide decimals, children without names.
///
/// # Errors
/// Where an array cannot be turned into it.
fn canonical(array: &ArrayRef) -> Result<ArrayRef, Mismatch> {
    use DataType as T;
    let wide = |wanted: &DataType| cast(array, wanted).map_err(|error| error.to_string());
    Ok(match array.data_type() {
        T::Dictionary(_, values) => return canonical(&wide(values)?),
        T::Utf8 | T::Utf8View => wide(&T::LargeUtf8)?,
        T::Binary | T::BinaryView => wide(&T::LargeBinary)?,
        T::Decimal32(_, scale) | T::Decimal64(_, scale) | T::Decimal128(_, scale) => {
            wide(&T::Decimal256(76, *scale))?
        }
        T::Decimal256(_, scale) => {
            let scale = *scale;
            let values = array.as_primitive::<arrow::datatypes::Decimal256Type>().clone();
            Arc::new(values.with_data_type(T::Decimal256(76, scale)))
        }
        T::List(_) => list(array.as_list::<i32>())?,
        T::LargeList(_) => list(array.as_list::<i64>())?,
        T::FixedSizeList(_, size) => {
            let lists = array.as_fixed_size_list();
            // A slice's values are not those of the slice.
            let values = canonical(lists.values())?;
            let field = item(&values);
            Arc::new(FixedSizeListArray::new(field, *size, values, lists.nulls().cloned()))
        }
        T::Struct(_) => Arc::new(structs(array.as_struct(), false)?),
        T::Map(_, _) => {
            let map = array.as_map();
            let entries = structs(map.entries(), true)?;
            let field = Arc::new(Field::new("entries", entries.data_type().clone(), false));
            Arc::new(MapArray::new(field, map.offsets().clone(), entries, map.nulls().cloned(), false))
        }
        _ => Arc::clone(array),
    })
}

fn item(values: &ArrayRef) -> FieldRef {
    Arc::new(Field::new("item", values.data_type().clone(), true))
}

fn list<O: OffsetSizeTrait>(array: &GenericListArray<O>) -> Result<ArrayRef, Mismatch> {
    let values = canonical(array.values())?;
    let field = item(&values);
    Ok(Arc::new(GenericListArray::new(field, array.offsets().clone(), values, array.nulls().cloned())))
}

/// Entries of a map have a first column, its keys, that is never null.
fn structs(array: &StructArray, entries: bool) -> Result<StructArray, Mismatch> {
    let columns = array.columns().iter().map(canonical).collect::<Result<Vec<_>, _>>()?;
    let field = |(at, column): (usize, &ArrayRef)| {
        Field::new(format!("f{at}"), column.data_type().clone(), !(entries && at == 0))
    };
    let fields: Fields = columns.iter().enumerate().map(field).collect();
    StructArray::try_new_with_length(fields, columns, array.nulls().cloned(), array.len())
        .map_err(|error| error.to_string())
}
