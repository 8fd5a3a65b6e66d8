//! From values found to candidate pairs, a block at a time.

use super::JoinTable;
use super::payload::NO_ROW;
use super::table::LIST;

/// Pairs of a probe row and a build row, by probe row, then build row.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    pub(super) probe: Vec<u32>,
    pub(super) build: Vec<u32>,
    /// True where no probe row occurs twice.
    pub(super) distinct: bool,
}

impl Pairs {
    pub(super) fn clear(&mut self) {
        self.probe.clear();
        self.build.clear();
        self.distinct = true;
    }

    pub(super) fn push(&mut self, probe: u32, build: u32) {
        self.probe.push(probe);
        self.build.push(build);
    }

    pub(super) fn len(&self) -> usize {
        self.probe.len()
    }

    /// Keeps the pairs that pass.
    pub(super) fn retain(&mut self, mut passes: impl FnMut(usize) -> bool) {
        let mut kept = 0;
        for at in 0..self.len() {
            self.probe[kept] = self.probe[at];
            self.build[kept] = self.build[at];
            kept += usize::from(passes(at));
        }
        self.probe.truncate(kept);
        self.build.truncate(kept);
    }
}

/// Where the walk over a batch's candidates stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Probe row.
    pub(super) row: usize,
    /// Candidates of it that are done.
    pub(super) within: usize,
}

/// What a walk shows beside candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Empty {
    /// Rows without candidate are passed over.
    Skipped,
    /// They come as pairs with [`NO_ROW`].
    Shown,
    /// They are passed over, but count as a pair, since they will be shown later.
    Counted,
}

/// Appends at most `limit` pairs to `pairs` and moves the cursor past them. Rows that are `done` have no candidates more.
pub(super) fn walk(
    table: &JoinTable,
    found: &[u32],
    cursor: &mut Cursor,
    limit: usize,
    empty: Empty,
    done: impl Fn(usize) -> bool,
    pairs: &mut Pairs,
) {
    let mut left = limit;
    while cursor.row < found.len() && left > 0 {
        let (row, value) = (cursor.row as u32, found[cursor.row]);
        if value == 0 || done(cursor.row) {
            if value == 0 && empty == Empty::Shown {
                pairs.push(row, NO_ROW);
            }
            left -= usize::from(value == 0 && empty != Empty::Skipped);
            *cursor = Cursor { row: cursor.row + 1, within: 0 };
        } else if value & LIST == 0 {
            pairs.push(row, value - 1);
            left -= 1;
            cursor.row += 1;
        } else {
            let rest = &table.list(value)[cursor.within..];
            let taken = rest.len().min(left);
            pairs.probe.resize(pairs.len() + taken, row);
            pairs.build.extend_from_slice(&rest[..taken]);
            pairs.distinct = false;
            left -= taken;
            cursor.within += taken;
            if taken == rest.len() {
                *cursor = Cursor { row: cursor.row + 1, within: 0 };
            }
        }
    }
}

/// [`walk`] where every key has one row: nothing is guessed. Rows without candidate come out where they are `shown`.
pub(super) fn walk_unique(found: &[u32], cursor: &mut Cursor, limit: usize, shown: bool, pairs: &mut Pairs) {
    let end = found.len().min(cursor.row.saturating_add(limit));
    let start = pairs.len();
    let most = start + end - cursor.row;
    pairs.probe.resize(most, 0);
    pairs.build.resize(most, 0);
    let (probe, build) = (pairs.probe.as_mut_slice(), pairs.build.as_mut_slice());
    let mut at = start;
    for (row, &value) in (cursor.row as u32..).zip(&found[cursor.row..end]) {
        probe[at] = row;
        // Of none, 0 - 1: no row.
        build[at] = value.wrapping_sub(1);
        at += usize::from(shown | (value != 0));
    }
    pairs.probe.truncate(at);
    pairs.build.truncate(at);
    cursor.row = end;
}
