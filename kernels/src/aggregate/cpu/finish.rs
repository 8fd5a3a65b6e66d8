//! States to results, in the declared types.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, UInt64Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, i256};

use super::floats::FloatSums;
use super::sums::Total;
use crate::aggregate::Aggregate;
use crate::error::{Error, Result};
use crate::expr::{Expr, OverflowMode, Rounding, value_type};
use crate::keys::decode::{from_integers, from_words, to_declared};

/// Counts, as the declared integer type.
pub(super) fn counts(counts: &[u64], aggregate: &Aggregate) -> Result<ArrayRef> {
    let overflow = |_: u64| overflow("count", aggregate.inputs.first());
    match value_type(&aggregate.data_type) {
        DataType::UInt64 => to_declared(Arc::new(UInt64Array::from(counts.to_vec())), &aggregate.data_type),
        _ => {
            let words = counts.iter().map(|&count| i64::try_from(count).map_err(|_| overflow(count)));
            from_words(words.collect::<Result<_>>()?, None, &aggregate.data_type).map_err(|_| overflow(0))
        }
    }
}

/// Exact sums of 64 bits, each with its number of values, where the result is an integer of 64 bits or more, or a decimal
/// of the same scale that has room for any of them: 2 ns for a group, against 40 by way of 256 bits.
pub(super) fn word_sums(sums: &[i64], counts: &[u64], aggregate: &Aggregate) -> Option<Result<ArrayRef>> {
    use DataType as D;
    let to = value_type(&aggregate.data_type);
    let fits = match to {
        D::Int64 | D::Duration(_) => true,
        D::Decimal128(precision, _) => *precision >= 19,
        _ => false,
    };
    (fits && scale_of(to) == scale_of(&input_type(aggregate)))
        .then(|| from_words(sums.to_vec(), seen(counts), &aggregate.data_type))
}

/// Averages of sums of 64 bits, in floats; the same as by way of 256 bits.
pub(super) fn word_averages(sums: &[i64], counts: &[u64], aggregate: &Aggregate) -> Option<Result<ArrayRef>> {
    if *value_type(&aggregate.data_type) != DataType::Float64 {
        return None;
    }
    let unit = 10f64.powi(scale_of(&input_type(aggregate)));
    let averages = sums.iter().zip(counts).map(|(&sum, &count)| sum as f64 / count.max(1) as f64 / unit);
    let averages = Float64Array::new(averages.collect(), seen(counts));
    Some(to_declared(Arc::new(averages), &aggregate.data_type))
}

/// Valid where there was a value.
fn seen(counts: &[u64]) -> Option<NullBuffer> {
    let all = counts.iter().all(|&count| count > 0);
    (!all).then(|| counts.iter().map(|&count| count > 0).collect())
}

/// Exact sums, each with its number of values.
pub(super) fn sums(totals: impl Iterator<Item = (Total, u64)>, aggregate: &Aggregate) -> Result<ArrayRef> {
    let scale = scale_of(&input_type(aggregate));
    let to = value_type(&aggregate.data_type);
    if to.is_floating() {
        let floats = totals
            .map(|(total, count)| {
                let sum = total.value().ok_or_else(|| overflow("sum", aggregate.inputs.first()))?;
                Ok((count > 0).then(|| to_f64(sum) / 10f64.powi(scale)))
            })
            .collect::<Result<Float64Array>>()?;
        return to_declared(Arc::new(floats), &aggregate.data_type);
    }
    let values = totals
        .map(|(total, count)| if count == 0 { Ok(None) } else { sum(total, scale, to, aggregate).map(Some) })
        .collect::<Result<Vec<_>>>()?;
    from_integers(&values, &aggregate.data_type)
}

fn sum(total: Total, scale: i32, to: &DataType, aggregate: &Aggregate) -> Result<i256> {
    if aggregate.overflow == OverflowMode::Wrap {
        return Ok(wrap(total.wrapped(), to));
    }
    let fits = |value: &i256| fits(*value, to);
    let exact = total.value();
    let rescaled = exact.and_then(|sum| divide(sum, 1, scale_of(to) - scale, aggregate.rounding));
    rescaled.filter(fits).ok_or_else(|| overflow("sum", aggregate.inputs.first()))
}

/// Exact sums of integers and decimals over their number of values.
pub(super) fn averages(
    totals: impl Iterator<Item = (Total, u64)>,
    aggregate: &Aggregate,
) -> Result<ArrayRef> {
    let scale = scale_of(&input_type(aggregate));
    let to = value_type(&aggregate.data_type);
    let failed = || overflow("avg", aggregate.inputs.first());
    if to.is_floating() {
        let floats = totals
            .map(|(total, count)| {
                let sum = total.value().ok_or_else(failed)?;
                Ok((count > 0).then(|| to_f64(sum) / count as f64 / 10f64.powi(scale)))
            })
            .collect::<Result<Float64Array>>()?;
        return to_declared(Arc::new(floats), &aggregate.data_type);
    }
    let values = totals
        .map(|(total, count)| {
            if count == 0 {
                return Ok(None);
            }
            let average = total.value();
            let average =
                average.and_then(|sum| divide(sum, count, scale_of(to) - scale, aggregate.rounding));
            average.filter(|&value| fits(value, to)).map(Some).ok_or_else(failed)
        })
        .collect::<Result<Vec<_>>>()?;
    from_integers(&values, &aggregate.data_type)
}

/// Float sums, or averages where `mean`.
pub(super) fn floats(
    sums: Option<&FloatSums>,
    counts: &[u64],
    mean: bool,
    aggregate: &Aggregate,
) -> Result<ArrayRef> {
    let value = |(at, &count): (usize, &u64)| {
        let divisor = if mean { count } else { 1 };
        let total = sums.filter(|_| count > 0).map(|sums| sums.total(at + 1, divisor));
        total.map(crate::keys::float::canonical)
    };
    let values: Float64Array = counts.iter().enumerate().map(value).collect();
    to_declared(Arc::new(values), &aggregate.data_type)
}

pub(super) fn overflow(operator: &str, input: Option<&Expr>) -> Error {
    Error::ArithmeticOverflow { operator: operator.into(), column: input.map(ToString::to_string) }
}

fn input_type(aggregate: &Aggregate) -> DataType {
    aggregate.inputs.first().map_or(DataType::Null, Expr::data_type)
}

pub(super) fn scale_of(data_type: &DataType) -> i32 {
    decimal(data_type).map_or(0, |(_, scale)| i32::from(scale))
}

fn decimal(data_type: &DataType) -> Option<(u8, i8)> {
    use DataType as D;
    match value_type(data_type) {
        D::Decimal32(p, s) | D::Decimal64(p, s) | D::Decimal128(p, s) | D::Decimal256(p, s) => Some((*p, *s)),
        _ => None,
    }
}

/// `sum * 10^digits / count`, rounded once; none where it exceeds 256 bits.
pub(super) fn divide(sum: i256, count: u64, digits: i32, rounding: Rounding) -> Option<i256> {
    let mut divisor = i256::from_i128(count.into());
    for _ in digits..0 {
        divisor = divisor.checked_mul(i256::from_i128(10))?;
    }
    let mut quotient = sum.checked_div(divisor)?;
    let mut rest = sum.checked_rem(divisor)?;
    // Long division: one decimal digit at a time, so that nothing is multiplied that could overflow.
    for _ in 0..digits {
        rest = rest.checked_mul(i256::from_i128(10))?;
        let digit = rest.checked_div(divisor)?;
        quotient = quotient.checked_mul(i256::from_i128(10))?.checked_add(digit)?;
        rest = rest.checked_rem(divisor)?;
    }
    let away = rounding == Rounding::HalfAwayFromZero && {
        let rest = rest.checked_abs()?;
        rest >= divisor.checked_sub(rest)?
    };
    if !away {
        return Some(quotient);
    }
    quotient.checked_add(i256::from_i128(if sum.is_negative() { -1 } else { 1 }))
}

/// True where `value` is one of `to`: within the precision of a decimal, the bounds of an integer.
pub(super) fn fits(value: i256, to: &DataType) -> bool {
    if let Some((precision, _)) = decimal(to) {
        let limit = i256::from_i128(10).checked_pow(precision.into());
        return limit.is_some_and(|limit| value < limit && value > limit.wrapping_neg());
    }
    wrap(value, to) == value
}

/// The low bits of `value`, read as the machine type of `to`.
fn wrap(value: i256, to: &DataType) -> i256 {
    use DataType as D;
    let low = value.as_i128();
    i256::from_i128(match to {
        D::Int8 => (low as i8).into(),
        D::Int16 => (low as i16).into(),
        D::Int32 | D::Decimal32(..) => (low as i32).into(),
        D::UInt8 => (low as u8).into(),
        D::UInt16 => (low as u16).into(),
        D::UInt32 => (low as u32).into(),
        D::UInt64 => (low as u64).into(),
        D::Decimal128(..) => low,
        D::Decimal256(..) => return value,
        _ => (low as i64).into(),
    })
}

/// The nearest float, ties to even.
pub(super) fn to_f64(value: i256) -> f64 {
    if let Some(value) = value.to_i128() {
        return value as f64;
    }
    let (low, high) = value.to_parts();
    let negative = high < 0;
    let (low, high) = if negative {
        let low = (!low).wrapping_add(1);
        (low, (!high.cast_unsigned()).wrapping_add(u128::from(low == 0)))
    } else {
        (low, high.cast_unsigned())
    };
    // The top 128 bits, the lowest of them set where anything below is: enough to round once and correctly.
    let shift = 128 - high.leading_zeros();
    let top = if shift == 128 { high } else { high << (128 - shift) | low.checked_shr(shift).unwrap_or(0) };
    let below = if shift == 128 { low } else { low & ((1u128 << shift) - 1) };
    let top = top | u128::from(below != 0);
    let magnitude = top as f64 * 2f64.powi(shift as i32);
    if negative { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(value: i128) -> i256 {
        i256::from_i128(value)
    }

    #[test]
    fn division_rounds_once() {
        let half = Rounding::HalfAwayFromZero;
        assert_eq!(divide(int(10), 4, 0, half), Some(int(3)), "2.5");
        assert_eq!(divide(int(-10), 4, 0, half), Some(int(-3)));
        assert_eq!(divide(int(-10), 4, 0, Rounding::Truncate), Some(int(-2)));
        assert_eq!(divide(int(2), 3, 4, half), Some(int(6667)));
        assert_eq!(divide(int(2), 3, 4, Rounding::Truncate), Some(int(6666)));
        assert_eq!(divide(int(1249), 1, -2, half), Some(int(12)));
        assert_eq!(divide(int(1250), 1, -2, half), Some(int(13)));
        assert_eq!(divide(int(-1), 3, 0, half), Some(int(0)));
        assert_eq!(divide(i256::MAX, 1, 1, half), None);
        assert_eq!(divide(i256::MAX, 10, 1, half), Some(i256::MAX));
    }

    #[test]
    fn floats_are_nearest() {
        assert_eq!(to_f64(int(i128::MAX)), i128::MAX as f64);
        let two_200 = i256::from_parts(0, 1 << 72);
        assert_eq!(to_f64(two_200), 2f64.powi(200));
        let tie = i256::from_parts(0, (1 << 72) + (1 << 19));
        assert_eq!(to_f64(tie), 2f64.powi(200), "half a place: to even");
        let above = i256::from_parts(1, (1 << 72) + (1 << 19));
        assert_eq!(to_f64(above), 2f64.powi(200) + 2f64.powi(148));
        assert_eq!(to_f64(above.wrapping_neg()), -(2f64.powi(200) + 2f64.powi(148)));
        assert_eq!(to_f64(i256::MIN), -(2f64.powi(255)));
    }

    #[test]
    fn types_bound_their_values() {
        assert!(fits(int(999), &DataType::Decimal128(3, 1)) && !fits(int(1000), &DataType::Decimal128(3, 1)));
        assert!(
            fits(int(i64::MIN.into()), &DataType::Int64)
                && !fits(int(i128::from(i64::MAX) + 1), &DataType::Int64)
        );
        assert_eq!(wrap(int(i128::from(i64::MAX) + 1), &DataType::Int64), int(i64::MIN.into()));
        assert!(!fits(int(-1), &DataType::UInt64));
    }
}
