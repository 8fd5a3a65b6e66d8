//! array_agg, string_agg: all values of a group, in the order of the sort keys and then of the input.
//!
//! Values are appended as they come, whatever their group; they are sorted by group, key and position once, at the end.
//! With DISTINCT each (group, value) pair keeps its first row. State: lists of values, of positions and of sort keys.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeBinaryArray, LargeListArray, ListArray, UInt64Array};
use arrow::array::{LargeBinaryBuilder, new_null_array};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, UInt64Type};

use super::chunks::{Chunks, keys};
use super::ends::Ends;
use super::lists::{by_group, elements, list_type, lists};
use super::operand::{canonical, kept_rows, kept_type, nulls_of};
use super::pairs::Pairs;
use super::sort_key::SortKeys;
use crate::aggregate::cpu::accumulator::{Accumulator, Rows};
use crate::aggregate::cpu::fold::Target;
use crate::aggregate::{Aggregate, AggregateFunction};
use crate::error::{Backend, Error, Result};
use crate::expr::cpu::Vector;
use crate::keys::decode::to_declared;
use crate::memory::Grant;

/// What becomes of a group's values.
#[derive(Debug)]
enum Shape {
    Array,
    Joined { separator: Vec<u8> },
}

/// Values of all groups.
#[derive(Debug)]
pub(super) struct Collect {
    shape: Shape,
    ignore_nulls: bool,
    data_type: DataType,
    order: SortKeys,
    kept: Kept,
}

#[derive(Debug)]
enum Kept {
    All(All),
    Distinct(Box<Distinct>),
}

/// The first row of each pair of a group and a value.
#[derive(Debug)]
struct Distinct {
    pairs: Pairs,
    firsts: Ends,
}

/// Appended values.
#[derive(Debug)]
struct All {
    groups: Vec<u32>,
    positions: Vec<u64>,
    chunks: Chunks,
}

/// Values in no order yet, side by side with what they are ordered by.
struct Loose {
    groups: Vec<u32>,
    positions: Vec<u64>,
    values: ArrayRef,
    keys: Option<ArrayRef>,
}

impl Collect {
    pub(super) fn new(aggregate: &Aggregate) -> Result<Self> {
        let operand = aggregate.operand()?.data_type();
        let (shape, ignore_nulls) = match &aggregate.function {
            AggregateFunction::StringAgg { separator } => {
                if !matches!(
                    kept_type(&operand),
                    DataType::LargeUtf8 | DataType::LargeBinary | DataType::Null
                ) {
                    return Err(Error::unsupported(format!("string_agg of {operand}"), Backend::Cpu));
                }
                (Shape::Joined { separator: separator.clone().into_bytes() }, true)
            }
            AggregateFunction::ArrayAgg { ignore_nulls } => (Shape::Array, *ignore_nulls),
            other => return Err(Error::unsupported(other, Backend::Cpu)),
        };
        if matches!(shape, Shape::Array)
            && !matches!(aggregate.data_type, DataType::List(_) | DataType::LargeList(_))
        {
            return Err(Error::unsupported(format!("array_agg as {}", aggregate.data_type), Backend::Cpu));
        }
        let order = SortKeys::new(&aggregate.order_by)?;
        let kept = if aggregate.distinct {
            let firsts = Ends::firsts(&operand, SortKeys::new(&aggregate.order_by)?);
            Kept::Distinct(Box::new(Distinct { pairs: Pairs::new([operand])?, firsts }))
        } else {
            let mut types = vec![kept_type(&operand)];
            types.extend((!order.is_empty()).then_some(DataType::LargeBinary));
            Kept::All(All { groups: Vec::new(), positions: Vec::new(), chunks: Chunks::new(types) })
        };
        Ok(Self { shape, ignore_nulls, data_type: aggregate.data_type.clone(), order, kept })
    }

    /// Types of the elements of a state's lists.
    fn element_types(&self) -> Vec<DataType> {
        let value = match &self.kept {
            Kept::All(all) => all.chunks.types()[0].clone(),
            Kept::Distinct(distinct) => distinct.firsts.state_types()[0].clone(),
        };
        let mut types = vec![value, DataType::UInt64];
        types.extend((!self.order.is_empty()).then_some(DataType::LargeBinary));
        types
    }

    fn loose(self) -> Result<(Shape, DataType, Loose)> {
        let ordered = !self.order.is_empty();
        let loose = match self.kept {
            Kept::All(All { groups, positions, chunks }) => {
                let keys = ordered.then(|| chunks.all(1)).transpose()?;
                Loose { values: chunks.all(0)?, groups, positions, keys }
            }
            Kept::Distinct(distinct) => {
                let Distinct { pairs, firsts } = *distinct;
                let positions = firsts.positions(pairs.len());
                Loose {
                    groups: pairs.groups()?,
                    positions: positions.into_iter().map(Option::unwrap_or_default).collect(),
                    values: firsts.values(pairs.len())?,
                    keys: firsts.keys(pairs.len())?,
                }
            }
        };
        Ok((self.shape, self.data_type, loose))
    }
}

impl Loose {
    /// Where each group begins, and the values' indices, group after group and in order.
    fn order(&self, groups: usize) -> (Vec<usize>, Vec<u32>) {
        let positions = &self.positions;
        let keys = self.keys.as_ref().and_then(keys);
        let (ends, mut items) = by_group(&self.groups, groups);
        for group in 0..groups {
            let items = &mut items[ends[group]..ends[group + 1]];
            match keys {
                Some(keys) => items.sort_unstable_by(|&a, &b| {
                    let (a, b) = (a as usize, b as usize);
                    keys.value(a).cmp(keys.value(b)).then(positions[a].cmp(&positions[b]))
                }),
                // Rows mostly come in the order of the input: a look and nothing more.
                None => items.sort_by_key(|&item| positions[item as usize]),
            }
        }
        (ends, items)
    }
}

impl All {
    fn add(
        &mut self,
        groups: impl Iterator<Item = u32>,
        positions: impl Iterator<Item = u64>,
        columns: Vec<ArrayRef>,
        grant: &mut Grant,
    ) -> Result<()> {
        let count = columns.first().map_or(0, |column| column.len());
        if count == 0 {
            return Ok(());
        }
        if self.groups.len().saturating_add(count) > u32::MAX as usize {
            return Err(Error::unsupported("more than 2^32 values in array_agg", Backend::Cpu));
        }
        grant.reserve(&mut self.groups, count)?;
        grant.reserve(&mut self.positions, count)?;
        self.groups.extend(groups);
        self.positions.extend(positions);
        self.chunks.push(columns, grant)?;
        Ok(())
    }
}

impl Accumulator for Collect {
    fn update(&mut self, rows: &Rows, grant: &mut Grant) -> Result<()> {
        let operand = rows.arguments[0];
        if rows.positions.len() != rows.len() {
            return Err(Error::invalid("rows without positions"));
        }
        let nulls = nulls_of(operand).filter(|_| self.ignore_nulls);
        let valid = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        match &mut self.kept {
            Kept::All(all) => {
                let counts = |&row: &u32| rows.group(row as usize) > 0 && valid(row as usize);
                let chosen: Vec<u32> = (0..rows.len() as u32).filter(counts).collect();
                let mut columns = vec![kept_rows(operand, &all.chunks.types()[0], &chosen)?];
                if let Some(keys) = self.order.encode(&rows.arguments[1..])? {
                    columns.push(crate::gather::take(&(Arc::new(keys) as ArrayRef), &chosen)?);
                }
                let groups = chosen.iter().map(|&row| rows.group(row as usize) as u32);
                let positions = chosen.iter().map(|&row| rows.positions[row as usize]);
                all.add(groups, positions, columns, grant)
            }
            Kept::Distinct(distinct) => {
                let Distinct { pairs, firsts } = distinct.as_mut();
                let group = |row: usize| if valid(row) { rows.group(row) as u32 } else { 0 };
                let groups: Vec<u32> = (0..rows.len()).map(group).collect();
                let value = canonical(operand);
                let numbers = pairs.assign(&groups, &[&value], grant)?;
                let mut arguments: Vec<&Vector> = vec![&value];
                arguments.extend(&rows.arguments[1..]);
                let target = Target::Each(&numbers);
                let rows =
                    Rows { arguments: &arguments, target, groups: pairs.len(), positions: rows.positions };
                firsts.update(&rows, grant)
            }
        }
    }

    fn state_types(&self) -> Vec<DataType> {
        self.element_types().into_iter().map(list_type).collect()
    }

    fn states(self: Box<Self>, groups: usize) -> Result<Vec<ArrayRef>> {
        let (_, _, loose) = self.loose()?;
        let (ends, order) = by_group(&loose.groups, groups);
        let positions: ArrayRef = Arc::new(UInt64Array::from(loose.positions));
        let columns = [Some(loose.values), Some(positions), loose.keys];
        let list = |column: ArrayRef| lists(&ends, crate::gather::take(&column, &order)?);
        columns.into_iter().flatten().map(list).collect()
    }

    fn merge(
        &mut self,
        states: &[ArrayRef],
        numbers: &[u32],
        _groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        let elements = elements(states, &self.element_types(), numbers)?;
        let positions = elements.columns[1].as_primitive_opt::<UInt64Type>();
        let positions = positions.filter(|positions| positions.null_count() == 0);
        let positions = positions.ok_or_else(|| Error::invalid("a value without its position"))?.clone();
        if elements.columns.get(2).is_some_and(|keys| keys.null_count() > 0) {
            return Err(Error::invalid("a value without its sort key"));
        }
        let mut columns = elements.columns;
        columns.remove(1);
        match &mut self.kept {
            Kept::All(all) => {
                let positions = positions.values().iter().copied();
                all.add(elements.numbers.into_iter(), positions, columns, grant)
            }
            Kept::Distinct(distinct) => {
                let Distinct { pairs, firsts } = distinct.as_mut();
                let value = Vector::load(&columns[0], None)?;
                let numbers = pairs.assign(&elements.numbers, &[&value], grant)?;
                let mut state: Vec<ArrayRef> = vec![Arc::clone(&columns[0]), Arc::new(positions)];
                state.extend(columns.into_iter().nth(1));
                firsts.merge(&state, &numbers, pairs.len(), grant)
            }
        }
    }

    fn finish(self: Box<Self>, groups: usize) -> Result<ArrayRef> {
        let (shape, data_type, loose) = self.loose()?;
        let (ends, order) = loose.order(groups);
        match shape {
            Shape::Array => arrays(&ends, crate::gather::take(&loose.values, &order)?, &data_type),
            Shape::Joined { separator } => joined(&ends, &order, &loose.values, &separator, &data_type),
        }
    }
}

/// Values as one list per group, null where there is no value.
fn arrays(ends: &[usize], values: ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    let nulls = NullBuffer::from_iter(ends.windows(2).map(|pair| pair[0] < pair[1]));
    let nulls = Some(nulls).filter(|nulls| nulls.null_count() > 0);
    let total = ends.last().copied().unwrap_or(0);
    match data_type {
        DataType::List(field) if i32::try_from(total).is_ok() => {
            let offsets =
                OffsetBuffer::new(ends.iter().map(|&end| end as i32).collect::<ScalarBuffer<i32>>());
            let values = to_declared(values, field.data_type())?;
            Ok(Arc::new(ListArray::try_new(Arc::clone(field), offsets, values, nulls)?))
        }
        DataType::LargeList(field) => {
            let offsets =
                OffsetBuffer::new(ends.iter().map(|&end| end as i64).collect::<ScalarBuffer<i64>>());
            let values = to_declared(values, field.data_type())?;
            Ok(Arc::new(LargeListArray::try_new(Arc::clone(field), offsets, values, nulls)?))
        }
        other => Err(Error::unsupported(format!("{total} values as {other}"), Backend::Cpu)),
    }
}

fn joined(
    ends: &[usize],
    order: &[u32],
    values: &ArrayRef,
    separator: &[u8],
    data_type: &DataType,
) -> Result<ArrayRef> {
    let groups = ends.len() - 1;
    if *values.data_type() == DataType::Null {
        return Ok(new_null_array(data_type, groups));
    }
    let values: &LargeBinaryArray = &match values.data_type() {
        DataType::LargeUtf8 => LargeBinaryArray::from(values.as_string::<i64>().clone()),
        _ => values.as_binary::<i64>().clone(),
    };
    let mut builder = LargeBinaryBuilder::new();
    let mut text = Vec::new();
    for pair in ends.windows(2) {
        text.clear();
        for (at, &item) in order[pair[0]..pair[1]].iter().enumerate() {
            text.extend_from_slice(if at > 0 { separator } else { &[] });
            text.extend_from_slice(values.value(item as usize));
        }
        builder.append_option((pair[0] < pair[1]).then_some(&text));
    }
    to_declared(Arc::new(builder.finish()), data_type)
}
