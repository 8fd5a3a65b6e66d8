//! The two readers.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use pilaster::scan::{ReadOptions, Scan, ScanTask};
use rayon::prelude::*;

use crate::Failure;

/// Reads the one column of a file, a row group at a time.
pub trait Reader: Sync {
    /// Row groups of the file.
    fn row_groups(&self) -> usize;

    /// The arrays of a row group, in order.
    fn read(
        &self,
        row_group: usize,
        sink: &mut dyn FnMut(ArrayRef) -> Result<(), Failure>,
    ) -> Result<(), Failure>;

    /// Reads all row groups on `pool` and drops the arrays, cast to `data_type` where they are of another.
    fn drain(&self, pool: &rayon::ThreadPool, data_type: Option<&DataType>) -> Result<(), Failure> {
        let row_groups = 0..self.row_groups();
        pool.install(|| {
            row_groups.into_par_iter().try_for_each(|row_group| {
                self.read(row_group, &mut |array| {
                    let array = match data_type {
                        Some(data_type) if array.data_type() != data_type => cast(&array, data_type)?,
                        _ => array,
                    };
                    black_box(array);
                    Ok(())
                })
            })
        })
    }
}

/// Our scan.
pub struct Ours {
    scan: Scan,
    tasks: Vec<ScanTask>,
    options: ReadOptions,
}

impl Ours {
    /// In the types that the file declares, or as narrow as it holds them.
    pub fn open(path: &Path, bytes: Bytes, batch_rows: usize, declared: bool) -> Result<Self, Failure> {
        let scan = Scan::from_bytes(path, bytes)?;
        let tasks = scan.tasks(None)?.tasks;
        let options = ReadOptions { batch_rows, declared_types: declared, ..ReadOptions::default() };
        Ok(Ours { scan, tasks, options })
    }
}

impl Reader for Ours {
    fn row_groups(&self) -> usize {
        self.tasks.len()
    }

    fn read(
        &self,
        row_group: usize,
        sink: &mut dyn FnMut(ArrayRef) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        for batch in self.scan.read(&self.tasks[row_group], &self.options)? {
            sink(Arc::clone(batch?.column(0)))?;
        }
        Ok(())
    }
}

/// The `parquet` crate's Arrow reader.
pub struct ArrowRs {
    bytes: Bytes,
    metadata: ArrowReaderMetadata,
    batch_rows: usize,
}

impl ArrowRs {
    /// Asks it for arrays of `data_type`, where given; an error where it cannot.
    pub fn open(bytes: Bytes, batch_rows: usize, data_type: Option<&DataType>) -> Result<Self, Failure> {
        let mut metadata = ArrowReaderMetadata::load(&bytes, ArrowReaderOptions::new())?;
        if let Some(data_type) = data_type {
            let fields = metadata.schema().fields().iter();
            let fields: Vec<Field> =
                fields.map(|field| field.as_ref().clone().with_data_type(data_type.clone())).collect();
            let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(fields)));
            metadata = ArrowReaderMetadata::load(&bytes, options)?;
        }
        let opened = ArrowRs { bytes, metadata, batch_rows };
        // What it refuses, it may refuse only when it reads.
        match opened.row_groups() {
            0 => {}
            _ => drop(opened.builder(0).with_limit(1).build()?.collect::<Result<Vec<_>, _>>()?),
        }
        Ok(opened)
    }

    /// Type of the column's arrays.
    pub fn data_type(&self) -> DataType {
        self.metadata.schema().field(0).data_type().clone()
    }

    fn builder(&self, row_group: usize) -> ParquetRecordBatchReaderBuilder<Bytes> {
        ParquetRecordBatchReaderBuilder::new_with_metadata(self.bytes.clone(), self.metadata.clone())
            .with_batch_size(self.batch_rows)
            .with_row_groups(vec![row_group])
    }
}

impl Reader for ArrowRs {
    fn row_groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    fn read(
        &self,
        row_group: usize,
        sink: &mut dyn FnMut(ArrayRef) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        for batch in self.builder(row_group).build()? {
            sink(Arc::clone(batch?.column(0)))?;
        }
        Ok(())
    }
}
