//! Rows of a row group that are still to be read.

use std::ops::Range;

/// Rows of one row group as sorted, disjoint, non-empty ranges that do not touch, by number within the row group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowRanges {
    ranges: Vec<Range<usize>>,
}

impl RowRanges {
    /// No row.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The first `rows` rows.
    #[must_use]
    pub fn all(rows: usize) -> Self {
        std::iter::once(0..rows).collect()
    }

    /// The ranges, ascending.
    #[must_use]
    pub fn ranges(&self) -> &[Range<usize>] {
        &self.ranges
    }

    /// Rows in all ranges.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.ranges.iter().map(Range::len).sum()
    }

    /// True without any row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// One past the last row; 0 without any.
    #[must_use]
    pub fn end(&self) -> usize {
        self.ranges.last().map_or(0, |last| last.end)
    }

    /// True for some row of `range`.
    #[must_use]
    pub fn overlaps(&self, range: &Range<usize>) -> bool {
        let after = self.ranges.partition_point(|known| known.end <= range.start);
        !range.is_empty() && self.ranges.get(after).is_some_and(|known| known.start < range.end)
    }

    /// Rows of both.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let (mut left, mut right) = (0, 0);
        let mut both = Vec::new();
        while let (Some(a), Some(b)) = (self.ranges.get(left), other.ranges.get(right)) {
            let common = a.start.max(b.start)..a.end.min(b.end);
            if !common.is_empty() {
                both.push(common);
            }
            if a.end <= b.end {
                left += 1;
            } else {
                right += 1;
            }
        }
        both.into_iter().collect()
    }

    /// Rows of either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.ranges.iter().chain(&other.ranges).cloned().collect()
    }

    /// The rows cut into stretches of at most `rows`, each within one range.
    pub fn stretches(&self, rows: usize) -> impl Iterator<Item = Range<usize>> + '_ {
        let rows = rows.max(1);
        let cut = move |range: &Range<usize>| {
            let Range { start, end } = *range;
            (start..end).step_by(rows).map(move |at| at..end.min(at.saturating_add(rows)))
        };
        self.ranges.iter().flat_map(cut)
    }
}

/// Of ranges in any order, overlapping and empty ones included.
impl FromIterator<Range<usize>> for RowRanges {
    fn from_iter<I: IntoIterator<Item = Range<usize>>>(ranges: I) -> Self {
        let mut sorted: Vec<_> = ranges.into_iter().filter(|range| !range.is_empty()).collect();
        sorted.sort_by_key(|range| range.start);
        let mut joined: Vec<Range<usize>> = Vec::with_capacity(sorted.len());
        for range in sorted {
            match joined.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => joined.push(range),
            }
        }
        Self { ranges: joined }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rows: &[bool]) -> RowRanges {
        rows.iter().enumerate().filter(|(_, set)| **set).map(|(row, _)| row..row + 1).collect()
    }

    fn bits(ranges: &RowRanges, rows: usize) -> Vec<bool> {
        (0..rows).map(|row| ranges.ranges().iter().any(|range| range.contains(&row))).collect()
    }

    #[test]
    fn sets_of_rows_behave_as_bits_do() {
        const ROWS: usize = 6;
        let sets: Vec<Vec<bool>> =
            (0..1 << ROWS).map(|set: u32| (0..ROWS).map(|row| set >> row & 1 == 1).collect()).collect();
        for left in &sets {
            let a = of(left);
            assert_eq!(&bits(&a, ROWS), left);
            assert_eq!(a.rows(), left.iter().filter(|set| **set).count());
            assert_eq!(a.end(), left.iter().rposition(|set| *set).map_or(0, |last| last + 1));
            assert!(a.ranges().windows(2).all(|pair| pair[0].end < pair[1].start));
            for right in &sets {
                let b = of(right);
                let pairs = || left.iter().zip(right);
                assert_eq!(a.intersect(&b), of(&pairs().map(|(l, r)| l & r).collect::<Vec<_>>()));
                assert_eq!(a.union(&b), of(&pairs().map(|(l, r)| l | r).collect::<Vec<_>>()));
            }
            for start in 0..ROWS {
                for end in start..=ROWS {
                    assert_eq!(a.overlaps(&(start..end)), left[start..end].contains(&true));
                }
            }
        }
    }

    #[test]
    fn stretches_cover_the_ranges_in_order() {
        let ranges: RowRanges = [20..25, 0..7, 30..31, 5..8, 9..9].into_iter().collect();
        assert_eq!(ranges.ranges(), [0..8, 20..25, 30..31]);
        let cut: Vec<_> = ranges.stretches(3).collect();
        assert_eq!(cut, [0..3, 3..6, 6..8, 20..23, 23..25, 30..31]);
        assert_eq!(ranges.stretches(0).count(), ranges.rows());
        assert_eq!(RowRanges::all(4).ranges(), std::slice::from_ref(&(0..4)));
        assert!(RowRanges::all(0).is_empty() && RowRanges::none().stretches(9).next().is_none());
    }
}
