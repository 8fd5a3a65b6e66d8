//! The GPU kernels, as programs on the device of this run's profile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use pilaster::device::{Device, ShaderMode};
use pilaster::run::Cancellation;
use pilaster_kernels::aggregate::cpu::CpuAggregate;
use pilaster_kernels::aggregate::gpu::{
    Capacity, GpuAggregate, GpuAggregateSettings, Grouping, Outcome, Partitioning,
};
use pilaster_kernels::aggregate::partial::Partial;
use pilaster_kernels::aggregate::{Aggregate, AggregateSpec};
use pilaster_kernels::expr::Expr;
use pilaster_kernels::filter::gpu::{self as filter, GpuFilter};
use pilaster_kernels::gpu::column::{DeviceColumns, pack};
use pilaster_kernels::gpu::{Program, ProgramOutput};
use pilaster_kernels::keys::order_words;
use pilaster_kernels::memory::Unlimited;
use pilaster_kernels::sort::{SortKey, gpu as sort_gpu};
use pilaster_kernels::{Error, Result};
use pilaster_shaders::{Shader, Tier};
use pilaster_tests::compare::Got;
use pilaster_tests::devices::device;
use pilaster_tests::strategies::Batches;

use super::{Backend, columns_of};

/// Settings that make a kernel's life hard without changing its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hostility {
    /// Bytes of an arena: a small one cuts the input into many.
    pub arena_bytes: Option<u64>,
    /// A hash table wherever there are keys.
    pub hash_table: bool,
    /// Groups that the hash table has room for at first.
    pub first_groups: Option<u64>,
    /// Rows enter the hash table in the order of a digit of so many bits.
    pub digit_bits: Option<u32>,
    /// Bits of the hash that are left.
    pub hash_bits: Option<u32>,
    /// Device budget.
    pub device_bytes: Option<u64>,
    /// Rows that the output of a filter has room for at first.
    pub first_rows: Option<u64>,
    /// Each batch is a program of its own; partial states merge.
    pub program_per_batch: bool,
}

/// The GPU kernels.
pub struct Gpu {
    device: Arc<Device>,
    pub hostility: Hostility,
    /// Hash tables that were too small at first.
    pub retries: AtomicUsize,
    /// Most parts that a table was cut into.
    pub parts: AtomicUsize,
    /// Most digits that the rows of a table were partitioned by.
    pub digits: AtomicUsize,
    /// Changes each shader before it goes to the device: the planted error of the checker's tests.
    pub sabotage: Option<fn(&Shader) -> Shader>,
}

impl Gpu {
    /// The device of this run; none, as a counted skip of `test`, where there is none.
    pub fn open(test: &str, mode: ShaderMode) -> Option<Gpu> {
        let device = device(test, mode)?;
        let count = AtomicUsize::default;
        let (retries, parts, digits) = (count(), count(), count());
        Some(Gpu { device, hostility: Hostility::default(), retries, parts, digits, sabotage: None })
    }

    pub fn hostile(self, hostility: Hostility) -> Gpu {
        Gpu { hostility, ..self }
    }

    /// What the device's shaders may use.
    pub fn tier(&self) -> &Tier {
        self.device.tier()
    }

    /// Runs a program; it must really have been one.
    pub fn run(&self, program: &Program) -> Result<ProgramOutput> {
        let mut program = program.clone();
        if let Some(sabotage) = self.sabotage {
            for stage in &mut program.stages {
                stage.shader = Arc::new(sabotage(&stage.shader));
            }
        }
        Ok(self.device.run(&program, &Cancellation::new())?.output)
    }

    fn pack(&self, input: &Batches, used: &[usize]) -> Result<DeviceColumns> {
        let batches: Vec<&[ArrayRef]> = input.batches.iter().map(Vec::as_slice).collect();
        let limit = self.device.tier().binding_bytes;
        pack(&batches, &input.types, used, self.hostility.arena_bytes.unwrap_or(limit).min(limit))
    }

    /// All parts of an aggregation, or the room they need.
    fn parts(&self, aggregate: &GpuAggregate) -> Result<std::result::Result<Vec<Partial>, Capacity>> {
        self.parts.fetch_max(aggregate.parts() as usize, Relaxed);
        let mut partials = Vec::new();
        for part in 0..aggregate.parts() {
            let output = self.run(&aggregate.program(part)?)?;
            self.digits.fetch_max(aggregate.digits(&output) as usize, Relaxed);
            match aggregate.decode(&output)? {
                Outcome::Partial(partial) => partials.push(partial),
                Outcome::Retry(capacity) => return Ok(Err(capacity)),
            }
        }
        Ok(Ok(partials))
    }

    fn partials(&self, spec: &AggregateSpec, input: &Batches, whole: &mut CpuAggregate) -> Result<()> {
        let operands = spec.aggregates.iter().flat_map(Aggregate::exprs);
        let used = columns_of(spec.predicate.iter().chain(&spec.keys).chain(operands));
        let columns = self.pack(input, &used)?;
        let settings = GpuAggregateSettings {
            expected_groups: self.hostility.first_groups,
            grouping: if self.hostility.hash_table { Grouping::HashTable } else { Grouping::Auto },
            partitioning: self.hostility.digit_bits.map_or(Partitioning::Auto, Partitioning::Digits),
            hash_bits: self.hostility.hash_bits.unwrap_or(32),
            device_bytes: self.hostility.device_bytes.unwrap_or(u64::MAX),
        };
        let mut aggregate = GpuAggregate::new(spec, &columns, self.device.tier(), settings)?;
        for _ in 0..12 {
            match self.parts(&aggregate)? {
                Ok(partials) => {
                    return partials.iter().try_for_each(|partial| whole.merge_partial(partial));
                }
                Err(capacity) => {
                    assert!(capacity.slots > Capacity::of_groups(1).slots, "a retry asks for more");
                    self.retries.fetch_add(1, Relaxed);
                    aggregate.resize(capacity);
                }
            }
        }
        panic!("the hash table is never large enough");
    }
}

impl Backend for Gpu {
    fn project(&self, predicate: Option<&Expr>, exprs: &[Expr], input: &Batches) -> Result<Got> {
        let tier = self.device.tier();
        GpuFilter::supports(predicate, exprs, tier)?;
        let columns = self.pack(input, &columns_of(predicate.into_iter().chain(exprs)))?;
        let mut filter = GpuFilter::new(predicate, exprs, &columns, tier)?;
        if let Some(rows) = self.hostility.first_rows {
            filter.resize(rows);
        }
        for _ in 0..2 {
            match filter.decode(&self.run(&filter.program()?)?)? {
                filter::Outcome::Batch { columns, rows } => {
                    let mut got = Got::arrays(&columns, rows);
                    // Strings come as dictionaries: the host decodes them where results leave a plan.
                    for (found, expr) in got.types.iter_mut().zip(exprs) {
                        if let DataType::Dictionary(..) = found {
                            *found = expr.data_type();
                        }
                    }
                    return Ok(got);
                }
                filter::Outcome::Retry { capacity } => {
                    self.retries.fetch_add(1, Relaxed);
                    filter.resize(capacity);
                }
            }
        }
        panic!("the capacity that a filter asked for does not do");
    }

    fn aggregate(&self, spec: &AggregateSpec, input: &Batches) -> Result<Got> {
        GpuAggregate::supports(spec, self.device.tier())?;
        let mut whole = CpuAggregate::new(Arc::new(spec.clone()), Arc::new(Unlimited))?;
        if self.hostility.program_per_batch {
            for batch in 0..input.batches.len() {
                self.partials(spec, &input.only(batch), &mut whole)?;
            }
        } else {
            self.partials(spec, input, &mut whole)?;
        }
        let columns = whole.finish()?;
        let rows = columns.first().map_or(0, |column| column.len());
        Ok(Got::arrays(&columns, rows))
    }

    fn sort(&self, keys: &[SortKey], fetch: Option<usize>, input: &Batches) -> Result<Vec<u32>> {
        let columns = input.batches.first().ok_or_else(|| Error::invalid("no batch"))?;
        let words = order_words(columns, keys)?;
        let program = sort_gpu::program(&words, self.device.tier())?;
        let mut order = sort_gpu::decode(&self.run(&program)?, words.rows)?;
        order.truncate(fetch.unwrap_or(order.len()));
        Ok(order)
    }
}
