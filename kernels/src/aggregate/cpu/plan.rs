//! What an aggregation computes, with everything that aggregates share made once.
//!
//! `sum(x)`, `avg(x)` and `count(x)` under one filter read one *input*: one evaluation, one sum, one count. Every other
//! function is a *call* with an accumulator of its own, over *arguments* that are evaluated once for all calls. Inputs and
//! calls under one `FILTER` form a *context*: rows are chosen once for all of them.

use arrow::datatypes::DataType;

use crate::aggregate::{Aggregate, AggregateFunction, AggregateSpec, FloatSum};
use crate::error::{Backend, Error, Result};
use crate::expr::{Expr, value_type};

/// Rows under one filter, and what is computed over them.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) filter: Option<Expr>,
    /// Indices of its inputs.
    pub(super) inputs: Vec<usize>,
    /// Distinct operands and sort keys of its calls.
    pub(super) arguments: Vec<Expr>,
    /// Indices of its calls.
    pub(super) calls: Vec<usize>,
}

/// An aggregate with an accumulator of its own.
#[derive(Debug)]
pub(super) struct Call {
    /// Number of the aggregate in the spec.
    pub(super) aggregate: usize,
    /// Where its operands, then its sort keys, lie among the context's arguments.
    pub(super) arguments: Vec<usize>,
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
pub(super) enum Source {
    /// The rows of a context: `count(*)`.
    Rows { context: usize },
    /// What is kept of an input.
    Input { context: usize, input: usize },
    /// An accumulator of its own.
    Call(usize),
}

/// What the state of an aggregate is made of; see [`crate::aggregate::partial::StateColumn`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StateKind {
    Count,
    Integer,
    Float,
    Extreme,
    /// Columns of these types.
    Arrays(Vec<DataType>),
}

/// The kind of each aggregate's state.
///
/// # Errors
/// As of [`super::CpuAggregate::new`].
pub(crate) fn state_kinds(spec: &AggregateSpec) -> Result<Vec<StateKind>> {
    let plan = Plan::new(spec)?;
    let kinds = plan.sources.iter().zip(&spec.aggregates).map(|(source, aggregate)| {
        Ok(match (source, &aggregate.function) {
            (Source::Rows { .. }, _) | (Source::Input { .. }, AggregateFunction::Count) => StateKind::Count,
            (Source::Input { .. }, AggregateFunction::Min | AggregateFunction::Max) => StateKind::Extreme,
            (Source::Input { input, .. }, _) => match plan.inputs[*input].sum {
                Some(SumKind::Float) if spec.float_sum == FloatSum::Reproducible => {
                    StateKind::Arrays(vec![DataType::LargeBinary, DataType::UInt64])
                }
                Some(SumKind::Float) => StateKind::Float,
                _ => StateKind::Integer,
            },
            (Source::Call(_), _) => {
                StateKind::Arrays(super::functions::accumulator(aggregate, spec.float_sum)?.state_types())
            }
        })
    });
    kinds.collect()
}

#[derive(Debug)]
pub(super) struct Plan {
    /// The first has no filter.
    pub(super) contexts: Vec<Context>,
    pub(super) inputs: Vec<Input>,
    pub(super) calls: Vec<Call>,
    /// One per aggregate.
    pub(super) sources: Vec<Source>,
}

impl Plan {
    pub(super) fn new(spec: &AggregateSpec) -> Result<Self> {
        let mut plan = Self {
            contexts: vec![Context::new(None)],
            inputs: Vec::new(),
            calls: Vec::new(),
            sources: Vec::new(),
        };
        for (at, aggregate) in spec.aggregates.iter().enumerate() {
            check_operands(aggregate)?;
            let context = plan.context(aggregate.filter.as_ref());
            let source = match aggregate.function {
                AggregateFunction::CountRows => Source::Rows { context },
                _ if shares_state(aggregate) => {
                    let input = plan.input(aggregate.operand()?, context);
                    plan.inputs[input].require(aggregate)?;
                    Source::Input { context, input }
                }
                _ => plan.call(at, aggregate, context),
            };
            plan.sources.push(source);
        }
        Ok(plan)
    }

    fn context(&mut self, filter: Option<&Expr>) -> usize {
        let found = self.contexts.iter().position(|context| context.filter.as_ref() == filter);
        found.unwrap_or_else(|| {
            self.contexts.push(Context::new(filter.cloned()));
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

    fn call(&mut self, at: usize, aggregate: &Aggregate, context: usize) -> Source {
        let keys = aggregate.order_by.iter().map(|key| &key.expr);
        let here = &mut self.contexts[context];
        let arguments = aggregate.inputs.iter().chain(keys).map(|expr| here.argument(expr)).collect();
        here.calls.push(self.calls.len());
        self.calls.push(Call { aggregate: at, arguments });
        Source::Call(self.calls.len() - 1)
    }
}

impl Context {
    fn new(filter: Option<Expr>) -> Self {
        Self { filter, inputs: Vec::new(), arguments: Vec::new(), calls: Vec::new() }
    }

    fn argument(&mut self, expr: &Expr) -> usize {
        let found = self.arguments.iter().position(|known| known == expr);
        found.unwrap_or_else(|| {
            self.arguments.push(expr.clone());
            self.arguments.len() - 1
        })
    }
}

/// True for what is made of the count, sum and extremes of one operand.
fn shares_state(aggregate: &Aggregate) -> bool {
    use AggregateFunction as F;
    match aggregate.function {
        F::Count | F::Sum | F::Avg => aggregate.inputs.len() == 1 && !aggregate.distinct,
        F::Min | F::Max => true,
        _ => false,
    }
}

fn check_operands(aggregate: &Aggregate) -> Result<()> {
    let (least, most) = aggregate.function.operands();
    let count = aggregate.inputs.len();
    if (least..=most).contains(&count) {
        return Ok(());
    }
    Err(Error::invalid(format!("{} of {count} operands", aggregate.function)))
}

impl Input {
    /// The input of an aggregate by itself.
    pub(super) fn of(aggregate: &Aggregate) -> Result<Self> {
        let expr = aggregate.operand()?.clone();
        let mut input = Self { expr, context: 0, sum: None, least: false, greatest: false };
        input.require(aggregate)?;
        Ok(input)
    }

    fn require(&mut self, aggregate: &Aggregate) -> Result<()> {
        let data_type = self.expr.data_type();
        match aggregate.function {
            AggregateFunction::Sum | AggregateFunction::Avg => self.sum = Some(sum_kind(&data_type)?),
            AggregateFunction::Min => self.least = ordered(&data_type)?,
            AggregateFunction::Max => self.greatest = ordered(&data_type)?,
            _ => {}
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
