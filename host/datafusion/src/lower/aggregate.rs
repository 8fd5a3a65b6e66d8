//! DataFusion's aggregations as ours: a single-stage node, or a partial and its final as one.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion_functions_aggregate::average::Avg;
use datafusion_functions_aggregate::count::Count;
use datafusion_functions_aggregate::min_max::{Max, Min};
use datafusion_functions_aggregate::sum::Sum;
use datafusion_physical_expr::aggregate::AggregateFunctionExpr;
use datafusion_physical_expr::expressions::Literal;
use datafusion_physical_expr_common::physical_expr::PhysicalExpr;
use datafusion_physical_plan::ExecutionPlan;
use datafusion_physical_plan::aggregates::{AggregateExec, AggregateMode};
use pilaster::aggregate::{Aggregate, AggregateFunction};
use pilaster::expr::{Expr, OverflowMode, Rounding};
use pilaster::{Backend, Error, Result};

use super::expr;
use super::passes_rows_through;

/// An aggregation in terms of the rows that enter its first stage.
pub struct Lowered<'a> {
    /// Where those rows come from.
    pub input: &'a Arc<dyn ExecutionPlan>,
    /// Keys with their names.
    pub keys: Vec<(String, Expr)>,
    /// Aggregates with their names.
    pub aggregates: Vec<(String, Aggregate)>,
}

/// Lowers a final or single-stage aggregation.
///
/// # Errors
/// [`Error::Unsupported`] naming the part that stays with DataFusion.
pub fn lower(node: &AggregateExec) -> Result<Lowered<'_>> {
    let first = match node.mode() {
        AggregateMode::Single | AggregateMode::SinglePartitioned => node,
        AggregateMode::Final | AggregateMode::FinalPartitioned => partial_below(node.input())?,
        mode => return Err(unsupported(format!("aggregation in mode {mode:?}"))),
    };
    if !first.group_expr().is_single() {
        return Err(unsupported("grouping sets"));
    }
    let schema = first.input_schema();
    let keys = first.group_expr().expr().iter();
    let keys =
        keys.map(|(key, name)| Ok((name.clone(), expr::lower(key, &schema)?))).collect::<Result<Vec<_>>>()?;
    let outputs = node.schema();
    let aggregates = first.aggr_expr().iter().zip(first.filter_expr()).enumerate();
    let aggregates = aggregates
        .map(|(index, (aggregate, filter))| {
            let field = outputs.field(keys.len() + index);
            let lowered = lower_function(aggregate, filter.as_ref(), field.data_type(), &schema)?;
            Ok((field.name().clone(), lowered))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Lowered { input: first.input(), keys, aggregates })
}

/// The partial stage under a final one, below exchanges that only move rows.
fn partial_below(plan: &Arc<dyn ExecutionPlan>) -> Result<&AggregateExec> {
    if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        return match aggregate.mode() {
            AggregateMode::Partial => Ok(aggregate),
            mode => Err(unsupported(format!("a final aggregation over mode {mode:?}"))),
        };
    }
    match plan.children().as_slice() {
        [child] if passes_rows_through(plan) => partial_below(child),
        _ => Err(unsupported("a final aggregation without its partial one")),
    }
}

fn lower_function(
    aggregate: &AggregateFunctionExpr,
    filter: Option<&Arc<dyn PhysicalExpr>>,
    data_type: &DataType,
    schema: &Schema,
) -> Result<Aggregate> {
    if aggregate.is_distinct() || !aggregate.order_bys().is_empty() {
        return Err(unsupported(format!("aggregate {}", aggregate.name())));
    }
    let function = recognise(aggregate)?;
    let arguments = aggregate.expressions();
    let inputs = match function {
        AggregateFunction::CountRows => Vec::new(),
        _ => arguments.iter().map(|argument| expr::lower(argument, schema)).collect::<Result<_>>()?,
    };
    if inputs.len() > 1 {
        return Err(unsupported(format!("aggregate {}", aggregate.name())));
    }
    let filter = filter.map(|filter| expr::lower(filter, schema)).transpose()?;
    Ok(Aggregate {
        filter,
        // DataFusion's integer sums wrap, its decimal averages are truncated.
        overflow: OverflowMode::Wrap,
        rounding: Rounding::Truncate,
        ..Aggregate::new(function, inputs, data_type.clone())
    })
}

/// By type and not by name: a user's function may bear the name of a built-in one.
fn recognise(aggregate: &AggregateFunctionExpr) -> Result<AggregateFunction> {
    let function = aggregate.fun().inner();
    if function.is::<Count>() {
        let arguments = aggregate.expressions();
        let constant = arguments.iter().all(|argument| {
            argument.downcast_ref::<Literal>().is_some_and(|literal| !literal.value().is_null())
        });
        return Ok(if constant { AggregateFunction::CountRows } else { AggregateFunction::Count });
    }
    let known = [
        (function.is::<Sum>(), AggregateFunction::Sum),
        (function.is::<Min>(), AggregateFunction::Min),
        (function.is::<Max>(), AggregateFunction::Max),
        (function.is::<Avg>(), AggregateFunction::Avg),
    ];
    let found = known.into_iter().find(|(is, _)| *is).map(|(_, function)| function);
    found.ok_or_else(|| unsupported(format!("aggregate {}", aggregate.fun().name())))
}

fn unsupported(what: impl std::fmt::Display) -> Error {
    Error::unsupported(what, Backend::Cpu)
}
