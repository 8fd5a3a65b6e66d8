//! Parquet files: schemas of every type and nesting, their data, and the settings under which a writer may write them.

mod handmade;
mod settings;
mod types;
mod values;

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};

use super::{Choices, Random};

pub use handmade::{HandmadeFile, Kind, Oddities, Shape, kinds};
pub use settings::{LeafSettings, Settings, codecs, encodings, encodings_of};
pub use types::{field, leaf_types};
pub use values::{Density, Lie, ValueRecipe, column};

/// Rows around words, mini-blocks, blocks of 1024 and page limits.
const ROWS: [usize; 14] = [40, 1, 2, 7, 8, 9, 31, 64, 65, 127, 300, 1000, 1025, 2100];

/// A file and how it came to be.
#[derive(Clone)]
pub struct ParquetFile {
    /// The file.
    pub bytes: Bytes,
    /// What was written.
    pub data: RecordBatch,
    /// How it was written.
    pub settings: Settings,
    recipes: Vec<ValueRecipe>,
}

impl ParquetFile {
    /// Some columns of some types.
    ///
    /// # Panics
    /// Where the writer refuses what it promises to write.
    #[must_use]
    pub fn choose(choices: &mut Choices) -> Self {
        let columns = 1 + choices.pick(4);
        let fields: Vec<Field> = (0..columns).map(|at| field(at, choices)).collect();
        Self::of(Arc::new(Schema::new(fields)), choices)
    }

    /// Columns of these types.
    ///
    /// # Panics
    /// Where the writer refuses what it promises to write.
    #[must_use]
    pub fn of(schema: SchemaRef, choices: &mut Choices) -> Self {
        let rows = *choices.one_of(&ROWS);
        let recipes: Vec<ValueRecipe> =
            schema.fields().iter().map(|_| ValueRecipe::choose(choices)).collect();
        let column = |(field, recipe): (&Arc<Field>, &ValueRecipe)| {
            column(field, recipe, rows, &mut Random::new(recipe.seed))
        };
        let columns: Vec<ArrayRef> = schema.fields().iter().zip(&recipes).map(column).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let data = RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options)
            .expect("columns of their types");
        let settings = Settings::choose(&schema, rows, choices);
        let bytes = write(&data, &settings);
        ParquetFile { bytes, data, settings, recipes }
    }

    /// The same data written anew: its settings were changed.
    #[must_use]
    pub fn again(self) -> Self {
        ParquetFile { bytes: write(&self.data, &self.settings), ..self }
    }
}

/// The file that the `parquet` crate makes of a batch.
///
/// # Panics
/// Where the writer refuses what it promises to write.
#[must_use]
pub fn write(data: &RecordBatch, settings: &Settings) -> Bytes {
    let mut bytes = Vec::new();
    let options = ArrowWriterOptions::new()
        .with_properties(settings.properties(&data.schema()))
        .with_skip_arrow_metadata(settings.without_arrow_schema);
    let mut writer =
        ArrowWriter::try_new_with_options(&mut bytes, data.schema(), options).expect("a schema for Parquet");
    for start in (0..data.num_rows()).step_by(settings.batch_rows) {
        let rows = settings.batch_rows.min(data.num_rows() - start);
        writer.write(&data.slice(start, rows)).expect("a batch for Parquet");
    }
    writer.close().expect("a footer");
    bytes.into()
}

impl fmt::Debug for ParquetFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "a file of {} rows, {} bytes", self.data.num_rows(), self.bytes.len())?;
        for (field, recipe) in self.data.schema().fields().iter().zip(&self.recipes) {
            let nullable = if field.is_nullable() { "" } else { " not null" };
            writeln!(f, "  {}: {}{nullable}; {recipe:?}", field.name(), field.data_type())?;
        }
        writeln!(f, "  {:?}", self.settings)
    }
}
