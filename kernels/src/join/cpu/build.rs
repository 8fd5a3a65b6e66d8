//! The build side: taken batch by batch by any number of workers, made into a table in parallel.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::array::{Array, ArrayRef};
use arrow::buffer::BooleanBuffer;
use rayon::prelude::*;

use super::layout::{Extent, Layout, Word, Words, and};
use super::marks::Marks;
use super::payload::{PayloadColumn, slice_bytes};
use super::plan::Plan;
use super::rows::KeyRows;
use super::stage::{GROUP_ROWS, Piece, Staged, stage};
use super::table::{DirectRegion, Filled, Homes, Region, Slot, SlotRegion, Slots, Table, fill, slot_bits};
use super::{DIRECT_BITS, DIRECT_SHARE, JoinSettings, JoinTable, Keys, MAX_BUILD_ROWS, check_columns};
use crate::error::{Backend, Error, Result};
use crate::filter::{Selection, compact_columns};
use crate::join::{JoinSpec, RowTest, Side};
use crate::keys::RowHasher;
use crate::keys::hash::Hasher;
use crate::keys::lanes::{LaneColumn, Lanes};
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

/// One thread's share of the build side.
#[derive(Debug)]
pub struct BuildWorker {
    plan: Arc<Plan>,
    chunks: Vec<Chunk>,
    extents: Vec<Extent>,
    rows: usize,
    /// For key lanes, which go when the table is made.
    keys: Grant,
    /// For columns.
    columns: Grant,
}

/// A batch as it is held.
#[derive(Debug)]
struct Chunk {
    keys: Vec<LaneColumn>,
    columns: Vec<ArrayRef>,
    rows: usize,
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
        BuildWorker {
            plan: Arc::clone(&self.plan),
            chunks: Vec::new(),
            extents: vec![Extent::default(); self.spec.keys.len()],
            rows: 0,
            keys: Grant::new(Arc::clone(&self.memory)),
            columns: Grant::new(Arc::clone(&self.memory)),
        }
    }

    /// The table over all rows that `workers` took, made on the current rayon pool.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::Unsupported`] beyond [`MAX_BUILD_ROWS`] rows; [`Error::InvalidInput`] where a
    /// dictionary's code has no value.
    pub fn finish(&self, workers: Vec<BuildWorker>) -> Result<JoinTable> {
        let rows: usize = workers.iter().map(|worker| worker.rows).sum();
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
            let (values, lists) = self.direct(input, &words, domain as usize, grant)?;
            return Ok(Made { table: Table::Direct(values), lists, keys: Keys::Exact(layout) });
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
        let plan = &self.plan;
        let words = |chunk: &Chunk| hashed_words(&hasher, mask, plan, &chunk.keys, chunk.rows);
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
            if let Some(made) = fill_slots(&staging, homes(regions_bits, bits), regions_bits, grant)? {
                return Ok(made);
            }
        }
        // Only a hash that fails to spread leaves a region over-full: then all slots are one, and always enough.
        drop(staging);
        let homes = homes(0, most + 1);
        let staging = staged(input, words, &homes, 1, &self.memory)?;
        let made = fill_slots(&staging, homes, 0, grant)?;
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

type WordsOf<'a, K> = dyn Fn(&Chunk) -> Result<Words<K>> + Sync + 'a;

/// All that the workers took.
struct Input {
    /// With the number of the first row.
    chunks: Vec<(Chunk, u32)>,
    extents: Vec<Extent>,
    keys: Vec<Grant>,
    columns: Vec<Grant>,
}

impl Input {
    fn new(workers: Vec<BuildWorker>, keys: usize) -> Self {
        let mut input = Input {
            chunks: Vec::new(),
            extents: vec![Extent::default(); keys],
            keys: Vec::new(),
            columns: Vec::new(),
        };
        let mut first = 0;
        for worker in workers {
            for chunk in worker.chunks {
                let rows = chunk.rows as u32;
                input.chunks.push((chunk, first));
                first += rows;
            }
            for (all, own) in input.extents.iter_mut().zip(worker.extents) {
                *all = all.and(own);
            }
            input.keys.push(worker.keys);
            input.columns.push(worker.columns);
        }
        input
    }

    /// Batches that are staged together.
    fn groups(&self) -> Vec<&[(Chunk, u32)]> {
        let mut groups = Vec::new();
        let (mut start, mut rows) = (0, 0);
        for (at, (chunk, _)) in self.chunks.iter().enumerate() {
            rows += chunk.rows;
            if rows >= GROUP_ROWS || at + 1 == self.chunks.len() {
                groups.push(&self.chunks[start..=at]);
                (start, rows) = (at + 1, 0);
            }
        }
        groups
    }

    /// Whether there is a null key; such rows are marked.
    fn visit_null_keys(&self, marks: Option<&Marks>) -> bool {
        let mut any = false;
        for (chunk, first) in &self.chunks {
            for nulls in chunk.keys.iter().filter_map(|key| key.nulls.as_ref()) {
                any |= nulls.null_count() > 0;
                let Some(marks) = marks else { continue };
                (0..chunk.rows)
                    .filter(|&row| nulls.is_null(row))
                    .for_each(|row| marks.set(*first as usize + row));
            }
        }
        any
    }

    fn drop_keys(&mut self) {
        self.chunks.iter_mut().for_each(|(chunk, _)| chunk.keys = Vec::new());
        self.keys.clear();
    }
}

impl BuildWorker {
    /// Rows so far.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.keys.bytes() + self.columns.bytes()
    }

    /// Takes a batch of the build side, or its rows of `selection`. Arrays are held, not copied, where all rows are taken.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], after which the worker is as before; what the keys' evaluation gives rise to;
    /// [`Error::InvalidInput`] where columns are not those of the side.
    pub fn consume(
        &mut self,
        columns: &[ArrayRef],
        rows: usize,
        selection: Option<&Selection>,
    ) -> Result<()> {
        check_columns(columns, self.plan.build_width(), rows)?;
        let selection = selection.filter(|selection| !selection.is_all());
        if selection.is_none() && rows > GROUP_ROWS {
            // Several tasks, when the table is made.
            return (0..rows).step_by(GROUP_ROWS).try_for_each(|start| {
                let len = GROUP_ROWS.min(rows - start);
                let columns: Vec<ArrayRef> = columns.iter().map(|column| column.slice(start, len)).collect();
                self.take(&columns, len, None)
            });
        }
        self.take(columns, rows, selection)
    }

    fn take(&mut self, columns: &[ArrayRef], rows: usize, selection: Option<&Selection>) -> Result<()> {
        let keys = self.plan.build_keys.evaluate(columns, rows, selection)?;
        let keys = keys.iter().map(LaneColumn::from_vector).collect::<Result<Vec<_>>>()?;
        let held: Vec<ArrayRef> = self.plan.held.iter().map(|(at, _)| Arc::clone(&columns[*at])).collect();
        let (held, rows) = match selection {
            None => (held, rows),
            Some(selection) => (compact_columns(&held, selection)?, selection.count()),
        };
        if rows == 0 {
            return Ok(());
        }
        self.keys.grow(keys.iter().map(lane_bytes).sum())?;
        self.columns.grow(held.iter().map(slice_bytes).sum())?;
        for (extent, key) in self.extents.iter_mut().zip(&keys) {
            *extent = extent.and(Extent::of(key));
        }
        self.rows += rows;
        self.chunks.push(Chunk { keys, columns: held, rows });
        Ok(())
    }
}

fn lane_bytes(column: &LaneColumn) -> u64 {
    let width = match &column.lanes {
        Lanes::I32(_) | Lanes::Codes { .. } => 4,
        Lanes::I64(_) | Lanes::F64(_) => 8,
        Lanes::I128(_) => 16,
        Lanes::I256(_) => 32,
        Lanes::Bytes(array) => return slice_bytes(array),
    };
    column.rows as u64 * width
}

/// Hashes of keys, cut to `mask`, and the rows whose keys may have a partner.
pub(super) fn hashed_words(
    hasher: &RowHasher,
    mask: u64,
    plan: &Plan,
    keys: &[LaneColumn],
    rows: usize,
) -> Result<Words<u64>> {
    let mut words = hasher.hash(keys, rows)?;
    if mask != u64::MAX {
        words.iter_mut().for_each(|word| *word &= mask);
    }
    let counts = keys.iter().zip(&plan.spec.keys).filter(|(_, key)| !key.nulls_equal);
    let valid = |column: &LaneColumn| -> Option<BooleanBuffer> {
        column.nulls.as_ref().map(|nulls| nulls.inner().clone())
    };
    Ok((words, counts.fold(None, |live, (column, _)| and(live, valid(column)))))
}

/// `len` zeros, which the threads that write them pay for, page by page.
fn zeroed<T: Clone + Default>(len: usize, grant: &mut Grant) -> Result<Vec<T>> {
    grant.grow((len * size_of::<T>()) as u64)?;
    Ok(vec![T::default(); len])
}

/// All rows in order of region.
fn staged<K: Word>(
    input: &Input,
    words: &WordsOf<K>,
    homes: &Homes,
    regions: usize,
    memory: &Arc<dyn Reserve>,
) -> Result<Staging<K>> {
    let rows: usize = input.chunks.iter().map(|(chunk, _)| chunk.rows).sum();
    let mut held = Grant::new(Arc::clone(memory));
    held.grow((rows * size_of::<(K, u32)>()) as u64)?;
    let one = |group: &&[(Chunk, u32)]| -> Result<Staged<K>> {
        let piece = |(chunk, first): &(Chunk, u32)| -> Result<Piece<K>> {
            let (words, live) = words(chunk)?;
            Ok((words, live, *first))
        };
        Ok(stage(&group.iter().map(piece).collect::<Result<Vec<_>>>()?, homes, regions))
    };
    let groups = input.groups().par_iter().map(one).collect::<Result<Vec<_>>>()?;
    Ok(Staging { groups, regions, _held: held })
}

/// All rows in order of region, group by group.
struct Staging<K> {
    groups: Vec<Staged<K>>,
    regions: usize,
    _held: Grant,
}

impl<K: Word> Staging<K> {
    fn region(&self, region: usize) -> impl Iterator<Item = (K, u32)> + Clone {
        self.groups.iter().flat_map(move |group| group.region(region).iter().copied())
    }

    fn rows(&self, region: usize) -> usize {
        self.groups.iter().map(|group| group.region(region).len()).sum()
    }
}

/// Regions whose distinct keys are counted before the table is made.
const SAMPLED_REGIONS: usize = 2;

/// Bits of a region where there are far fewer keys than rows: keys spread evenly over regions, so two of them tell.
fn fewer_bits<K: Word>(
    staging: &Staging<K>,
    regions_bits: u32,
    region_bits: u32,
    homes: &impl Fn(u32, u32) -> Homes,
) -> Option<u32> {
    if staging.regions < 2 {
        return None;
    }
    let distinct = |region: usize| {
        let bits = slot_bits(staging.rows(region));
        let homes = homes(regions_bits, bits);
        let mut slots: Vec<Slot<K>> = vec![Slot::default(); 1 << bits];
        let mut scratch = SlotRegion::new(&mut slots, &homes);
        staging.region(region).filter(|&(key, _)| !matches!(scratch.place(key, 1), Some((_, true)))).count()
    };
    // A region that a hot key makes long would take long, and tells no more than others.
    let mean = (0..staging.regions).map(|region| staging.rows(region)).sum::<usize>() / staging.regions;
    let usual = (0..staging.regions).filter(|&region| staging.rows(region) <= 2 * mean);
    let most = usual.take(SAMPLED_REGIONS).map(distinct).max()?;
    let bits = slot_bits(most + most / 8);
    (bits < region_bits).then_some(bits)
}

/// Slots of all regions; none where one is over-full.
fn fill_slots<K: Word>(
    staging: &Staging<K>,
    homes: Homes,
    regions_bits: u32,
    grant: &mut Grant,
) -> Result<Option<(Slots<K>, Vec<u32>)>> {
    let region = homes.region_slots();
    let mut slots: Vec<Slot<K>> = zeroed(region << regions_bits, grant)?;
    let cut = slots.chunks_mut(region).map(|slots| SlotRegion::new(slots, &homes)).collect();
    let (filled, lists) = fill_all(cut, staging, grant)?;
    if filled == Filled::Full {
        grant.shrink((slots.capacity() * size_of::<Slot<K>>() + lists.capacity() * 4) as u64);
        return Ok(None);
    }
    Ok(Some((Slots { slots, homes }, lists)))
}

/// Fills all regions, in parallel; the lists, where a key has several rows.
fn fill_all<K: Word, R: Region<K> + Send>(
    regions: Vec<R>,
    staging: &Staging<K>,
    grant: &mut Grant,
) -> Result<(Filled, Vec<u32>)> {
    let room: Vec<usize> =
        (0..staging.regions).map(|at| staging.rows(at)).map(|rows| rows + rows / 2).collect();
    let mut lists: Vec<u32> = zeroed(room.iter().sum(), grant)?;
    let mut rest = lists.as_mut_slice();
    let mut tasks = Vec::with_capacity(regions.len());
    let mut first = 0;
    for ((at, region), room) in regions.into_iter().enumerate().zip(room) {
        let (own, others) = rest.split_at_mut(room);
        rest = others;
        tasks.push((at, region, own, first));
        first += room as u32;
    }
    let filled = tasks
        .into_par_iter()
        .map(|(at, mut region, lists, first)| fill(&mut region, staging.region(at), lists, first))
        .reduce(|| Filled::Unique, Filled::and);
    if filled == Filled::Unique {
        grant.shrink((lists.capacity() * size_of::<u32>()) as u64);
        lists = Vec::new();
    }
    Ok((filled, lists))
}
