//! How many pairs make an output batch of bounded bytes.
//!
//! A row that meets many others is written once for each. Few long strings may so exceed memory, and the offsets of an
//! array, which count bytes and not rows. So a block of pairs is cut where its variable columns would exceed a bound, and is
//! walked again up to there. That no block needs it is mostly known from the longest row of each column.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::DataType;

use super::candidates::Pairs;
use super::payload::{NO_ROW, PayloadColumn};

/// Bytes of each row of a column.
#[derive(Debug, Clone, Default)]
pub(super) struct RowBytes {
    /// What all rows have.
    fixed: u64,
    /// Beside these: items, and bytes of one.
    items: Vec<(Offsets, u64)>,
    longest: u64,
}

#[derive(Debug, Clone)]
enum Offsets {
    Small(OffsetBuffer<i32>),
    Large(OffsetBuffer<i64>),
}

impl Offsets {
    fn len(&self, row: usize) -> u64 {
        match self {
            Offsets::Small(offsets) => (offsets[row + 1] - offsets[row]) as u64,
            Offsets::Large(offsets) => (offsets[row + 1] - offsets[row]) as u64,
        }
    }

    fn longest(&self) -> u64 {
        match self {
            Offsets::Small(offsets) => offsets.lengths().max().unwrap_or(0) as u64,
            Offsets::Large(offsets) => offsets.lengths().max().unwrap_or(0) as u64,
        }
    }
}

impl RowBytes {
    /// Those of `column`; of a list, each item is taken for the longest.
    pub(super) fn of(column: &ArrayRef) -> Self {
        let mut bytes = RowBytes::default();
        bytes.add(column);
        let items: u64 = bytes.items.iter().map(|(offsets, width)| offsets.longest() * width).sum();
        bytes.longest = bytes.fixed + items;
        bytes
    }

    fn add(&mut self, column: &ArrayRef) {
        use DataType as D;
        let small = |offsets: &OffsetBuffer<i32>| Offsets::Small(offsets.clone());
        let large = |offsets: &OffsetBuffer<i64>| Offsets::Large(offsets.clone());
        let item = |values: &ArrayRef| RowBytes::of(values).longest;
        match column.data_type() {
            D::Utf8 => self.items.push((small(column.as_string::<i32>().offsets()), 1)),
            D::Binary => self.items.push((small(column.as_binary::<i32>().offsets()), 1)),
            D::LargeUtf8 => self.items.push((large(column.as_string::<i64>().offsets()), 1)),
            D::LargeBinary => self.items.push((large(column.as_binary::<i64>().offsets()), 1)),
            D::List(_) => {
                let list = column.as_list::<i32>();
                self.items.push((small(list.offsets()), item(list.values())));
            }
            D::LargeList(_) => {
                let list = column.as_list::<i64>();
                self.items.push((large(list.offsets()), item(list.values())));
            }
            D::Map(..) => {
                let map = column.as_map();
                self.items.push((small(map.offsets()), map.entries().columns().iter().map(item).sum()));
            }
            D::Struct(_) => column.as_struct().columns().iter().for_each(|column| self.add(column)),
            D::FixedSizeList(_, size) => {
                self.fixed += (*size).max(0) as u64 * item(column.as_fixed_size_list().values());
            }
            D::FixedSizeBinary(width) => self.fixed += (*width).max(0) as u64,
            D::Dictionary(..) => self.fixed += 4,
            // Views are as wide as the widest number.
            other => self.fixed += other.primitive_width().unwrap_or(16) as u64,
        }
    }

    pub(super) fn row(&self, row: usize) -> u64 {
        self.fixed + self.items.iter().map(|(offsets, width)| offsets.len(row) * width).sum::<u64>()
    }

    /// Of the longest row.
    pub(super) fn longest(&self) -> u64 {
        self.longest
    }
}

/// Of `pairs`, how many make at most `bound` bytes of these columns, at least one; none where all do. Columns of the
/// probe side count where its rows may repeat; `active` are their numbers, where these differ.
pub(super) fn fitting(
    bound: u64,
    pairs: &Pairs,
    build: &[&PayloadColumn],
    probe: &[RowBytes],
    active: Option<&[u32]>,
) -> Option<usize> {
    let probe = if pairs.distinct { &[] } else { probe };
    let longest = build.iter().map(|column| column.longest()).sum::<u64>()
        + probe.iter().map(RowBytes::longest).sum::<u64>();
    if longest.saturating_mul(pairs.len() as u64) <= bound {
        return None;
    }
    let mut left = bound;
    for at in 0..pairs.len() {
        let (row, build_row) = (pairs.probe[at] as usize, pairs.build[at]);
        let row = active.map_or(row, |active| active[row] as usize);
        let of_build =
            |column: &&PayloadColumn| if build_row == NO_ROW { 0 } else { column.bytes(build_row) };
        let bytes =
            build.iter().map(of_build).sum::<u64>() + probe.iter().map(|column| column.row(row)).sum::<u64>();
        if bytes > left {
            return Some(at.max(1)).filter(|&fit| fit < pairs.len());
        }
        left -= bytes;
    }
    None
}
