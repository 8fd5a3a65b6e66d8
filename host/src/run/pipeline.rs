//! A plan cut into pipelines.
//!
//! ```text
//! branch:    source (scan | input | result of an earlier pipeline) -> predicate -> columns, all over the source's columns
//! pipeline:  branches (several below a union) -> sink (aggregate | sort | limit | collect)
//! ```

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use pilaster_kernels::aggregate::{Aggregate, AggregateSpec, FloatSum, OrderKey};
use pilaster_kernels::expr::Expr;
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

/// One source and what is computed over its rows before the sink.
#[derive(Debug, Clone)]
pub(crate) struct Branch {
    pub(crate) source: Source,
    /// Logical schema of the source.
    pub(crate) schema: SchemaRef,
    /// Over the source's columns.
    pub(crate) predicate: Option<Expr>,
    /// What the sink sees, over the source's columns.
    pub(crate) columns: Vec<Expr>,
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
            Sink::Aggregate(_) => false,
            Sink::Limit { .. } | Sink::Collect => self.branches.iter().any(|branch| branch.ordered),
        }
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
        self.predicate.is_none() && self.columns.iter().all(|column| matches!(column, Expr::Column { .. }))
    }

    /// The whole aggregation over the source's columns.
    ///
    /// # Errors
    /// Where the sink's expressions do not fit the branch's columns: a plan that was not checked.
    pub(crate) fn aggregate_spec(&self, aggregation: &Aggregation) -> Result<AggregateSpec> {
        let inline = |expr: &Expr| expr.substitute(&self.columns);
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
            predicate: self.predicate.clone(),
            keys: aggregation.keys.iter().map(inline).collect::<Result<_, _>>()?,
            aggregates: aggregates.collect::<Result<_, _>>()?,
            float_sum: aggregation.float_sum,
        })
    }
}
