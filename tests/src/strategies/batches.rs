//! Batches: columns of one length, cut into any number of pieces.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::{Choices, ColumnRecipe, build};
use crate::datum::rows_of;
use crate::reference::{Row, Table};

/// Rows around everything that a kernel may round to: words, subgroups, workgroups, blocks.
pub const SIZES: [usize; 18] =
    [5, 0, 1, 2, 31, 32, 33, 63, 65, 127, 255, 256, 257, 1000, 1023, 1025, 2049, 4100];

/// The first `most` of the sizes at which something changes.
#[must_use]
pub fn sizes(most_rows: usize) -> Vec<usize> {
    SIZES.into_iter().filter(|&rows| rows <= most_rows).collect()
}

/// Input of an operator.
#[derive(Clone)]
pub struct Batches {
    /// Logical types of the columns.
    pub types: Vec<DataType>,
    /// Columns of each batch.
    pub batches: Vec<Vec<ArrayRef>>,
    /// Rows of each batch.
    pub rows: Vec<usize>,
    recipes: Vec<ColumnRecipe>,
}

impl Batches {
    /// Batches of `sizes` rows, each with columns by `recipes`; each batch has other values.
    #[must_use]
    pub fn new(recipes: Vec<ColumnRecipe>, sizes: &[usize]) -> Self {
        let batch = |(at, &rows): (usize, &usize)| {
            let column = |recipe: &ColumnRecipe| {
                let seed = recipe.seed.wrapping_add((at as u64).wrapping_mul(0x5851_f42d_4c95_7f2d));
                build(&ColumnRecipe { seed, ..recipe.clone() }, rows)
            };
            recipes.iter().map(column).collect()
        };
        Batches {
            types: recipes.iter().map(|recipe| recipe.data_type.clone()).collect(),
            batches: sizes.iter().enumerate().map(batch).collect(),
            rows: sizes.to_vec(),
            recipes,
        }
    }

    /// Batches of columns that are there already.
    #[must_use]
    pub fn of_arrays(types: Vec<DataType>, batches: Vec<Vec<ArrayRef>>) -> Self {
        let mut all = Batches { types, batches: Vec::new(), rows: Vec::new(), recipes: Vec::new() };
        batches.into_iter().for_each(|columns| all.push(columns));
        all
    }

    /// One batch more.
    pub fn push(&mut self, columns: Vec<ArrayRef>) {
        self.rows.push(columns.first().map_or(0, |column| column.len()));
        self.batches.push(columns);
    }

    /// All rows of all batches.
    #[must_use]
    pub fn table(&self) -> Table {
        let rows = self.record_batches().iter().flat_map(rows_of).map(Row::exact).collect();
        Table { types: self.types.clone(), rows }
    }

    /// Rows of all batches together.
    #[must_use]
    pub fn total(&self) -> usize {
        self.rows.iter().sum()
    }

    /// Schema by the physical arrays: every batch has the same.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        let types: Vec<DataType> = match self.batches.first() {
            Some(batch) => batch.iter().map(|column| column.data_type().clone()).collect(),
            None => self.types.clone(),
        };
        let field = |(at, data_type): (usize, DataType)| Field::new(format!("c{at}"), data_type, true);
        Arc::new(Schema::new(types.into_iter().enumerate().map(field).collect::<Vec<_>>()))
    }

    /// As record batches.
    ///
    /// # Panics
    /// Never: columns of a batch have one length.
    #[must_use]
    pub fn record_batches(&self) -> Vec<RecordBatch> {
        let schema = self.schema();
        let batch = |(columns, &rows): (&Vec<ArrayRef>, &usize)| {
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            RecordBatch::try_new_with_options(Arc::clone(&schema), columns.clone(), &options)
                .expect("columns of one length")
        };
        self.batches.iter().zip(&self.rows).map(batch).collect()
    }

    /// One batch alone.
    #[must_use]
    pub fn only(&self, batch: usize) -> Batches {
        Batches { batches: vec![self.batches[batch].clone()], rows: vec![self.rows[batch]], ..self.clone() }
    }

    /// The same rows in pieces of `rows` rows.
    #[must_use]
    pub fn cut(&self, rows: usize) -> Batches {
        let mut cut = Batches { batches: Vec::new(), rows: Vec::new(), ..self.clone() };
        for (columns, &total) in self.batches.iter().zip(&self.rows) {
            for start in (0..total).step_by(rows.max(1)) {
                let length = rows.min(total - start);
                cut.batches.push(columns.iter().map(|column| column.slice(start, length)).collect());
                cut.rows.push(length);
            }
        }
        cut
    }
}

/// Batches of columns of these types.
pub fn batches(
    types: &[DataType],
    most_rows: usize,
    most_batches: Range<usize>,
    choices: &mut Choices,
) -> Batches {
    let recipes: Vec<ColumnRecipe> =
        types.iter().map(|data_type| ColumnRecipe::choose(data_type, choices)).collect();
    let count = most_batches.start + choices.pick(most_batches.len());
    let sizes = sizes(most_rows);
    let rows: Vec<usize> = (0..count).map(|_| *choices.one_of(&sizes)).collect();
    Batches::new(recipes, &rows)
}

impl fmt::Debug for Batches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "batches of {:?} rows", self.rows)?;
        for (at, recipe) in self.recipes.iter().enumerate() {
            writeln!(f, "  #{at}: {recipe:?}")?;
        }
        for row in self.table().rows.iter().take(12) {
            let values: Vec<String> = row.values.iter().map(ToString::to_string).collect();
            writeln!(f, "  | {}", values.join(", "))?;
        }
        Ok(())
    }
}
