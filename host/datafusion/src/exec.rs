//! The node that stands for a subtree of ours in DataFusion's plan.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use datafusion_common::tree_node::TreeNodeRecursion;
use datafusion_common::{DataFusionError, Result, internal_err};
use datafusion_execution::{SendableRecordBatchStream, TaskContext};
use datafusion_physical_expr::Partitioning;
use datafusion_physical_expr_common::physical_expr::PhysicalExpr;
use datafusion_physical_plan::coop::make_cooperative;
use datafusion_physical_plan::execution_plan::{
    Boundedness, EmissionType, ReplaceChildrenOptions, SchedulingType,
};
use datafusion_physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet,
};
use datafusion_physical_plan::stream::RecordBatchStreamAdapter;
use datafusion_physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use pilaster::place::{PipelineReport, Report};
use pilaster::plan::{BatchSource, Plan};
use pilaster::{Execution, Session};
use tokio::runtime::Handle;

use crate::error::to_datafusion;
use crate::input::{BoundInput, EngineInput};
use crate::lower::Subtree;

/// A subtree that Pilaster runs. One partition; its children are the parts that DataFusion runs.
#[derive(Debug)]
pub struct PilasterExec {
    plan: Plan,
    children: Vec<Arc<dyn ExecutionPlan>>,
    left: Vec<String>,
    session: Arc<Session>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    /// The report of the latest execution.
    report: Arc<Mutex<Option<Report>>>,
}

impl PilasterExec {
    /// Stands for `replaced`, whose rows and order it gives in one partition.
    #[must_use]
    pub fn new(subtree: Subtree, session: Arc<Session>, replaced: &Arc<dyn ExecutionPlan>) -> Self {
        let properties = PlanProperties::new(
            replaced.properties().equivalence_properties().clone(),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        PilasterExec {
            plan: subtree.plan,
            children: subtree.children,
            left: subtree.left,
            session,
            properties: Arc::new(properties.with_scheduling_type(SchedulingType::Cooperative)),
            metrics: ExecutionPlanMetricsSet::new(),
            report: Arc::default(),
        }
    }

    /// Our plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What ran where in the latest finished execution; before it, what is planned.
    ///
    /// # Errors
    /// Where the plan cannot be placed (strict mode).
    pub fn report(&self) -> Result<Report> {
        let report = self.report.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match report {
            Some(report) => Ok(report),
            None => self.session.explain(&self.plan).map_err(to_datafusion),
        }
    }

    /// Operators below us that stayed with DataFusion, each with the reason.
    #[must_use]
    pub fn left_to_engine(&self) -> &[String] {
        &self.left
    }

    /// Our plan with its inputs bound to the task that runs them.
    fn bind(&self, context: &Arc<TaskContext>) -> Result<Plan> {
        let runtime = Handle::try_current().map_err(|error| DataFusionError::Execution(error.to_string()))?;
        let mut bind = |source: &Arc<dyn BatchSource>| -> pilaster::Result<Arc<dyn BatchSource>> {
            let inner: &dyn std::any::Any = source.as_ref();
            let Some(input) = inner.downcast_ref::<EngineInput>() else { return Ok(Arc::clone(source)) };
            let child = self.children.get(input.child);
            let plan = child.ok_or_else(|| pilaster::Error::invalid("an input that no child answers"))?;
            let bound =
                BoundInput { plan: Arc::clone(plan), context: Arc::clone(context), runtime: runtime.clone() };
            Ok(Arc::new(bound))
        };
        self.plan.map_inputs(&mut bind).map_err(to_datafusion)
    }

    /// Writes what the report says as one line: operators with their outcome, root first.
    fn fmt_placement(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = match self.report() {
            Ok(report) => report,
            Err(error) => return write!(f, ", not placed: {error}"),
        };
        for operator in &report.operators {
            write!(f, "; {} {}", operator.outcome.label(), operator.operator)?;
        }
        Ok(())
    }
}

impl DisplayAs for PilasterExec {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if matches!(kind, DisplayFormatType::TreeRender) {
            return write!(f, "{}", self.plan);
        }
        write!(f, "PilasterExec: backend={}", self.session.config().backend)?;
        self.fmt_placement(f)?;
        for left in &self.left {
            write!(f, "; LEFT to DataFusion: {left}")?;
        }
        Ok(())
    }
}

impl ExecutionPlan for PilasterExec {
    fn name(&self) -> &str {
        "PilasterExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.children.iter().collect()
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false; self.children.len()]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        // Our expressions are not DataFusion's; dynamic filters of the nodes below stay where they are.
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.len() != self.children.len() {
            return internal_err!(
                "PilasterExec has {} children, not {}",
                self.children.len(),
                children.len()
            );
        }
        Ok(Arc::new(PilasterExec {
            plan: self.plan.clone(),
            children,
            left: self.left.clone(),
            session: Arc::clone(&self.session),
            properties: Arc::clone(&self.properties),
            metrics: ExecutionPlanMetricsSet::new(),
            report: Arc::default(),
        }))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        use datafusion_physical_plan::execution_plan::ChildrenPropertiesMode;
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return internal_err!("PilasterExec has one partition, not {partition}");
        }
        let plan = self.bind(&context)?;
        let execution = self.session.run(&plan).map_err(to_datafusion)?;
        let mut results = Results {
            execution,
            baseline: BaselineMetrics::new(&self.metrics, partition),
            metrics: self.metrics.clone(),
            report: Arc::clone(&self.report),
        };
        let batches = futures::stream::poll_fn(move |context| results.poll(context));
        Ok(make_cooperative(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches))))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// Our results as DataFusion polls them; dropped, they cancel the execution.
struct Results {
    execution: Execution,
    baseline: BaselineMetrics,
    metrics: ExecutionPlanMetricsSet,
    report: Arc<Mutex<Option<Report>>>,
}

impl Results {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<RecordBatch>>> {
        let polled =
            self.execution.poll_next(context).map(|next| next.map(|batch| batch.map_err(to_datafusion)));
        if let Poll::Ready(None | Some(Err(_))) = polled {
            self.file_report();
        }
        self.baseline.record_poll(polled)
    }

    fn file_report(&self) {
        let report = self.execution.report();
        let total =
            |count: fn(&PipelineReport) -> u64| report.pipelines.iter().map(count).sum::<u64>() as usize;
        let counters = [
            ("taken", report.taken()),
            ("left", report.left()),
            ("fell_back", report.fell_back()),
            ("bytes_up", total(|pipeline| pipeline.bytes_up)),
            ("bytes_down", total(|pipeline| pipeline.bytes_down)),
            ("submissions", total(|pipeline| pipeline.submissions.into())),
            ("read_backs", total(|pipeline| pipeline.read_backs.into())),
        ];
        for (name, value) in counters {
            MetricBuilder::new(&self.metrics).global_counter(name).add(value);
        }
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
    }
}
