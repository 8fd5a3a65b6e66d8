//! The optimizer rule that hands subtrees to Pilaster.

use std::sync::Arc;

use datafusion_common::Result;
use datafusion_common::config::ConfigOptions;
use datafusion_physical_expr::Partitioning;
use datafusion_physical_plan::repartition::RepartitionExec;
use datafusion_physical_plan::sorts::sort::SortExec;
use datafusion_physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion_physical_plan::{ExecutionPlan, ExecutionPlanProperties as _, replace_children_if_necessary};
use datafusion_session::PhysicalOptimizerRule;
use pilaster::{Backend, Error, Session};

use crate::engine::Engine;
use crate::error::to_datafusion;
use crate::exec::PilasterExec;
use crate::lower::{self, Subtree};
use crate::options::PilasterOptions;

/// Replaces the largest subtrees that Pilaster supports by [`PilasterExec`]s. Runs after all of DataFusion's own rules.
///
/// A subtree is handed over when it holds a filter, an aggregation or a sort and gives the order that its root
/// promised. Its output has one partition; where the parent relies on a hash partitioning, an exchange restores it.
#[derive(Debug)]
pub struct PilasterRule {
    engine: Arc<Engine>,
}

impl PilasterRule {
    /// A rule that runs its plans on `engine`.
    #[must_use]
    pub fn new(engine: Arc<Engine>) -> Self {
        PilasterRule { engine }
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
        let rewritten = rewrite(plan, &session)?;
        if options.strict {
            refuse_operators_left(&rewritten)?;
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

fn rewrite(plan: Arc<dyn ExecutionPlan>, session: &Arc<Session>) -> Result<Arc<dyn ExecutionPlan>> {
    if keeps_promised_order(&plan)
        && let Ok(subtree) = lower::subtree(&plan)
        && subtree.heavy > 0
    {
        return replace(&plan, subtree, session);
    }
    let children = plan.children().into_iter().map(|child| rewrite(Arc::clone(child), session));
    let children = children.collect::<Result<Vec<_>>>()?;
    replace_children_if_necessary(plan, children)
}

/// Our sorts give an order; nothing else of ours keeps one.
fn keeps_promised_order(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.output_ordering().is_none() || plan.is::<SortExec>() || plan.is::<SortPreservingMergeExec>()
}

fn replace(
    plan: &Arc<dyn ExecutionPlan>,
    mut subtree: Subtree,
    session: &Arc<Session>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let children = subtree.children.into_iter().map(|child| rewrite(child, session));
    subtree.children = children.collect::<Result<Vec<_>>>()?;
    let node: Arc<dyn ExecutionPlan> = Arc::new(PilasterExec::new(subtree, Arc::clone(session), plan));
    match plan.output_partitioning() {
        partitioning @ Partitioning::Hash(_, partitions) if *partitions > 1 => {
            Ok(Arc::new(RepartitionExec::try_new(node, partitioning.clone())?))
        }
        _ => Ok(node),
    }
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
fn refuse_operators_left(plan: &Arc<dyn ExecutionPlan>) -> Result<()> {
    if !plan.is::<PilasterExec>() && !PLUMBING.contains(&plan.name()) {
        let why = lower::subtree(plan).err().map(|error| format!(" ({error})")).unwrap_or_default();
        let what = format!("operator {}{why}", plan.name());
        return Err(to_datafusion(Error::unsupported(what, Backend::Gpu)));
    }
    plan.children().into_iter().try_for_each(refuse_operators_left)
}
