//! DataFusion's physical plans as ours.
//!
//! [`subtree`] lowers the largest subtree under a node: operators that we have no kernel for become inputs, whose
//! streams DataFusion runs. Nodes that only move rows between partitions vanish: we partition work ourselves.

pub mod aggregate;
pub mod expr;
mod join;
mod memory;
mod scan;

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion_datasource::source::DataSourceExec;
use datafusion_physical_expr::expressions::Column;
use datafusion_physical_expr::projection::ProjectionExpr;
use datafusion_physical_expr_common::sort_expr::{LexOrdering, PhysicalSortExpr};
use datafusion_physical_plan::ExecutionPlan;
use datafusion_physical_plan::aggregates::AggregateExec;
use datafusion_physical_plan::buffer::BufferExec;
use datafusion_physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion_physical_plan::coop::CooperativeExec;
use datafusion_physical_plan::filter::FilterExec;
use datafusion_physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion_physical_plan::projection::ProjectionExec;
use datafusion_physical_plan::repartition::RepartitionExec;
use datafusion_physical_plan::sorts::sort::SortExec;
use datafusion_physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion_physical_plan::union::UnionExec;
use pilaster::expr::Expr;
use pilaster::plan::Plan;
use pilaster::scan::{FooterCache, Pruning};
use pilaster::sort::SortKey;
use pilaster::{Backend, Error, Result};

use crate::input::EngineInput;
use crate::stores::Stores;

/// A subtree as our plan, and the parts of it that DataFusion runs.
#[derive(Debug)]
pub struct Subtree {
    /// The plan; its [`EngineInput`]s number the children below.
    pub plan: Plan,
    /// DataFusion's plans that feed it.
    pub children: Vec<Arc<dyn ExecutionPlan>>,
    /// Operators of ours that are worth a hand-over: scans, filters, joins, aggregations, sorts.
    pub heavy: usize,
    /// Nodes that stayed with DataFusion below us, each with the reason.
    pub left: Vec<String>,
}

/// How the files of scans are opened and read.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    /// Footers that were read before.
    pub footers: &'a FooterCache,
    /// Steps of pruning.
    pub pruning: Pruning,
    /// Stores of files that are not local; without them such scans stay with DataFusion.
    pub stores: Option<&'a Stores>,
}

/// Lowers `plan` and everything below it that we support.
///
/// # Errors
/// [`Error::Unsupported`] where the root itself has to stay with DataFusion.
pub fn subtree(plan: &Arc<dyn ExecutionPlan>, files: &Files<'_>) -> Result<Subtree> {
    let mut lowering = Lowering { files, children: Vec::new(), heavy: 0, left: Vec::new() };
    let lowered = lowering.node(plan)?;
    Ok(Subtree { plan: lowered, children: lowering.children, heavy: lowering.heavy, left: lowering.left })
}

/// True for nodes that hand their input's rows on unchanged, in some order and partitioning.
fn passes_rows_through(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.fetch().is_none()
        && (plan.is::<RepartitionExec>()
            || plan.is::<CoalescePartitionsExec>()
            || plan.is::<CooperativeExec>()
            || plan.is::<BufferExec>())
}

struct Lowering<'a> {
    files: &'a Files<'a>,
    children: Vec<Arc<dyn ExecutionPlan>>,
    heavy: usize,
    left: Vec<String>,
}

impl Lowering<'_> {
    /// The input of a node of ours: lowered where we can, a stream of DataFusion's where we cannot.
    fn input(&mut self, plan: &Arc<dyn ExecutionPlan>) -> Result<Plan> {
        let (children, heavy, left) = (self.children.len(), self.heavy, self.left.len());
        match self.node(plan) {
            Ok(lowered) => Ok(lowered),
            Err(error) => {
                self.children.truncate(children);
                self.heavy = heavy;
                self.left.truncate(left);
                self.left.push(format!("{}: {error}", plan.name()));
                let input = EngineInput::new(self.children.len(), plan);
                self.children.push(Arc::clone(plan));
                Ok(Plan::input(Arc::new(input)))
            }
        }
    }

    fn node(&mut self, plan: &Arc<dyn ExecutionPlan>) -> Result<Plan> {
        if passes_rows_through(plan) {
            return self.node(plan.children()[0]);
        }
        if let Some(scan) = plan.downcast_ref::<DataSourceExec>() {
            if let Some(batches) = memory::batches(scan) {
                return memory::lower(scan, batches);
            }
            self.heavy += 1;
            return scan::lower(scan, self.files);
        }
        if let Some(filter) = plan.downcast_ref::<FilterExec>() {
            return self.filter(filter);
        }
        if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
            return self.projection(projection);
        }
        if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
            return self.aggregate(aggregate);
        }
        if let Some(sort) = plan.downcast_ref::<SortExec>() {
            let fetch = if sort.preserve_partitioning() { None } else { sort.fetch() };
            return self.sort(sort.input(), sort.expr(), fetch);
        }
        if let Some(merge) = plan.downcast_ref::<SortPreservingMergeExec>() {
            return self.merge(merge);
        }
        if let Some(lowered) = join::lower(plan) {
            return self.join(lowered?, plan);
        }
        self.limit_or_union(plan)
    }

    fn filter(&mut self, filter: &FilterExec) -> Result<Plan> {
        let input = self.input(filter.input())?;
        let predicate = expr::lower(filter.predicate(), &filter.input().schema())?;
        self.heavy += 1;
        let mut plan = input.filter(predicate)?;
        if let Some(projection) = filter.projection() {
            let schema = filter.input().schema();
            let columns = projection.iter().map(|&index| {
                let field = schema.field(index);
                (field.name().clone(), Expr::column(index, field.data_type().clone()))
            });
            plan = plan.project(columns.collect())?;
        }
        if let Some(fetch) = filter.fetch() {
            plan = plan.limit(0, Some(fetch))?;
        }
        plan.with_schema(filter.schema())
    }

    fn projection(&mut self, projection: &ProjectionExec) -> Result<Plan> {
        let input = self.input(projection.input())?;
        project(input, projection)
    }

    fn aggregate(&mut self, node: &AggregateExec) -> Result<Plan> {
        let lowered = aggregate::lower(node)?;
        let input = self.input(lowered.input)?;
        self.heavy += 1;
        lowered.over(input)?.with_schema(node.schema())
    }

    fn join(&mut self, lowered: join::Lowered<'_>, plan: &Arc<dyn ExecutionPlan>) -> Result<Plan> {
        let left = self.input(lowered.left)?;
        let right = self.input(lowered.right)?;
        self.heavy += 1;
        lowered.over(left, right)?.with_schema(plan.schema())
    }

    fn sort(
        &mut self,
        input: &Arc<dyn ExecutionPlan>,
        order: &LexOrdering,
        fetch: Option<usize>,
    ) -> Result<Plan> {
        let schema = input.schema();
        let keys = order.iter().map(|item| {
            let column = item.expr.downcast_ref::<Column>();
            let column =
                column.ok_or_else(|| unsupported(format!("a sort by the expression {}", item.expr)))?;
            let options = item.options;
            Ok(SortKey {
                column: column.index(),
                descending: options.descending,
                nulls_first: options.nulls_first,
            })
        });
        let keys = keys.collect::<Result<Vec<_>>>()?;
        let input = self.input(input)?;
        self.heavy += 1;
        input.sort(keys, fetch)?.with_schema(schema)
    }

    /// A merge of sorted partitions is one sort of their rows, also where a projection stands between the two. A merge of
    /// another node's order stays.
    fn merge(&mut self, merge: &SortPreservingMergeExec) -> Result<Plan> {
        let unsorted = || unsupported("a merge of streams that we did not sort");
        if let Some(sort) = merge.input().downcast_ref::<SortExec>() {
            let same = sort.expr() == merge.expr() && sort.fetch() == merge.fetch();
            return if same { self.sort(sort.input(), merge.expr(), merge.fetch()) } else { Err(unsorted()) };
        }
        let projection = merge.input().downcast_ref::<ProjectionExec>().ok_or_else(unsorted)?;
        let sort = projection.input().downcast_ref::<SortExec>().ok_or_else(unsorted)?;
        if sort.fetch() != merge.fetch() || !projects_order(projection, sort.expr(), merge.expr()) {
            return Err(unsorted());
        }
        let sorted = self.sort(sort.input(), sort.expr(), merge.fetch())?;
        project(sorted, projection)
    }

    fn limit_or_union(&mut self, plan: &Arc<dyn ExecutionPlan>) -> Result<Plan> {
        if let Some(limit) = plan.downcast_ref::<GlobalLimitExec>() {
            return self.input(limit.input())?.limit(limit.skip(), limit.fetch());
        }
        if let Some(limit) = plan.downcast_ref::<LocalLimitExec>() {
            return self.input(limit.input())?.limit(0, Some(limit.fetch()));
        }
        if let Some(coalesce) = plan.downcast_ref::<CoalescePartitionsExec>() {
            return self.input(coalesce.input())?.limit(0, coalesce.fetch());
        }
        if let Some(union) = plan.downcast_ref::<UnionExec>() {
            let inputs = union.inputs().iter().map(|input| self.input(input)).collect::<Result<Vec<_>>>()?;
            return Plan::union(inputs)?.with_schema(plan.schema());
        }
        Err(unsupported(format!("operator {}", plan.name())))
    }
}

fn project(input: Plan, projection: &ProjectionExec) -> Result<Plan> {
    let expressions = named(projection.expr(), &projection.input().schema())?;
    input.project(expressions)?.with_schema(projection.schema())
}

/// Expressions over columns of `schema`, with the names of their results.
fn named(items: &[ProjectionExpr], schema: &Schema) -> Result<Vec<(String, Expr)>> {
    items.iter().map(|item| Ok((item.alias.clone(), expr::lower(&item.expr, schema)?))).collect()
}

/// True where rows ordered by `below` are, once projected, ordered by `above`, key by key.
fn projects_order(projection: &ProjectionExec, below: &LexOrdering, above: &LexOrdering) -> bool {
    let same_key = |(below, above): (&PhysicalSortExpr, &PhysicalSortExpr)| {
        let column = above.expr.downcast_ref::<Column>();
        let source = column.and_then(|column| projection.expr().get(column.index()));
        below.options == above.options
            && source.is_some_and(|source| source.expr.as_ref() == below.expr.as_ref())
    };
    below.len() == above.len() && below.iter().zip(above.iter()).all(same_key)
}

fn unsupported(what: impl std::fmt::Display) -> Error {
    Error::unsupported(what, Backend::Cpu)
}
