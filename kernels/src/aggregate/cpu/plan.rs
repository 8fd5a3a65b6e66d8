//! What an aggregation computes, with everything that aggregates share made once.
//!
//! `sum(x)`, `avg(x)` and `count(x)` under one filter read one *input*: one evaluation, one sum, one count. Inputs under
//! one `FILTER` form a *context*: rows are chosen once for all of them.

use arrow::datatypes::DataType;

use crate::aggregate::{Aggregate, AggregateFunction, AggregateSpec};
use crate::error::{Backend, Error, Result};
use crate::expr::{Expr, value_type};

/// Rows under one filter, and what is computed over them.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) filter: Option<Expr>,
    /// Indices of its inputs.
    pub(super) inputs: Vec<usize>,
}

/// A distinct operand.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) expr: Expr,
    pub(super) context: usize,
    pub(super) sum: Option<SumKind>,
    pub(super) least: bool,
    pub(super) greatest: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SumKind {
    Integer,
    Float,
}

/// Where an aggregate finds its state.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source {
    pub(super) context: usize,
    /// None for `count(*)`.
    pub(super) input: Option<usize>,
}

#[derive(Debug)]
pub(super) struct Plan {
    /// The first has no filter.
    pub(super) contexts: Vec<Context>,
    pub(super) inputs: Vec<Input>,
    /// One per aggregate.
    pub(super) sources: Vec<Source>,
}

impl Plan {
    pub(super) fn new(spec: &AggregateSpec) -> Result<Self> {
        let unfiltered = Context { filter: None, inputs: Vec::new() };
        let mut plan = Self { contexts: vec![unfiltered], inputs: Vec::new(), sources: Vec::new() };
        for aggregate in &spec.aggregates {
            let context = plan.context(aggregate.filter.as_ref());
            let input = match (aggregate.function, &aggregate.input) {
                (AggregateFunction::CountRows, _) => None,
                (_, Some(expr)) => Some(plan.input(expr, context)),
                (function, None) => return Err(Error::invalid(format!("{function:?} without an operand"))),
            };
            if let Some(input) = input {
                plan.inputs[input].require(aggregate)?;
            }
            plan.sources.push(Source { context, input });
        }
        Ok(plan)
    }

    fn context(&mut self, filter: Option<&Expr>) -> usize {
        let found = self.contexts.iter().position(|context| context.filter.as_ref() == filter);
        found.unwrap_or_else(|| {
            self.contexts.push(Context { filter: filter.cloned(), inputs: Vec::new() });
            self.contexts.len() - 1
        })
    }

    fn input(&mut self, expr: &Expr, context: usize) -> usize {
        let found = self.inputs.iter().position(|input| input.context == context && input.expr == *expr);
        found.unwrap_or_else(|| {
            let input = Input { expr: expr.clone(), context, sum: None, least: false, greatest: false };
            self.inputs.push(input);
            self.contexts[context].inputs.push(self.inputs.len() - 1);
            self.inputs.len() - 1
        })
    }
}

impl Input {
    fn require(&mut self, aggregate: &Aggregate) -> Result<()> {
        let data_type = self.expr.data_type();
        match aggregate.function {
            AggregateFunction::CountRows | AggregateFunction::Count => {}
            AggregateFunction::Sum | AggregateFunction::Avg => self.sum = Some(sum_kind(&data_type)?),
            AggregateFunction::Min => self.least = ordered(&data_type)?,
            AggregateFunction::Max => self.greatest = ordered(&data_type)?,
        }
        Ok(())
    }
}

fn sum_kind(data_type: &DataType) -> Result<SumKind> {
    match value_type(data_type) {
        plain if plain.is_floating() => Ok(SumKind::Float),
        plain if plain.is_integer() || plain.is_decimal() => Ok(SumKind::Integer),
        DataType::Duration(_) | DataType::Null => Ok(SumKind::Integer),
        other => Err(Error::unsupported(format!("sum or avg of {other}"), Backend::Cpu)),
    }
}

fn ordered(data_type: &DataType) -> Result<bool> {
    use arrow::datatypes::IntervalUnit;
    let plain = value_type(data_type);
    let composite = matches!(plain, DataType::Interval(unit) if *unit != IntervalUnit::YearMonth);
    if plain.is_nested() || composite {
        return Err(Error::unsupported(format!("min or max of {plain}"), Backend::Cpu));
    }
    Ok(true)
}
