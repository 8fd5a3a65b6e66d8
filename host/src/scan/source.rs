//! Files that are not local: whatever gives ranges of bytes.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

/// A file behind an engine's object store, or anything else that is read by ranges.
///
/// Reads may block: a scan reads on threads of the query, never on an async runtime's.
pub trait ByteSource: fmt::Debug + Send + Sync {
    /// Bytes in all.
    fn length(&self) -> u64;

    /// What tells this content from an earlier one at the same place: a tag, a time of change. Footers are kept for as long
    /// as it stays the same; without it they are not.
    fn version(&self) -> Option<String>;

    /// The bytes of `range`, all of them.
    ///
    /// # Errors
    /// What went wrong; [`std::io::ErrorKind::UnexpectedEof`] where there are fewer.
    fn read(&self, range: Range<u64>) -> std::io::Result<Bytes>;
}
