//! What another engine answered, and the comparison of a result with it.
//!
//! **Rule.** A result must have as many columns and rows as the answer. Rows that the query sorts must come in that order;
//! rows that compare equal under its sort keys, and all rows of a query that does not sort, may come in any order. A value
//! is compared by the type that the answering engine gave the column:
//!
//! | answer's column | result must be | equal where |
//! | --- | --- | --- |
//! | integer, decimal | integer or decimal | the numbers are equal, brought to a common scale |
//! | floating point | floating point | within 1e-9 of the larger magnitude |
//! | floating point | decimal (engines differ in what `avg` and `/` return) | within one unit of the result's last place, or 1e-9 |
//! | text, date, boolean | the same | equal |
//!
//! Null equals null only.

use std::cmp::Ordering;
use std::fmt;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Decimal32Type, Decimal64Type, Decimal128Type, Float32Type, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::tpch;

/// How far two floating-point values may be apart, relative to the larger magnitude: sums of millions of rows in another
/// order differ by less, a wrong row by more.
const RELATIVE: f64 = 1e-9;

/// An answer: rows of values, and the order that the query asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Column names.
    pub columns: Vec<String>,
    rows: Vec<Vec<Value>>,
    sorted_by: Vec<usize>,
}

/// One value of an answer or a result.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Null,
    /// Unscaled value and scale.
    Exact(i128, i32),
    Float(f64),
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("NULL"),
            Value::Exact(value, 0) => write!(f, "{value}"),
            Value::Exact(value, scale) => write!(f, "{value}e-{scale}"),
            Value::Float(value) => write!(f, "{value:?}"),
            Value::Text(text) => write!(f, "{text:?}"),
        }
    }
}

/// Why a result is not the answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Mismatch(String);

/// The stored answer of a query, where there is one.
///
/// ```
/// use pilaster_bench_data::answers::expected;
///
/// assert!(expected("tpch", 0.1, 6).is_some_and(|answer| answer.rows() == 1));
/// assert!(expected("tpch", 0.123, 6).is_none());
/// ```
#[must_use]
pub fn expected(suite: &str, scale: f64, query: u32) -> Option<Answer> {
    let stored = STORED
        .iter()
        .find(|stored| stored.suite == suite && stored.scale == scale && stored.query == query)?;
    let sorted_by = tpch::query(query)?.sorted_by;
    // A test reads every stored answer.
    Answer::parse(stored.text, sorted_by).ok()
}

/// Compares a result with an answer, by the rule on top of this module.
///
/// # Errors
/// [`Mismatch`] names the first difference.
pub fn check(actual: &[RecordBatch], expected: &Answer) -> Result<(), Mismatch> {
    let rows = rows_of(actual)?;
    if let Some(width) =
        actual.first().map(RecordBatch::num_columns).filter(|&width| width != expected.columns.len())
    {
        return Err(Mismatch(format!("{width} columns, expected {}", expected.columns.len())));
    }
    if rows.len() != expected.rows.len() {
        return Err(Mismatch(format!("{} rows, expected {}", rows.len(), expected.rows.len())));
    }
    let mut start = 0;
    while start < rows.len() {
        let end = expected.peers(start);
        expected.check_peers(&rows[start..end], start..end)?;
        start = end;
    }
    Ok(())
}

impl Answer {
    /// Another engine's result as an answer; `sorted_by` as in [`crate::Query`].
    ///
    /// # Errors
    /// [`Mismatch`] for column types that answers do not have.
    pub fn of(batches: &[RecordBatch], sorted_by: &[usize]) -> Result<Self, Mismatch> {
        let schema = batches.first().map(RecordBatch::schema);
        let columns =
            schema.iter().flat_map(|schema| schema.fields().iter().map(|field| field.name().clone()));
        Ok(Answer { columns: columns.collect(), rows: rows_of(batches)?, sorted_by: sorted_by.to_vec() })
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Reads the stored form: CSV whose header gives `name:TYPE` (the answering engine's) for each column; an empty field
    /// without quotes is null.
    ///
    /// # Errors
    /// [`Mismatch`] for text that is not in that form.
    pub fn parse(text: &str, sorted_by: &[usize]) -> Result<Self, Mismatch> {
        let mut records =
            csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes()).into_records();
        let malformed = |what: &dyn fmt::Display| Mismatch(format!("malformed answer: {what}"));
        let header =
            records.next().ok_or_else(|| malformed(&"no header"))?.map_err(|error| malformed(&error))?;
        let columns: Vec<(&str, &str)> = header.iter().filter_map(|field| field.rsplit_once(':')).collect();
        if columns.len() != header.len() || sorted_by.iter().any(|&column| column >= columns.len()) {
            return Err(malformed(&"header"));
        }
        let mut rows = Vec::new();
        for record in records {
            let record = record.map_err(|error| malformed(&error))?;
            let values = record.iter().zip(&columns).map(|(field, (_, kind))| parse_value(field, kind));
            rows.push(
                values.collect::<Option<Vec<_>>>().ok_or_else(|| malformed(&format!("row {record:?}")))?,
            );
        }
        let columns = columns.into_iter().map(|(name, _)| name.to_owned()).collect();
        Ok(Self { columns, rows, sorted_by: sorted_by.to_vec() })
    }

    /// End of the rows that the sort keys do not tell from row `start`.
    fn peers(&self, start: usize) -> usize {
        let same = |row: &Vec<Value>| self.sorted_by.iter().all(|&key| row[key] == self.rows[start][key]);
        start + self.rows[start..].iter().take_while(|row| same(row)).count()
    }

    /// Pairs rows of equal rank: each expected row must find an actual row of its own.
    fn check_peers(&self, actual: &[Vec<Value>], range: std::ops::Range<usize>) -> Result<(), Mismatch> {
        let mut free: Vec<&Vec<Value>> = actual.iter().collect();
        for (offset, expected) in self.rows[range.clone()].iter().enumerate() {
            match free.iter().position(|row| row.iter().zip(expected).all(|(a, e)| equal(a, e))) {
                Some(found) => drop(free.swap_remove(found)),
                None => {
                    let nearest = free
                        .iter()
                        .max_by_key(|row| row.iter().zip(expected).filter(|(a, e)| equal(a, e)).count());
                    return Err(self.describe(range.start + offset, expected, nearest));
                }
            }
        }
        Ok(())
    }

    fn describe(&self, row: usize, expected: &[Value], nearest: Option<&&Vec<Value>>) -> Mismatch {
        let differing = nearest.and_then(|actual| {
            let column = actual.iter().zip(expected).position(|(a, e)| !equal(a, e))?;
            Some(format!(
                "column {} is {}, expected {}",
                self.columns[column], actual[column], expected[column]
            ))
        });
        Mismatch(format!("row {row}: {}", differing.unwrap_or_else(|| "is missing".into())))
    }
}

fn parse_value(field: &str, kind: &str) -> Option<Value> {
    let exact = ["DECIMAL", "BIGINT", "HUGEINT", "INTEGER", "SMALLINT", "TINYINT", "UBIGINT", "UINTEGER"];
    Some(match kind {
        // The stored texts hold no empty string: an empty field is null.
        _ if field.is_empty() => Value::Null,
        "DOUBLE" | "FLOAT" => Value::Float(field.parse().ok()?),
        kind if exact.iter().any(|exact| kind.starts_with(exact)) => parse_exact(field)?,
        _ => Value::Text(field.to_owned()),
    })
}

fn parse_exact(field: &str) -> Option<Value> {
    let (whole, fraction) = field.split_once('.').unwrap_or((field, ""));
    let value = format!("{whole}{fraction}").parse().ok()?;
    Some(Value::Exact(value, fraction.len() as i32))
}

fn rows_of(batches: &[RecordBatch]) -> Result<Vec<Vec<Value>>, Mismatch> {
    let mut rows = Vec::new();
    for batch in batches {
        let columns =
            batch.columns().iter().map(|column| values_of(column)).collect::<Result<Vec<_>, _>>()?;
        rows.extend(
            (0..batch.num_rows()).map(|row| columns.iter().map(|column| column[row].clone()).collect()),
        );
    }
    Ok(rows)
}

fn values_of(array: &dyn Array) -> Result<Vec<Value>, Mismatch> {
    let value: Box<dyn Fn(usize) -> Value> = match array.data_type() {
        DataType::Decimal128(_, scale) => {
            let (array, scale) = (array.as_primitive::<Decimal128Type>(), i32::from(*scale));
            Box::new(move |row| Value::Exact(array.value(row), scale))
        }
        DataType::Decimal64(_, scale) => {
            let (array, scale) = (array.as_primitive::<Decimal64Type>(), i32::from(*scale));
            Box::new(move |row| Value::Exact(array.value(row).into(), scale))
        }
        DataType::Decimal32(_, scale) => {
            let (array, scale) = (array.as_primitive::<Decimal32Type>(), i32::from(*scale));
            Box::new(move |row| Value::Exact(array.value(row).into(), scale))
        }
        DataType::Float64 => Box::new(|row| Value::Float(array.as_primitive::<Float64Type>().value(row))),
        DataType::Float32 => {
            Box::new(|row| Value::Float(array.as_primitive::<Float32Type>().value(row).into()))
        }
        integer if integer.is_integer() => {
            return texts(array, |text| text.parse().map(|value| Value::Exact(value, 0)).ok());
        }
        _ => return texts(array, |text| Some(Value::Text(text))),
    };
    Ok((0..array.len()).map(|row| if array.is_null(row) { Value::Null } else { value(row) }).collect())
}

fn texts(array: &dyn Array, read: impl Fn(String) -> Option<Value>) -> Result<Vec<Value>, Mismatch> {
    let unreadable =
        |what: &dyn fmt::Display| Mismatch(format!("cannot show a {}: {what}", array.data_type()));
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array, &options).map_err(|error| unreadable(&error))?;
    let value = |row: usize| match array.is_null(row) {
        true => Ok(Value::Null),
        false => {
            let text = formatter.value(row).try_to_string().map_err(|error| unreadable(&error))?;
            read(text.clone()).ok_or_else(|| unreadable(&text))
        }
    };
    (0..array.len()).map(value).collect()
}

fn equal(actual: &Value, expected: &Value) -> bool {
    match (actual, expected) {
        (Value::Null, Value::Null) => true,
        (Value::Text(actual), Value::Text(expected)) => actual == expected,
        (Value::Exact(..), Value::Exact(..)) => compare_exact(actual, expected) == Some(Ordering::Equal),
        (Value::Float(actual), Value::Float(expected)) => near(*actual, *expected, 0.0),
        (Value::Exact(value, scale), Value::Float(expected)) => {
            let unit = 10f64.powi(-scale);
            // An integer where a fraction was expected has lost it.
            *scale > 0 && near(*value as f64 * unit, *expected, unit)
        }
        _ => false,
    }
}

fn near(actual: f64, expected: f64, absolute: f64) -> bool {
    let close = (actual - expected).abs() <= absolute.max(RELATIVE * actual.abs().max(expected.abs()));
    close || actual == expected || (actual.is_nan() && expected.is_nan())
}

fn compare_exact(left: &Value, right: &Value) -> Option<Ordering> {
    let (Value::Exact(left, left_scale), Value::Exact(right, right_scale)) = (left, right) else {
        return None;
    };
    let scale = (*left_scale).max(*right_scale);
    let raise =
        |value: i128, from: i32| 10i128.checked_pow(u32::try_from(scale - from).ok()?)?.checked_mul(value);
    Some(raise(*left, *left_scale)?.cmp(&raise(*right, *right_scale)?))
}

struct Stored {
    suite: &'static str,
    scale: f64,
    query: u32,
    text: &'static str,
}

mod multiset;

pub use multiset::same_rows;

include!("answers/stored.rs");

#[cfg(test)]
mod tests;
