//! Casts.
//!
//! | from | to | rule |
//! | --- | --- | --- |
//! | integer, decimal | integer, decimal | exact, or rounded half away from zero where digits are lost |
//! | integer, decimal | float | the nearest float, ties to even |
//! | float | integer | rounded to the nearest, ties to even (as PostgreSQL); NaN and infinities have no counterpart |
//! | float | decimal | the float's exact value, rounded half away from zero |
//! | Float64 | Float32 | the nearest; a finite value beyond the largest Float32 has no counterpart |
//! | dates, timestamps, times, durations | the same in other units | finer: exact; coarser: towards minus infinity |
//! | dates, timestamps, times, durations | integers and back | the stored number |
//! | number | Boolean | not zero (NaN is true) |
//! | Boolean | number | 1 and 0 |
//! | strings | anything and back | as Arrow reads and writes them |
//!
//! A value without a counterpart is [`Error::CastFailed`], or null under `TRY_CAST`.

use arrow::array::{Array, ArrayRef, new_null_array};
use arrow::buffer::NullBuffer;
use arrow::compute::CastOptions;
use arrow::datatypes::{DataType, i256};

use crate::error::{Error, Result};
use crate::expr::range::{Conversion, Range, conversion};
use crate::expr::types::{Family, family, power_of_ten, type_bounds, value_type};
use crate::expr::{CastMode, Rounding, Scalar, Value};
use crate::simd::lanes;

use super::decimal::rescale_value;
use super::frame::Operand;
use super::side::{Lanes, Side};
use super::vector::{Values, Vector, scale_of};

pub(crate) fn cast(input: Vector, from: &DataType, to: &DataType, mode: CastMode) -> Result<Vector> {
    let (from, to) = (value_type(from), value_type(to));
    let (a, b) = (family(from)?, family(to)?);
    let job = Job { from, to, mode };
    match (a, b) {
        (Family::Null, _) => Vector::load(&new_null_array(to, input.len()), None),
        (Family::Text, Family::Text) | (Family::Boolean, Family::Boolean) => Ok(input),
        (Family::Text | Family::Binary, _) | (_, Family::Text | Family::Binary) => job.through_text(&input),
        (Family::Float, Family::Float) => job.float_to_float(input),
        (Family::Float, _) => job.float_to_exact(&input, b),
        (Family::Boolean, _) => from_boolean(&input, to),
        (_, Family::Boolean) => to_boolean(&input),
        (_, Family::Float) => to_float(&input, from, to),
        _ => job.integers(input, a, b),
    }
}

struct Job<'a> {
    from: &'a DataType,
    to: &'a DataType,
    mode: CastMode,
}

impl Job<'_> {
    fn failed(&self, value: impl std::fmt::Display) -> Error {
        let value = value.to_string();
        let value = match value.char_indices().nth(64) {
            Some((end, _)) => format!("{}...", &value[..end]),
            None => value,
        };
        Error::CastFailed { value, from: self.from.to_string(), to: self.to.to_string() }
    }

    /// Integer-like values: scaled or divided in lanes where the range proves that they stay within 128 bits, then
    /// tested against the target's bounds by a scan.
    fn integers(&self, input: Vector, from: Family, to: Family) -> Result<Vector> {
        let (Some(bounds), Some(conversion)) = (type_bounds(self.to), conversion(from, to)) else {
            return Err(Error::invalid(format!("a cast from {} to {}", self.from, self.to)));
        };
        let nulls = input.nulls().cloned();
        let Some(side) = Side::of(&Operand::Column(input.clone()))? else {
            return Vector::load(&new_null_array(self.to, input.len()), None);
        };
        let converted = match conversion {
            Conversion::Scale { from, to } => side.rescale(from, to, Rounding::HalfAwayFromZero),
            Conversion::Ratio { up, down } => side.multiply(up).map(|side| floor_divide(side, down)),
        };
        let Some(converted) = converted else { return self.integers_by_row(&input, conversion, bounds) };
        let fits = converted.range.within(&bounds);
        let vector = converted.into_vector(input.len(), nulls);
        if fits {
            return Ok(vector);
        }
        let measured = vector.measure().unwrap_or(Range::of(0));
        if measured.within(&bounds) {
            return Ok(Vector::with_range(vector.values().clone(), vector.nulls().cloned(), measured));
        }
        self.integers_by_row(&input, conversion, bounds)
    }

    fn integers_by_row(&self, input: &Vector, conversion: Conversion, bounds: Range) -> Result<Vector> {
        let wide = input.lanes_i128().ok_or_else(|| Error::invalid("integer lanes were expected"))?;
        let convert = |value: i128| match conversion {
            Conversion::Scale { from, to } => rescale_value(value, from, to, Rounding::HalfAwayFromZero),
            Conversion::Ratio { up, down } => Some(value.checked_mul(up)?.div_euclid(down)),
        };
        let value = |row: usize| convert(wide[row]).filter(|value| bounds.contains(*value));
        let show = |row: usize| {
            Scalar { data_type: self.from.clone(), value: Value::Integer(wide[row]) }.to_string()
        };
        self.by_row(input, bounds, value, show)
    }

    /// `value` of each row that is not null; where there is none, an error or a null.
    fn by_row(
        &self,
        input: &Vector,
        bounds: Range,
        value: impl Fn(usize) -> Option<i128>,
        show: impl Fn(usize) -> String,
    ) -> Result<Vector> {
        let rows = input.len();
        let mut values = vec![0i128; rows];
        let mut lost = Vec::new();
        for (row, slot) in values.iter_mut().enumerate() {
            if input.nulls().is_some_and(|nulls| nulls.is_null(row)) {
                continue;
            }
            match value(row) {
                Some(value) => *slot = value,
                None if self.mode == CastMode::Strict => return Err(self.failed(show(row))),
                None => lost.push(row),
            }
        }
        let nulls = without(input.nulls(), &lost, rows);
        Ok(Vector::new(Values::I128(values.into()), nulls).narrowed(bounds))
    }

    fn float_to_exact(&self, input: &Vector, to: Family) -> Result<Vector> {
        let floats: Vec<f64> = match input.values() {
            Values::F32(values) => lanes::map(values, |v: f32| f64::from(v)),
            Values::F64(values) => values.to_vec(),
            _ => return Err(Error::invalid("floats were expected")),
        };
        if to == Family::Boolean {
            let bits = lanes::test(&floats, |v: f64| v != 0.0);
            return Ok(Vector::boolean(lanes::bitmap(bits, floats.len()), input.nulls().cloned()));
        }
        let bounds = type_bounds(self.to).ok_or_else(|| Error::invalid(format!("no cast to {}", self.to)))?;
        let scale = scale_of(self.to);
        let decimal = matches!(to, Family::Decimal { .. });
        let value = |row: usize| {
            let value = floats[row];
            let exact = if decimal { decimal_of(value, scale) } else { integer_of(value) };
            exact.filter(|value| bounds.contains(*value))
        };
        self.by_row(input, bounds, value, |row| floats[row].to_string())
    }

    fn float_to_float(&self, input: Vector) -> Result<Vector> {
        let nulls = input.nulls().cloned();
        Ok(match (input.values(), self.to) {
            (Values::F32(values), DataType::Float64) => {
                Vector::new(Values::F64(lanes::map(values, |v: f32| f64::from(v)).into()), nulls)
            }
            (Values::F64(values), DataType::Float32) => {
                let lost: Vec<usize> = (0..values.len())
                    .filter(|&row| values[row].is_finite() && !(values[row] as f32).is_finite())
                    .filter(|&row| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)))
                    .collect();
                if let (Some(&row), CastMode::Strict) = (lost.first(), self.mode) {
                    return Err(self.failed(values[row]));
                }
                let nulls = without(nulls.as_ref(), &lost, values.len());
                Vector::new(Values::F32(lanes::map(values, |v: f64| v as f32).into()), nulls)
            }
            _ => input,
        })
    }

    /// Strings by Arrow's readers and writers. A dictionary is cast value by value; a value that no row points to may be
    /// anything.
    fn through_text(&self, input: &Vector) -> Result<Vector> {
        let options = CastOptions { safe: true, ..Default::default() };
        let convert = |array: &ArrayRef| arrow::compute::cast_with_options(array, self.to, &options);
        let (array, codes): (ArrayRef, _) = match input.values() {
            Values::Dictionary { codes, values } if values.len() <= codes.len() => {
                (values.clone(), Some(codes))
            }
            Values::Dictionary { .. } => (input.decoded()?.into_array(self.from)?, None),
            _ => (input.clone().into_array(self.from)?, None),
        };
        let converted = Vector::load(&convert(&array)?, None)?;
        let converted = match codes {
            None => converted,
            Some(codes) => {
                let inside = |code: i32| usize::try_from(code).ok().filter(|code| *code < array.len());
                let rows: Vec<u32> = codes.iter().map(|&code| inside(code).unwrap_or(0) as u32).collect();
                if array.is_empty() {
                    return Vector::load(&new_null_array(self.to, input.len()), None);
                }
                converted.take(&rows.into())?
            }
        };
        let nulls = NullBuffer::union(converted.nulls(), input.nulls());
        if self.mode == CastMode::Strict {
            let failed = (0..input.len()).find(|&row| {
                converted.nulls().is_some_and(|nulls| nulls.is_null(row))
                    && input.nulls().is_none_or(|nulls| nulls.is_valid(row))
            });
            if let Some(row) = failed {
                let one = input.take(&vec![row as u32].into())?.decoded()?;
                return Err(self.failed(Scalar::from_array(&one.into_array(self.from)?, 0)?));
            }
        }
        Ok(Vector::new(converted.values().clone(), nulls))
    }
}

fn floor_divide(side: Side, divisor: i128) -> Side {
    if divisor == 1 {
        return side;
    }
    let range = Range { min: side.range.min.div_euclid(divisor), max: side.range.max.div_euclid(divisor) };
    match (&side.lanes, i64::try_from(divisor)) {
        (Lanes::I64(values), Ok(divisor)) => {
            let values = lanes::map(values, |v: i64| v.div_euclid(divisor));
            Side { lanes: Lanes::I64(values.into()), range }
        }
        _ => side.map(range, |value| value.div_euclid(divisor)),
    }
}

/// `nulls` and the rows `lost`.
fn without(nulls: Option<&NullBuffer>, lost: &[usize], rows: usize) -> Option<NullBuffer> {
    if lost.is_empty() {
        return nulls.cloned();
    }
    let mut valid: Vec<bool> = (0..rows).map(|row| nulls.is_none_or(|nulls| nulls.is_valid(row))).collect();
    lost.iter().for_each(|&row| valid[row] = false);
    Some(NullBuffer::from(valid))
}

/// The nearest integer, ties to even; none for NaN and beyond 128 bits.
fn integer_of(value: f64) -> Option<i128> {
    let rounded = value.round_ties_even();
    (rounded.abs() < 2f64.powi(126)).then_some(rounded as i128)
}

/// The float's exact value times `10^scale`, rounded half away from zero; none beyond 128 bits.
fn decimal_of(value: f64, scale: i32) -> Option<i128> {
    if !value.is_finite() {
        return None;
    }
    let bits = value.to_bits();
    let exponent_bits = ((bits >> 52) & 0x7ff) as i32;
    let fraction = (bits & ((1 << 52) - 1)) as i128;
    let (mantissa, exponent) =
        if exponent_bits == 0 { (fraction, -1074) } else { (fraction | 1 << 52, exponent_bits - 1075) };
    let signed = |magnitude: i128| if value < 0.0 { -magnitude } else { magnitude };
    // value = mantissa * 2^exponent, the mantissa below 2^53.
    if mantissa == 0 || exponent < -230 {
        return Some(0);
    }
    if exponent > 250 {
        return None;
    }
    let power = i256::from_i128(power_of_ten(scale.unsigned_abs())?);
    let two = i256::from_i128(2);
    let mantissa = i256::from_i128(mantissa);
    let up = |value: i256, exponent: i32| value.checked_mul(two.checked_pow(exponent as u32)?);
    let (numerator, denominator) = match (scale >= 0, exponent >= 0) {
        (true, true) => (up(mantissa.checked_mul(power)?, exponent)?, i256::ONE),
        (true, false) => (mantissa.checked_mul(power)?, up(i256::ONE, -exponent)?),
        (false, true) => (up(mantissa, exponent)?, power),
        // A value below 2^53 with a negative scale: the denominator is at most 10^38 * 2^128 where it matters.
        (false, false) => match up(power, -exponent) {
            Some(denominator) => (mantissa, denominator),
            None => return Some(0),
        },
    };
    let quotient = numerator.checked_div(denominator)?;
    let remainder = numerator.checked_rem(denominator)?;
    let away = remainder >= denominator.checked_sub(remainder)?;
    quotient.to_i128()?.checked_add(i128::from(away)).map(signed)
}

fn from_boolean(input: &Vector, to: &DataType) -> Result<Vector> {
    let Values::Boolean(bits) = input.values() else { return Err(Error::invalid("a Boolean was expected")) };
    let nulls = input.nulls().cloned();
    Ok(match to {
        DataType::Float32 => {
            Vector::new(Values::F32(bits.iter().map(|bit| f32::from(u8::from(bit))).collect()), nulls)
        }
        DataType::Float64 => {
            Vector::new(Values::F64(bits.iter().map(|bit| f64::from(u8::from(bit))).collect()), nulls)
        }
        _ => {
            let range = Range { min: 0, max: 1 };
            Vector::with_range(Values::I32(bits.iter().map(i32::from).collect()), nulls, range)
        }
    })
}

fn to_boolean(input: &Vector) -> Result<Vector> {
    let words = match input.values() {
        Values::I32(values) => lanes::test(values, |v: i32| v != 0),
        Values::I64(values) => lanes::test(values, |v: i64| v != 0),
        Values::I128(values) => lanes::test(values, |v: i128| v != 0),
        _ => return Err(Error::invalid("integers were expected")),
    };
    Ok(Vector::boolean(lanes::bitmap(words, input.len()), input.nulls().cloned()))
}

fn to_float(input: &Vector, from: &DataType, to: &DataType) -> Result<Vector> {
    let scale = scale_of(from);
    let nulls = input.nulls().cloned();
    let invalid = || Error::invalid("integers were expected");
    Ok(match (to, input.values()) {
        (DataType::Float32, _) => {
            let wide = input.lanes_i128().ok_or_else(invalid)?;
            Vector::new(Values::F32(wide.iter().map(|&value| single_of(value, scale)).collect()), nulls)
        }
        (_, Values::I32(values)) if scale == 0 => {
            Vector::new(Values::F64(lanes::map(values, |v: i32| f64::from(v)).into()), nulls)
        }
        (_, Values::I64(values)) if scale == 0 => {
            Vector::new(Values::F64(lanes::map(values, |v: i64| v as f64).into()), nulls)
        }
        _ => {
            let wide = input.lanes_i128().ok_or_else(invalid)?;
            Vector::new(Values::F64(wide.iter().map(|&value| double_of(value, scale)).collect()), nulls)
        }
    })
}

/// The nearest float: one division of two exact floats is correctly rounded, anything else is read from its digits.
fn double_of(value: i128, scale: i32) -> f64 {
    match scale {
        0 => value as f64,
        1..=22 if value.unsigned_abs() <= 1 << 53 => value as f64 / 10f64.powi(scale),
        _ => format!("{value}e{}", -scale).parse().unwrap_or(f64::NAN),
    }
}

fn single_of(value: i128, scale: i32) -> f32 {
    match scale {
        0 => value as f32,
        1..=10 if value.unsigned_abs() <= 1 << 24 => value as f32 / 10f32.powi(scale),
        _ => format!("{value}e{}", -scale).parse().unwrap_or(f32::NAN),
    }
}
