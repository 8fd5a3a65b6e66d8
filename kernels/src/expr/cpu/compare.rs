//! Comparisons to bitmaps.
//!
//! Bytes per row for a column and a constant: one lane read, one bit written. Columns of different lanes are widened
//! first. Floats: `x < c` and kin follow the total order (NaN greatest, -0.0 = 0.0) at the price of IEEE's, because
//! `NOT (x <= c)` is true for NaN; two columns are compared by integer keys.

use arrow::array::Array;
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};

use crate::error::{Error, Result};
use crate::expr::{CompareOp, Scalar, Value};
use crate::simd::lanes;

use super::bytes;
use super::frame::Operand;
use super::logic::{Truth, is_null, valid};
use super::vector::{Values, Vector};

/// The six ordinary comparisons, without null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Eq,
    NotEq,
    Lt,
    LtEq,
    Gt,
    GtEq,
}

impl Order {
    /// `a op b` as `b op' a`.
    fn flipped(self) -> Self {
        match self {
            Order::Lt => Order::Gt,
            Order::LtEq => Order::GtEq,
            Order::Gt => Order::Lt,
            Order::GtEq => Order::LtEq,
            same => same,
        }
    }

    fn holds(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Order::Eq => ordering.is_eq(),
            Order::NotEq => ordering.is_ne(),
            Order::Lt => ordering.is_lt(),
            Order::LtEq => ordering.is_le(),
            Order::Gt => ordering.is_gt(),
            Order::GtEq => ordering.is_ge(),
        }
    }
}

/// `left op right` over `rows` rows.
pub(crate) fn compare(op: CompareOp, left: Operand, right: Operand, rows: usize) -> Result<Vector> {
    let order = match op {
        CompareOp::NotEq => Order::NotEq,
        CompareOp::Lt => Order::Lt,
        CompareOp::LtEq => Order::LtEq,
        CompareOp::Gt => Order::Gt,
        CompareOp::GtEq => Order::GtEq,
        CompareOp::Eq | CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom => Order::Eq,
    };
    match op {
        CompareOp::IsDistinctFrom => distinct(left, right, rows),
        CompareOp::IsNotDistinctFrom => super::logic::not(&distinct(left, right, rows)?),
        _ => ordinary(order, &left, &right, rows),
    }
}

/// Null where an operand is null.
fn ordinary(order: Order, left: &Operand, right: &Operand, rows: usize) -> Result<Vector> {
    match (left, right) {
        (Operand::Column(left), Operand::Column(right)) => columns(order, left, right),
        (Operand::Column(left), Operand::Constant(right)) => constant(order, left, right),
        (Operand::Constant(left), Operand::Column(right)) => constant(order.flipped(), right, left),
        (Operand::Constant(left), Operand::Constant(right)) => {
            constant(order, &Vector::load(&left.to_array(rows)?, None)?, right)
        }
    }
}

fn distinct(left: Operand, right: Operand, rows: usize) -> Result<Vector> {
    let is_valid = |operand: &Operand| match operand {
        Operand::Column(column) => valid(column),
        Operand::Constant(scalar) if scalar.is_null() => BooleanBuffer::new_unset(rows),
        Operand::Constant(_) => BooleanBuffer::new_set(rows),
    };
    let equal = Truth::of(&ordinary(Order::Eq, &left, &right, rows)?)?;
    // Distinct: one null and one not, or both valid and unequal.
    let one_null = &is_valid(&left) ^ &is_valid(&right);
    Ok(Vector::boolean(&one_null | &equal.is_false, None))
}

fn all_null(rows: usize) -> Vector {
    let none = BooleanBuffer::new_unset(rows);
    Vector::boolean(none.clone(), Some(NullBuffer::new(none)))
}

fn all(rows: usize, value: bool) -> BooleanBuffer {
    if value { BooleanBuffer::new_set(rows) } else { BooleanBuffer::new_unset(rows) }
}

fn is_untyped_null(column: &Vector) -> bool {
    matches!(column.values(), Values::Other(array) if array.data_type().is_null())
}

fn constant(order: Order, column: &Vector, constant: &Scalar) -> Result<Vector> {
    if constant.is_null() || is_untyped_null(column) {
        return Ok(all_null(column.len()));
    }
    let bits = match (column.values(), &constant.value) {
        (Values::I32(values), Value::Integer(value)) => match i32::try_from(*value) {
            Ok(value) => test_constant(order, values, value),
            Err(_) => all(values.len(), order.holds(0.cmp(value))),
        },
        (Values::I64(values), Value::Integer(value)) => match i64::try_from(*value) {
            Ok(value) => test_constant(order, values, value),
            Err(_) => all(values.len(), order.holds(0.cmp(value))),
        },
        (Values::I128(values), Value::Integer(value)) => test_constant(order, values, *value),
        (Values::F32(values), Value::Float(value)) => {
            let value = *value as f32;
            if value.is_nan() {
                test_nan(order, values, f32::is_nan)
            } else {
                test_number(order, values, value)
            }
        }
        (Values::F64(values), Value::Float(value)) => {
            if value.is_nan() {
                test_nan(order, values, f64::is_nan)
            } else {
                test_number(order, values, *value)
            }
        }
        (Values::Boolean(values), Value::Boolean(value)) => {
            booleans(order, values, &all(values.len(), *value))
        }
        (Values::Bytes(_) | Values::Dictionary { .. }, Value::Bytes(value)) => {
            let value = value.as_slice();
            return match order {
                Order::Eq => bytes::test(column, |bytes| bytes == value),
                Order::NotEq => bytes::test(column, |bytes| bytes != value),
                _ => bytes::test(column, |bytes| order.holds(bytes.cmp(value))),
            };
        }
        _ => return Err(Error::invalid(format!("a column does not compare with {constant}"))),
    };
    Ok(Vector::boolean(bits, column.nulls().cloned()))
}

fn columns(order: Order, left: &Vector, right: &Vector) -> Result<Vector> {
    if is_untyped_null(left) || is_untyped_null(right) {
        return Ok(all_null(left.len()));
    }
    let nulls = NullBuffer::union(left.nulls(), right.nulls());
    let bits = match (left.values(), right.values()) {
        (Values::I32(l), Values::I32(r)) => test_columns(order, l, r),
        (Values::I64(l), Values::I64(r)) => test_columns(order, l, r),
        (Values::I32(l), Values::I64(r)) => test_columns(order, &wide(l), r),
        (Values::I64(l), Values::I32(r)) => test_columns(order, l, &wide(r)),
        (Values::F32(l), Values::F32(r)) => test_columns(order, &lanes::map(l, key32), &lanes::map(r, key32)),
        (Values::F64(l), Values::F64(r)) => test_columns(order, &lanes::map(l, key64), &lanes::map(r, key64)),
        (Values::Boolean(l), Values::Boolean(r)) => booleans(order, l, r),
        (Values::Bytes(_) | Values::Dictionary { .. }, Values::Bytes(_) | Values::Dictionary { .. }) => {
            bytes::test_pairs(left, right, nulls.as_ref(), |l, r| order.holds(l.cmp(r)))?
        }
        _ => match (left.lanes_i128(), right.lanes_i128()) {
            (Some(l), Some(r)) => test_columns(order, &l, &r),
            _ => return Err(Error::invalid("two columns do not compare")),
        },
    };
    Ok(Vector::boolean(bits, nulls))
}

fn wide(values: &[i32]) -> ScalarBuffer<i64> {
    lanes::map(values, |value: i32| i64::from(value)).into()
}

/// Floats as integers in the total order: NaN greatest and equal to itself, -0.0 equal to 0.0.
fn key64(value: f64) -> i64 {
    let bits = if value.is_nan() { f64::NAN.to_bits() & !(1 << 63) } else { (value + 0.0).to_bits() } as i64;
    bits ^ ((bits >> 63) as u64 >> 1) as i64
}

fn key32(value: f32) -> i32 {
    let bits = if value.is_nan() { f32::NAN.to_bits() & !(1 << 31) } else { (value + 0.0).to_bits() } as i32;
    bits ^ ((bits >> 31) as u32 >> 1) as i32
}

fn test_constant<T: Copy + Ord>(order: Order, values: &[T], constant: T) -> BooleanBuffer {
    let words = match order {
        Order::Eq => lanes::test(values, |v: T| v == constant),
        Order::NotEq => lanes::test(values, |v: T| v != constant),
        Order::Lt => lanes::test(values, |v: T| v < constant),
        Order::LtEq => lanes::test(values, |v: T| v <= constant),
        Order::Gt => lanes::test(values, |v: T| v > constant),
        Order::GtEq => lanes::test(values, |v: T| v >= constant),
    };
    lanes::bitmap(words, values.len())
}

/// `constant` is a number. NaN is greater than it, so `>` and `>=` are the negations of `<=` and `<`.
#[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN must satisfy > and >=")]
fn test_number<T: Copy + PartialOrd>(order: Order, values: &[T], constant: T) -> BooleanBuffer {
    let words = match order {
        Order::Eq => lanes::test(values, |v: T| v == constant),
        Order::NotEq => lanes::test(values, |v: T| v != constant),
        Order::Lt => lanes::test(values, |v: T| v < constant),
        Order::LtEq => lanes::test(values, |v: T| v <= constant),
        Order::Gt => lanes::test(values, |v: T| !(v <= constant)),
        Order::GtEq => lanes::test(values, |v: T| !(v < constant)),
    };
    lanes::bitmap(words, values.len())
}

/// The constant is NaN: everything is at most equal to it.
fn test_nan<T: Copy>(order: Order, values: &[T], is_nan: impl Fn(T) -> bool) -> BooleanBuffer {
    let nan = |wanted: bool| lanes::bitmap(lanes::test(values, |v: T| is_nan(v) == wanted), values.len());
    match order {
        Order::Eq | Order::GtEq => nan(true),
        Order::NotEq | Order::Lt => nan(false),
        Order::LtEq => all(values.len(), true),
        Order::Gt => all(values.len(), false),
    }
}

fn test_columns<T: Copy + Ord>(order: Order, left: &[T], right: &[T]) -> BooleanBuffer {
    let words = match order {
        Order::Eq => lanes::test_pairs(left, right, |l: T, r: T| l == r),
        Order::NotEq => lanes::test_pairs(left, right, |l: T, r: T| l != r),
        Order::Lt => lanes::test_pairs(left, right, |l: T, r: T| l < r),
        Order::LtEq => lanes::test_pairs(left, right, |l: T, r: T| l <= r),
        Order::Gt => lanes::test_pairs(left, right, |l: T, r: T| l > r),
        Order::GtEq => lanes::test_pairs(left, right, |l: T, r: T| l >= r),
    };
    lanes::bitmap(words, left.len())
}

/// false < true.
fn booleans(order: Order, left: &BooleanBuffer, right: &BooleanBuffer) -> BooleanBuffer {
    match order {
        Order::NotEq => left ^ right,
        Order::Eq => !&(left ^ right),
        Order::Lt => &!left & right,
        Order::GtEq => !&(&!left & right),
        Order::Gt => left & &!right,
        Order::LtEq => !&(left & &!right),
    }
}

/// `input [NOT] IN (list)`: true for a hit; null for a null input, and for a miss where the list has a null.
pub(crate) fn in_list(input: &Vector, list: &[Scalar], negated: bool, rows: usize) -> Result<Vector> {
    if list.is_empty() {
        // Not even a null input is in an empty list.
        return Ok(Vector::boolean(all(rows, negated), None));
    }
    if is_untyped_null(input) {
        return Ok(all_null(rows));
    }
    let (nulls, items): (Vec<&Scalar>, Vec<&Scalar>) = list.iter().partition(|item| item.is_null());
    let hits = hits(input, &items, rows)?;
    let is_valid = !&match is_null(input).values() {
        Values::Boolean(bits) => bits.clone(),
        _ => all(rows, false),
    };
    let is_true = &hits & &is_valid;
    let is_false = if nulls.is_empty() { &!&hits & &is_valid } else { all(rows, false) };
    let known = NullBuffer::new(&is_true | &is_false);
    Ok(Vector::boolean(if negated { is_false } else { is_true }, Some(known)))
}

/// A list this short is compared constant by constant (vectorised); a longer one is looked up row by row.
const COMPARED_CONSTANTS: usize = 8;

fn hits(input: &Vector, items: &[&Scalar], rows: usize) -> Result<BooleanBuffer> {
    let byte_items: Vec<&[u8]> = items
        .iter()
        .filter_map(|item| if let Value::Bytes(bytes) = &item.value { Some(bytes.as_slice()) } else { None })
        .collect();
    if !byte_items.is_empty() {
        let set: std::collections::HashSet<&[u8]> = byte_items.iter().copied().collect();
        let found = if set.len() <= COMPARED_CONSTANTS {
            bytes::test(input, |bytes| byte_items.contains(&bytes))?
        } else {
            bytes::test(input, |bytes| set.contains(bytes))?
        };
        return Ok(Truth::of(&found)?.is_true);
    }
    let integers: Vec<i128> = items
        .iter()
        .filter_map(|item| if let Value::Integer(value) = item.value { Some(value) } else { None })
        .collect();
    if integers.len() > COMPARED_CONSTANTS {
        let set: std::collections::HashSet<i128> = integers.into_iter().collect();
        let found = |value: i128| set.contains(&value);
        return Ok(match input.values() {
            Values::I32(values) => BooleanBuffer::collect_bool(rows, |row| found(values[row].into())),
            Values::I64(values) => BooleanBuffer::collect_bool(rows, |row| found(values[row].into())),
            Values::I128(values) => BooleanBuffer::collect_bool(rows, |row| found(values[row])),
            _ => return Err(Error::invalid("integers were expected")),
        });
    }
    let mut hits = all(rows, false);
    for item in items {
        hits = &hits | &Truth::of(&constant(Order::Eq, input, item)?)?.is_true;
    }
    Ok(hits)
}
