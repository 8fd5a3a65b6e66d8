//! Aggregation by collecting each group's values in a list.

use num_bigint::BigInt;
use pilaster_kernels::aggregate::{Aggregate, AggregateFunction as F, AggregateSpec};
use pilaster_kernels::expr::{Expr, OverflowMode};

use super::arithmetic::settle;
use super::number::{decimal, fits, parts, round, ten, to_f64, to_i128, wrap};
use super::relation::{Row, Table, keeps};
use super::{Answer, Kind, Kinds, all, evaluate, fails};
use crate::Datum;

/// Keys, then aggregates, one row per group in order of first appearance; one row where there are no keys.
///
/// # Errors
/// The kinds of all errors on active rows; overflow of a final value.
pub fn aggregate(spec: &AggregateSpec, input: &Table) -> Answer<Table> {
    let mut kinds = Kinds::new();
    let mut groups: Vec<Group> = Vec::new();
    if spec.keys.is_empty() {
        groups.push(Group::new(Vec::new(), spec));
    }
    for row in &input.rows {
        if let Err(more) = add_row(spec, &row.values, &mut groups) {
            kinds.extend(more);
        }
    }
    let finished = all(groups.iter().map(|group| group.finish(spec)));
    match finished {
        Ok(rows) if kinds.is_empty() => {
            let keys = spec.keys.iter().map(Expr::data_type);
            let types = keys.chain(spec.aggregates.iter().map(|a| a.data_type.clone())).collect();
            Ok(Table { types, rows })
        }
        // With rows in error no total is known: an overflow of one may come first or not.
        Ok(_) => Err(kinds),
        Err(more) => {
            kinds.extend(more);
            Err(kinds)
        }
    }
}

struct Group {
    key: Vec<Datum>,
    /// Per aggregate, the values that count; for `count(*)` one per row.
    values: Vec<Vec<Datum>>,
}

fn add_row(spec: &AggregateSpec, row: &[Datum], groups: &mut Vec<Group>) -> Answer<()> {
    if let Some(predicate) = &spec.predicate
        && !keeps(predicate, row)?
    {
        return Ok(());
    }
    let key = all(spec.keys.iter().map(|key| Ok(evaluate(key, row)?.canonical())));
    let inputs = all(spec.aggregates.iter().map(|aggregate| operand(aggregate, row)));
    let (key, inputs) = super::both(key, inputs)?;
    let same = |group: &&mut Group| group.key.iter().zip(&key).all(|(a, b)| a.order_nulls_first(b).is_eq());
    let found = groups.iter_mut().find(same);
    let group = match found {
        Some(group) => group,
        None => {
            groups.push(Group::new(key, spec));
            groups.last_mut().expect("just pushed")
        }
    };
    for (values, input) in group.values.iter_mut().zip(inputs) {
        values.extend(input);
    }
    Ok(())
}

/// The value that counts, if any.
fn operand(aggregate: &Aggregate, row: &[Datum]) -> Answer<Option<Datum>> {
    if let Some(filter) = &aggregate.filter
        && !keeps(filter, row)?
    {
        return Ok(None);
    }
    let value = aggregate.inputs.first().map_or(Ok(Datum::Bool(true)), |input| evaluate(input, row))?;
    Ok((!value.is_null()).then_some(value))
}

impl Group {
    fn new(key: Vec<Datum>, spec: &AggregateSpec) -> Self {
        Group { key, values: vec![Vec::new(); spec.aggregates.len()] }
    }

    fn finish(&self, spec: &AggregateSpec) -> Answer<Row> {
        let mut row = Row::exact(self.key.clone());
        let answers =
            spec.aggregates.iter().zip(&self.values).map(|(aggregate, values)| fold(aggregate, values));
        for (value, within) in all(answers)? {
            row.values.push(value);
            row.within.push(within);
        }
        Ok(row)
    }
}

/// The aggregate of a group's values, and how far a backend's answer may be off: none where it must be the same.
fn fold(aggregate: &Aggregate, values: &[Datum]) -> Answer<(Datum, Option<f64>)> {
    let count = values.len();
    match aggregate.function {
        F::CountRows | F::Count => return Ok((Datum::Int(count as i128), None)),
        _ if count == 0 => return Ok((Datum::Null, None)),
        F::Min => {
            return Ok((values.iter().min_by(|a, b| a.order(b)).expect("not empty").clone(), Some(0.0)));
        }
        F::Max => {
            return Ok((values.iter().max_by(|a, b| a.order(b)).expect("not empty").clone(), Some(0.0)));
        }
        F::Sum | F::Avg => {}
        _ => panic!("no reference for {}", aggregate.function),
    }
    let mean = aggregate.function == F::Avg;
    let ints: Option<Vec<i128>> =
        values.iter().map(|value| if let Datum::Int(v) = value { Some(*v) } else { None }).collect();
    match ints {
        Some(ints) => exact(aggregate, ints.iter().map(|&v| BigInt::from(v)).sum(), count, mean),
        None => {
            let floats = values.iter().map(|value| match value {
                Datum::Float(value) => *value,
                other => panic!("no sum of {other:?}"),
            });
            Ok(float(&floats.collect::<Vec<f64>>(), mean))
        }
    }
}

fn exact(aggregate: &Aggregate, sum: BigInt, count: usize, mean: bool) -> Answer<(Datum, Option<f64>)> {
    let input = aggregate.operand().expect("a sum has an operand").data_type();
    let to = &aggregate.data_type;
    if !mean {
        // Engines that wrap do so in the machine integer, also beyond a decimal's precision.
        if aggregate.overflow == OverflowMode::Wrap {
            return Ok((Datum::Int(to_i128(&wrap(&sum, to))), None));
        }
        return Ok((settle(&sum, to, aggregate.overflow)?, None));
    }
    let Some((_, scale)) = decimal(&input) else {
        let value = to_f64(&sum, &BigInt::from(count));
        // The sum is rounded to a float, then the quotient.
        return Ok((Datum::Float(value), Some(value.abs() * 2f64.powi(-52))));
    };
    let (_, out) = decimal(to).expect("the average of decimals is a decimal");
    let (mut numerator, mut denominator) = (sum, BigInt::from(count));
    if out >= scale {
        numerator *= ten(out.abs_diff(scale))
    } else {
        denominator *= ten(out.abs_diff(scale))
    }
    let value = round(&numerator, &denominator, aggregate.rounding);
    if fits(&value, to) { Ok((Datum::Int(to_i128(&value)), None)) } else { Err(fails(Kind::Overflow)) }
}

/// Floats: exactly, then the bound of the semantics page: `n * 2^-53` of the sum of magnitudes, one rounding more for
/// this reference's own result and one for a division.
fn float(values: &[f64], mean: bool) -> (Datum, Option<f64>) {
    let has = |wanted: f64| values.contains(&wanted);
    let (up, down) = (has(f64::INFINITY), has(f64::NEG_INFINITY));
    if values.iter().any(|value| value.is_nan()) || (up && down) {
        return (Datum::Float(f64::NAN), Some(0.0));
    }
    if up || down {
        return (Datum::Float(if up { f64::INFINITY } else { f64::NEG_INFINITY }), Some(0.0));
    }
    let (mut sum, mut magnitudes) = (BigInt::from(0), BigInt::from(0));
    for &value in values {
        let (mantissa, exponent) = parts(value);
        let fixed = mantissa << (exponent + 1074) as usize;
        magnitudes += BigInt::from(fixed.magnitude().clone());
        sum += fixed;
    }
    let unit = BigInt::from(1) << 1074usize;
    let divisor = if mean { &unit * values.len() } else { unit };
    let bound = to_f64(&(magnitudes * (values.len() + 2)), &(&divisor << 53usize));
    // A division may end among the subnormals.
    (Datum::Float(to_f64(&sum, &divisor)), Some(bound + f64::from_bits(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> f64 {
        match float(values, false).0 {
            Datum::Float(value) => value,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn float_sums_are_exact() {
        assert_eq!(sum(&[1e308, 1e308, -1e308, -1e308, 3.0]), 3.0);
        assert_eq!(sum(&[1.0, 1e-30, -1.0]), 1e-30);
        assert_eq!(sum(&[f64::MAX, f64::MAX]), f64::INFINITY);
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert_eq!(sum(&[f64::from_bits(1), f64::from_bits(1)]), f64::from_bits(2));
    }
}
