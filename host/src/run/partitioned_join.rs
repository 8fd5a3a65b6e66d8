//! A join whose build side does not fit memory: partition after partition, each with a table of its own.
//!
//! ```text
//! build side -> partitions kept          probe side -> partitions kept
//! task: partition -> table -> probe -> what remains of the table
//!         \-> does not fit: both its sides are cut again, by another hash
//!               \-> does not get smaller: one key; the side that may be is taken in pieces, each joined with all of the other
//! ```
//! A worker joins one partition at a time, within its own share of the budget, so that none waits for another and a join
//! divides the same way whatever else runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use pilaster_kernels::join::cpu::{JoinBatch, JoinBuild, JoinPartitioner, JoinTable, Prober};
use pilaster_kernels::join::{JoinSpec, Side};
use pilaster_kernels::memory::Reserve;
use pilaster_kernels::{Error, Result};

use super::cancel::Cancellation;
use super::chunk::Chunk;
use super::partitions::PartitionStore;
use super::query::Query;
use super::store::{Piece, ReadBack, Store};
use crate::memory::Budget;
use crate::place::OperatorReport;

/// Bits of the number of partitions, at first and for each partition that is cut again.
pub(crate) const FIRST_BITS: u32 = 6;
const DEEPER_BITS: u32 = 4;

/// A partition that keeps more than so many tenths of its rows when it is cut has a hot key.
const HOT_TENTHS: usize = 8;

/// Of a worker's share: what a piece of a side holds without its table.
const PIECE_SHARE: u64 = 3;

/// Both sides by partition.
pub(crate) struct PartitionedJoin {
    spec: Arc<JoinSpec>,
    /// The side that tables are made of where the partition fits.
    side: Side,
    parts: Vec<Mutex<Option<Part>>>,
    host: Arc<Budget>,
    /// Makes stores for partitions that are cut again.
    store: Store,
    worker_bytes: u64,
    batch_rows: usize,
    /// The join among the operators of the report.
    operator: usize,
    cancel: Cancellation,
    rows: AtomicU64,
    spilled: AtomicU64,
    /// Of these, what partitions that were cut again wrote, and nobody has counted yet.
    spilled_again: AtomicU64,
    divided: AtomicU64,
}

/// One partition.
struct Part {
    left: Vec<Piece>,
    right: Vec<Piece>,
    partitioner: Option<Arc<JoinPartitioner>>,
    /// Cutting it by hash does not help.
    hot: bool,
    /// The side that is taken in pieces.
    pieces_of: Option<Side>,
}

impl std::fmt::Debug for PartitionedJoin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PartitionedJoin({} partitions)", self.parts.len())
    }
}

impl PartitionedJoin {
    /// The join of the partitions of both sides, which `partitioner` cut; without one each side is one partition.
    pub(crate) fn new(
        query: &Query,
        spec: &Arc<JoinSpec>,
        side: Side,
        partitioner: Option<&Arc<JoinPartitioner>>,
        (build, probe): (Vec<Vec<Piece>>, Vec<Vec<Piece>>),
        operator: usize,
    ) -> Self {
        let part = |(build, probe)| {
            let (left, right) = match side {
                Side::Left => (build, probe),
                Side::Right => (probe, build),
            };
            let partitioner = partitioner.cloned();
            Mutex::new(Some(Part { left, right, hot: partitioner.is_none(), partitioner, pieces_of: None }))
        };
        PartitionedJoin {
            spec: Arc::clone(spec),
            side,
            parts: build.into_iter().zip(probe).map(part).collect(),
            host: Arc::clone(&query.host),
            store: Store::new(query),
            worker_bytes: query.operator_budget().limit_bytes() / query.threads() as u64,
            batch_rows: query.cpu_batch_rows(),
            operator,
            cancel: query.cancel.clone(),
            rows: AtomicU64::new(0),
            spilled: AtomicU64::new(0),
            spilled_again: AtomicU64::new(0),
            divided: AtomicU64::new(0),
        }
    }

    /// Partitions, as long as they were not joined.
    pub(crate) fn partitions(&self) -> usize {
        self.parts.len()
    }

    /// Counts bytes of the partitions that are on disk.
    pub(crate) fn add_spilled(&self, bytes: u64) {
        self.spilled.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes that partitions wrote when they were cut again, since this was asked last.
    pub(crate) fn take_spilled_again(&self) -> u64 {
        self.spilled_again.swap(0, Ordering::Relaxed)
    }

    /// Writes into the report what was joined so far.
    pub(crate) fn account(&self, operators: &mut [OperatorReport]) {
        let join = &mut operators[self.operator];
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed).to_string();
        join.rows_out = Some(self.rows.load(Ordering::Relaxed));
        join.details = vec![
            ("partitions".to_owned(), self.parts.len().to_string()),
            ("cut_again".to_owned(), count(&self.divided)),
            ("spilled_bytes".to_owned(), count(&self.spilled)),
        ];
    }

    /// The rows of a partition's join. A partition is joined once.
    pub(crate) fn chunks(self: &Arc<Self>, partition: usize) -> PartitionChunks {
        let part = self.parts[partition].lock().take();
        PartitionChunks {
            join: Arc::clone(self),
            memory: self.host.part(self.worker_bytes),
            open: part.into_iter().collect(),
            current: None,
            failed: false,
        }
    }
}

/// Iterator over the rows of one partition's join.
pub(crate) struct PartitionChunks {
    join: Arc<PartitionedJoin>,
    memory: Arc<Budget>,
    open: Vec<Part>,
    current: Option<Current>,
    failed: bool,
}

/// A partition that fits, or a piece of one, being joined.
struct Current {
    table: Arc<JoinTable>,
    prober: Prober,
    probe: ReadBack,
    /// The next row of the table that may remain.
    remaining: usize,
}

impl PartitionChunks {
    fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        loop {
            self.join.cancel.check()?;
            if let Some(current) = &mut self.current {
                if let Some(JoinBatch { columns, rows }) = current.next(self.join.batch_rows)? {
                    self.join.rows.fetch_add(rows as u64, Ordering::Relaxed);
                    return Ok(Some(Chunk::new(columns, rows)));
                }
                self.current = None;
            }
            let Some(part) = self.open.pop() else { return Ok(None) };
            match part.pieces_of {
                Some(side) => self.piece(part, side)?,
                None => self.whole(part)?,
            }
        }
    }

    /// Joins a partition at once, or divides it.
    fn whole(&mut self, part: Part) -> Result<()> {
        let side = self.join.side;
        let build = JoinBuild::new(Arc::clone(&self.join.spec), side, self.reserve())?;
        let mut worker = build.worker();
        let mut read = ReadBack::new(part.of(side).to_vec(), self.host());
        let consumed = read.try_for_each(|chunk| {
            self.join.cancel.check()?;
            let chunk = chunk?;
            worker.consume(&chunk.columns, chunk.rows, None)
        });
        drop(read);
        match consumed.and_then(|()| build.finish(vec![worker])) {
            Ok(table) => {
                self.current = Some(Current::new(table, part.of(side.other()).to_vec(), self.host()));
                Ok(())
            }
            Err(error @ Error::OutOfMemory { .. }) => self.divide(part, error),
            Err(error) => Err(error),
        }
    }

    /// Cuts a partition again, or decides to take one of its sides in pieces.
    fn divide(&mut self, part: Part, error: Error) -> Result<()> {
        self.join.divided.fetch_add(1, Ordering::Relaxed);
        let partitioner = match &part.partitioner {
            Some(partitioner) if !part.hot => Arc::new(partitioner.deeper(DEEPER_BITS)?),
            _ => {
                let sides = [self.join.side, self.join.side.other()];
                let may = sides.into_iter().find(|side| self.join.spec.join_type.may_cut(*side));
                self.open.push(Part { pieces_of: Some(may.ok_or(error)?), ..part });
                return Ok(());
            }
        };
        let before = rows_of(part.of(self.join.side));
        let left = self.cut(&part.left, Side::Left, &partitioner)?;
        let right = self.cut(&part.right, Side::Right, &partitioner)?;
        drop(part);
        self.open.extend(left.into_iter().zip(right).map(|(left, right)| {
            let mut part = Part {
                left,
                right,
                partitioner: Some(Arc::clone(&partitioner)),
                hot: false,
                pieces_of: None,
            };
            part.hot = rows_of(part.of(self.join.side)) * 10 > before * HOT_TENTHS;
            part
        }));
        Ok(())
    }

    fn cut(&self, pieces: &[Piece], side: Side, by: &Arc<JoinPartitioner>) -> Result<Vec<Vec<Piece>>> {
        let PartitionedJoin { spec, store, worker_bytes, .. } = &*self.join;
        let (by, memory) = (Some(Arc::clone(by)), self.reserve());
        let store = PartitionStore::new(store.another(), by, spec, side, memory, *worker_bytes);
        let mut uncut = store.uncut();
        for chunk in ReadBack::new(pieces.to_vec(), self.host()) {
            self.join.cancel.check()?;
            store.add(&mut uncut, chunk?)?;
        }
        store.cut(&mut uncut)?;
        let (parts, spilled) = store.finish()?;
        self.join.add_spilled(spilled);
        self.join.spilled_again.fetch_add(spilled, Ordering::Relaxed);
        Ok(parts)
    }

    /// Joins as much of one side as fits with all of the other, and leaves the rest of it for later.
    fn piece(&mut self, part: Part, side: Side) -> Result<()> {
        let build = JoinBuild::new(Arc::clone(&self.join.spec), side, self.reserve())?;
        let mut worker = build.worker();
        let most = self.join.worker_bytes / PIECE_SHARE;
        let mut taken = 0;
        for chunk in ReadBack::new(part.of(side).to_vec(), self.host()) {
            self.join.cancel.check()?;
            let chunk = chunk?;
            worker.consume(&chunk.columns, chunk.rows, None)?;
            taken += 1;
            if worker.bytes() >= most {
                break;
            }
        }
        let other = part.of(side.other()).to_vec();
        let rest = part.of(side)[taken..].to_vec();
        let table = build.finish(vec![worker])?;
        if !rest.is_empty() {
            let (left, right) = match side {
                Side::Left => (rest, other.clone()),
                Side::Right => (other.clone(), rest),
            };
            self.open.push(Part { left, right, ..part });
        }
        self.current = Some(Current::new(table, other, self.host()));
        Ok(())
    }

    /// The worker's share.
    fn reserve(&self) -> Arc<dyn Reserve> {
        Arc::clone(&self.memory) as Arc<dyn Reserve>
    }

    fn host(&self) -> Arc<dyn Reserve> {
        Arc::clone(&self.join.host) as Arc<dyn Reserve>
    }
}

impl Part {
    fn of(&self, side: Side) -> &[Piece] {
        match side {
            Side::Left => &self.left,
            Side::Right => &self.right,
        }
    }
}

fn rows_of(pieces: &[Piece]) -> usize {
    pieces.iter().map(Piece::rows).sum()
}

impl Current {
    fn new(table: JoinTable, probe: Vec<Piece>, host: Arc<dyn Reserve>) -> Self {
        let table = Arc::new(table);
        let probe = if table.needs_no_probe() { Vec::new() } else { probe };
        Current { prober: table.prober(), probe: ReadBack::new(probe, host), remaining: 0, table }
    }

    /// The next rows, at most `limit`, and not none; `None` where all is done.
    fn next(&mut self, limit: usize) -> Result<Option<JoinBatch>> {
        loop {
            if let Some(batch) = self.prober.next(limit)? {
                return Ok(Some(batch));
            }
            if let Some(chunk) = self.probe.next().transpose()? {
                self.prober.begin(&chunk.columns, chunk.rows, None)?;
                continue;
            }
            if !self.table.has_remaining() || self.remaining >= self.table.rows() {
                return Ok(None);
            }
            let len = self.table.remaining_rows(self.remaining, limit).max(1);
            let batch = self.table.remaining(self.remaining, len)?;
            self.remaining += len;
            if batch.rows > 0 {
                return Ok(Some(batch));
            }
        }
    }
}

impl Iterator for PartitionChunks {
    type Item = Result<Chunk>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.next_chunk().transpose();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}
