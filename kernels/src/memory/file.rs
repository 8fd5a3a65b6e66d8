//! Columns on disk: a file that takes its schema from its first batch.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema};

use super::{Spill, SpillWriter, Spilled};
use crate::error::{Error, Result};

/// A file of columns that is being written. Created with its first batch, whose types all batches have.
///
/// Dictionaries are written as their values, since a file has one dictionary of each column only; views are written over
/// the bytes that they use.
pub struct SpillFile {
    spill: Arc<dyn Spill>,
    writer: Option<Box<dyn SpillWriter>>,
    schema: Arc<Schema>,
    batches: usize,
}

impl std::fmt::Debug for SpillFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpillFile").field("schema", &self.schema).field("batches", &self.batches).finish()
    }
}

impl SpillFile {
    /// A file without batches: nothing is on disk yet.
    #[must_use]
    pub fn new(spill: Arc<dyn Spill>) -> Self {
        Self { spill, writer: None, schema: Arc::new(Schema::empty()), batches: 0 }
    }

    /// Batches so far.
    #[must_use]
    pub fn batches(&self) -> usize {
        self.batches
    }

    /// The types of its batches, once there is one.
    #[must_use]
    pub fn data_types(&self) -> Vec<DataType> {
        self.schema.fields().iter().map(|field| field.data_type().clone()).collect()
    }

    /// True where columns have the types of the batches so far.
    #[must_use]
    pub fn takes(&self, columns: &[ArrayRef]) -> bool {
        let types = self.schema.fields().iter().map(|field| field.data_type().clone());
        self.batches == 0 || types.eq(columns.iter().map(|column| written_type(column.data_type())))
    }

    /// Appends columns of `rows` rows.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::InvalidInput`] where the types are not those of the batches so far.
    pub fn write(&mut self, columns: &[ArrayRef], rows: usize) -> Result<()> {
        let columns = columns.iter().map(as_written).collect::<Result<Vec<_>>>()?;
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                let field = |(at, column): (usize, &ArrayRef)| {
                    Field::new(at.to_string(), column.data_type().clone(), true)
                };
                let fields: Vec<Field> = columns.iter().enumerate().map(field).collect();
                self.schema = Arc::new(Schema::new(fields));
                none.insert(self.spill.create(Arc::clone(&self.schema))?)
            }
        };
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        writer.write(&batch)?;
        self.batches += 1;
        Ok(())
    }

    /// All batches are written.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::InvalidInput`] where there are none.
    pub fn finish(self) -> Result<Arc<dyn Spilled>> {
        self.writer.ok_or_else(|| Error::invalid("a spilled file without rows"))?.finish()
    }
}

fn as_written(column: &ArrayRef) -> Result<ArrayRef> {
    let written = written_type(column.data_type());
    Ok(match column.data_type() {
        DataType::Utf8View => Arc::new(column.as_string_view().gc()),
        DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
        as_is if *as_is == written => Arc::clone(column),
        _ => cast(column, &written)?,
    })
}

/// The type without dictionaries, at any depth.
fn written_type(data_type: &DataType) -> DataType {
    let of_field = |field: &FieldRef| -> FieldRef {
        Arc::new(field.as_ref().clone().with_data_type(written_type(field.data_type())))
    };
    match data_type {
        DataType::Dictionary(_, values) => written_type(values),
        DataType::List(item) => DataType::List(of_field(item)),
        DataType::LargeList(item) => DataType::LargeList(of_field(item)),
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(of_field(item), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(of_field).collect()),
        DataType::Map(entries, sorted) => DataType::Map(of_field(entries), *sorted),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use arrow::array::{DictionaryArray, Int32Array, ListArray, StringArray, StringViewArray};
    use arrow::buffer::OffsetBuffer;
    use arrow::datatypes::{Int32Type, SchemaRef};

    use super::*;

    /// A disk in memory.
    #[derive(Debug, Default, Clone)]
    struct Shelf(Arc<Mutex<Vec<RecordBatch>>>);

    impl Spill for Shelf {
        fn create(&self, _schema: SchemaRef) -> Result<Box<dyn SpillWriter>> {
            Ok(Box::new(self.clone()))
        }
    }

    impl SpillWriter for Shelf {
        fn write(&mut self, batch: &RecordBatch) -> Result<()> {
            self.0.lock().unwrap().push(batch.clone());
            Ok(())
        }

        fn finish(self: Box<Self>) -> Result<Arc<dyn Spilled>> {
            Ok(Arc::new(*self))
        }
    }

    impl Spilled for Shelf {
        fn read(&self, batch: usize) -> Result<RecordBatch> {
            Ok(self.0.lock().unwrap()[batch].clone())
        }

        fn bytes(&self) -> u64 {
            0
        }
    }

    #[test]
    fn dictionaries_are_written_as_values_at_any_depth() {
        let words: DictionaryArray<Int32Type> = vec![Some("a"), None, Some("a")].into_iter().collect();
        let item = Arc::new(Field::new("item", words.data_type().clone(), true));
        let list = ListArray::new(item, OffsetBuffer::from_lengths([2, 1]), Arc::new(words.clone()), None);
        let views = StringViewArray::from(vec![Some("x"), None]);
        let columns: Vec<ArrayRef> = vec![Arc::new(words.slice(1, 2)), Arc::new(list), Arc::new(views)];
        let mut file = SpillFile::new(Arc::new(Shelf::default()));
        assert!(file.takes(&columns));
        file.write(&columns, 2).unwrap();
        let plain: ArrayRef = Arc::new(StringArray::from(vec![None, Some("a")]));
        let same_types = [Arc::clone(&plain), Arc::clone(&columns[1]), Arc::clone(&columns[2])];
        assert!(file.takes(&same_types), "a dictionary and its values go to one file");
        assert!(!file.takes(&columns[..1]));
        assert!(!file.takes(&[Arc::new(Int32Array::from(vec![1])) as ArrayRef]));
        file.write(&same_types, 2).unwrap();
        assert_eq!(file.batches(), 2);
        let file = file.finish().unwrap();
        for batch in [0, 1] {
            let batch = file.read(batch).unwrap();
            assert_eq!(batch.column(0), &plain);
            let items = batch.column(1).as_list::<i32>().values().clone();
            assert_eq!(items.as_string::<i32>(), &StringArray::from(vec![Some("a"), None, Some("a")]));
        }
        assert!(SpillFile::new(Arc::new(Shelf::default())).finish().is_err());
    }
}
