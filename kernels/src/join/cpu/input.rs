//! The build side as all workers took it, its rows numbered.

use super::layout::Extent;
use super::marks::Marks;
use super::stage::GROUP_ROWS;
use super::worker::{BuildWorker, Chunk};
use crate::memory::Grant;

/// All that the workers took.
pub(super) struct Input {
    /// With the number of the first row.
    pub(super) chunks: Vec<(Chunk, u32)>,
    pub(super) extents: Vec<Extent>,
    keys: Vec<Grant>,
    pub(super) columns: Vec<Grant>,
}

impl Input {
    pub(super) fn new(workers: Vec<BuildWorker>, keys: usize) -> Self {
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
    pub(super) fn groups(&self) -> Vec<&[(Chunk, u32)]> {
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
    pub(super) fn visit_null_keys(&self, marks: Option<&Marks>) -> bool {
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

    pub(super) fn drop_keys(&mut self) {
        self.chunks.iter_mut().for_each(|(chunk, _)| chunk.keys = Vec::new());
        self.keys.clear();
    }
}
