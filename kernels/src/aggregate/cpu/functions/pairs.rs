//! Distinct values of every group: pairs of a group and a value, numbered from 1 in order of appearance.
//!
//! One [`GroupIndex`] over (group, value ...) for all groups: no table per group, and the key modes of grouping. Values
//! are equal as keys are: nulls are, NaNs are, -0.0 is 0.0.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int32Array};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Int32Type};

use super::lists::by_group;
use crate::error::{Backend, Error, Result};
use crate::expr::cpu::Vector;
use crate::expr::value_type;
use crate::keys::GroupIndex;
use crate::keys::lanes::LaneColumn;
use crate::memory::Grant;

/// The pairs so far.
#[derive(Debug)]
pub(super) struct Pairs {
    types: Vec<DataType>,
    index: GroupIndex,
}

impl Pairs {
    /// Pairs with values of these types, one for each column of a value.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for types that are no keys.
    pub(super) fn new(types: impl IntoIterator<Item = DataType>) -> Result<Self> {
        let types: Vec<DataType> = types.into_iter().map(|of| value_type(&of).clone()).collect();
        if let Some(nested) = types.iter().find(|of| of.is_nested()) {
            return Err(Error::unsupported(format!("distinct values of {nested}"), Backend::Cpu));
        }
        let group = std::iter::once(DataType::Int32);
        let index = GroupIndex::new(group.chain(types.iter().cloned()));
        Ok(Self { types, index })
    }

    /// Types of the columns of a value.
    pub(super) fn types(&self) -> &[DataType] {
        &self.types
    }

    /// Number of pairs.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// The pair of each row; 0 where `groups` has 0.
    pub(super) fn assign(
        &mut self,
        groups: &[u32],
        values: &[&Vector],
        grant: &mut Grant,
    ) -> Result<Vec<u32>> {
        let numbers: ArrayRef =
            Arc::new(Int32Array::from_iter_values(groups.iter().map(|&group| group as i32)));
        let mut columns = vec![LaneColumn::from_array(&numbers)?];
        for value in values {
            columns.push(LaneColumn::from_vector(value)?);
        }
        let active =
            groups.contains(&0).then(|| BooleanBuffer::collect_bool(groups.len(), |row| groups[row] > 0));
        let mut pairs = Vec::new();
        self.index.assign(columns, groups.len(), active.as_ref(), &mut pairs, grant)?;
        Ok(pairs)
    }

    /// The group of each pair.
    pub(super) fn groups(&self) -> Result<Vec<u32>> {
        let groups = self.index.keys(0)?;
        let groups = groups.as_primitive_opt::<Int32Type>();
        let groups = groups.ok_or_else(|| Error::invalid("groups that are no numbers"))?;
        Ok(groups.values().iter().map(|group| group.cast_unsigned()).collect())
    }

    /// A column of the values, one per pair.
    pub(super) fn values(&self, column: usize) -> Result<ArrayRef> {
        self.index.keys(column + 1)
    }

    /// The pairs group after group: where each group begins, and the pairs' indices.
    pub(super) fn by_group(&self, groups: usize) -> Result<(Vec<usize>, Vec<u32>)> {
        Ok(by_group(&self.groups()?, groups))
    }
}
