//! Grouping sets: rows are aggregated once by all keys, and the groups rolled up to each set.
//!
//! ```text
//! rows -> groups by all keys (either backend) -> states -+-> (a, b, c) -+-> (a, b) -> (a) -> ()
//!                                                        |              +-> (a, c)
//!                                                        +-> ...
//! ```
//! States of all functions merge, so a set is made of the smallest set made before that has all its keys, and of no row.
//! Cost: the groups of that set, once per set.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int32Array, UInt64Array, new_null_array};
use arrow::compute::cast;
use pilaster_kernels::aggregate::AggregateSpec;
use pilaster_kernels::aggregate::cpu::CpuAggregate;
use pilaster_kernels::aggregate::partial::Partial;
use pilaster_kernels::expr::{Expr, Scalar};
use pilaster_kernels::{Error, Result};

use super::chunk::Chunk;
use super::query::Query;
use crate::memory::Reservation;
use crate::plan::{GroupingSet, GroupingSets};

/// Bytes of one state in a partial: an exact sum of 256 bits and a count, more or less.
const STATE_BYTES: u64 = 48;

/// Groups by some of the keys, which later sets may be made of.
struct Level {
    keys: Vec<usize>,
    partials: Vec<Partial>,
    _held: Reservation,
}

impl Level {
    fn new(query: &Query, keys: Vec<usize>, partials: Vec<Partial>) -> Result<Self> {
        let key_bytes = |partial: &Partial| -> u64 {
            partial.keys.iter().map(|key| key.get_array_memory_size() as u64).sum()
        };
        let bytes = partials.iter().map(|partial| {
            partial.groups as u64 * partial.states.len() as u64 * STATE_BYTES + key_bytes(partial)
        });
        Ok(Level { _held: query.host.reserve(bytes.sum())?, keys, partials })
    }

    fn groups(&self) -> usize {
        self.partials.iter().map(|partial| partial.groups).sum()
    }
}

/// The rows of all sets, from the groups by all keys of `spec`, each of which occurs in one of `finest`.
pub(crate) fn roll_up(
    query: &Query,
    spec: &AggregateSpec,
    sets: &GroupingSets,
    finest: Vec<Partial>,
) -> Result<Vec<Chunk>> {
    let mut levels = vec![Level::new(query, (0..spec.keys.len()).collect(), finest)?];
    let mut order: Vec<usize> = (0..sets.sets().len()).collect();
    order.sort_by_key(|&set| std::cmp::Reverse(sets.sets()[set].keys().len()));
    let mut chunks: Vec<Option<Chunk>> = vec![None; order.len()];
    for (at, &number) in order.iter().enumerate() {
        query.check()?;
        let set = &sets.sets()[number];
        let of_set = Arc::new(spec_of(spec, set));
        let table = merged(query, &of_set, smallest(&levels, set)?, set)?;
        let later = order[at + 1..].iter().map(|&later| &sets.sets()[later]);
        let serves = later.into_iter().any(|later| contains(set.keys(), later.keys()));
        let table = if serves && !set.keys().is_empty() {
            let partial = table.into_partial()?;
            let level = Level::new(query, set.keys().to_vec(), vec![partial])?;
            let table = merged(query, &of_set, &level, set)?;
            levels.push(level);
            table
        } else {
            table
        };
        let no_rows = set.keys().is_empty() && levels[0].groups() == 0;
        let table = match no_rows {
            true => CpuAggregate::new(Arc::new(without_keys(spec)), query.host_reserve())?,
            false => table,
        };
        chunks[number] = Some(rows(table, spec, sets, set)?);
    }
    Ok(chunks.into_iter().flatten().filter(|chunk| chunk.rows > 0).collect())
}

fn contains(keys: &[usize], others: &[usize]) -> bool {
    others.iter().all(|key| keys.contains(key))
}

/// The level of fewest groups that has all keys of the set.
fn smallest<'a>(levels: &'a [Level], set: &GroupingSet) -> Result<&'a Level> {
    let fitting = levels.iter().filter(|level| contains(&level.keys, set.keys()));
    fitting.min_by_key(|level| level.groups()).ok_or_else(|| Error::invalid("a grouping set of no level"))
}

/// What a set computes; groups come from partials, so that no expression is evaluated. A set without keys has one that
/// is always the same.
fn spec_of(spec: &AggregateSpec, set: &GroupingSet) -> AggregateSpec {
    let mut keys: Vec<Expr> = set.keys().iter().map(|&key| spec.keys[key].clone()).collect();
    if keys.is_empty() {
        keys.push(Expr::literal(Scalar::from(0i32)));
    }
    AggregateSpec { predicate: None, keys, ..spec.clone() }
}

fn without_keys(spec: &AggregateSpec) -> AggregateSpec {
    AggregateSpec { predicate: None, keys: Vec::new(), ..spec.clone() }
}

/// The groups of `level` by the keys of the set.
fn merged(
    query: &Query,
    spec: &Arc<AggregateSpec>,
    level: &Level,
    set: &GroupingSet,
) -> Result<CpuAggregate> {
    let mut table = CpuAggregate::new(Arc::clone(spec), query.host_reserve())?;
    for partial in &level.partials {
        let at = |key: &usize| level.keys.iter().position(|known| known == key);
        let keys: Vec<ArrayRef> = match set.keys() {
            [] => vec![Arc::new(Int32Array::from(vec![0; partial.groups]))],
            keys => keys.iter().filter_map(at).map(|at| Arc::clone(&partial.keys[at])).collect(),
        };
        let groups = Partial { groups: partial.groups, keys, states: partial.states.clone() };
        table.merge_partial(&groups)?;
    }
    Ok(table)
}

/// The rows of a set: all keys, null where the set leaves one out, the grouping id, the aggregates.
fn rows(table: CpuAggregate, spec: &AggregateSpec, sets: &GroupingSets, set: &GroupingSet) -> Result<Chunk> {
    let finished = table.finish()?;
    let rows = finished.first().map_or(0, |column| column.len());
    let own_keys = finished.len().saturating_sub(spec.aggregates.len());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(spec.keys.len() + 1 + spec.aggregates.len());
    for (key, expr) in spec.keys.iter().enumerate() {
        columns.push(match set.keys().iter().position(|&own| own == key) {
            Some(at) => Arc::clone(&finished[at]),
            None => new_null_array(&expr.data_type(), rows),
        });
    }
    let ids: ArrayRef = Arc::new(UInt64Array::from(vec![set.id(); rows]));
    columns.push(cast(&ids, sets.id_type())?);
    columns.extend_from_slice(&finished[own_keys..]);
    Ok(Chunk::new(columns, rows))
}
