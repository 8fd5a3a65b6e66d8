//! The optimizer rule that hands subtrees to Pilaster.

use std::sync::Arc;

use arrow::compute::SortOptions;
use datafusion_common::Result;
use datafusion_common::config::ConfigOptions;
use datafusion_execution::runtime_env::RuntimeEnv;
use datafusion_physical_expr::Partitioning;
use datafusion_physical_expr::expressions::{Column, UnKnownColumn};
use datafusion_physical_expr_common::physical_expr::PhysicalExpr;
use datafusion_physical_expr_common::sort_expr::PhysicalSortExpr;
use datafusion_physical_plan::aggregates::AggregateExec;
use datafusion_physical_plan::repartition::RepartitionExec;
use datafusion_physical_plan::sorts::sort::SortExec;
use datafusion_physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion_physical_plan::{ExecutionPlan, ExecutionPlanProperties as _, replace_children_if_necessary};
use datafusion_session::PhysicalOptimizerRule;
use pilaster::sort::SortKey;
use pilaster::{Backend, Error, Session};

use crate::engine::Engine;
use crate::error::to_datafusion;
use crate::exec::PilasterExec;
use crate::lower::{self, Files, Subtree};
use crate::options::PilasterOptions;
use crate::stores::Stores;

/// Replaces the largest subtrees that Pilaster supports by [`PilasterExec`]s. Runs after all of DataFusion's own rules.
///
/// A subtree is handed over when it holds a filter, a join, an aggregation or a sort and gives the order that its root
/// promised. Its output has one partition; where the parent relies on a hash partitioning, an exchange restores it.
#[derive(Debug)]
pub struct PilasterRule {
    engine: Arc<Engine>,
    stores: Option<Stores>,
}

impl PilasterRule {
    /// A rule that runs its plans on `engine`. Scans of files that are not local stay with DataFusion.
    #[must_use]
    pub fn new(engine: Arc<Engine>) -> Self {
        PilasterRule { engine, stores: None }
    }

    /// The same for a session whose object stores are those of `environment`: their files are scanned too.
    #[must_use]
    pub fn with_runtime_env(self, environment: Arc<RuntimeEnv>) -> Self {
        let stores = Stores::new(environment, Arc::clone(&self.engine.reads));
        PilasterRule { stores: Some(stores), ..self }
    }
}

impl PhysicalOptimizerRule for PilasterRule {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = PilasterOptions::of(config);
        if !options.enabled {
            return Ok(plan);
        }
        let session = self.engine.session(&options)?;
        let files =
            Files { footers: session.footers(), pruning: options.pruning.0, stores: self.stores.as_ref() };
        let rewritten = rewrite(plan, &session, &files)?;
        if options.strict {
            refuse_operators_left(&rewritten, &files)?;
        }
        Ok(rewritten)
    }

    fn name(&self) -> &str {
        "pilaster"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn rewrite(
    plan: Arc<dyn ExecutionPlan>,
    session: &Arc<Session>,
    files: &Files<'_>,
) -> Result<Arc<dyn ExecutionPlan>> {
    if may_keep_promised_order(&plan)
        && let Ok(subtree) = lower::subtree(&plan, files)
        && subtree.heavy > 0
        && let Some(subtree) = in_promised_order(&plan, subtree)
    {
        return replace(&plan, subtree, session, files);
    }
    let children = plan.children().into_iter().map(|child| rewrite(Arc::clone(child), session, files));
    let children = children.collect::<Result<Vec<_>>>()?;
    replace_children_if_necessary(plan, children)
}

/// Our sorts give an order, and groups may be sorted once more; nothing else of ours keeps one.
fn may_keep_promised_order(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.output_ordering().is_none() || sorts(plan) || plan.is::<AggregateExec>()
}

fn sorts(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<SortExec>() || plan.is::<SortPreservingMergeExec>()
}

/// The subtree, in the order that `plan` promised: where DataFusion's groups come sorted by their keys, ours are sorted.
fn in_promised_order(plan: &Arc<dyn ExecutionPlan>, mut subtree: Subtree) -> Option<Subtree> {
    if plan.output_ordering().is_none() || sorts(plan) {
        return Some(subtree);
    }
    let [promised] = &plan.properties().equivalence_properties().oeq_class()[..] else { return None };
    let key = |item: &PhysicalSortExpr| {
        let column = item.expr.downcast_ref::<Column>()?.index();
        let SortOptions { descending, nulls_first } = item.options;
        Some(SortKey { column, descending, nulls_first })
    };
    let keys = promised.iter().map(key).collect::<Option<Vec<_>>>()?;
    subtree.plan = subtree.plan.sort(keys, None).ok()?;
    Some(subtree)
}

fn replace(
    plan: &Arc<dyn ExecutionPlan>,
    mut subtree: Subtree,
    session: &Arc<Session>,
    files: &Files<'_>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let children = subtree.children.into_iter().map(|child| rewrite(child, session, files));
    subtree.children = children.collect::<Result<Vec<_>>>()?;
    let node: Arc<dyn ExecutionPlan> = Arc::new(PilasterExec::new(subtree, Arc::clone(session), plan));
    match plan.output_partitioning() {
        partitioning @ Partitioning::Hash(keys, partitions) if *partitions > 1 && are_known(keys) => {
            Ok(Arc::new(RepartitionExec::try_new(node, partitioning.clone())?))
        }
        _ => Ok(node),
    }
}

/// A partitioning by a column that a projection has dropped is nothing that a parent can rely on.
fn are_known(keys: &[Arc<dyn PhysicalExpr>]) -> bool {
    !keys.iter().any(|key| key.is::<UnKnownColumn>())
}

/// Nodes that compute nothing on rows: strict mode does not mind them.
const PLUMBING: [&str; 9] = [
    "AnalyzeExec",
    "BufferExec",
    "CoalescePartitionsExec",
    "CooperativeExec",
    "DataSourceExec",
    "EmptyExec",
    "ExplainExec",
    "PlaceholderRowExec",
    "RepartitionExec",
];

/// Strict mode: an operator that stays with DataFusion is an error that names it.
fn refuse_operators_left(plan: &Arc<dyn ExecutionPlan>, files: &Files<'_>) -> Result<()> {
    if !plan.is::<PilasterExec>() && !PLUMBING.contains(&plan.name()) {
        let why = lower::subtree(plan, files).err().map(|error| format!(" ({error})")).unwrap_or_default();
        let what = format!("operator {}{why}", plan.name());
        return Err(to_datafusion(Error::unsupported(what, Backend::Gpu)));
    }
    plan.children().into_iter().try_for_each(|child| refuse_operators_left(child, files))
}
