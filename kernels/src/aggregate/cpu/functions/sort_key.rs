//! The keys of an aggregate's own ORDER BY as byte strings: they compare as the rows do, across batches and partials.

use arrow::array::LargeBinaryArray;
use arrow::datatypes::Field;

use crate::aggregate::OrderKey;
use crate::error::Result;
use crate::expr::cpu::Vector;
use crate::keys::RowKeyEncoder;
use crate::keys::lanes::LaneColumn;
use crate::sort::SortKey;

/// The keys of one aggregate.
#[derive(Debug)]
pub(super) struct SortKeys {
    keys: usize,
    encoder: RowKeyEncoder,
}

impl SortKeys {
    /// # Errors
    /// [`crate::Error::Unsupported`] for types that have no order.
    pub(super) fn new(order_by: &[OrderKey]) -> Result<Self> {
        let fields: Vec<Field> =
            order_by.iter().map(|key| Field::new("key", key.expr.data_type(), true)).collect();
        let keys: Vec<SortKey> = order_by
            .iter()
            .enumerate()
            .map(|(column, key)| SortKey { column, descending: key.descending, nulls_first: key.nulls_first })
            .collect();
        Ok(Self { keys: keys.len(), encoder: RowKeyEncoder::new(&fields, &keys)? })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys == 0
    }

    /// One byte string per row; none where there are no keys.
    pub(super) fn encode(&self, columns: &[&Vector]) -> Result<Option<LargeBinaryArray>> {
        if self.keys == 0 {
            return Ok(None);
        }
        let columns =
            columns.iter().map(|column| LaneColumn::from_vector(column)).collect::<Result<Vec<_>>>()?;
        let rows = columns.first().map_or(0, |column| column.rows);
        Ok(Some(self.encoder.encode_lanes(columns.iter(), rows)?.into_array()?))
    }
}
