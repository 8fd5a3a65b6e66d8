//! percentile_cont, percentile_disc, median: exact, by selection within each group, in linear time.
//!
//! Over n values in order, counted from 0, with `f * n` and `f * (n - 1)` as the nearest `Float64`:
//! * disc: value `ceil(f * n) - 1`, the first one for f = 0;
//! * cont: between values `floor(p)` and `floor(p) + 1` of `p = f * (n - 1)`, at the fraction `p - floor(p)`. Floats and
//!   what is declared a float: `low + (high - low) * fraction` in `Float64`. Decimals and integers declared as such:
//!   the fraction in steps of 2^-53, the result exact and rounded once, as the aggregate says.

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, i256};

use super::lists::{elements, list_type, lists};
use crate::aggregate::cpu::accumulator::{Accumulator, Rows};
use crate::aggregate::cpu::finish;
use crate::aggregate::{Aggregate, AggregateFunction};
use crate::error::{Backend, Error, Result};
use crate::expr::value_type;
use crate::keys::decode::{from_integers, to_declared};
use crate::keys::lanes::LaneColumn;
use crate::memory::Grant;

mod values;

use values::{Class, GroupedValues, Sorted, class};

/// One whole in steps of a fraction.
const STEPS: u64 = 1 << 53;

/// A percentile of each group.
#[derive(Debug)]
pub(super) struct Percentile {
    aggregate: Aggregate,
    fraction: f64,
    interpolate: bool,
    values: GroupedValues,
}

impl Percentile {
    pub(super) fn new(aggregate: &Aggregate) -> Result<Self> {
        let (fraction, interpolate) = match aggregate.function {
            AggregateFunction::PercentileCont(fraction) => (fraction.value(), true),
            AggregateFunction::PercentileDisc(fraction) => (fraction.value(), false),
            ref other => return Err(Error::unsupported(other, Backend::Cpu)),
        };
        let operand = aggregate.operand()?.data_type();
        let class = class(&operand)?;
        let plain = value_type(&operand);
        let number = plain.is_numeric() || *plain == DataType::Null;
        let to = value_type(&aggregate.data_type);
        let integral = to.is_integer() || to.is_decimal();
        let fits = number && (to.is_floating() || integral && class != Class::Float);
        if interpolate && !fits {
            return Err(Error::unsupported(
                format!("{} of {operand} as {to}", aggregate.function),
                Backend::Cpu,
            ));
        }
        Ok(Self { aggregate: aggregate.clone(), fraction, interpolate, values: GroupedValues::new(class) })
    }
}

impl Accumulator for Percentile {
    fn update(&mut self, rows: &Rows, grant: &mut Grant) -> Result<()> {
        let column = LaneColumn::from_vector(rows.arguments[0])?;
        self.values.append(&column, |row| rows.group(row) as u32, grant)
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![list_type(self.values.state_type())]
    }

    fn states(self: Box<Self>, groups: usize) -> Result<Vec<ArrayRef>> {
        let (ends, values) = self.values.into_state(groups)?;
        Ok(vec![lists(&ends, values)?])
    }

    fn merge(
        &mut self,
        states: &[ArrayRef],
        numbers: &[u32],
        _groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        let elements = elements(states, &[self.values.state_type()], numbers)?;
        self.values.append_state(&elements.columns[0], &elements.numbers, grant)
    }

    fn finish(self: Box<Self>, groups: usize) -> Result<ArrayRef> {
        let mut sorted = self.values.sort(groups);
        let (fraction, aggregate) = (self.fraction, &self.aggregate);
        if !self.interpolate {
            let chosen: Vec<Option<i128>> = (0..groups)
                .map(|group| {
                    let at = discrete(fraction, sorted.count(group))?;
                    Some(sorted.select(group, at).0)
                })
                .collect();
            return sorted.values(&chosen, &aggregate.data_type);
        }
        let between = |group: usize| {
            let (at, rest) = continuous(fraction, sorted.count(group))?;
            Some((sorted.select(group, at), rest))
        };
        let chosen: Vec<Option<((i128, i128), f64)>> = (0..groups).map(between).collect();
        interpolated(&sorted, &chosen, aggregate)
    }
}

/// Where the discrete percentile of `count` values lies; nowhere, for none.
fn discrete(fraction: f64, count: usize) -> Option<usize> {
    let rank = (fraction * count as f64).ceil() as usize;
    count.checked_sub(1).map(|last| rank.saturating_sub(1).min(last))
}

/// The value below the continuous percentile, and how far the percentile is on the way to the next one.
fn continuous(fraction: f64, count: usize) -> Option<(usize, f64)> {
    let last = count.checked_sub(1)?;
    let place = fraction * last as f64;
    let at = (place.floor() as usize).min(last);
    Some((at, place - place.floor()))
}

fn interpolated(
    sorted: &Sorted,
    chosen: &[Option<((i128, i128), f64)>],
    aggregate: &Aggregate,
) -> Result<ArrayRef> {
    let operand = aggregate.operand()?.data_type();
    let to = &aggregate.data_type;
    let scale = finish::scale_of(&operand);
    if value_type(to).is_floating() {
        let float = |ordinal: i128| {
            let whole = || finish::to_f64(sorted.integer(ordinal)) / 10f64.powi(scale);
            sorted.float(ordinal).unwrap_or_else(whole)
        };
        let floats = chosen.iter().map(|chosen| {
            chosen
                .map(|((low, high), rest)| crate::keys::float::canonical(lerp(float(low), float(high), rest)))
        });
        let floats: arrow::array::Float64Array = floats.collect();
        return to_declared(std::sync::Arc::new(floats), to);
    }
    let digits = finish::scale_of(to) - scale;
    let exact = |((low, high), rest): ((i128, i128), f64)| {
        let (low, high) = (sorted.integer(low), sorted.integer(high));
        let steps = i256::from_i128((rest * STEPS as f64).round() as i128);
        let one = i256::from_i128(STEPS.into());
        let offset = high.checked_sub(low)?.checked_mul(steps)?;
        let sum = low.checked_mul(one)?.checked_add(offset)?;
        finish::divide(sum, STEPS, digits, aggregate.rounding).filter(|&value| finish::fits(value, to))
    };
    let overflow = || finish::overflow("percentile_cont", aggregate.inputs.first());
    let values =
        chosen.iter().map(|chosen| chosen.map(|chosen| exact(chosen).ok_or_else(overflow)).transpose());
    from_integers(&values.collect::<Result<Vec<Option<i256>>>>()?, to)
}

/// Between two floats in order. Where their distance is beyond the largest float, each has its share.
fn lerp(low: f64, high: f64, rest: f64) -> f64 {
    if rest == 0.0 || low == high {
        return low;
    }
    let distance = high - low;
    if distance.is_finite() { low + distance * rest } else { low * (1.0 - rest) + high * rest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_percentiles() {
        assert_eq!((discrete(0.0, 5), discrete(1.0, 5), discrete(0.5, 5)), (Some(0), Some(4), Some(2)));
        assert_eq!((discrete(0.5, 4), discrete(0.51, 4), discrete(0.5, 0)), (Some(1), Some(2), None));
        assert_eq!((continuous(0.5, 4), continuous(1.0, 4)), (Some((1, 0.5)), Some((3, 0.0))));
        assert_eq!(continuous(0.25, 0), None);
    }

    #[test]
    fn interpolation_of_extremes() {
        assert_eq!(lerp(-f64::MAX, f64::MAX, 0.5), 0.0);
        assert_eq!(lerp(f64::NEG_INFINITY, 1.0, 0.5), f64::NEG_INFINITY);
        assert_eq!(lerp(1.0, f64::INFINITY, 0.0), 1.0);
        assert_eq!(lerp(f64::INFINITY, f64::INFINITY, 0.5), f64::INFINITY);
        assert!(lerp(f64::NEG_INFINITY, f64::INFINITY, 0.5).is_nan());
        assert!(lerp(1.0, f64::NAN, 0.5).is_nan());
    }
}
