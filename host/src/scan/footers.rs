//! Footers that were read before.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use pilaster_kernels::Result;

use super::FileSlice;
use super::fetch::Store;
use super::file::{ScanFile, io_error};

/// Footers by file, size and time of change (or a source's version), so that a session reads and checks each once while the file stays as it is.
///
/// Bounded: when `capacity` is passed, the files that were asked for the longest time ago go. An entry keeps the file
/// open.
#[derive(Debug)]
pub struct FooterCache {
    capacity: usize,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    by_path: HashMap<PathBuf, Entry>,
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    version: Version,
    file: ScanFile,
    asked: u64,
}

/// What a file must still be for its footer to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    length: u64,
    tag: Tag,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Tag {
    Changed(SystemTime),
    Source(String),
}

/// Files that a session keeps the footers of.
const CAPACITY: usize = 256;

impl Default for FooterCache {
    fn default() -> Self {
        Self::new(CAPACITY)
    }
}

impl FooterCache {
    /// A cache of at most `capacity` footers; 0 keeps none.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity, entries: Mutex::default() }
    }

    /// Footers in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.lock().by_path.len()
    }

    /// True without any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The slice's file, as it is now.
    pub(super) fn open(&self, slice: &FileSlice) -> Result<ScanFile> {
        let path = slice.path.as_path();
        let (store, tag) = match &slice.source {
            Some(source) => (Store::Source(Arc::clone(source)), source.version().map(Tag::Source)),
            None => {
                let io = |error: std::io::Error| io_error(path, &error);
                let store = Store::open(path).map_err(io)?;
                // Of what was opened, which may no longer be what is at the path.
                let changed = store.changed().map_err(io)?;
                (store, changed.map(Tag::Changed))
            }
        };
        // Without a version a file cannot be told from the one before it.
        let Some(tag) = tag else { return ScanFile::of(path, store) };
        let version = Version { length: store.length(), tag };
        if let Some(file) = self.known(path, &version) {
            return Ok(file);
        }
        let file = ScanFile::of(path, store)?;
        self.keep(path, Entry { version, file: file.clone(), asked: 0 });
        Ok(file)
    }

    fn known(&self, path: &Path, version: &Version) -> Option<ScanFile> {
        let mut entries = self.entries.lock();
        entries.clock += 1;
        let now = entries.clock;
        let entry = entries.by_path.get_mut(path)?;
        if entry.version != *version {
            entries.by_path.remove(path);
            return None;
        }
        entry.asked = now;
        Some(entry.file.clone())
    }

    fn keep(&self, path: &Path, entry: Entry) {
        if self.capacity == 0 {
            return;
        }
        let mut entries = self.entries.lock();
        let asked = entries.clock;
        entries.by_path.insert(path.to_path_buf(), Entry { asked, ..entry });
        while entries.by_path.len() > self.capacity {
            let oldest = entries.by_path.iter().min_by_key(|(_, entry)| entry.asked);
            let Some(oldest) = oldest.map(|(path, _)| path.clone()) else { break };
            entries.by_path.remove(&oldest);
        }
    }
}
