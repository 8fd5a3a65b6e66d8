//! Predicates to selections, and the rows that they keep.

use arrow::array::BooleanBufferBuilder;
use arrow::buffer::{BooleanBuffer, ScalarBuffer};

pub mod cpu;
pub mod gpu;

pub use cpu::{compact, compact_columns};

/// Which rows of a batch are active, in ascending order.
///
/// A bitmap while many rows are left (one bit per row, `AND` is cheap), row numbers once few are (work goes with what
/// is left, not with what was).
///
/// ```
/// use pilaster_kernels::filter::Selection;
///
/// let selection = Selection::from_indices(8, vec![1, 4, 6]);
/// assert_eq!((selection.rows(), selection.count()), (8, 3));
/// assert_eq!(selection.bitmap().set_indices().collect::<Vec<_>>(), [1, 4, 6]);
/// ```
#[derive(Debug, Clone)]
pub enum Selection {
    /// All rows.
    All {
        /// Rows of the batch.
        rows: usize,
    },
    /// One bit per row.
    Bitmap {
        /// Set where the row is active.
        bits: BooleanBuffer,
        /// Set bits.
        count: usize,
    },
    /// Row numbers, strictly ascending.
    Indices {
        /// Row numbers.
        indices: ScalarBuffer<u32>,
        /// Rows of the batch.
        rows: usize,
    },
}

impl Selection {
    /// All of `rows` rows.
    #[must_use]
    pub fn all(rows: usize) -> Self {
        Selection::All { rows }
    }

    /// None of `rows` rows.
    #[must_use]
    pub fn none(rows: usize) -> Self {
        Selection::Indices { indices: ScalarBuffer::from(Vec::new()), rows }
    }

    /// The rows whose bit is set.
    #[must_use]
    pub fn from_bitmap(bits: BooleanBuffer) -> Self {
        let count = bits.count_set_bits();
        if count == bits.len() { Selection::All { rows: count } } else { Selection::Bitmap { bits, count } }
    }

    /// The rows of `indices`, which must be strictly ascending and below `rows`.
    #[must_use]
    pub fn from_indices(rows: usize, indices: impl Into<ScalarBuffer<u32>>) -> Self {
        let indices = indices.into();
        debug_assert!(indices.windows(2).all(|pair| pair[0] < pair[1]), "row numbers ascend");
        debug_assert!(
            indices.last().is_none_or(|last| (*last as usize) < rows),
            "row numbers are below {rows}"
        );
        Selection::Indices { indices, rows }
    }

    /// Rows of the batch, active or not.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self {
            Selection::All { rows } | Selection::Indices { rows, .. } => *rows,
            Selection::Bitmap { bits, .. } => bits.len(),
        }
    }

    /// Active rows.
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            Selection::All { rows } => *rows,
            Selection::Bitmap { count, .. } => *count,
            Selection::Indices { indices, .. } => indices.len(),
        }
    }

    /// True where every row is active.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.count() == self.rows()
    }

    /// The rows that are active in both, which are of the same batch.
    #[must_use]
    pub fn and(&self, other: &Selection) -> Self {
        debug_assert_eq!(self.rows(), other.rows(), "of one batch");
        match (self.is_all(), other.is_all()) {
            (true, _) => other.clone(),
            (_, true) => self.clone(),
            _ => Selection::from_bitmap(&self.bitmap() & &other.bitmap()),
        }
    }

    /// Row numbers of the active rows, ascending.
    #[must_use]
    pub fn indices(&self) -> ScalarBuffer<u32> {
        match self {
            Selection::All { rows } => (0..*rows as u32).collect::<Vec<_>>().into(),
            Selection::Bitmap { bits, count } => {
                let mut indices = Vec::with_capacity(*count);
                indices.extend(bits.set_indices_u32());
                indices.into()
            }
            Selection::Indices { indices, .. } => indices.clone(),
        }
    }

    /// One bit per row, set where it is active.
    #[must_use]
    pub fn bitmap(&self) -> BooleanBuffer {
        match self {
            Selection::All { rows } => BooleanBuffer::new_set(*rows),
            Selection::Bitmap { bits, .. } => bits.clone(),
            Selection::Indices { indices, rows } => {
                let mut bits = BooleanBufferBuilder::new(*rows);
                bits.append_n(*rows, false);
                indices.iter().for_each(|&row| bits.set_bit(row as usize, true));
                bits.finish()
            }
        }
    }
}
