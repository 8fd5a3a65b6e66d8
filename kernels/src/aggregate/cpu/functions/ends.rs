//! first_value, last_value, any_value: one row per group, the least or the greatest in the order of keys and positions.
//!
//! Of each batch only the rows that win are copied; rows that lose later are dropped when they may be half of what is
//! kept. State: the value, its position in the input, the bytes of its sort key ([`super::sort_key`]).

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeBinaryArray, UInt64Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, UInt64Type};

use super::chunks::{Chunks, RowRef, keys};
use super::operand::{kept_rows, kept_type, nulls_of};
use super::sort_key::SortKeys;
use crate::aggregate::cpu::accumulator::{Accumulator, Rows};
use crate::aggregate::{Aggregate, AggregateFunction};
use crate::error::{Error, Result};
use crate::keys::decode::to_declared;
use crate::memory::Grant;

/// Rows of the batch at hand.
const CURRENT: u32 = u32::MAX;

/// Winners per group; item 0 is the sink.
#[derive(Debug)]
pub(super) struct Ends {
    last: bool,
    ignore_nulls: bool,
    data_type: DataType,
    order: SortKeys,
    best: Vec<RowRef>,
    positions: Vec<u64>,
    /// Values, then sort keys where there are any.
    kept: Chunks,
}

/// Rows that ask to be kept.
struct Offers<'a> {
    group: &'a dyn Fn(usize) -> usize,
    positions: &'a [u64],
    keys: Option<&'a LargeBinaryArray>,
    /// Rows that may win; all where none.
    valid: Option<NullBuffer>,
}

impl Ends {
    pub(super) fn new(aggregate: &Aggregate) -> Result<Self> {
        use AggregateFunction as F;
        let last = matches!(aggregate.function, F::Last { .. });
        let ignore_nulls =
            !matches!(aggregate.function, F::First { ignore_nulls: false } | F::Last { ignore_nulls: false });
        let operand = aggregate.operand()?.data_type();
        let order = SortKeys::new(&aggregate.order_by)?;
        Ok(Self::of(last, ignore_nulls, &operand, aggregate.data_type.clone(), order))
    }

    /// The first rows of groups, whatever their value.
    pub(super) fn firsts(operand: &DataType, order: SortKeys) -> Self {
        Self::of(false, false, operand, kept_type(operand), order)
    }

    fn of(last: bool, ignore_nulls: bool, operand: &DataType, data_type: DataType, order: SortKeys) -> Self {
        let mut types = vec![kept_type(operand)];
        types.extend((!order.is_empty()).then_some(DataType::LargeBinary));
        let kept = Chunks::new(types);
        Self { last, ignore_nulls, data_type, order, best: Vec::new(), positions: Vec::new(), kept }
    }

    fn grow(&mut self, groups: usize, grant: &mut Grant) -> Result<()> {
        grant.resize(&mut self.best, groups + 1, RowRef::default())?;
        grant.resize(&mut self.positions, groups + 1, 0)
    }

    /// Rows that are now their groups' winners, by number.
    fn choose(&mut self, offers: &Offers) -> Vec<u32> {
        for row in 0..offers.positions.len() {
            let group = (offers.group)(row);
            let valid = offers.valid.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            if group > 0 && valid && self.wins(row, group, offers) {
                self.best[group] = RowRef { chunk: CURRENT, row: row as u32 };
                self.positions[group] = offers.positions[row];
            }
        }
        let winner = |&row: &u32| {
            let group = (offers.group)(row as usize);
            group > 0 && self.best[group] == RowRef { chunk: CURRENT, row }
        };
        (0..offers.positions.len() as u32).filter(winner).collect()
    }

    fn wins(&self, row: usize, group: usize, offers: &Offers) -> bool {
        let best = self.best[group];
        if best.chunk == 0 {
            return true;
        }
        let keys = offers.keys.map_or(Ordering::Equal, |keys| {
            let known = if best.chunk == CURRENT {
                keys.value(best.row as usize)
            } else {
                self.kept.bytes_at(1, best)
            };
            keys.value(row).cmp(known)
        });
        let order = keys.then(offers.positions[row].cmp(&self.positions[group]));
        order == if self.last { Ordering::Greater } else { Ordering::Less }
    }

    /// Keeps the winners' columns.
    fn keep(&mut self, winners: &[u32], offers: &Offers, values: ArrayRef, grant: &mut Grant) -> Result<()> {
        let mut columns = vec![values];
        if let Some(keys) = offers.keys {
            columns.push(crate::gather::take(&(Arc::new(keys.clone()) as ArrayRef), winners)?);
        }
        let chunk = self.kept.push(columns, grant)?;
        for (at, &row) in winners.iter().enumerate() {
            self.best[(offers.group)(row as usize)] = RowRef { chunk, row: at as u32 };
        }
        self.kept.compact(&mut self.best, grant)
    }

    /// The kept values of groups 1 to `groups`.
    pub(super) fn values(&self, groups: usize) -> Result<ArrayRef> {
        self.kept.gather(0, &self.refs(groups))
    }

    /// Their sort keys.
    pub(super) fn keys(&self, groups: usize) -> Result<Option<ArrayRef>> {
        (!self.order.is_empty()).then(|| self.kept.gather(1, &self.refs(groups))).transpose()
    }

    /// Their positions.
    pub(super) fn positions(&self, groups: usize) -> Vec<Option<u64>> {
        let refs = self.refs(groups);
        refs.iter().zip(1..).map(|(at, group)| (at.chunk > 0).then(|| self.positions[group])).collect()
    }

    fn refs(&self, groups: usize) -> Vec<RowRef> {
        (1..=groups).map(|group| self.best.get(group).copied().unwrap_or_default()).collect()
    }
}

impl Accumulator for Ends {
    fn update(&mut self, rows: &Rows, grant: &mut Grant) -> Result<()> {
        self.grow(rows.groups, grant)?;
        let operand = rows.arguments[0];
        if rows.positions.len() != rows.len() {
            return Err(Error::invalid("rows without positions"));
        }
        let keys = self.order.encode(&rows.arguments[1..])?;
        let offers = Offers {
            group: &|row| rows.group(row),
            positions: rows.positions,
            keys: keys.as_ref(),
            valid: nulls_of(operand).filter(|_| self.ignore_nulls),
        };
        let winners = self.choose(&offers);
        if winners.is_empty() {
            return Ok(());
        }
        let values = kept_rows(operand, &self.kept.types()[0], &winners)?;
        self.keep(&winners, &offers, values, grant)
    }

    fn state_types(&self) -> Vec<DataType> {
        let types = self.kept.types();
        let mut state = vec![types[0].clone(), DataType::UInt64];
        state.extend(types.get(1).cloned());
        state
    }

    fn states(self: Box<Self>, groups: usize) -> Result<Vec<ArrayRef>> {
        let positions: UInt64Array = self.positions(groups).into_iter().collect();
        let mut state = vec![self.values(groups)?, Arc::new(positions) as ArrayRef];
        state.extend(self.keys(groups)?);
        Ok(state)
    }

    fn merge(
        &mut self,
        states: &[ArrayRef],
        numbers: &[u32],
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        self.grow(groups, grant)?;
        let types = self.state_types();
        let typed = states.iter().map(|state| state.data_type()).eq(&types);
        let positions = states.get(1).and_then(|state| state.as_primitive_opt::<UInt64Type>());
        let Some(positions) = positions.filter(|_| typed) else {
            return Err(Error::invalid("a state that is none of a first or last value"));
        };
        let keys = states.get(2).and_then(keys);
        if keys.is_some_and(|keys| (0..keys.len()).any(|row| positions.is_valid(row) && keys.is_null(row))) {
            return Err(Error::invalid("a position without its sort key"));
        }
        let offers = Offers {
            group: &|row| numbers[row] as usize,
            positions: positions.values(),
            keys,
            valid: positions.nulls().cloned(),
        };
        let winners = self.choose(&offers);
        if winners.is_empty() {
            return Ok(());
        }
        let values = crate::gather::take(&states[0], &winners)?;
        self.keep(&winners, &offers, values, grant)
    }

    fn finish(self: Box<Self>, groups: usize) -> Result<ArrayRef> {
        to_declared(self.values(groups)?, &self.data_type)
    }
}
