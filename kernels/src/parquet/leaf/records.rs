//! Rows of repeated columns.
//!
//! A row ends where the next one begins, which may be pages later: only v2 pages and chunks with an offset index promise
//! that none crosses a page's border ([`PageFacts::rows`](crate::parquet::PageFacts::rows)).

use crate::error::Error;
use crate::parquet::Malformed;

use super::column::Fault;
use super::validity::Validity;
use super::{Building, LeafReader};

impl LeafReader {
    /// Reads the next `rows` rows into a batch, or passes over them; gives how many: fewer only where the chunk ends.
    pub(super) fn records(&mut self, rows: usize, mut batch: Option<&mut Building>) -> Result<usize, Error> {
        if rows == 0 {
            return Ok(0);
        }
        let (mut begun, mut first) = (0, true);
        loop {
            if !self.has_levels() {
                self.close_page()?;
                let Some(facts) = self.pages.peek()? else { break };
                if let Some(in_page) = facts.rows {
                    if begun == rows {
                        break;
                    }
                    if batch.is_none() && in_page <= rows - begun {
                        self.pages.skip()?;
                        begun += in_page;
                        first &= in_page == 0;
                        continue;
                    }
                }
                if !self.load()? {
                    break;
                }
                if first || facts.rows.is_some() {
                    self.check_row_start()?;
                }
            }
            first = false;
            let more = rows - begun;
            if batch.is_none()
                && let Some(page) = &mut self.page
                && let Some(dropped) = page.skip_rest(more)
            {
                begun += dropped;
                continue;
            }
            let (taken, complete) = self.take(more, batch.as_deref_mut())?;
            begun += taken;
            if complete {
                break;
            }
        }
        Ok(begun)
    }

    /// Takes levels of the page at hand and their values; gives how many rows begin there, and whether the next level
    /// begins one too many.
    fn take(&mut self, rows: usize, batch: Option<&mut Building>) -> Result<(usize, bool), Error> {
        self.in_page(|page, column, grant| match batch {
            None => {
                let mut validity = Validity::default();
                let taken = page.take(rows, None, &mut validity, grant)?;
                column.skip(taken.stretch.values)?;
                Ok((taken.rows, taken.complete))
            }
            Some(batch) => {
                let taken = page.take(rows, batch.levels.as_mut(), &mut batch.validity, grant)?;
                batch.slots += taken.stretch.slots;
                column.read(&taken.stretch, grant)?;
                Ok((taken.rows, taken.complete))
            }
        })
    }

    fn check_row_start(&mut self) -> Result<(), Error> {
        self.in_page(|page, _, _| match page.at_row()? {
            true => Ok(()),
            false => Err(Fault::Malformed(Malformed::new("a page begins amid a row"))),
        })
    }

    fn close_page(&mut self) -> Result<(), Error> {
        if self.page.is_some() {
            self.in_page(|page, _, _| Ok(page.check_rows()?))?;
        }
        Ok(())
    }
}
