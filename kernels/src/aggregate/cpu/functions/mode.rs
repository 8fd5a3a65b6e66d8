//! mode: the most frequent value of each group, the smallest of several. A count per (group, value) pair.
//!
//! State: lists of distinct values and of their counts.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array, UInt64Array};
use arrow::datatypes::{DataType, UInt64Type};

use super::lists::{elements, list_type, lists};
use super::operand::nulls_of;
use super::pairs::Pairs;
use crate::aggregate::Aggregate;
use crate::aggregate::cpu::accumulator::{Accumulator, Rows};
use crate::error::{Error, Result};
use crate::expr::cpu::Vector;
use crate::keys::decode::to_declared;
use crate::keys::order_words;
use crate::memory::Grant;
use crate::sort::SortKey;

/// How often each value of each group came.
#[derive(Debug)]
pub(super) struct Mode {
    /// Only whether a value came.
    distinct: bool,
    data_type: DataType,
    pairs: Pairs,
    /// Per pair; item 0 is the sink.
    counts: Vec<u64>,
}

impl Mode {
    pub(super) fn new(aggregate: &Aggregate) -> Result<Self> {
        let pairs = Pairs::new([aggregate.operand()?.data_type()])?;
        let data_type = aggregate.data_type.clone();
        Ok(Self { distinct: aggregate.distinct, data_type, pairs, counts: Vec::new() })
    }

    fn add(
        &mut self,
        mut groups: Vec<u32>,
        operand: &Vector,
        counts: impl Iterator<Item = u64>,
        grant: &mut Grant,
    ) -> Result<()> {
        if let Some(nulls) = nulls_of(operand) {
            groups.iter_mut().zip(&nulls).for_each(|(group, valid)| *group *= u32::from(valid));
        }
        let pairs = self.pairs.assign(&groups, &[operand], grant)?;
        grant.resize(&mut self.counts, self.pairs.len() + 1, 0)?;
        for (&pair, count) in pairs.iter().zip(counts) {
            let sum = &mut self.counts[pair as usize];
            *sum = sum.saturating_add(count);
        }
        Ok(())
    }

    fn count(&self, pair: u32) -> u64 {
        let count = self.counts[pair as usize + 1];
        if self.distinct { count.min(1) } else { count }
    }
}

impl Accumulator for Mode {
    fn update(&mut self, rows: &Rows, grant: &mut Grant) -> Result<()> {
        let groups = (0..rows.len()).map(|row| rows.group(row) as u32).collect();
        self.add(groups, rows.arguments[0], std::iter::repeat(1), grant)
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![list_type(self.pairs.types()[0].clone()), list_type(DataType::UInt64)]
    }

    fn states(self: Box<Self>, groups: usize) -> Result<Vec<ArrayRef>> {
        let (ends, order) = self.pairs.by_group(groups)?;
        let counts: UInt64Array = order.iter().map(|&pair| Some(self.count(pair))).collect();
        let values = crate::gather::take(&self.pairs.values(0)?, &order)?;
        Ok(vec![lists(&ends, values)?, lists(&ends, Arc::new(counts))?])
    }

    fn merge(
        &mut self,
        states: &[ArrayRef],
        numbers: &[u32],
        _groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        let types = [self.pairs.types()[0].clone(), DataType::UInt64];
        let elements = elements(states, &types, numbers)?;
        let counts = elements.columns[1].as_primitive_opt::<UInt64Type>();
        let counts = counts.filter(|counts| counts.null_count() == 0);
        let counts = counts.ok_or_else(|| Error::invalid("a value without its count"))?;
        let operand = Vector::load(&elements.columns[0], None)?;
        self.add(elements.numbers, &operand, counts.values().iter().copied(), grant)
    }

    fn finish(self: Box<Self>, groups: usize) -> Result<ArrayRef> {
        let values = self.pairs.values(0)?;
        let key = SortKey { column: 0, descending: false, nulls_first: true };
        let words = order_words(std::slice::from_ref(&values), &[key])?;
        let word = |pair: u32| &words.words[pair as usize * words.width..(pair as usize + 1) * words.width];
        let (ends, order) = self.pairs.by_group(groups)?;
        let better =
            |&a: &u32, &b: &u32| self.count(a).cmp(&self.count(b)).then_with(|| word(b).cmp(word(a)));
        let best = ends.windows(2).map(|pair| order[pair[0]..pair[1]].iter().copied().max_by(better));
        let best: UInt32Array = best.collect();
        to_declared(arrow::compute::take(values.as_ref(), &best, None)?, &self.data_type)
    }
}
