//! The build side: taken batch by batch by any number of workers, made into a table in parallel.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::array::Array;
use rayon::prelude::*;

use super::fill::{DirectRegion, fewer_bits, fill_all, fill_slots, slot_bits, zeroed};
use super::input::Input;
use super::layout::{Layout, Word};
use super::marks::Marks;
use super::payload::PayloadColumn;
use super::plan::Plan;
use super::rows::{KeyRows, hashed_words};
use super::stage::{WordsOf, staged};
use super::table::{Homes, Slots, Table};
use super::worker::{BuildWorker, Chunk};
use super::{DIRECT_BITS, DIRECT_SHARE, JoinSettings, JoinTable, Keys, MAX_BUILD_ROWS};
use crate::error::{Backend, Error, Result};
use crate::join::{JoinSpec, RowTest, Side};
use crate::keys::RowHasher;
use crate::keys::hash::Hasher;
use crate::memory::{Grant, Reserve};

/// Makes a [`JoinTable`] of one side of a join.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};
/// use arrow::datatypes::{DataType, Int64Type};
/// use pilaster_kernels::expr::Expr;
/// use pilaster_kernels::join::cpu::JoinBuild;
/// use pilaster_kernels::join::{JoinKey, JoinSpec, JoinType, OutputColumn, Side};
/// use pilaster_kernels::memory::Unlimited;
///
/// let key = |at| Expr::column(at, DataType::Int64);
/// let spec = JoinSpec {
///     join_type: JoinType::Left,
///     left: vec![DataType::Int64],
///     right: vec![DataType::Int64, DataType::Utf8],
///     keys: vec![JoinKey { left: key(0), right: key(0), nulls_equal: false }],
///     residual: None,
///     output: vec![OutputColumn::Left(0), OutputColumn::Right(1)],
/// };
/// let build = JoinBuild::new(Arc::new(spec), Side::Right, Arc::new(Unlimited))?;
/// let mut worker = build.worker();
/// let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 2]));
/// let names: ArrayRef = Arc::new(StringArray::from(vec!["one", "two", "deux"]));
/// worker.consume(&[ids, names], 3, None)?;
/// let table = Arc::new(build.finish(vec![worker])?);
///
/// let mut prober = table.prober();
/// let numbers: ArrayRef = Arc::new(Int64Array::from(vec![2, 3]));
/// prober.begin(&[numbers], 2, None)?;
/// let batch = prober.next(1024)?.expect("rows");
/// assert_eq!(batch.columns[0].as_primitive::<Int64Type>().values(), &[2, 2, 3]);
/// assert_eq!(batch.columns[1].as_string::<i32>(), &StringArray::from(vec![Some("two"), Some("deux"), None]));
/// assert!(prober.next(1024)?.is_none());
/// # Ok::<(), pilaster_kernels::Error>(())
/// ```
#[derive(Debug)]
pub struct JoinBuild {
    spec: Arc<JoinSpec>,
    side: Side,
    plan: Arc<Plan>,
    settings: JoinSettings,
    memory: Arc<dyn Reserve>,
}

impl JoinBuild {
    /// A build of `side`.
    ///
    /// # Errors
    /// As [`JoinSpec::check`].
    pub fn new(spec: Arc<JoinSpec>, side: Side, memory: Arc<dyn Reserve>) -> Result<Self> {
        Self::with_settings(spec, side, memory, JoinSettings::default())
    }

    /// Likewise, with other settings.
    ///
    /// # Errors
    /// As [`JoinSpec::check`].
    pub fn with_settings(
        spec: Arc<JoinSpec>,
        side: Side,
        memory: Arc<dyn Reserve>,
        settings: JoinSettings,
    ) -> Result<Self> {
        let plan = Arc::new(Plan::new(Arc::clone(&spec), side)?);
        Ok(Self { spec, side, plan, settings, memory })
    }

    /// A thread's worker.
    #[must_use]
    pub fn worker(&self) -> BuildWorker {
        BuildWorker::new(Arc::clone(&self.plan), &self.memory)
    }

    /// The table over all rows that `workers` took, made on the current rayon pool.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::Unsupported`] beyond [`MAX_BUILD_ROWS`] rows; [`Error::InvalidInput`] where a
    /// dictionary's code has no value.
    pub fn finish(&self, workers: Vec<BuildWorker>) -> Result<JoinTable> {
        let rows: usize = workers.iter().map(BuildWorker::rows).sum();
        if rows > MAX_BUILD_ROWS {
            return Err(Error::unsupported(format!("a build side of {rows} rows"), Backend::Cpu));
        }
        let mut input = Input::new(workers, self.spec.keys.len());
        let mut grant = Grant::new(Arc::clone(&self.memory));
        let nulls_equal = self.spec.keys.iter().map(|key| key.nulls_equal);
        let extents = input.extents.iter().copied();
        let layout = Layout::new(extents.zip(nulls_equal));
        let made = match layout {
            Some(layout) if layout.bits <= u64::BITS => self.narrow(&input, layout, rows, &mut grant)?,
            Some(layout) => {
                let words = |chunk: &Chunk| layout.words(&chunk.keys, chunk.rows);
                let slots = self.slots::<u128>(&input, &words, rows, &mut grant)?;
                Made { table: Table::Wide(slots.0), lists: slots.1, keys: Keys::Exact(layout) }
            }
            None => self.hashed(&input, rows, &mut grant)?,
        };
        let null_aware = self.plan.at_the_end == Some(RowTest::UnmatchedNullAware);
        let marks = self.plan.at_the_end.map(|_| Marks::new(rows));
        grant.grow(marks.as_ref().map_or(0, |_| rows as u64 / 8))?;
        let null_keys = input.visit_null_keys(marks.as_ref().filter(|_| null_aware));
        input.drop_keys();
        let (payload, mut grants) = self.payload(input)?;
        grants.push(grant);
        Ok(JoinTable {
            plan: Plan::new(Arc::clone(&self.spec), self.side)?,
            rows,
            keys: made.keys,
            table: made.table,
            unique: made.lists.is_empty(),
            lists: made.lists,
            payload,
            output_bytes: self.settings.output_bytes,
            marks,
            null_keys,
            probed: AtomicBool::new(false),
            probed_null: AtomicBool::new(false),
            memory: Arc::clone(&self.memory),
            _grants: grants,
        })
    }

    fn hash_mask(&self) -> u64 {
        match self.settings.hash_bits {
            0 => 0,
            bits => u64::MAX << (u64::BITS - bits.min(u64::BITS)),
        }
    }

    /// Keys within 64 bits: a direct table where they are dense, else slots.
    fn narrow(&self, input: &Input, layout: Layout, rows: usize, grant: &mut Grant) -> Result<Made> {
        let words = |chunk: &Chunk| layout.words(&chunk.keys, chunk.rows);
        let domain = layout.greatest + 2;
        let dense = domain <= 1 << DIRECT_BITS || domain <= (rows.saturating_mul(DIRECT_SHARE)) as u128;
        if self.settings.direct && dense {
            match self.direct(input, &words, domain as usize, grant) {
                Ok((values, lists)) => {
                    return Ok(Made { table: Table::Direct(values), lists, keys: Keys::Exact(layout) });
                }
                // A domain of few keys may have no room where their slots have.
                Err(Error::OutOfMemory { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let (slots, lists) = self.slots::<u64>(input, &words, rows, grant)?;
        Ok(Made { table: Table::Narrow(slots), lists, keys: Keys::Exact(layout) })
    }

    /// Keys beyond 128 bits.
    fn hashed(&self, input: &Input, rows: usize, grant: &mut Grant) -> Result<Made> {
        let (hasher, mask) = (RowHasher::default(), self.hash_mask());
        let mut bytes = KeyRows::default();
        for (chunk, _) in &input.chunks {
            bytes.append(&chunk.keys, chunk.rows, grant)?;
        }
        let spec = &self.spec;
        let words = |chunk: &Chunk| hashed_words(&hasher, mask, spec, &chunk.keys, chunk.rows);
        let (slots, lists) = self.slots::<u64>(input, &words, rows, grant)?;
        Ok(Made { table: Table::Narrow(slots), lists, keys: Keys::Hashed { hasher, mask, rows: bytes } })
    }

    fn direct(
        &self,
        input: &Input,
        words: &WordsOf<u64>,
        domain: usize,
        grant: &mut Grant,
    ) -> Result<(Vec<u32>, Vec<u32>)> {
        let region_bits = domain.next_power_of_two().trailing_zeros().min(self.settings.region_bits + 2);
        let homes = Homes::Direct { region_bits };
        let regions = domain.div_ceil(1 << region_bits);
        let staged = staged(input, words, &homes, regions, &self.memory)?;
        let mut values = zeroed(regions << region_bits, grant)?;
        let cut = values.chunks_mut(1 << region_bits).map(|values| DirectRegion { values }).collect();
        let (_, lists) = fill_all(cut, &staged, grant)?;
        Ok((values, lists))
    }

    fn slots<K: Word>(
        &self,
        input: &Input,
        words: &WordsOf<K>,
        rows: usize,
        grant: &mut Grant,
    ) -> Result<(Slots<K>, Vec<u32>)> {
        let hasher = Hasher::default();
        let most = slot_bits(rows);
        let region_bits = most.min(self.settings.region_bits);
        let regions_bits = most - region_bits;
        let homes = |regions_bits, region_bits| {
            Homes::hashed(hasher.clone(), self.hash_mask(), regions_bits, region_bits)
        };
        let staging =
            staged(input, words, &homes(regions_bits, region_bits), 1 << regions_bits, &self.memory)?;
        let fewer = fewer_bits(&staging, regions_bits, region_bits, &homes);
        for bits in [fewer, Some(region_bits)].into_iter().flatten() {
            if let Some(made) = fill_slots(
                &staging,
                homes(regions_bits, bits),
                regions_bits,
                self.settings.tagged_slots,
                grant,
            )? {
                return Ok(made);
            }
        }
        // Only a hash that fails to spread leaves a region over-full: then all slots are one, and always enough.
        drop(staging);
        let homes = homes(0, most + 1);
        let staging = staged(input, words, &homes, 1, &self.memory)?;
        let made = fill_slots(&staging, homes, 0, self.settings.tagged_slots, grant)?;
        made.ok_or_else(|| Error::invalid("more keys than rows"))
    }

    /// All columns joined, where there is memory for a copy of them; else as they came.
    fn payload(&self, input: Input) -> Result<(Vec<PayloadColumn>, Vec<Grant>)> {
        let Input { chunks, columns: held, .. } = input;
        let several = chunks.len() > 1;
        let mut copy = Grant::new(Arc::clone(&self.memory));
        let joined = several && copy.grow(held.iter().map(Grant::bytes).sum()).is_ok();
        let column = |at: usize| {
            let parts = chunks.iter().map(|(chunk, _)| Arc::clone(&chunk.columns[at]));
            PayloadColumn::new(parts.filter(|part| !part.is_empty()).collect(), &self.plan.held[at].1, joined)
        };
        let columns = (0..self.plan.held.len()).into_par_iter().map(column).collect::<Result<_>>()?;
        Ok((columns, if joined { vec![copy] } else { held }))
    }
}

/// A table and what goes with it.
struct Made {
    table: Table,
    lists: Vec<u32>,
    keys: Keys,
}
