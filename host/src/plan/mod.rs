//! The physical plan: small, typed, checked once when it is built.
//!
//! ```text
//! scan | input -> filter -> project -> join -> aggregate -> sort -> limit,  union of plans with one schema
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
use pilaster_kernels::join::{JoinSpec, Side};
use pilaster_kernels::sort::SortKey;

use crate::scan::Scan;

mod aggregates;
mod bind;
mod build;
mod check;
mod display;
mod grouping;
mod join;
mod memory_source;

pub use bind::Bind;
pub(crate) use check::same_columns;
pub use grouping::{GroupingSet, GroupingSets};
pub use join::Join;
pub use memory_source::MemorySource;

/// Batches from outside: an engine's stream, or batches in memory.
pub trait BatchSource: std::any::Any + std::fmt::Debug + Send + Sync {
    /// Schema of every batch.
    fn schema(&self) -> SchemaRef;
    /// Independent streams that may be read in parallel; at least one.
    fn partitions(&self) -> usize;
    /// Opens one stream. Called once per partition and execution; `next` may block: it runs on a thread of the
    /// query's own, neither on the session's pool nor on an engine's async runtime.
    ///
    /// # Errors
    /// Whatever the source raises.
    fn open(&self, partition: usize) -> Result<Box<dyn Iterator<Item = Result<RecordBatch>> + Send>>;
    /// All batches of all partitions, where they lie in memory: they are then taken as they are, by any number of threads,
    /// and never opened.
    fn batches(&self) -> Option<&[Vec<RecordBatch>]> {
        None
    }
    /// Rows of all partitions, where that is known before they are read.
    fn rows(&self) -> Option<u64> {
        let partitions = self.batches()?;
        Some(partitions.iter().flatten().map(|batch| batch.num_rows() as u64).sum())
    }
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
    /// Groups and aggregates; columns are the keys, the grouping id where there are sets, the aggregates.
    Aggregate {
        /// Group keys over the input.
        keys: Vec<Expr>,
        /// Grouping sets; without them, all keys are one.
        sets: Option<GroupingSets>,
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
    /// Rows of the two inputs, the left one and the right one, by their partners.
    Join {
        /// What is joined.
        spec: Arc<JoinSpec>,
        /// The input that the table is made of, where that was said.
        build: Option<Side>,
    },
    /// All rows of all inputs, which have the same column types.
    Union,
}

/// A checked plan: an operator, its schema and its inputs. Cheap to clone.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{Int64Array, RecordBatch};
/// use arrow::datatypes::{DataType, Field, Schema};
/// use pilaster::plan::{MemorySource, Plan};
/// use pilaster::sort::SortKey;
///
/// let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, false)]));
/// let batch = RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(vec![3, 1, 2]))])?;
/// let source = MemorySource::try_new(vec![batch])?;
/// let key = SortKey { column: 0, descending: true, nulls_first: false };
/// let plan = Plan::input(Arc::new(source)).sort(vec![key], Some(2))?;
/// assert_eq!(plan.schema().field(0).name(), "x");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Plan(pub(crate) Arc<Node>);

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) operator: Operator,
    pub(crate) schema: SchemaRef,
    pub(crate) inputs: Vec<Plan>,
    /// Longest path to a leaf, this node included.
    pub(crate) depth: usize,
}
