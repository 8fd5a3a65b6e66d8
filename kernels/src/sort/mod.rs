//! Stable order of a batch by several keys; merging of what was sorted apart.

pub mod cpu;
pub mod gpu;
mod lead;
mod merge;
mod radix;
mod split;
mod top;
mod words;

pub use cpu::sort_to_indices;
pub use merge::{Merge, Step};
pub use top::TopBound;

/// One sort key: a column, its direction and where its nulls go. There is no default below the SQL layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SortKey {
    /// Column of the input.
    pub column: usize,
    /// Greatest first.
    pub descending: bool,
    /// Nulls before all values, whatever the direction.
    pub nulls_first: bool,
}
