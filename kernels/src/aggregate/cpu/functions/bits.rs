//! bool_and, bool_or, bit_and, bit_or, bit_xor: one word per group, and whether there was a value.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, UInt64Type};

use crate::aggregate::cpu::accumulator::{Accumulator, Rows};
use crate::aggregate::{Aggregate, AggregateFunction};
use crate::error::{Backend, Error, Result};
use crate::expr::value_type;
use crate::keys::lanes::{LaneColumn, Lanes};
use crate::memory::Grant;

/// How two words become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BitFold {
    And,
    Or,
    Xor,
}

/// Words per group; item 0 is the sink. Booleans are the words 0 and 1, unsigned words lie in signed ones bit for bit.
#[derive(Debug)]
pub(super) struct Bits {
    fold: BitFold,
    data_type: DataType,
    words: Vec<i64>,
    seen: Vec<bool>,
}

impl Bits {
    pub(super) fn new(aggregate: &Aggregate, fold: BitFold) -> Result<Self> {
        let operand = aggregate.operand()?.data_type();
        let booleans = matches!(aggregate.function, AggregateFunction::BoolAnd | AggregateFunction::BoolOr);
        let plain = value_type(&operand);
        let fits = if booleans { *plain == DataType::Boolean } else { plain.is_integer() };
        if !fits && *plain != DataType::Null {
            return Err(Error::unsupported(format!("{} of {operand}", aggregate.function), Backend::Cpu));
        }
        Ok(Self { fold, data_type: aggregate.data_type.clone(), words: Vec::new(), seen: Vec::new() })
    }

    fn identity(&self) -> i64 {
        if self.fold == BitFold::And { -1 } else { 0 }
    }

    fn grow(&mut self, groups: usize, grant: &mut Grant) -> Result<()> {
        let identity = self.identity();
        grant.resize(&mut self.words, groups + 1, identity)?;
        grant.resize(&mut self.seen, groups + 1, false)
    }

    fn add(&mut self, group: usize, word: i64) {
        let state = &mut self.words[group];
        *state = match self.fold {
            BitFold::And => *state & word,
            BitFold::Or => *state | word,
            BitFold::Xor => *state ^ word,
        };
        self.seen[group] = true;
    }

    fn add_rows(&mut self, rows: &Rows, column: &LaneColumn, word: impl Fn(usize) -> i64) {
        match &column.nulls {
            None => (0..column.rows).for_each(|row| self.add(rows.group(row), word(row))),
            Some(nulls) => nulls.valid_indices().for_each(|row| self.add(rows.group(row), word(row))),
        }
    }

    fn words(&self, groups: usize) -> Int64Array {
        (1..=groups).map(|group| self.seen.get(group)?.then(|| self.words[group])).collect()
    }
}

impl Accumulator for Bits {
    fn update(&mut self, rows: &Rows, grant: &mut Grant) -> Result<()> {
        self.grow(rows.groups, grant)?;
        let column = LaneColumn::from_vector(rows.arguments[0])?;
        match &column.lanes {
            Lanes::I32(values) => self.add_rows(rows, &column, |row| values[row].into()),
            Lanes::I64(values) => self.add_rows(rows, &column, |row| values[row]),
            // UInt64 beyond the signed range.
            Lanes::I128(values) => self.add_rows(rows, &column, |row| values[row] as i64),
            _ => return Err(Error::invalid("bits of a column that is no integer")),
        }
        Ok(())
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![DataType::Int64]
    }

    fn states(self: Box<Self>, groups: usize) -> Result<Vec<ArrayRef>> {
        Ok(vec![Arc::new(self.words(groups))])
    }

    fn merge(
        &mut self,
        states: &[ArrayRef],
        numbers: &[u32],
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        self.grow(groups, grant)?;
        let words = states.first().and_then(|state| state.as_primitive_opt::<Int64Type>());
        let words = words.ok_or_else(|| Error::invalid("a state that is no words"))?;
        for (word, &group) in words.iter().zip(numbers) {
            if let Some(word) = word {
                self.add(group as usize, word);
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>, groups: usize) -> Result<ArrayRef> {
        let words = self.words(groups);
        if self.data_type == DataType::UInt64 {
            let (_, values, nulls) = words.into_parts();
            let values = values.iter().map(|word| word.cast_unsigned()).collect();
            return Ok(Arc::new(PrimitiveArray::<UInt64Type>::new(values, nulls)));
        }
        if self.data_type == DataType::Boolean {
            let bits = words.iter().map(|word| word.map(|word| word & 1 == 1));
            return Ok(Arc::new(bits.collect::<BooleanArray>()));
        }
        Ok(cast(&words, &self.data_type)?)
    }
}
