//! Ranges of rows whose pages may hold a match.
//!
//! Pages of different columns end at different rows. The row group is cut at every border of a page of the predicate's
//! columns; over each stretch the facts of a column are those of the one page that covers it, and the predicate is
//! evaluated as over a row group. A disjunction of two columns prunes where neither page can match.

use std::collections::BTreeMap;

use pilaster_kernels::Result;
use pilaster_kernels::expr::Expr;

use super::index::{self, PageSpan};
use super::truth::truth;
use crate::scan::predicate::columns;
use crate::scan::statistics::{Facts, Stored};
use crate::scan::{RowRanges, Scan, SlicedFile};

/// Pages of one column, and what is known of each.
struct Indexed {
    pages: Vec<PageSpan>,
    facts: Vec<Facts>,
}

impl Indexed {
    fn at(&self, row: usize) -> &Facts {
        let page = self.pages.partition_point(|page| page.rows.end <= row);
        &self.facts[page.min(self.facts.len() - 1)]
    }
}

/// Rows where every conjunct can be true; none where no column of them has a usable index.
pub(super) fn ranges(
    scan: &Scan,
    sliced: &SlicedFile,
    row_group: usize,
    conjuncts: &[&Expr],
) -> Result<Option<RowRanges>> {
    let mut indexed: BTreeMap<usize, Indexed> = BTreeMap::new();
    let mut tested = Vec::new();
    for conjunct in conjuncts {
        let read = columns(conjunct, &scan.schema)?;
        for &column in &read {
            if !indexed.contains_key(&column)
                && let Some(found) = load(scan, sliced, row_group, column)?
            {
                indexed.insert(column, found);
            }
        }
        if read.iter().any(|column| indexed.contains_key(column)) {
            tested.push(*conjunct);
        }
    }
    if tested.is_empty() {
        return Ok(None);
    }
    let rows = sliced.file.rows(row_group);
    let mut borders: Vec<usize> =
        indexed.values().flat_map(|column| column.pages.iter().map(|page| page.rows.start)).collect();
    borders.push(rows);
    borders.sort_unstable();
    borders.dedup();
    let may_match = |start: usize| {
        let facts = |column: usize| match indexed.get(&column) {
            Some(indexed) => indexed.at(start).clone(),
            None => super::facts(scan, sliced, row_group, column),
        };
        tested.iter().all(|conjunct| truth(conjunct, &facts).can_true)
    };
    let stretches = borders.windows(2).map(|border| border[0]..border[1]);
    Ok(Some(stretches.filter(|stretch| may_match(stretch.start)).collect()))
}

/// Pages and bytes of the projected columns that hold no row of `ranges`.
pub(super) fn spared(
    scan: &Scan,
    sliced: &SlicedFile,
    row_group: usize,
    ranges: &RowRanges,
) -> Result<(usize, u64)> {
    let (mut count, mut bytes) = (0, 0);
    for column in 0..scan.projection.len() {
        let Some(root) = sliced.origins[scan.projection[column]].root() else { continue };
        for leaf in sliced.file.leaves(root) {
            let chunk = sliced.file.metadata.row_group(row_group).column(leaf);
            let pages = index::pages(&sliced.file, chunk, sliced.file.rows(row_group))?;
            for page in pages.into_iter().flatten().filter(|page| !ranges.overlaps(&page.rows)) {
                count += 1;
                bytes += page.bytes;
            }
        }
    }
    Ok((count, bytes))
}

fn load(scan: &Scan, sliced: &SlicedFile, row_group: usize, column: usize) -> Result<Option<Indexed>> {
    let file = &sliced.file;
    let Some(root) = sliced.origins[scan.projection[column]].root() else { return Ok(None) };
    let Some(chunk) = file.flat_chunk(row_group, root) else { return Ok(None) };
    let Some(pages) = index::pages(file, chunk, file.rows(row_group))? else { return Ok(None) };
    let order = file.metadata.file_metadata().column_order(file.leaves(root).start);
    let stored = Stored::of(chunk, file.schema.field(root).data_type(), order);
    let Some(facts) = index::facts(file, chunk, stored, &pages)? else { return Ok(None) };
    let facts = facts.into_iter().map(|facts| super::as_table(scan, sliced, column, root, facts)).collect();
    Ok(Some(Indexed { pages, facts }))
}
