//! A number for a result that does not depend on the order of rows: the sum of all numeric columns, and the bytes of all
//! texts. Engines are compared by it.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{cast, sum};
use arrow::datatypes::{DataType, Float64Type};

use crate::Failure;

/// A checksum that batches are added to as they come.
#[derive(Debug, Default)]
pub struct Checksum {
    of_columns: Vec<f64>,
    bytes: u64,
}

impl Checksum {
    /// Adds the rows of a batch.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        self.of_columns.resize(batch.num_columns(), 0.0);
        for (values, of_column) in batch.columns().iter().zip(&mut self.of_columns) {
            match values.data_type() {
                DataType::Dictionary(_, plain) => add(&cast(values, plain)?, of_column, &mut self.bytes)?,
                _ => add(values, of_column, &mut self.bytes)?,
            }
        }
        Ok(())
    }

    /// `SUM/BYTES`; the sum with nine digits, as C's `%.9g` writes it.
    pub fn text(&self) -> String {
        format!("{}/{}", nine_digits(self.of_columns.iter().sum()), self.bytes)
    }
}

fn add(values: &ArrayRef, total: &mut f64, bytes: &mut u64) -> Result<(), Failure> {
    match values.data_type() {
        plain if plain.is_numeric() => {
            let floats = cast(values, &DataType::Float64)?;
            *total += sum(floats.as_primitive::<Float64Type>()).unwrap_or(0.0);
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let texts = cast(values, &DataType::LargeUtf8)?;
            let texts = texts.as_string::<i64>();
            let lengths =
                (0..texts.len()).filter(|&row| texts.is_valid(row)).map(|row| texts.value(row).len());
            *bytes += lengths.sum::<usize>() as u64;
        }
        _ => {}
    }
    Ok(())
}

/// `%.9g`.
fn nine_digits(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".to_owned() } else { value.to_string().to_lowercase() };
    }
    let scientific = format!("{value:.8e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..9).contains(&exponent) {
        let decimals = usize::try_from(8 - exponent).unwrap_or(0);
        return trimmed(&format!("{value:.decimals$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(digits), exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_digits_are_those_of_c() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (-2.5, "-2.5"),
            (123_456_789.0, "123456789"),
            (1_234_567_891.0, "1.23456789e+09"),
            (4_995_000_000_000.0, "4.995e+12"),
            (0.000_123_456, "0.000123456"),
            (0.000_012_345, "1.2345e-05"),
            (999_999_999.9, "1e+09"),
            (1e100, "1e+100"),
        ] {
            assert_eq!(nine_digits(value), text);
        }
    }
}
