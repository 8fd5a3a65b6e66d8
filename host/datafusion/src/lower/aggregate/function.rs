//! Which of our functions one of DataFusion's is: by type and not by name, since a user's function may bear the name of a
//! built-in one. Functions whose type is private are compared with the built-in one, which compares types too.

use std::sync::Arc;

use datafusion_common::ScalarValue;
use datafusion_expr::AggregateUDF;
use datafusion_functions_aggregate::any_value::AnyValue;
use datafusion_functions_aggregate::approx_distinct::ApproxDistinct;
use datafusion_functions_aggregate::approx_median::ApproxMedian;
use datafusion_functions_aggregate::approx_percentile_cont::ApproxPercentileCont;
use datafusion_functions_aggregate::array_agg::ArrayAgg;
use datafusion_functions_aggregate::average::Avg;
use datafusion_functions_aggregate::bit_and_or_xor::{bit_and_udaf, bit_or_udaf, bit_xor_udaf};
use datafusion_functions_aggregate::bool_and_or::{BoolAnd, BoolOr};
use datafusion_functions_aggregate::correlation::Correlation;
use datafusion_functions_aggregate::count::Count;
use datafusion_functions_aggregate::covariance::{CovariancePopulation, CovarianceSample};
use datafusion_functions_aggregate::first_last::{FirstValue, LastValue};
use datafusion_functions_aggregate::median::Median;
use datafusion_functions_aggregate::min_max::{Max, Min};
use datafusion_functions_aggregate::percentile_cont::PercentileCont;
use datafusion_functions_aggregate::regr;
use datafusion_functions_aggregate::stddev::{Stddev, StddevPop};
use datafusion_functions_aggregate::string_agg::StringAgg;
use datafusion_functions_aggregate::sum::Sum;
use datafusion_functions_aggregate::variance::{VariancePopulation, VarianceSample};
use datafusion_physical_expr::aggregate::AggregateFunctionExpr;
use datafusion_physical_expr::expressions::Literal;
use datafusion_physical_expr_common::physical_expr::PhysicalExpr;
use pilaster::Result;
use pilaster::aggregate::{AggregateFunction, Fraction, Regression};

use super::unsupported;

/// A function of ours for one of DataFusion's.
pub(super) struct Recognised {
    pub(super) function: AggregateFunction,
    /// How many of its arguments are operands; the others are part of the function.
    pub(super) operands: usize,
    /// Its ORDER BY is the order that it sees rows in; for others it is part of the function, or of no use.
    pub(super) ordered: bool,
    /// Its ORDER BY was turned around, and its values are to be.
    pub(super) reversed: bool,
}

/// The function of `aggregate`.
///
/// # Errors
/// [`pilaster::Error::Unsupported`] naming a function that we have no kernel for.
pub(super) fn recognise(aggregate: &AggregateFunctionExpr) -> Result<Recognised> {
    use AggregateFunction as F;
    let arguments = aggregate.expressions();
    let ignore_nulls = aggregate.ignore_nulls();
    let function = aggregate.fun().inner();
    let plain = |function: F| {
        let operands = if function == F::CountRows { 0 } else { arguments.len() };
        Ok(Recognised { function, operands, ordered: false, reversed: false })
    };
    let in_order =
        |function: F, reversed: bool| Ok(Recognised { function, operands: 1, ordered: true, reversed });
    let parameterised =
        |function: F| Ok(Recognised { function, operands: 1, ordered: false, reversed: false });
    if function.is::<Count>() {
        return plain(count(aggregate, &arguments));
    }
    if let Some(function) = by_type(aggregate.fun()) {
        return plain(function);
    }
    if function.is::<FirstValue>() {
        return in_order(F::First { ignore_nulls }, false);
    }
    if function.is::<LastValue>() {
        return in_order(F::Last { ignore_nulls }, false);
    }
    if function.is::<ArrayAgg>() {
        return in_order(F::ArrayAgg { ignore_nulls }, aggregate.is_reversed());
    }
    if function.is::<StringAgg>() {
        return in_order(F::StringAgg { separator: separator(&arguments)? }, aggregate.is_reversed());
    }
    if function.is::<PercentileCont>() {
        return parameterised(F::PercentileCont(fraction(aggregate, &arguments)?));
    }
    if function.is::<ApproxPercentileCont>() {
        if arguments.len() > 2 {
            return Err(unsupported("approx_percentile_cont with a number of centroids"));
        }
        return parameterised(F::ApproxPercentile(fraction(aggregate, &arguments)?));
    }
    Err(unsupported(format!("aggregate {}", aggregate.fun().name())))
}

/// Functions that their type says all of.
fn by_type(function: &AggregateUDF) -> Option<AggregateFunction> {
    use AggregateFunction as F;
    let inner = function.inner();
    let known = [
        (inner.is::<Sum>(), F::Sum),
        (inner.is::<Min>(), F::Min),
        (inner.is::<Max>(), F::Max),
        (inner.is::<Avg>(), F::Avg),
        (inner.is::<VarianceSample>(), F::Variance { sample: true }),
        (inner.is::<VariancePopulation>(), F::Variance { sample: false }),
        (inner.is::<Stddev>(), F::Stddev { sample: true }),
        (inner.is::<StddevPop>(), F::Stddev { sample: false }),
        (inner.is::<CovarianceSample>(), F::Covariance { sample: true }),
        (inner.is::<CovariancePopulation>(), F::Covariance { sample: false }),
        (inner.is::<Correlation>(), F::Correlation),
        (inner.is::<BoolAnd>(), F::BoolAnd),
        (inner.is::<BoolOr>(), F::BoolOr),
        (inner.is::<AnyValue>(), F::AnyValue),
        (inner.is::<Median>(), F::PercentileCont(Fraction::HALF)),
        (inner.is::<ApproxMedian>(), F::ApproxPercentile(Fraction::HALF)),
        (inner.is::<ApproxDistinct>(), F::ApproxDistinct),
        (*function == *bit_and_udaf(), F::BitAnd),
        (*function == *bit_or_udaf(), F::BitOr),
        (*function == *bit_xor_udaf(), F::BitXor),
    ];
    let found = known.into_iter().find(|(is, _)| *is).map(|(_, function)| function);
    found.or_else(|| regression(function).map(F::Regression))
}

fn regression(function: &AggregateUDF) -> Option<Regression> {
    let known = [
        (regr::regr_slope_udaf(), Regression::Slope),
        (regr::regr_intercept_udaf(), Regression::Intercept),
        (regr::regr_count_udaf(), Regression::Count),
        (regr::regr_r2_udaf(), Regression::R2),
        (regr::regr_avgx_udaf(), Regression::AvgX),
        (regr::regr_avgy_udaf(), Regression::AvgY),
        (regr::regr_sxx_udaf(), Regression::Sxx),
        (regr::regr_syy_udaf(), Regression::Syy),
        (regr::regr_sxy_udaf(), Regression::Sxy),
    ];
    known.into_iter().find(|(known, _)| function == known.as_ref()).map(|(_, regression)| regression)
}

/// A count of a constant is one of rows, unless only distinct ones count.
fn count(aggregate: &AggregateFunctionExpr, arguments: &[Arc<dyn PhysicalExpr>]) -> AggregateFunction {
    let constant = arguments.iter().all(|argument| literal(argument).is_some_and(|value| !value.is_null()));
    if constant && !aggregate.is_distinct() { AggregateFunction::CountRows } else { AggregateFunction::Count }
}

/// The percentile, counted from the other end where the order is descending.
fn fraction(aggregate: &AggregateFunctionExpr, arguments: &[Arc<dyn PhysicalExpr>]) -> Result<Fraction> {
    let value = arguments.get(1).and_then(literal).and_then(|value| match value {
        ScalarValue::Float64(value) => *value,
        ScalarValue::Float32(value) => value.map(f64::from),
        _ => None,
    });
    let descending = aggregate.order_bys().first().is_some_and(|key| key.options.descending);
    let value = value.map(|value| if descending { 1.0 - value } else { value });
    value.and_then(Fraction::new).ok_or_else(|| unsupported("a percentile that is no constant from 0 to 1"))
}

/// What stands between two texts; nothing where the argument is null.
fn separator(arguments: &[Arc<dyn PhysicalExpr>]) -> Result<String> {
    let value = arguments.get(1).and_then(literal);
    let value = value.ok_or_else(|| unsupported("string_agg with a separator that is not constant"))?;
    if value.is_null() {
        return Ok(String::new());
    }
    let text = value.try_as_str().flatten().map(ToOwned::to_owned);
    text.ok_or_else(|| unsupported(format!("string_agg with the separator {value}")))
}

fn literal(expr: &Arc<dyn PhysicalExpr>) -> Option<&ScalarValue> {
    expr.downcast_ref::<Literal>().map(Literal::value)
}
