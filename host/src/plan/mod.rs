//! The physical plan: small, typed, checked once when it is built.
//!
//! ```text
//! scan | input -> filter -> project -> aggregate -> sort -> limit,  union of plans with one schema
//! ```
//! DataFusion's plans, SQL of the command line and the builder here all lower to it. A node's schema is its logical
//! schema; arrays inside a pipeline may be physically narrower (`Decimal64` for `Decimal128`, a dictionary for a
//! string) and are brought to the schema's types where a plan's result leaves Pilaster.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use pilaster_kernels::Result;
use pilaster_kernels::aggregate::Aggregate;
use pilaster_kernels::expr::Expr;
use pilaster_kernels::sort::SortKey;

use crate::scan::Scan;

mod build;

/// Batches from outside: an engine's stream, or batches in memory.
pub trait BatchSource: std::fmt::Debug + Send + Sync {
    /// Schema of every batch.
    fn schema(&self) -> SchemaRef;
    /// Independent streams that may be read in parallel; at least one.
    fn partitions(&self) -> usize;
    /// Opens one stream. Called once per partition and execution; `next` may block (it runs on the session's pool,
    /// never on an engine's async runtime).
    ///
    /// # Errors
    /// Whatever the source raises.
    fn open(&self, partition: usize) -> Result<Box<dyn Iterator<Item = Result<RecordBatch>> + Send>>;
}

/// What a node computes.
#[derive(Debug, Clone)]
pub enum Operator {
    /// Parquet files.
    Scan(Arc<Scan>),
    /// Batches from outside.
    Input(Arc<dyn BatchSource>),
    /// Rows where the predicate is true.
    Filter(Expr),
    /// One column per expression; names are the schema's.
    Project(Vec<Expr>),
    /// Groups and aggregates; columns are the keys, then the aggregates.
    Aggregate {
        /// Group keys over the input.
        keys: Vec<Expr>,
        /// Aggregates over the input.
        aggregates: Vec<Aggregate>,
    },
    /// Stable sort; `fetch` keeps the first rows only.
    Sort {
        /// Keys, most significant first.
        keys: Vec<SortKey>,
        /// Rows to keep.
        fetch: Option<usize>,
    },
    /// Skips `skip` rows, then keeps `fetch`.
    Limit {
        /// Rows to drop first.
        skip: usize,
        /// Rows to keep then; all where absent.
        fetch: Option<usize>,
    },
    /// All rows of all inputs, which have the same column types.
    Union,
}

/// A checked plan: an operator, its schema and its inputs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Plan(pub(crate) Arc<Node>);

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) operator: Operator,
    pub(crate) schema: SchemaRef,
    pub(crate) inputs: Vec<Plan>,
}
// build.rs:  Plan::scan(Scan) -> Plan; Plan::input(Arc<dyn BatchSource>) -> Plan; plan.filter(Expr) -> Result<Plan>;
//   plan.project(Vec<(String, Expr)>) -> Result<Plan>; plan.aggregate(keys: Vec<(String, Expr)>, aggs: Vec<(String, Aggregate)>) -> Result<Plan>;
//   plan.sort(Vec<SortKey>, Option<usize>) -> Result<Plan>; plan.limit(skip, fetch) -> Result<Plan>; Plan::union(Vec<Plan>) -> Result<Plan>;
//   plan.with_schema(SchemaRef) -> Result<Plan>  // an engine's own names, nullability and physical string types; same logical types
//   plan.schema() -> &SchemaRef; plan.operator(); plan.inputs(); impl Display (indented tree)
