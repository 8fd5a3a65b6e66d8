//! A plan cut into pipelines.
//!
//! ```text
//! branch:    source (scan | input | result of an earlier pipeline) -> step -> (probe of a join's table -> step)*
//! step:      predicate -> columns, over the columns of the source or of the join
//! pipeline:  branches (several below a union) -> sink (aggregate | sort | limit | build of a join's table | collect)
//! ```

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use pilaster_kernels::aggregate::{Aggregate, AggregateSpec, FloatSum, OrderKey};
use pilaster_kernels::expr::Expr;
use pilaster_kernels::join::cpu::JoinPartitioner;
use pilaster_kernels::join::{JoinSpec, Side};
use pilaster_kernels::sort::SortKey;
use pilaster_kernels::{Error, Result};

use crate::plan::{BatchSource, GroupingSets};
use crate::scan::Scan;

/// Where a branch's rows come from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Scan(Arc<Scan>),
    Input(Arc<dyn BatchSource>),
    /// The result of this pipeline.
    Pipeline(usize),
}

/// What is computed over rows between two operators that make new ones.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) predicate: Option<Expr>,
    /// What whoever follows sees.
    pub(crate) columns: Vec<Expr>,
}

/// A join whose table an earlier pipeline built, and what is computed over its rows.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    /// The pipeline that builds the table.
    pub(crate) build: usize,
    pub(crate) spec: Arc<JoinSpec>,
    /// The side that the table is made of; the branch is the other one.
    pub(crate) side: Side,
    /// Logical schema of the join.
    pub(crate) schema: SchemaRef,
    /// Over the join's columns.
    pub(crate) step: Step,
    /// The join among the operators of the report.
    pub(crate) operator: usize,
}

/// One source and what is computed over its rows before the sink.
#[derive(Debug, Clone)]
pub(crate) struct Branch {
    pub(crate) source: Source,
    /// Logical schema of the source.
    pub(crate) schema: SchemaRef,
    /// Over the source's columns.
    pub(crate) step: Step,
    /// Joins that the rows pass, in order.
    pub(crate) probes: Vec<Probe>,
    /// Rows have an order that the sink has to keep: below the source there is a sort.
    pub(crate) ordered: bool,
    /// Operators of the plan that the branch does, in report order; the last is the source where that is one.
    pub(crate) operators: Vec<usize>,
}

/// Keys and aggregates over the branches' columns.
#[derive(Debug, Clone)]
pub(crate) struct Aggregation {
    pub(crate) keys: Vec<Expr>,
    pub(crate) sets: Option<GroupingSets>,
    pub(crate) aggregates: Vec<Aggregate>,
    pub(crate) float_sum: FloatSum,
}

/// Where a pipeline's rows go.
#[derive(Debug, Clone)]
pub(crate) enum Sink {
    /// Keys and aggregates over the branches' columns.
    Aggregate(Aggregation),
    /// Over the branches' columns; the first `skip` rows of the order are dropped, then `fetch` kept.
    Sort { keys: Vec<SortKey>, skip: usize, fetch: Option<usize> },
    /// Rows in source order, `skip` dropped, then `fetch` kept.
    Limit { skip: usize, fetch: Option<usize> },
    /// The table of a join over the branches' columns.
    Build { spec: Arc<JoinSpec>, side: Side },
    /// Rows of one side of a join by partition, where the other side did not fit memory. One partition without a partitioner.
    Partition { spec: Arc<JoinSpec>, side: Side, partitioner: Option<Arc<JoinPartitioner>> },
    /// All rows, in no order unless a branch has one.
    Collect,
}

/// A stretch between two breakers.
#[derive(Debug, Clone)]
pub(crate) struct Pipeline {
    pub(crate) branches: Vec<Branch>,
    pub(crate) sink: Sink,
    /// Logical schema of what comes out.
    pub(crate) schema: SchemaRef,
    /// Operators that the sink does; the branches list theirs.
    pub(crate) operators: Vec<usize>,
}

impl Pipeline {
    /// Every operator that runs in this pipeline.
    pub(crate) fn all_operators(&self) -> impl Iterator<Item = usize> + '_ {
        self.branches.iter().flat_map(|branch| &branch.operators).chain(&self.operators).copied()
    }

    /// Rows leave in an order that whoever reads them must keep.
    pub(crate) fn is_ordered(&self) -> bool {
        match self.sink {
            Sink::Sort { .. } => true,
            Sink::Aggregate(_) | Sink::Build { .. } | Sink::Partition { .. } => false,
            Sink::Limit { .. } | Sink::Collect => self.branches.iter().any(|branch| branch.ordered),
        }
    }
}

impl Step {
    /// Every row, and the columns of `schema` as they are.
    pub(crate) fn of(schema: &Schema) -> Self {
        let fields = schema.fields().iter().enumerate();
        let columns = fields.map(|(index, field)| Expr::column(index, field.data_type().clone())).collect();
        Step { predicate: None, columns }
    }

    /// True where all rows are handed on, their columns perhaps reordered.
    pub(crate) fn renames_only(&self) -> bool {
        self.predicate.is_none() && self.columns.iter().all(|column| matches!(column, Expr::Column { .. }))
    }

    /// Everything that is evaluated.
    pub(crate) fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.columns.iter().chain(&self.predicate)
    }
}

impl Branch {
    /// The columns that are read from the source, ascending.
    pub(crate) fn columns_read(&self, exprs: &[&Expr]) -> Vec<usize> {
        let mut read = std::collections::BTreeSet::new();
        for expr in exprs {
            expr.for_each_column(&mut |column| {
                read.insert(column);
            });
        }
        read.into_iter().collect()
    }

    /// True where the source is an operator of the plan.
    pub(crate) fn reads_leaf(&self) -> bool {
        !matches!(self.source, Source::Pipeline(_))
    }

    /// True where the branch hands on its source's columns, all rows of them, perhaps reordered.
    pub(crate) fn renames_only(&self) -> bool {
        self.probes.is_empty() && self.step.renames_only()
    }

    /// What is computed right before the sink.
    pub(crate) fn last(&self) -> &Step {
        self.probes.last().map_or(&self.step, |probe| &probe.step)
    }

    /// Likewise.
    pub(crate) fn last_mut(&mut self) -> &mut Step {
        self.probes.last_mut().map_or(&mut self.step, |probe| &mut probe.step)
    }

    /// The whole aggregation over the source's columns, or over those of the last join.
    ///
    /// # Errors
    /// Where the sink's expressions do not fit the branch's columns: a plan that was not checked.
    pub(crate) fn aggregate_spec(&self, aggregation: &Aggregation) -> Result<AggregateSpec> {
        let Step { predicate, columns } = self.last();
        let inline = |expr: &Expr| expr.substitute(columns);
        let order = |key: &OrderKey| Ok::<_, Error>(OrderKey { expr: inline(&key.expr)?, ..key.clone() });
        let aggregates = aggregation.aggregates.iter().map(|aggregate| {
            Ok::<_, Error>(Aggregate {
                inputs: aggregate.inputs.iter().map(inline).collect::<Result<_, _>>()?,
                order_by: aggregate.order_by.iter().map(order).collect::<Result<_, _>>()?,
                filter: aggregate.filter.as_ref().map(inline).transpose()?,
                ..aggregate.clone()
            })
        });
        Ok(AggregateSpec {
            predicate: predicate.clone(),
            keys: aggregation.keys.iter().map(inline).collect::<Result<_, _>>()?,
            aggregates: aggregates.collect::<Result<_, _>>()?,
            float_sum: aggregation.float_sum,
        })
    }
}
