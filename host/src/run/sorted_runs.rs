//! Sorted runs on disk, and their merge within a budget.
//!
//! ```text
//! run:    rows in order, their task's number as a last column; blocks of it are pieces of a store
//! merge:  a block of each run in memory -> rows by the loser tree -> gathered, a batch at a time
//! passes: more runs than fit are merged by neighbours into longer ones first
//! ```
//! Ties go to the lower task, then to the run that was made first: a worker takes its tasks in order and its runs hold one
//! stretch of them each, so that the merge of all is the stable sort of the input.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, new_empty_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type};
use pilaster_kernels::keys::RowKeyEncoder;
use pilaster_kernels::memory::Grant;
use pilaster_kernels::sort::{Merge, SortKey, Step};
use pilaster_kernels::{Error, Result, gather};

use super::chunk::Chunk;
use super::query::Query;
use super::store::{Piece, Store};
use crate::memory::Budget;

/// Runs that are merged at a time, where memory suffices: beyond, a further pass costs less than ever smaller blocks.
pub(crate) const MOST_RUNS: usize = 64;

/// A block in a merge takes its bytes, those of its keys, and as much again in blocks that wait to be gathered.
const BLOCK_COST: u64 = 4;

/// Rows in order.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) blocks: VecDeque<Piece>,
}

/// All runs of a sort, on their way into one order.
pub(crate) struct SortedRuns {
    pub(crate) store: Store,
    pub(crate) memory: Arc<Budget>,
    /// Those of one worker in the order in which it made them.
    pub(crate) runs: VecDeque<Run>,
    pub(crate) keys: Vec<SortKey>,
    /// Of the rows, without their task.
    pub(crate) schema: SchemaRef,
    /// Rows that decide the result.
    pub(crate) wanted: Option<usize>,
}

/// The types of rows in runs.
pub(crate) fn with_task(schema: &Schema) -> Schema {
    let task = Arc::new(Field::new("task", DataType::UInt32, false));
    Schema::new(schema.fields().iter().cloned().chain([task]).collect::<Vec<_>>())
}

/// Rows of a block, so that [`MOST_RUNS`] fit the budget of a merge.
pub(crate) fn rows_of_block(query: &Query, memory: &Budget, rows: &Chunk) -> usize {
    const LEAST: usize = 64;
    let of_row = rows.bytes().div_ceil(rows.rows.max(1) as u64).max(1);
    let block = memory.limit_bytes() / (BLOCK_COST * MOST_RUNS as u64);
    usize::try_from(block / of_row).unwrap_or(usize::MAX).max(LEAST).min(query.cpu_batch_rows())
}

impl SortedRuns {
    /// Gives all rows in order, without the first `skip`, at most as many as are wanted.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::OutOfMemory`]; what `give` raises.
    pub(crate) fn give(
        &mut self,
        query: &Query,
        mut skip: usize,
        mut give: impl FnMut(Chunk) -> Result<()>,
    ) -> Result<()> {
        self.reduce(query)?;
        let runs = self.runs.drain(..).collect();
        let mut merging = self.merging(runs)?;
        let columns = self.schema.fields().len();
        while let Some(mut rows) = self.next(query, &mut merging)? {
            rows.columns.truncate(columns);
            let from = skip.min(rows.rows);
            skip -= from;
            if from < rows.rows {
                give(rows.slice(from, rows.rows - from))?;
            }
        }
        Ok(())
    }

    /// Merges neighbours until one merge can take all runs.
    fn reduce(&mut self, query: &Query) -> Result<()> {
        let most = self.most_runs();
        while self.runs.len() > most {
            // No more than are too many: a group of runs becomes one, in the place of its first.
            let (mut excess, mut left) = (self.runs.len() - most, self.runs.len());
            while left > 0 {
                let group: Vec<Run> = self.runs.drain(..most.min(excess + 1).min(left)).collect();
                left -= group.len();
                excess -= group.len() - 1;
                let run =
                    if group.len() > 1 { Some(self.merged(query, group)?) } else { group.into_iter().next() };
                self.runs.extend(run);
            }
        }
        Ok(())
    }

    fn merged(&mut self, query: &Query, runs: Vec<Run>) -> Result<Run> {
        let mut merged = Run::default();
        let mut merging = self.merging(runs)?;
        while let Some(rows) = self.next(query, &mut merging)? {
            let size = rows_of_block(query, &self.memory, &rows);
            for slice in rows.slices(size) {
                merged.blocks.extend(self.store.write(&slice)?);
            }
        }
        self.store.seal()?;
        Ok(merged)
    }

    fn most_runs(&self) -> usize {
        let blocks = self.runs.iter().flat_map(|run| &run.blocks);
        let largest = blocks.map(Piece::bytes).max().unwrap_or(0).max(1);
        let fitting = self.memory.limit_bytes() / (BLOCK_COST * largest);
        usize::try_from(fitting).unwrap_or(usize::MAX).clamp(2, MOST_RUNS)
    }

    fn merging(&self, runs: Vec<Run>) -> Result<Merging> {
        let schema = with_task(&self.schema);
        let types = |column: usize| -> Result<DataType> {
            let types: Vec<Vec<DataType>> =
                runs.iter().filter_map(|run| run.blocks.front()).map(Piece::data_types).collect();
            let of_column = types.iter().filter_map(|types| types.get(column));
            gather::common_type(of_column, schema.field(column).data_type())
        };
        let types = (0..schema.fields().len()).map(types).collect::<Result<Vec<_>>>()?;
        let fields = self.schema.fields().iter().map(AsRef::as_ref);
        Ok(Merging {
            encoder: RowKeyEncoder::new(fields, &self.keys)?,
            merge: Merge::new(runs.len()),
            heads: vec![None; runs.len()],
            runs,
            types,
            blocks: Vec::new(),
            left: self.wanted.unwrap_or(usize::MAX),
            grant: Grant::new(Arc::clone(&self.memory) as _),
        })
    }

    fn next(&self, query: &Query, merging: &mut Merging) -> Result<Option<Chunk>> {
        query.check()?;
        query.on_pool(|| merging.next(query.cpu_batch_rows()))
    }
}

/// Some runs, being merged.
struct Merging {
    encoder: RowKeyEncoder,
    merge: Merge,
    runs: Vec<Run>,
    /// Types that all runs' blocks are brought to.
    types: Vec<DataType>,
    /// Blocks that rows may come from, by the number that the merge knows; none where one is used up.
    blocks: Vec<Option<Block>>,
    /// The block of each run that has rows left.
    heads: Vec<Option<usize>>,
    /// Rows that are still wanted.
    left: usize,
    grant: Grant,
}

struct Block {
    columns: Vec<ArrayRef>,
    held_bytes: u64,
}

impl Merging {
    /// The next rows in order; none at the end.
    fn next(&mut self, most: usize) -> Result<Option<Chunk>> {
        let mut rows = Vec::new();
        while self.left > 0 {
            match self.merge.next(most.min(self.left), &mut rows) {
                Step::Full | Step::End => break,
                Step::Wants(run) => self.load(run)?,
            }
        }
        if rows.is_empty() {
            return Ok(None);
        }
        self.left -= rows.len();
        let empty: Vec<ArrayRef> = self.types.iter().map(new_empty_array).collect();
        let column = |column: usize| {
            let of_block = |block: &Option<Block>| match block {
                Some(block) => Arc::clone(&block.columns[column]),
                None => Arc::clone(&empty[column]),
            };
            let parts: Vec<ArrayRef> = self.blocks.iter().map(of_block).collect();
            gather::mixed(&parts, &rows)
        };
        let columns = (0..self.types.len()).map(column).collect::<Result<_>>()?;
        self.drop_used();
        Ok(Some(Chunk::new(columns, rows.len())))
    }

    /// Feeds the next block of a run, or tells its end.
    fn load(&mut self, run: usize) -> Result<()> {
        self.heads[run] = None;
        let Some(piece) = self.runs[run].blocks.pop_front() else {
            self.merge.end(run);
            return Ok(());
        };
        // Its keys take about as much as it does itself.
        let held_bytes = piece.bytes_to_read() + piece.bytes();
        self.grant.grow(held_bytes)?;
        let rows = piece.read()?;
        let aligned =
            rows.columns.iter().zip(&self.types).map(|(column, target)| gather::align(column, target));
        let columns = aligned.collect::<Result<Vec<_>>>()?;
        let ties = columns.last().and_then(|ties| ties.as_primitive_opt::<UInt32Type>());
        let ties = ties.ok_or_else(|| Error::invalid("a sorted run without its tasks"))?.values().clone();
        let keys = self.encoder.encode(&columns, rows.rows)?;
        let free = self.blocks.iter().position(Option::is_none);
        let number = free.unwrap_or(self.blocks.len());
        self.merge.feed(run, number, keys, ties)?;
        let block = Some(Block { columns, held_bytes });
        match free {
            Some(free) => self.blocks[free] = block,
            None => self.blocks.push(block),
        }
        self.heads[run] = Some(number);
        Ok(())
    }

    /// Drops blocks that are no run's head any more.
    fn drop_used(&mut self) {
        for (number, block) in self.blocks.iter_mut().enumerate() {
            if !self.heads.contains(&Some(number))
                && let Some(block) = block.take()
            {
                self.grant.shrink(block.held_bytes);
            }
        }
    }
}
