//! Aggregations with every function: several operands, DISTINCT, ORDER BY, FILTER.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, Field};
use pilaster_kernels::aggregate::{
    Aggregate, AggregateFunction as F, AggregateSpec, FloatSum, Fraction, OrderKey, Regression,
};
use pilaster_kernels::expr::{Expr, Rounding};

use super::{Batches, Choices, ExprLimits, Random, aggregate, avg, boolean_expr, count, expr, extreme, sum};

/// Which operands a function takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Anything,
    Numbers,
    Integers,
    Booleans,
    Bytes,
}

impl Takes {
    fn has(self, data_type: &DataType) -> bool {
        use DataType as T;
        match self {
            Takes::Anything => true,
            Takes::Numbers => data_type.is_numeric(),
            Takes::Integers => data_type.is_integer(),
            Takes::Booleans => *data_type == T::Boolean,
            Takes::Bytes => matches!(
                data_type,
                T::Utf8 | T::LargeUtf8 | T::Utf8View | T::Binary | T::LargeBinary | T::BinaryView
            ),
        }
    }
}

/// Any aggregate with any function over an operand that it takes.
pub fn any_aggregate(limits: &ExprLimits, choices: &mut Choices) -> Aggregate {
    let (function, takes) = function(choices);
    let columns: Vec<usize> =
        (0..limits.columns.len()).filter(|&at| takes.has(&limits.columns[at])).collect();
    if columns.is_empty() {
        return aggregate(limits, choices);
    }
    let column = |choices: &mut Choices| {
        let column = *choices.one_of(&columns);
        Expr::column(column, limits.columns[column].clone())
    };
    let operand = if takes == Takes::Anything && choices.rarely(6) {
        expr(&ExprLimits { depth: 1, ..limits.clone() }, choices)
    } else {
        column(choices)
    };
    let mut aggregate = typed(function, operand, choices);
    if aggregate.function.operands() == (2, 2) {
        // A float beside an integer would make a float of it, which rounds.
        let alike =
            |&&at: &&usize| limits.columns[at].is_floating() == aggregate.inputs[0].data_type().is_floating();
        let alike: Vec<usize> = columns.iter().filter(alike).copied().collect();
        let column = *choices.one_of(&alike);
        aggregate.inputs.push(Expr::column(column, limits.columns[column].clone()));
    }
    if aggregate.function == F::Count {
        let more = choices.pick(3);
        aggregate.inputs.extend((0..more).map(|_| column(choices)));
    }
    aggregate.distinct = choices.pick(3) == 1;
    if choices.rarely(4) {
        aggregate.filter = Some(boolean_expr(&ExprLimits { depth: 1, ..limits.clone() }, choices));
    }
    if choices.rarely(6) {
        aggregate.rounding = Rounding::Truncate;
    }
    if aggregate.function.ordered() {
        let keys = choices.pick(3);
        aggregate.order_by = (0..keys).map(|_| order_key(limits, choices)).collect();
    }
    aggregate
}

fn function(choices: &mut Choices) -> (F, Takes) {
    let share = [0.5, 0.0, 1.0, 0.25, 0.1, 0.999, 1.0 / 3.0];
    let fraction = Fraction::new(*choices.one_of(&share)).expect("from 0 to 1");
    let flag = choices.pick(2) == 1;
    let separator = (*choices.one_of(&[",", "", "<>"])).to_string();
    let sample = flag;
    let regressions = [
        Regression::Slope,
        Regression::Intercept,
        Regression::Count,
        Regression::R2,
        Regression::AvgX,
        Regression::AvgY,
        Regression::Sxx,
        Regression::Syy,
        Regression::Sxy,
    ];
    let regression = F::Regression(*choices.one_of(&regressions));
    let functions = [
        (F::Count, Takes::Anything),
        (F::First { ignore_nulls: flag }, Takes::Anything),
        (F::Last { ignore_nulls: flag }, Takes::Anything),
        (F::AnyValue, Takes::Anything),
        (F::ArrayAgg { ignore_nulls: flag }, Takes::Anything),
        (F::StringAgg { separator }, Takes::Bytes),
        (F::Sum, Takes::Numbers),
        (F::Avg, Takes::Numbers),
        (F::BoolAnd, Takes::Booleans),
        (F::BoolOr, Takes::Booleans),
        (F::BitAnd, Takes::Integers),
        (F::BitOr, Takes::Integers),
        (F::BitXor, Takes::Integers),
        (F::PercentileCont(fraction), Takes::Numbers),
        (F::PercentileDisc(fraction), Takes::Anything),
        (F::Mode, Takes::Anything),
        (F::ApproxDistinct, Takes::Anything),
        (F::ApproxPercentile(fraction), Takes::Numbers),
        (F::Variance { sample }, Takes::Numbers),
        (F::Stddev { sample }, Takes::Numbers),
        (F::Covariance { sample }, Takes::Numbers),
        (F::Correlation, Takes::Numbers),
        (regression.clone(), Takes::Numbers),
        (regression, Takes::Numbers),
        (F::Min, Takes::Anything),
        (F::Max, Takes::Anything),
    ];
    choices.one_of(&functions).clone()
}

/// The function over the operand, in the type that SQL gives it.
fn typed(function: F, operand: Expr, choices: &mut Choices) -> Aggregate {
    let own = operand.data_type();
    let data_type = match &function {
        F::Sum => return sum(operand),
        F::Avg => return avg(operand),
        F::Count => return count(operand),
        F::Min | F::Max => return extreme(function, operand),
        F::ArrayAgg { .. } => {
            let field = Arc::new(Field::new_list_field(own, true));
            if choices.rarely(3) { DataType::LargeList(field) } else { DataType::List(field) }
        }
        F::PercentileCont(_) if !own.is_decimal() || choices.rarely(4) => DataType::Float64,
        F::ApproxDistinct => DataType::UInt64,
        F::Regression(Regression::Count) => DataType::Int64,
        F::ApproxPercentile(_) => DataType::Float64,
        moment if is_moment(moment) => DataType::Float64,
        _ => own,
    };
    Aggregate::new(function, vec![operand], data_type)
}

fn order_key(limits: &ExprLimits, choices: &mut Choices) -> OrderKey {
    let column = choices.pick(limits.columns.len());
    let expr = Expr::column(column, limits.columns[column].clone());
    OrderKey { expr, descending: choices.pick(2) == 1, nulls_first: choices.pick(2) == 1 }
}

/// A whole aggregation with up to `most_keys` keys, which are columns, and one to four of [`any_aggregate`].
pub fn any_aggregate_spec(limits: &ExprLimits, most_keys: usize, choices: &mut Choices) -> AggregateSpec {
    let keys = choices.pick(most_keys + 1);
    let key = |choices: &mut Choices| {
        let column = choices.pick(limits.columns.len());
        Expr::column(column, limits.columns[column].clone())
    };
    let keys = (0..keys).map(|_| key(choices)).collect();
    let count = 1 + choices.pick(4);
    let aggregates: Vec<Aggregate> = (0..count).map(|_| any_aggregate(limits, choices)).collect();
    let predicate = (choices.pick(3) == 1).then(|| boolean_expr(limits, choices));
    // Fast moments of floats have bounds that only their own tests know.
    let moments = aggregates.iter().any(|aggregate| is_moment(&aggregate.function) && sums_floats(aggregate));
    let float_sum = if moments || choices.pick(2) == 1 { FloatSum::Reproducible } else { FloatSum::Fast };
    AggregateSpec { predicate, keys, aggregates, float_sum }
}

fn is_moment(function: &F) -> bool {
    function.operands() == (2, 2) || matches!(function, F::Variance { .. } | F::Stddev { .. })
}

/// True where the answer is made of sums of floats.
#[must_use]
pub fn sums_floats(aggregate: &Aggregate) -> bool {
    let float = aggregate.inputs.first().is_some_and(|input| input.data_type().is_floating());
    float && (is_moment(&aggregate.function) || matches!(aggregate.function, F::Sum | F::Avg))
}

/// Texts of 0 to 100 kB in place of the plain strings of `input`: few distinct ones, which share their beginnings.
pub fn lengthen(input: &mut Batches, seed: u64) {
    const LENGTHS: [usize; 9] = [0, 1, 7, 8, 9, 24, 25, 4096, 100_000];
    let mut random = Random::new(seed);
    for (columns, &rows) in input.batches.iter_mut().zip(&input.rows) {
        for column in columns.iter_mut().filter(|column| *column.data_type() == DataType::Utf8) {
            let text = |random: &mut Random| {
                let length = LENGTHS[random.below(LENGTHS.len() as u64) as usize];
                let last = ["a", "b", "\0", ""][random.below(4) as usize];
                (!random.percent(20)).then(|| "x".repeat(length) + last)
            };
            let texts: StringArray = (0..rows).map(|_| text(&mut random)).collect();
            *column = Arc::new(texts) as ArrayRef;
        }
    }
}
