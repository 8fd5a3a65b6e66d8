//! Column chunks that several tasks read parts of.
//!
//! A row group that is cut into tasks is read once where they run at the same time: who comes first fetches a chunk, the
//! others take it as long as anyone holds it. Nothing is kept for its own sake.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use pilaster_kernels::Result;

use super::page::Chunk;

/// Chunks by leaf.
pub(super) type Chunks = BTreeMap<usize, Arc<Chunk>>;

type Known = Arc<Mutex<BTreeMap<usize, Weak<Chunk>>>>;

/// By file and row group of the scan.
#[derive(Debug, Default)]
pub(super) struct SharedChunks {
    groups: Mutex<HashMap<(usize, usize), Known>>,
}

impl SharedChunks {
    /// The chunks of `leaves`; those that nobody holds come from `fetch`, which others of that row group wait for.
    ///
    /// # Errors
    /// What `fetch` raises.
    pub(super) fn get(
        &self,
        group: (usize, usize),
        leaves: impl Iterator<Item = usize>,
        fetch: impl FnOnce(Vec<usize>) -> Result<Chunks>,
    ) -> Result<Chunks> {
        let known = Arc::clone(self.groups.lock().entry(group).or_default());
        let mut known = known.lock();
        let mut found = Chunks::new();
        let mut missing = Vec::new();
        for leaf in leaves {
            match known.get(&leaf).and_then(Weak::upgrade) {
                Some(chunk) => drop(found.insert(leaf, chunk)),
                None => missing.push(leaf),
            }
        }
        if !missing.is_empty() {
            for (leaf, chunk) in fetch(missing)? {
                known.insert(leaf, Arc::downgrade(&chunk));
                found.insert(leaf, chunk);
            }
        }
        Ok(found)
    }
}
