//! A table's columns in one of its files: which column of the file, or which constant, gives the values of each.
//!
//! Columns are matched by field id where the table's schema carries ids ([`PARQUET_FIELD_ID_META_KEY`]) and the file has
//! any, by name elsewhere; a partition folder's value stands for the whole column, also where the file has one of that
//! name. A column that the file does not have is null.
//!
//! A file may store a narrower type than the table's where every value is one of the table's type too ([`widens`]); any
//! other difference is refused when the scan is opened.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, new_null_array};
use arrow::datatypes::{DataType, Field, Fields, Int32Type, Schema, TimeUnit};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use pilaster_kernels::expr::Scalar;
use pilaster_kernels::{Error, Result};

use super::types::as_logical;

/// Where the values of a table's column come from in one file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Origin {
    /// The root column of the file at this position.
    Root(usize),
    /// This value in every row.
    Constant(Scalar),
    /// Null in every row.
    Absent,
}

impl Origin {
    /// The root column of the file, where it is one.
    pub(super) fn root(&self) -> Option<usize> {
        match self {
            Origin::Root(root) => Some(*root),
            _ => None,
        }
    }

    /// `rows` values of a column that the file does not hold, physically perhaps narrower than `field` says.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a column that the file does hold.
    pub(super) fn array(&self, field: &Field, rows: usize) -> Result<ArrayRef> {
        match self {
            Origin::Root(_) => Err(Error::invalid(format!("column {} is read from the file", field.name()))),
            Origin::Absent => Ok(new_null_array(field.data_type(), rows)),
            Origin::Constant(scalar) if scalar.data_type == DataType::Utf8 && !scalar.is_null() => {
                let codes = Int32Array::from_value(0, rows);
                Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(codes, scalar.to_array(1)?)?))
            }
            Origin::Constant(scalar) => as_logical(&scalar.to_array(rows)?, field),
        }
    }
}

/// For each column of `table` its origin in a file of schema `file`, called `path` in errors.
///
/// # Errors
/// [`Error::InvalidInput`] for a column that the file lacks and the table denies nulls, one whose type does not widen to
/// the table's, a name or id that two columns of the file share, and a partition column that is not in the table.
pub(super) fn origins(
    path: &str,
    file: &Schema,
    table: &Schema,
    partition: &[(String, Scalar)],
) -> Result<Arc<[Origin]>> {
    if let Some((name, _)) = partition.iter().find(|(name, _)| table.index_of(name).is_err()) {
        return Err(Error::invalid(format!(
            "{path}: the table has no column {name}, which its folder names"
        )));
    }
    let same_names = file.fields().len() == table.fields().len()
        && file.fields().iter().zip(table.fields()).all(|(left, right)| left.name() == right.name());
    let index = Index::new(path, file, table);
    let origin = |(position, field): (usize, &Arc<Field>)| {
        if let Some((_, value)) = partition.iter().find(|(name, _)| name == field.name()) {
            return constant(path, field, value);
        }
        let root = match same_names && index.by_id.is_none() {
            true => Some(position),
            false => index.find(field)?,
        };
        match root {
            Some(root) if widens(file.field(root).data_type(), field.data_type()) => Ok(Origin::Root(root)),
            Some(root) => {
                let (found, wanted) = (file.field(root).data_type(), field.data_type());
                Err(Error::invalid(format!("{path}: column {} is {found}, not {wanted}", field.name())))
            }
            None if field.is_nullable() => Ok(Origin::Absent),
            None => {
                let name = field.name();
                Err(Error::invalid(format!("{path} has no column {name}, which must not be null")))
            }
        }
    };
    table.fields().iter().enumerate().map(origin).collect()
}

fn constant(path: &str, field: &Field, value: &Scalar) -> Result<Origin> {
    if value.is_null() && !field.is_nullable() {
        let name = field.name();
        return Err(Error::invalid(format!("{path}: partition column {name} is null, which must not be")));
    }
    let typed = Scalar::new(field.data_type().clone(), value.value.clone());
    let typed = typed.map_err(|error| Error::invalid(format!("{path}: column {}: {error}", field.name())))?;
    // One type for all strings: they come as codes into a dictionary of one value.
    let text = matches!(typed.data_type, DataType::LargeUtf8 | DataType::Utf8View);
    Ok(Origin::Constant(if text { Scalar { data_type: DataType::Utf8, ..typed } } else { typed }))
}

/// Columns of a file by name and, where both it and the table have ids, by id. `None` stands for several.
struct Index<'a> {
    path: &'a str,
    by_name: HashMap<&'a str, Option<usize>>,
    by_id: Option<HashMap<i32, Option<usize>>>,
}

impl<'a> Index<'a> {
    fn new(path: &'a str, file: &'a Schema, table: &Schema) -> Self {
        let mut by_name = HashMap::with_capacity(file.fields().len());
        let mut by_id = HashMap::new();
        for (position, field) in file.fields().iter().enumerate() {
            by_name.entry(field.name().as_str()).and_modify(|known| *known = None).or_insert(Some(position));
            if let Some(id) = field_id(field) {
                by_id.entry(id).and_modify(|known| *known = None).or_insert(Some(position));
            }
        }
        let ids = !by_id.is_empty() && table.fields().iter().any(|field| field_id(field).is_some());
        Self { path, by_name, by_id: ids.then_some(by_id) }
    }

    fn find(&self, field: &Field) -> Result<Option<usize>> {
        let (found, what) = match (&self.by_id, field_id(field)) {
            (Some(by_id), Some(id)) => (by_id.get(&id), format!("of field id {id}")),
            _ => (self.by_name.get(field.name().as_str()), format!("called {}", field.name())),
        };
        match found {
            Some(None) => Err(Error::invalid(format!("{} has several columns {what}", self.path))),
            Some(Some(position)) => Ok(Some(*position)),
            None => Ok(None),
        }
    }
}

fn field_id(field: &Field) -> Option<i32> {
    field.metadata().get(PARQUET_FIELD_ID_META_KEY)?.parse().ok()
}

/// True where every value of type `found` is, exactly, one of type `wanted`: the same logical type, a wider integer, float
/// or decimal, a finer unit of time; element by element in nested types.
pub(super) fn widens(found: &DataType, wanted: &DataType) -> bool {
    use DataType as D;
    match (found, wanted) {
        (found, wanted) if found == wanted => true,
        (D::Dictionary(_, values), wanted) => widens(values, wanted),
        (found, D::Dictionary(_, values)) => widens(found, values),
        (found, wanted) if is_text(found) && is_text(wanted) => true,
        (found, wanted) if is_binary(found) && (is_binary(wanted) || is_text(wanted)) => true,
        (found, wanted) if found.is_integer() && wanted.is_integer() => {
            let (narrow, wide) = (found.primitive_width(), wanted.primitive_width());
            match (found.is_signed_integer(), wanted.is_signed_integer()) {
                (true, true) | (false, false) => narrow <= wide,
                (false, true) => narrow < wide,
                (true, false) => false,
            }
        }
        (D::Float16, D::Float32 | D::Float64) | (D::Float32, D::Float64) => true,
        (D::Timestamp(coarse, zone), D::Timestamp(fine, wanted)) => {
            zone.is_some() == wanted.is_some() && unit(*coarse) <= unit(*fine)
        }
        (D::List(a) | D::LargeList(a), D::List(b) | D::LargeList(b)) => widens(a.data_type(), b.data_type()),
        (D::Struct(a), D::Struct(b)) => widen_each(a, b),
        (D::Map(a, _), D::Map(b, _)) => widens(a.data_type(), b.data_type()),
        (found, wanted) => match (decimal(found), decimal(wanted)) {
            (Some((precision, scale)), Some((wider, wanted))) => scale == wanted && precision <= wider,
            _ => false,
        },
    }
}

/// Members by name, in order: a struct is read as the file has it.
fn widen_each(found: &Fields, wanted: &Fields) -> bool {
    found.len() == wanted.len()
        && found.iter().zip(wanted).all(|(a, b)| {
            a.name() == b.name() && a.is_nullable() <= b.is_nullable() && widens(a.data_type(), b.data_type())
        })
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn is_binary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}

fn unit(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 1,
        TimeUnit::Microsecond => 2,
        TimeUnit::Nanosecond => 3,
    }
}

fn decimal(data_type: &DataType) -> Option<(u8, i8)> {
    match data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => Some((*precision, *scale)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
