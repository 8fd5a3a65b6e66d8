//! approx_distinct: a HyperLogLog sketch per group.
//!
//! Values are hashed as Apache DataSketches does: integers, times and unscaled decimals as 64-bit integers (beyond
//! these, in as many bytes as they take), floats as `Float64` with one NaN and one zero, strings by their bytes. Other
//! than there, an empty string is a value.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeBinaryArray};
use arrow::datatypes::{DataType, i256};

use super::counted;
use super::hyperloglog::{Sketches, coupon, coupons_of};
use super::murmur::hash;
use crate::aggregate::Aggregate;
use crate::aggregate::cpu::accumulator::{Accumulator, Rows};
use crate::aggregate::cpu::finish;
use crate::aggregate::cpu::fold::Target;
use crate::error::{Backend, Error, Result};
use crate::expr::value_type;
use crate::keys::float;
use crate::keys::lanes::{LaneColumn, Lanes, with_bytes};
use crate::memory::Grant;

/// Values that are hashed at a time.
const BLOCK_ROWS: usize = 512;

/// Sketches of all groups.
#[derive(Debug)]
pub(in super::super) struct ApproxDistinct {
    aggregate: Aggregate,
    sketches: Sketches,
}

impl ApproxDistinct {
    pub(in super::super) fn new(aggregate: &Aggregate) -> Result<Self> {
        let operand = aggregate.operand()?.data_type();
        if value_type(&operand).is_nested() {
            return Err(Error::unsupported(format!("{} of {operand}", aggregate.function), Backend::Cpu));
        }
        Ok(Self { aggregate: aggregate.clone(), sketches: Sketches::default() })
    }

    fn add(
        &mut self,
        rows: &Rows,
        column: &LaneColumn,
        of: impl Fn(usize) -> u32,
        grant: &mut Grant,
    ) -> Result<()> {
        counted(rows, column).try_for_each(|(row, group)| self.sketches.add(group, of(row), grant))
    }

    /// Adds values that are one word each, a block at a time.
    fn add_words<T: Copy>(
        &mut self,
        rows: &Rows,
        column: &LaneColumn,
        (values, word): (&[T], impl Fn(T) -> u64 + Copy),
        grant: &mut Grant,
    ) -> Result<()> {
        let mut coupons = [0; BLOCK_ROWS];
        for (block, values) in values.chunks(BLOCK_ROWS).enumerate() {
            let first = block * BLOCK_ROWS;
            let coupons = &mut coupons[..values.len()];
            coupons_of(values, word, coupons);
            if column.nulls.is_none() && matches!(rows.target, Target::One) {
                self.sketches.add_all(1, coupons, grant)?;
                continue;
            }
            for (row, &coupon) in (first..).zip(coupons.iter()) {
                let valid = column.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
                let group = if valid { rows.group(row) as u32 } else { 0 };
                if group > 0 {
                    self.sketches.add(group, coupon, grant)?;
                }
            }
        }
        Ok(())
    }
}

fn of_integer(value: i64) -> u32 {
    coupon(hash(&value.to_le_bytes()))
}

/// By value, whatever lanes it came in.
fn of_wide(value: i256) -> u32 {
    match value.to_i128() {
        Some(wide) => match (i64::try_from(wide), u64::try_from(wide)) {
            (Ok(narrow), _) => of_integer(narrow),
            (_, Ok(unsigned)) => coupon(hash(&unsigned.to_le_bytes())),
            _ => coupon(hash(&wide.to_le_bytes())),
        },
        None => coupon(hash(&value.to_le_bytes())),
    }
}

impl Accumulator for ApproxDistinct {
    fn update(&mut self, rows: &Rows, grant: &mut Grant) -> Result<()> {
        self.sketches.grow(rows.groups, grant)?;
        let column = LaneColumn::from_vector(rows.arguments[0])?;
        match &column.lanes {
            Lanes::I32(values) => {
                let word = |value: i32| i64::from(value).cast_unsigned();
                self.add_words(rows, &column, (values, word), grant)
            }
            Lanes::I64(values) => self.add_words(rows, &column, (values, i64::cast_unsigned), grant),
            Lanes::I128(values) => self.add(rows, &column, |row| of_wide(values[row].into()), grant),
            Lanes::I256(values) => self.add(rows, &column, |row| of_wide(values[row]), grant),
            Lanes::F64(values) => {
                let word = |value: f64| float::canonical(value).to_bits();
                self.add_words(rows, &column, (values, word), grant)
            }
            Lanes::Bytes(array) => {
                with_bytes!(array, |get| self.add(rows, &column, |row| coupon(hash(get(row))), grant))
            }
            Lanes::Codes { codes, values } => {
                let entries: Vec<u32> = with_bytes!(values, |get| {
                    let of = |entry: usize| if values.is_valid(entry) { coupon(hash(get(entry))) } else { 0 };
                    (0..values.len()).map(of).collect()
                });
                let valid = |row: usize| column.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
                let inside = |code: i32| usize::try_from(code).is_ok_and(|code| code < entries.len());
                if (0..column.rows).any(|row| valid(row) && !inside(codes[row])) {
                    return Err(Error::invalid("a code outside of its dictionary"));
                }
                self.add(rows, &column, |row| entries[codes[row] as usize], grant)
            }
        }
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![DataType::LargeBinary]
    }

    fn states(self: Box<Self>, groups: usize) -> Result<Vec<ArrayRef>> {
        Ok(vec![Arc::new(LargeBinaryArray::from_iter_values(self.sketches.serialised(groups)?))])
    }

    fn merge(
        &mut self,
        states: &[ArrayRef],
        numbers: &[u32],
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        self.sketches.grow(groups, grant)?;
        let sketches = states.first().and_then(|state| state.as_binary_opt::<i64>());
        let sketches = sketches.filter(|sketches| sketches.null_count() == 0);
        let sketches = sketches.ok_or_else(|| Error::invalid("a state that is no sketches"))?;
        for (row, &group) in numbers.iter().enumerate() {
            self.sketches.join(group, sketches.value(row), grant)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>, groups: usize) -> Result<ArrayRef> {
        finish::counts(&self.sketches.estimates(groups)?, &self.aggregate)
    }
}
