//! The build side of a join: rows per worker, made one table at the end.

use std::sync::Arc;

use pilaster_kernels::Result;
use pilaster_kernels::join::cpu::{BuildWorker, JoinBuild, JoinTable};
use pilaster_kernels::join::{JoinSpec, Side};

use super::super::chunk::Chunk;
use super::super::filter_project::FilterProject;
use super::super::query::Query;
use super::super::reading::Filtered;
use super::super::task::Task;
use super::super::workers::{Flow, Sinking};

pub(crate) struct BuildSink {
    steps: Vec<FilterProject>,
    build: JoinBuild,
}

impl BuildSink {
    /// # Errors
    /// Where `spec` does not fit: a plan that was not checked.
    pub(crate) fn new(
        query: &Query,
        steps: Vec<FilterProject>,
        spec: &Arc<JoinSpec>,
        side: Side,
    ) -> Result<Self> {
        Ok(BuildSink { steps, build: JoinBuild::new(Arc::clone(spec), side, query.operator_budget())? })
    }

    /// The table of all workers' rows.
    ///
    /// # Errors
    /// Those of [`JoinBuild::finish`].
    pub(crate) fn finish(&self, workers: Vec<BuildWorker>) -> Result<JoinTable> {
        self.build.finish(workers)
    }
}

impl Sinking for BuildSink {
    type Local = BuildWorker;

    fn local(&self) -> Result<BuildWorker> {
        Ok(self.build.worker())
    }

    fn consume(
        &self,
        worker: &mut BuildWorker,
        task: &Task,
        chunk: Chunk,
        filtered: Filtered,
    ) -> Result<Flow> {
        let selected = self.steps[task.branch].select(&chunk, filtered)?;
        worker.consume(&selected.columns, selected.rows, Some(&selected.selection))?;
        Ok(Flow::Continue)
    }
}
