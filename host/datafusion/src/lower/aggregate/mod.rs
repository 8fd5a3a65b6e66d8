//! DataFusion's aggregations as ours: a single-stage node, or a partial and its final as one. Grouping sets become those
//! of our plan, with the ids that DataFusion gives them.

mod function;

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion_physical_expr::aggregate::AggregateFunctionExpr;
use datafusion_physical_expr_common::physical_expr::PhysicalExpr;
use datafusion_physical_plan::ExecutionPlan;
use datafusion_physical_plan::aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy};
use datafusion_physical_plan::sorts::sort::SortExec;
use datafusion_physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use pilaster::aggregate::{Aggregate, OrderKey};
use pilaster::expr::{Expr, OverflowMode, Rounding};
use pilaster::plan::{GroupingSets, Plan};
use pilaster::{Backend, Error, Result};

use super::expr;
use super::passes_rows_through;
use function::Recognised;

/// An aggregation in terms of the rows that enter its first stage.
pub struct Lowered<'a> {
    /// Where those rows come from.
    pub input: &'a Arc<dyn ExecutionPlan>,
    /// Keys with their names.
    keys: Vec<(String, Expr)>,
    /// Several ways of grouping by them, and the name of the column that tells these apart.
    sets: Option<(String, GroupingSets)>,
    /// Aggregates with their names.
    aggregates: Vec<(String, Aggregate)>,
}

impl Lowered<'_> {
    /// The aggregation of the rows of `input`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] and [`Error::InvalidInput`] for what has to stay with DataFusion.
    pub fn over(self, input: Plan) -> Result<Plan> {
        match self.sets {
            Some((id, sets)) => input.aggregate_sets(self.keys, id, sets, self.aggregates),
            None => input.aggregate(self.keys, self.aggregates),
        }
    }
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
    let schema = first.input_schema();
    let outputs = node.schema();
    let keys = first.group_expr().expr().iter();
    let keys =
        keys.map(|(key, name)| Ok((name.clone(), expr::lower(key, &schema)?))).collect::<Result<Vec<_>>>()?;
    let sets = match first.group_expr().has_grouping_set() {
        true => Some((outputs.field(keys.len()).name().clone(), grouping_sets(first.group_expr())?)),
        false => None,
    };
    let before = keys.len() + usize::from(sets.is_some());
    let aggregates = first.aggr_expr().iter().zip(first.filter_expr()).enumerate();
    let aggregates = aggregates
        .map(|(index, (aggregate, filter))| {
            let field = outputs.field(before + index);
            let lowered = lower_function(aggregate, filter.as_ref(), field.data_type(), &schema)?;
            Ok((field.name().clone(), lowered))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Lowered { input: unsorted(first.input(), &aggregates), keys, sets, aggregates })
}

/// What is below a sort that only serves the aggregates' own order: ours put rows in order themselves.
fn unsorted<'a>(
    input: &'a Arc<dyn ExecutionPlan>,
    aggregates: &[(String, Aggregate)],
) -> &'a Arc<dyn ExecutionPlan> {
    let own = |aggregate: &Aggregate| !aggregate.function.ordered() || !aggregate.order_by.is_empty();
    match input.downcast_ref::<SortExec>() {
        Some(sort) if sort.fetch().is_none() && aggregates.iter().all(|(_, one)| own(one)) => sort.input(),
        _ => input,
    }
}

/// DataFusion marks what a set leaves out.
fn grouping_sets(group: &PhysicalGroupBy) -> Result<GroupingSets> {
    let set = |left_out: &Vec<bool>| (0..left_out.len()).filter(|&key| !left_out[key]).collect();
    let sets: Vec<Vec<usize>> = group.groups().iter().map(set).collect();
    GroupingSets::new(group.expr().len(), &sets)
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
        [child] if passes_rows_through(plan) || merges(plan) => partial_below(child),
        _ => Err(unsupported("a final aggregation without its partial one")),
    }
}

/// True where rows of sorted streams are merged, all of them: groups have no order that matters.
fn merges(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<SortPreservingMergeExec>() && plan.fetch().is_none()
}

fn lower_function(
    aggregate: &AggregateFunctionExpr,
    filter: Option<&Arc<dyn PhysicalExpr>>,
    data_type: &DataType,
    schema: &Schema,
) -> Result<Aggregate> {
    let Recognised { function, operands, ordered, reversed } = function::recognise(aggregate)?;
    let lower = |operand: &Arc<dyn PhysicalExpr>| expr::lower(operand, schema);
    let inputs = aggregate.expressions().iter().take(operands).map(lower).collect::<Result<_>>()?;
    let key = |key: &datafusion_physical_expr_common::sort_expr::PhysicalSortExpr| {
        Ok(OrderKey {
            expr: lower(&key.expr)?,
            descending: key.options.descending != reversed,
            nulls_first: key.options.nulls_first != reversed,
        })
    };
    let keys = if ordered { aggregate.order_bys() } else { &[] };
    Ok(Aggregate {
        distinct: aggregate.is_distinct(),
        order_by: keys.iter().map(key).collect::<Result<_>>()?,
        filter: filter.map(lower).transpose()?,
        // DataFusion's integer sums wrap, its decimal averages are truncated.
        overflow: OverflowMode::Wrap,
        rounding: Rounding::Truncate,
        ..Aggregate::new(function, inputs, data_type.clone())
    })
}

fn unsupported(what: impl std::fmt::Display) -> Error {
    Error::unsupported(what, Backend::Cpu)
}
