//! One pipeline, one decision.

use std::sync::Arc;

use pilaster_kernels::aggregate::Aggregate;
use pilaster_kernels::aggregate::gpu::GpuAggregate;
use pilaster_kernels::expr::Expr;
use pilaster_kernels::filter::gpu::GpuFilter;
use pilaster_kernels::gpu::column;
use pilaster_kernels::sort::gpu::MOST_ROWS;
use pilaster_kernels::{Backend, Error, Result};
use pilaster_shaders::Tier;

use super::model::Estimate;
use super::report::Outcome;
use crate::device::Device;
use crate::run::{Branch, Engine, Pipeline, Sink, Source};
use crate::session::BackendChoice;

/// Where a pipeline runs.
#[derive(Debug, Clone)]
pub(crate) struct Placement {
    pub(crate) target: Target,
    /// What the cost model expected, where it was asked.
    pub(crate) estimate: Option<Estimate>,
}

#[derive(Debug, Clone)]
pub(crate) enum Target {
    Gpu(Arc<Device>),
    /// Left to the CPU, and why.
    Cpu(String),
}

impl Placement {
    fn new(target: Target) -> Self {
        Placement { target, estimate: None }
    }

    fn left(reason: impl Into<String>) -> Self {
        Placement::new(Target::Cpu(reason.into()))
    }

    pub(crate) fn backend(&self) -> Backend {
        match self.target {
            Target::Gpu(_) => Backend::Gpu,
            Target::Cpu(_) => Backend::Cpu,
        }
    }

    pub(crate) fn outcome(&self) -> Outcome {
        match &self.target {
            Target::Gpu(_) => Outcome::Taken,
            Target::Cpu(reason) => Outcome::Left(reason.clone()),
        }
    }
}

/// What is known of a pipeline's input before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Size {
    pub(crate) rows: Option<u64>,
    /// Bytes of the columns that are read, decoded.
    pub(crate) bytes: Option<u64>,
}

impl Size {
    /// The input of `pipeline`, as far as its sources know it. `below` is the size of an earlier pipeline's result.
    pub(crate) fn of(pipeline: &Pipeline, below: impl Fn(usize) -> Option<u64>) -> Self {
        let mut total = Size { rows: Some(0), bytes: Some(0) };
        for branch in &pipeline.branches {
            let rows = match &branch.source {
                Source::Scan(scan) => Some(scan.rows()),
                Source::Input(source) => source.rows(),
                Source::Pipeline(number) => below(*number),
            };
            let width = row_bytes(branch);
            total.rows = total.rows.zip(rows).map(|(sum, rows)| sum.saturating_add(rows));
            total.bytes =
                total.bytes.zip(rows).map(|(sum, rows)| sum.saturating_add(rows.saturating_mul(width)));
        }
        total
    }

    /// The size with a count of rows that is known better.
    pub(crate) fn with_rows(self, rows: Option<u64>) -> Self {
        let bytes = match (self.rows, self.bytes, rows) {
            (Some(before), Some(bytes), Some(rows)) => {
                Some((bytes as f64 * rows as f64 / before.max(1) as f64) as u64)
            }
            (_, bytes, _) => bytes,
        };
        Size { rows: rows.or(self.rows), bytes }
    }
}

/// Bytes of a row of the columns that a branch reads; variable ones are taken for a code of a dictionary.
fn row_bytes(branch: &Branch) -> u64 {
    let exprs: Vec<_> = branch.step.exprs().collect();
    let width = |column: usize| branch.schema.field(column).data_type().primitive_width().unwrap_or(4) as u64;
    branch.columns_read(&exprs).into_iter().map(width).sum()
}

/// Decides for one pipeline.
///
/// # Errors
/// In a strict session with [`BackendChoice::Gpu`]: why it is not the GPU.
pub(crate) fn decide(engine: &Engine, pipeline: &Pipeline, size: Size) -> Result<Placement> {
    let choice = engine.config.backend;
    if choice == BackendChoice::Cpu {
        return Ok(Placement::left("backend is cpu"));
    }
    if computes_nothing(pipeline) {
        return Ok(Placement::left("nothing to compute"));
    }
    if choice == BackendChoice::Auto && !engine.device.has_hardware() {
        return Ok(Placement::left("no GPU: no adapter, or a software one"));
    }
    let device = engine.device.get();
    let placed = device.and_then(|device| supports(pipeline, device.tier(), size).map(|()| device));
    match placed {
        Ok(device) if choice == BackendChoice::Auto => Ok(estimated(engine, pipeline, size, device)),
        Ok(device) => Ok(Placement::new(Target::Gpu(device))),
        Err(error) if choice == BackendChoice::Gpu && engine.config.strict => Err(error),
        Err(error) => Ok(Placement::left(error.to_string())),
    }
}

/// Rows pass through: there is no work that a device could take.
fn computes_nothing(pipeline: &Pipeline) -> bool {
    matches!(pipeline.sink, Sink::Collect | Sink::Limit { .. })
        && pipeline.branches.iter().all(Branch::renames_only)
}

/// Kernels for everything in the pipeline, as far as it is decidable before the data is seen.
fn supports(pipeline: &Pipeline, tier: &Tier, size: Size) -> Result<()> {
    let no = |what: &str| Err(Error::unsupported(what, Backend::Gpu));
    if let Some(probe) = pipeline.branches.iter().find_map(|branch| branch.probes.first()) {
        return no(&format!("a {} join", probe.spec.join_type));
    }
    match &pipeline.sink {
        Sink::Aggregate(aggregation) => pipeline.branches.iter().try_for_each(|branch| {
            let spec = branch.aggregate_spec(aggregation)?;
            GpuAggregate::supports(&spec, tier)?;
            let operands = spec.aggregates.iter().flat_map(Aggregate::exprs);
            let exprs: Vec<_> = spec.predicate.iter().chain(&spec.keys).chain(operands).collect();
            packable(branch, &exprs)
        }),
        Sink::Sort { .. } if !pipeline.branches.iter().all(Branch::renames_only) => {
            no("a projection below a sort")
        }
        Sink::Sort { .. } if size.rows.is_some_and(|rows| rows > MOST_ROWS as u64) => {
            no(&format!("a sort of {} rows", size.rows.unwrap_or_default()))
        }
        Sink::Sort { .. } => Ok(()),
        Sink::Limit { .. } => no("a limit"),
        Sink::Build { .. } => no("the table of a join"),
        Sink::Partition { .. } => no("partitions of a join"),
        Sink::Collect => pipeline.branches.iter().try_for_each(|branch| {
            GpuFilter::supports(branch.step.predicate.as_ref(), &branch.step.columns, tier)?;
            packable(branch, &branch.step.exprs().collect::<Vec<_>>())
        }),
    }
}

/// The columns that `exprs` read have a device form.
fn packable(branch: &Branch, exprs: &[&Expr]) -> Result<()> {
    let mut read = branch.columns_read(exprs).into_iter();
    read.try_for_each(|column| column::packable(branch.schema.field(column).data_type()))
}

/// The cheaper backend by the cost model.
fn estimated(engine: &Engine, pipeline: &Pipeline, size: Size, device: Arc<Device>) -> Placement {
    let (Some(rows), Some(bytes)) = (size.rows, size.bytes) else {
        return Placement::left("the size of the input is not known");
    };
    engine.model.calibrate(&device);
    let estimate = engine.model.estimate(pipeline, rows, bytes);
    let target =
        if estimate.gpu < estimate.cpu { Target::Gpu(device) } else { Target::Cpu(estimate.to_string()) };
    Placement { target, estimate: Some(estimate) }
}
