//! approx_percentile: a histogram of leading bits per group, of at most [`MOST_BUCKETS`] buckets.
//!
//! A value is an integer with the order of its `Float64` (sign, exponent, mantissa). Values that agree but for their last
//! `level` bits share a bucket, which keeps its smallest value and its count. A group's level is the smallest at which
//! its buckets are few enough; it only rises, and a part of the values never needs a higher one than all of them. So
//! the state is a function of the values alone: the same after any merges, in any order. That is why it is not a t-digest
//! or KLL sketch, whose answers depend on both.
//!
//! Up to [`MOST_BUCKETS`] distinct values the answer is exact. Beyond, it is a value of the group, at most the true one,
//! and shares with it sign, exponent and the first m bits of the mantissa, so that it is within 2^-m of it: m is at least
//! log2(4096 / o) rounded down, where o is the number of powers of two that the magnitudes span, counted for both signs (subnormal numbers aside).
//! Values within a narrow band share their leading bits, which then cost no bucket.
//!
//! State: lists of values and counts, and the level. (Akin to HdrHistogram and DDSketch, with a level that adapts.)

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, UInt8Array, UInt64Array};
use arrow::datatypes::{DataType, Int64Type, UInt8Type, UInt64Type, i256};

use super::super::lists::{elements, list_type, lists};
use super::counted;
use crate::aggregate::cpu::accumulator::{Accumulator, Rows};
use crate::aggregate::cpu::finish;
use crate::aggregate::{Aggregate, AggregateFunction};
use crate::error::{Backend, Error, Result};
use crate::expr::value_type;
use crate::keys::decode::{from_integers, to_declared};
use crate::keys::float;
use crate::keys::lanes::{LaneColumn, Lanes};
use crate::memory::Grant;

/// Buckets of a group. At 24 bytes each, 96 KiB for a group that needs all.
const MOST_BUCKETS: usize = 4096;

/// Buckets of all groups from which the list is tidied.
const FIRST_TIDY: usize = 1 << 16;

/// Places of buckets that rows came to of late: 32 KiB. A row that finds its bucket is a count and no item to be sorted.
const RECENT: usize = 1 << 13;

/// Some values of a group.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    group: u32,
    least: i64,
    count: u64,
}

/// Buckets of all groups: a sorted list with new ones behind it.
#[derive(Debug)]
pub(in super::super) struct ApproxPercentile {
    aggregate: Aggregate,
    fraction: f64,
    /// What integers are divided by: ten to the scale of decimals.
    unit: f64,
    buckets: Vec<Bucket>,
    tidy_at: usize,
    /// By the low bits of group and bucket, a bucket's place, from 1; 0 where none is known.
    recent: Vec<u32>,
    /// Per group; item 0 is the sink.
    levels: Vec<u8>,
}

impl ApproxPercentile {
    pub(in super::super) fn new(aggregate: &Aggregate) -> Result<Self> {
        let operand = aggregate.operand()?.data_type();
        let plain = value_type(&operand);
        let AggregateFunction::ApproxPercentile(fraction) = aggregate.function else {
            return Err(Error::unsupported(&aggregate.function, Backend::Cpu));
        };
        let to = value_type(&aggregate.data_type);
        if !(plain.is_numeric() || *plain == DataType::Null) || !to.is_numeric() {
            let what = format!("{} of {operand} as {to}", aggregate.function);
            return Err(Error::unsupported(what, Backend::Cpu));
        }
        Ok(Self {
            aggregate: aggregate.clone(),
            fraction: fraction.value(),
            unit: 10f64.powi(finish::scale_of(&operand)),
            buckets: Vec::new(),
            tidy_at: 0,
            recent: Vec::new(),
            levels: Vec::new(),
        })
    }

    fn grow(&mut self, groups: usize, grant: &mut Grant) -> Result<()> {
        grant.resize(&mut self.recent, RECENT, 0)?;
        grant.resize(&mut self.levels, groups + 1, 0)
    }

    fn add_rows(
        &mut self,
        rows: &Rows,
        column: &LaneColumn,
        value: impl Fn(usize) -> f64,
        grant: &mut Grant,
    ) -> Result<()> {
        counted(rows, column).try_for_each(|(row, group)| {
            self.add(Bucket { group, least: float::to_ordered(value(row)), count: 1 }, grant)
        })
    }

    #[inline]
    fn add(&mut self, bucket: Bucket, grant: &mut Grant) -> Result<()> {
        let level = self.levels[bucket.group as usize];
        let leading = bucket.least.cast_unsigned().checked_shr(level.into()).unwrap_or(0);
        let mixed = leading.wrapping_add(u64::from(bucket.group) << 7).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let slot = &mut self.recent[(mixed >> (64 - RECENT.ilog2())) as usize];
        if let Some(known) = self.buckets.get_mut((*slot as usize).wrapping_sub(1))
            && known.group == bucket.group
            && joined(known.least, bucket.least, level)
        {
            known.least = known.least.min(bucket.least);
            known.count = known.count.saturating_add(bucket.count);
            return Ok(());
        }
        grant.reserve(&mut self.buckets, 1)?;
        self.buckets.push(bucket);
        *slot = u32::try_from(self.buckets.len()).unwrap_or(0);
        if self.buckets.len() >= self.tidy_at.max(FIRST_TIDY) {
            self.tidy();
        }
        Ok(())
    }

    /// Sorts and joins buckets, raising levels where a group has too many.
    fn tidy(&mut self) {
        self.buckets.sort_unstable_by_key(|bucket| (bucket.group, bucket.least));
        let mut kept = 0;
        let mut start = 0;
        while start < self.buckets.len() {
            let group = self.buckets[start].group;
            let own = self.buckets[start..].iter().take_while(|bucket| bucket.group == group).count();
            let level = &mut self.levels[group as usize];
            *level = raised(&self.buckets[start..start + own], *level);
            let first = kept;
            for at in start..start + own {
                let bucket = self.buckets[at];
                if kept > first && joined(self.buckets[kept - 1].least, bucket.least, *level) {
                    let count = &mut self.buckets[kept - 1].count;
                    *count = count.saturating_add(bucket.count);
                } else {
                    self.buckets[kept] = bucket;
                    kept += 1;
                }
            }
            start += own;
        }
        self.buckets.truncate(kept);
        self.recent.fill(0);
        self.tidy_at = kept * 2;
    }

    /// The sorted buckets of groups 1 to `groups`: where each group begins.
    fn ends(&self, groups: usize) -> Vec<usize> {
        (0..=groups)
            .map(|group| self.buckets.partition_point(|bucket| bucket.group as usize <= group))
            .collect()
    }
}

fn joined(a: i64, b: i64, level: u8) -> bool {
    (a ^ b).cast_unsigned().checked_shr(level.into()).unwrap_or(0) == 0
}

/// The smallest level, from `level` on, at which sorted buckets are few enough.
fn raised(buckets: &[Bucket], level: u8) -> u8 {
    if buckets.len() <= MOST_BUCKETS {
        return level;
    }
    // apart[n]: neighbours that become one at level n, and no sooner.
    let mut apart = [0usize; 65];
    for pair in buckets.windows(2) {
        apart[(64 - (pair[0].least ^ pair[1].least).leading_zeros()) as usize] += 1;
    }
    let mut level = level;
    while apart[usize::from(level) + 1..].iter().sum::<usize>() + 1 > MOST_BUCKETS {
        level += 1;
    }
    level
}

impl Accumulator for ApproxPercentile {
    fn update(&mut self, rows: &Rows, grant: &mut Grant) -> Result<()> {
        self.grow(rows.groups, grant)?;
        let column = LaneColumn::from_vector(rows.arguments[0])?;
        let unit = self.unit;
        match &column.lanes {
            Lanes::I32(values) => self.add_rows(rows, &column, |row| f64::from(values[row]) / unit, grant),
            Lanes::I64(values) => self.add_rows(rows, &column, |row| values[row] as f64 / unit, grant),
            Lanes::I128(values) => self.add_rows(rows, &column, |row| values[row] as f64 / unit, grant),
            Lanes::I256(values) => {
                self.add_rows(rows, &column, |row| finish::to_f64(values[row]) / unit, grant)
            }
            Lanes::F64(values) => self.add_rows(rows, &column, |row| values[row], grant),
            _ => Err(Error::invalid("a percentile of a column that is no number")),
        }
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![list_type(DataType::Int64), list_type(DataType::UInt64), DataType::UInt8]
    }

    fn states(mut self: Box<Self>, groups: usize) -> Result<Vec<ArrayRef>> {
        self.tidy();
        let ends = self.ends(groups);
        let values: Int64Array = self.buckets.iter().map(|bucket| Some(bucket.least)).collect();
        let counts: UInt64Array = self.buckets.iter().map(|bucket| Some(bucket.count)).collect();
        let level = |group: usize| Some(self.levels.get(group).copied().unwrap_or(0));
        let levels: UInt8Array = (1..=groups).map(level).collect();
        Ok(vec![lists(&ends, Arc::new(values))?, lists(&ends, Arc::new(counts))?, Arc::new(levels)])
    }

    fn merge(
        &mut self,
        states: &[ArrayRef],
        numbers: &[u32],
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        self.grow(groups, grant)?;
        let no_state = || Error::invalid("a state that is no histogram");
        let elements = elements(states, &[DataType::Int64, DataType::UInt64], numbers)?;
        let values = elements.columns[0].as_primitive::<Int64Type>();
        let counts = elements.columns[1].as_primitive::<UInt64Type>();
        let levels =
            states.get(2).and_then(|state| state.as_primitive_opt::<UInt8Type>()).ok_or_else(no_state)?;
        let nulls = values.null_count() + counts.null_count() + levels.null_count();
        if nulls > 0 || levels.values().iter().any(|&level| level > 64) {
            return Err(no_state());
        }
        for (&group, &level) in numbers.iter().zip(levels.values()) {
            let own = &mut self.levels[group as usize];
            *own = level.max(*own);
        }
        for ((&group, &least), &count) in elements.numbers.iter().zip(values.values()).zip(counts.values()) {
            if count > 0 {
                self.add(Bucket { group, least, count }, grant)?;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, groups: usize) -> Result<ArrayRef> {
        self.tidy();
        let value = |range: &[usize]| {
            let buckets = &self.buckets[range[0]..range[1]];
            let total = buckets.iter().fold(0u64, |total, bucket| total.saturating_add(bucket.count));
            let mut below = (self.fraction * total as f64).ceil() as u64;
            let found = buckets.iter().find(|bucket| {
                let here = below <= bucket.count;
                below = below.saturating_sub(bucket.count);
                here
            });
            found.or(buckets.last()).map(|bucket| float::canonical(float::from_ordered(bucket.least)))
        };
        let ends = self.ends(groups);
        let values = ends.windows(2).map(value);
        let to = &self.aggregate.data_type;
        let Some((least, greatest)) = bounds(to) else {
            return to_declared(Arc::new(values.collect::<Float64Array>()), to);
        };
        // The nearest float may be just beyond the type.
        let unit = 10f64.powi(finish::scale_of(to));
        let integer = |value: f64| i256::from_i128(((value * unit).round() as i128).clamp(least, greatest));
        from_integers(&values.map(|value| value.map(integer)).collect::<Vec<_>>(), to)
    }
}

/// The least and the greatest value of an integer or decimal type of up to 128 bits.
fn bounds(data_type: &DataType) -> Option<(i128, i128)> {
    use DataType as D;
    let signed = |bits: u32| (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1);
    Some(match value_type(data_type) {
        D::Int8 => signed(8),
        D::Int16 => signed(16),
        D::Int32 => signed(32),
        D::Int64 => signed(64),
        D::UInt8 => (0, u8::MAX.into()),
        D::UInt16 => (0, u16::MAX.into()),
        D::UInt32 => (0, u32::MAX.into()),
        D::UInt64 => (0, u64::MAX.into()),
        D::Decimal32(p, _) | D::Decimal64(p, _) | D::Decimal128(p, _) => {
            let most = 10i128.checked_pow((*p).into())? - 1;
            (-most, most)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::Fraction;
    use crate::expr::Expr;
    use crate::memory::Unlimited;

    fn sketch(fraction: f64) -> ApproxPercentile {
        let function = AggregateFunction::ApproxPercentile(Fraction::new(fraction).unwrap());
        let operand = Expr::column(0, DataType::Float64);
        ApproxPercentile::new(&Aggregate::new(function, vec![operand], DataType::Float64)).unwrap()
    }

    fn of(values: &[f64], fraction: f64) -> Box<ApproxPercentile> {
        let grant = &mut Grant::new(Arc::new(Unlimited));
        let mut sketch = sketch(fraction);
        sketch.grow(1, grant).unwrap();
        for &value in values {
            sketch.add(Bucket { group: 1, least: float::to_ordered(value), count: 1 }, grant).unwrap();
        }
        Box::new(sketch)
    }

    /// A fixed sequence of 64-bit numbers.
    fn numbers(count: usize) -> impl Iterator<Item = u64> {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        (0..count).map(move |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        })
    }

    fn bound(values: &[f64]) -> f64 {
        let mut octaves: Vec<u64> = values.iter().map(|value| value.to_bits() >> 52).collect();
        octaves.sort_unstable();
        octaves.dedup();
        0.5f64.powi((MOST_BUCKETS / octaves.len()).ilog2() as i32)
    }

    #[test]
    fn errors_are_within_their_bound() {
        let uniform: Vec<f64> = numbers(200_000).map(|number| number as f64 / 2f64.powi(64)).collect();
        let signed: Vec<f64> = uniform.iter().map(|value| (value - 0.5).powi(3)).collect();
        let wide: Vec<f64> = uniform.iter().map(|value| (value * 40.0 - 20.0).exp()).collect();
        let narrow: Vec<f64> = uniform.iter().map(|value| 1e9 + value).collect();
        for values in [uniform, signed, wide, narrow] {
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            for fraction in [0.0, 0.001, 0.25, 0.5, 0.9, 0.999, 1.0] {
                let at = ((fraction * values.len() as f64).ceil() as usize).saturating_sub(1);
                let answer = of(&values, fraction).finish(1).unwrap();
                let answer = answer.as_primitive::<arrow::datatypes::Float64Type>().value(0);
                let error = (answer - sorted[at]).abs();
                assert!(answer <= sorted[at] && error <= sorted[at].abs() * bound(&values), "{answer}");
            }
        }
    }

    #[test]
    fn a_state_does_not_depend_on_the_merges() {
        let values: Vec<f64> = numbers(30_000).map(|number| f64::from_bits(number >> 3)).collect();
        let whole = format!("{:?}", of(&values, 0.5).states(1).unwrap());
        let grant = &mut Grant::new(Arc::new(Unlimited));
        for size in [500, 5000, 17_000] {
            let parts: Vec<_> = values.chunks(size).map(|part| of(part, 0.5).states(1).unwrap()).collect();
            for backwards in [false, true] {
                let mut merged = Box::new(sketch(0.5));
                for at in 0..parts.len() {
                    let at = if backwards { parts.len() - 1 - at } else { at };
                    merged.merge(&parts[at], &[1], 1, grant).unwrap();
                }
                assert_eq!(format!("{:?}", merged.states(1).unwrap()), whole, "parts of {size}");
            }
        }
    }
}
