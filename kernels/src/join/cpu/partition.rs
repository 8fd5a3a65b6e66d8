//! Both sides of a join cut by the hash of their keys, for a build side that exceeds memory: partners lie in partitions of
//! the same number, so that the join is the union of the partitions' joins.
//!
//! ```text
//! batch -> keys -> hash (one for both sides) -> partition of each row -> rows in order of partition -> columns gathered
//! ```
//! | row | goes to |
//! | --- | --- |
//! | all keys valid, or null where null is equal to null | the partition that the top bits of its hash name |
//! | a null key that equals nothing, of a side whose rows without partner come out | any partition: the next in turn, since all of them in one would be a hot key that no deeper level divides |
//! | a null key that equals nothing, of another side | none |
//!
//! A partition that is still too large is cut again by [`JoinPartitioner::deeper`], whose hash is another one. One that does
//! not get smaller so has a hot key: there, [`JoinType::may_cut`] says which side may be taken in pieces.
//!
//! [`super::JoinBuild`] says `OutOfMemory` when a batch or the table exceeds the budget. Who wants to go on by partitions holds the
//! build side's batches until the table is made (the build shares their arrays), and cuts these then.
//!
//! Bytes per row: those of the hash (8, written and read), 4 for the partition, 4 for the row number, and each column's, read
//! and written. The idea is Grace's hash join (Kitsuregawa et al. 1983), made hybrid by the host, which keeps the partitions
//! that fit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow::array::ArrayRef;
use arrow::buffer::ScalarBuffer;

use super::check_columns;
use super::rows::hashed_words;
use crate::error::{Error, Result};
use crate::expr::cpu::Evaluator;
use crate::filter::Selection;
use crate::gather;
use crate::join::{JoinSpec, Side};
use crate::keys::RowHasher;
use crate::keys::lanes::LaneColumn;

/// Bits of the number of partitions, at most.
pub const MAX_PARTITION_BITS: u32 = 12;

/// Says to which partition the rows of either side belong. Shared by all threads and by both sides.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Int64Array};
/// use arrow::datatypes::DataType;
/// use pilaster_kernels::expr::Expr;
/// use pilaster_kernels::join::cpu::JoinPartitioner;
/// use pilaster_kernels::join::{JoinKey, JoinSpec, JoinType, OutputColumn, Side};
///
/// let key = || Expr::column(0, DataType::Int64);
/// let spec = JoinSpec {
///     join_type: JoinType::Left,
///     left: vec![DataType::Int64],
///     right: vec![DataType::Int64],
///     keys: vec![JoinKey { left: key(), right: key(), nulls_equal: false }],
///     residual: None,
///     output: vec![OutputColumn::Left(0), OutputColumn::Right(0)],
/// };
/// assert!(spec.may_partition());
/// let partitioner = JoinPartitioner::new(Arc::new(spec), 3)?;
/// let left: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(2), None]));
/// let right: ArrayRef = Arc::new(Int64Array::from(vec![Some(2), None, Some(2)]));
/// let lefts = partitioner.partition(Side::Left, &[left.clone()], 3, None)?;
/// let rights = partitioner.partition(Side::Right, &[right.clone()], 3, None)?;
/// // The left null comes out, without partner; the right one never does.
/// assert_eq!((lefts.total(), rights.total()), (3, 2));
/// let of_two = (0..8).find(|&partition| lefts.rows(partition).contains(&1)).expect("a partition");
/// assert_eq!(rights.rows(of_two), [0, 2]);
/// let batches = rights.gather(&[right])?;
/// assert_eq!((batches[0].partition, batches[0].rows), (of_two, 2));
/// # Ok::<(), pilaster_kernels::Error>(())
/// ```
#[derive(Debug)]
pub struct JoinPartitioner {
    spec: Arc<JoinSpec>,
    left: Evaluator,
    right: Evaluator,
    hasher: RowHasher,
    bits: u32,
    /// Partition of the next row that may go anywhere.
    next: AtomicU32,
}

impl JoinPartitioner {
    /// A partitioner into 2^`bits` partitions. Two made apart do not agree: both sides of a join take the same one.
    ///
    /// # Errors
    /// As [`JoinSpec::check`]; [`Error::InvalidInput`] where the join may not be partitioned
    /// ([`JoinSpec::may_partition`]), or beyond [`MAX_PARTITION_BITS`].
    pub fn new(spec: Arc<JoinSpec>, bits: u32) -> Result<Self> {
        spec.check()?;
        if !spec.may_partition() {
            let (join_type, keys) = (spec.join_type, spec.keys.len());
            return Err(Error::invalid(format!("a {join_type:?} join of {keys} keys cannot be partitioned")));
        }
        if bits > MAX_PARTITION_BITS {
            return Err(Error::invalid(format!("2^{bits} partitions, of at most 2^{MAX_PARTITION_BITS}")));
        }
        let left = Evaluator::new(spec.keys.iter().map(|key| &key.left))?;
        let right = Evaluator::new(spec.keys.iter().map(|key| &key.right))?;
        Ok(Self { spec, left, right, hasher: RowHasher::default(), bits, next: AtomicU32::new(0) })
    }

    /// A partitioner for one partition of this one: its hash is another.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] beyond [`MAX_PARTITION_BITS`].
    pub fn deeper(&self, bits: u32) -> Result<Self> {
        Self::new(Arc::clone(&self.spec), bits)
    }

    /// Number of partitions.
    #[must_use]
    pub fn partitions(&self) -> usize {
        1 << self.bits
    }

    /// The partitions of a batch of `side`, or of its rows of `selection`.
    ///
    /// # Errors
    /// What the keys' evaluation gives rise to; [`Error::InvalidInput`] where columns are not those of the side.
    pub fn partition(
        &self,
        side: Side,
        columns: &[ArrayRef],
        rows: usize,
        selection: Option<&Selection>,
    ) -> Result<PartitionedRows> {
        let (types, keys) = match side {
            Side::Left => (&self.spec.left, &self.left),
            Side::Right => (&self.spec.right, &self.right),
        };
        check_columns(columns, types.len(), rows)?;
        let selection = selection.filter(|selection| !selection.is_all());
        let keys = keys.evaluate(columns, rows, selection)?;
        let keys = keys.iter().map(LaneColumn::from_vector).collect::<Result<Vec<_>>>()?;
        let active = selection.map(Selection::indices);
        let partitions = self.of_rows(side, &keys, selection.map_or(rows, Selection::count))?;
        Ok(PartitionedRows::new(&partitions, self.partitions(), active.as_ref()))
    }

    /// The partition of each row; beyond the last one for rows that belong to none.
    fn of_rows(&self, side: Side, keys: &[LaneColumn], rows: usize) -> Result<Vec<u32>> {
        let (hashes, live) = hashed_words(&self.hasher, u64::MAX, &self.spec, keys, rows)?;
        let shift = u64::BITS - self.bits;
        let mut partitions: Vec<u32> =
            hashes.iter().map(|hash| hash.checked_shr(shift).unwrap_or(0) as u32).collect();
        let Some(live) = live else { return Ok(partitions) };
        let count = self.partitions() as u32;
        let lone = rows - live.count_set_bits();
        let mut next = self.next.fetch_add(lone as u32, Ordering::Relaxed);
        let shown = self.spec.join_type.shows_unmatched(side);
        for (row, partition) in partitions.iter_mut().enumerate().filter(|(row, _)| !live.value(*row)) {
            debug_assert!(row < rows);
            *partition = if shown { next % count } else { count };
            next = next.wrapping_add(1);
        }
        Ok(partitions)
    }
}

/// Rows of a batch by partition.
#[derive(Debug, Clone)]
pub struct PartitionedRows {
    /// Row numbers, partition after partition, ascending in each.
    rows: Vec<u32>,
    /// Where each partition ends.
    ends: Vec<u32>,
}

/// Columns of the rows of one partition.
#[derive(Debug, Clone)]
pub struct PartitionBatch {
    /// Number of the partition.
    pub partition: usize,
    /// All columns of the batch.
    pub columns: Vec<ArrayRef>,
    /// Rows, at least one.
    pub rows: usize,
}

impl PartitionedRows {
    /// Rows by the partition of each, which may be `count` for none; `active` are their numbers, where these differ.
    fn new(partitions: &[u32], count: usize, active: Option<&ScalarBuffer<u32>>) -> Self {
        let mut ends = vec![0u32; count + 1];
        partitions.iter().for_each(|&partition| ends[partition as usize] += 1);
        let mut start = 0;
        for end in &mut ends {
            (*end, start) = (start, start + *end);
        }
        let mut rows = vec![0; partitions.len()];
        for (row, &partition) in partitions.iter().enumerate() {
            let next = &mut ends[partition as usize];
            rows[*next as usize] = active.map_or(row as u32, |active| active[row]);
            *next += 1;
        }
        ends.truncate(count);
        rows.truncate(ends.last().map_or(0, |&end| end as usize));
        Self { rows, ends }
    }

    /// Rows that are in a partition.
    #[must_use]
    pub fn total(&self) -> usize {
        self.rows.len()
    }

    /// Row numbers of a partition, ascending; none of one that is not there.
    #[must_use]
    pub fn rows(&self, partition: usize) -> &[u32] {
        let Some(&end) = self.ends.get(partition) else { return &[] };
        let start = partition.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.rows[start as usize..end as usize]
    }

    /// The partitions that have rows, ascending, with their rows of `columns`: slices of one gather. Dictionaries and views
    /// stay what they are.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where `columns` are shorter than the batch.
    pub fn gather(&self, columns: &[ArrayRef]) -> Result<Vec<PartitionBatch>> {
        let all = gather::take_columns(columns, &self.rows)?;
        let mut start = 0;
        let mut batches = Vec::new();
        for (partition, &end) in self.ends.iter().enumerate() {
            let rows = end as usize - start;
            if rows > 0 {
                let columns = all.iter().map(|column| column.slice(start, rows)).collect();
                batches.push(PartitionBatch { partition, columns, rows });
            }
            start = end as usize;
        }
        Ok(batches)
    }
}
