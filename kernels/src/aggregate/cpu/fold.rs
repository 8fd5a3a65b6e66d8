//! The inner loops: values folded into one accumulator per group.
//!
//! Group numbers start at 1; number 0 is a sink for rows that do not count (filtered out, or null), so that no loop
//! branches on a row. How a loop runs depends on the number of groups:
//!
//! ```text
//! one group, all rows:   REPLICAS accumulators side by side             (vector registers)
//! <= MASKED_GROUPS:      per group, acc += group == g ? value : identity (vector registers, compares in place of branches)
//! <= REPLICATED_GROUPS:  acc[group][row % REPLICAS] += value             (first cache level; equal neighbours never wait
//!                                                                         for each other's store)
//! more:                  acc[group] += value
//! ```
//! Replicas after DuckDB's clustered aggregation, which removes the same store-to-load wait by sorting row numbers.

/// Accumulators per group in the replicated loops.
const REPLICAS: usize = 8;

/// Up to here a compare per group and vector is cheaper than a store per row.
const MASKED_GROUPS: usize = 4;

/// Up to here the replicas stay within 4 KiB for 64-bit accumulators.
const REPLICATED_GROUPS: usize = 63;

/// How values of type `V` go into an accumulator.
pub(super) trait Fold<V>: 'static {
    /// The accumulator.
    type Acc: Copy + Send + Sync + 'static;
    /// What an accumulator of no values holds.
    const IDENTITY: Self::Acc;
    /// `acc` and one more value.
    fn step(acc: Self::Acc, value: V) -> Self::Acc;
    /// Two accumulators as one.
    fn merge(a: Self::Acc, b: Self::Acc) -> Self::Acc;
}

/// Folds all of `values` into one accumulator.
#[multiversion::multiversion(targets("x86_64+avx512f+avx512dq+avx512bw+avx512vl", "x86_64+avx2"))]
pub(super) fn fold_all<V: Copy + 'static, F: Fold<V>>(values: &[V]) -> F::Acc {
    let mut lanes = [F::IDENTITY; 16];
    let (chunks, rest) = values.as_chunks::<16>();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = F::step(*lane, value);
        }
    }
    let tail = rest.iter().fold(F::IDENTITY, |acc, &value| F::step(acc, value));
    lanes.iter().fold(tail, |acc, &lane| F::merge(acc, lane))
}

/// Folds each of `values` into the accumulator that `groups` names. `state` has one more item than there are groups.
pub(super) fn fold_groups<V: Copy + 'static, F: Fold<V>>(groups: &[u32], values: &[V], state: &mut [F::Acc]) {
    match state.len().saturating_sub(1) {
        0 => {}
        1 => merge_into::<V, F>(&masked::<V, F, 1>(groups, values), state),
        2 => merge_into::<V, F>(&masked::<V, F, 2>(groups, values), state),
        3 => merge_into::<V, F>(&masked::<V, F, 3>(groups, values), state),
        MASKED_GROUPS => merge_into::<V, F>(&masked::<V, F, MASKED_GROUPS>(groups, values), state),
        5..=REPLICATED_GROUPS => replicated::<V, F>(groups, values, state),
        _ => direct::<V, F>(groups, values, state),
    }
}

fn merge_into<V, F: Fold<V>>(sums: &[F::Acc], state: &mut [F::Acc]) {
    for (state, &sum) in state[1..].iter_mut().zip(sums) {
        *state = F::merge(*state, sum);
    }
}

#[multiversion::multiversion(targets("x86_64+avx512f+avx512dq+avx512bw+avx512vl", "x86_64+avx2"))]
fn masked<V: Copy + 'static, F: Fold<V>, const G: usize>(groups: &[u32], values: &[V]) -> [F::Acc; G] {
    let mut lanes = [[F::IDENTITY; REPLICAS]; G];
    let (value_chunks, value_rest) = values.as_chunks::<REPLICAS>();
    let (group_chunks, group_rest) = groups.as_chunks::<REPLICAS>();
    for (value_chunk, group_chunk) in value_chunks.iter().zip(group_chunks) {
        for (number, lanes) in (1..).zip(lanes.iter_mut()) {
            for at in 0..REPLICAS {
                let stepped = F::step(lanes[at], value_chunk[at]);
                lanes[at] = if group_chunk[at] == number { stepped } else { lanes[at] };
            }
        }
    }
    for (&value, &group) in value_rest.iter().zip(group_rest) {
        if group > 0 {
            lanes[group as usize - 1][0] = F::step(lanes[group as usize - 1][0], value);
        }
    }
    lanes.map(|lanes| lanes.into_iter().fold(F::IDENTITY, F::merge))
}

fn replicated<V: Copy, F: Fold<V>>(groups: &[u32], values: &[V], state: &mut [F::Acc]) {
    const ROWS: usize = REPLICATED_GROUPS + 1;
    let mut lanes = [[F::IDENTITY; REPLICAS]; ROWS];
    let (value_chunks, value_rest) = values.as_chunks::<REPLICAS>();
    let (group_chunks, group_rest) = groups.as_chunks::<REPLICAS>();
    for (value_chunk, group_chunk) in value_chunks.iter().zip(group_chunks) {
        for at in 0..REPLICAS {
            // The mask only tells the compiler what holds: numbers are below ROWS.
            let lane = &mut lanes[group_chunk[at] as usize & (ROWS - 1)][at];
            *lane = F::step(*lane, value_chunk[at]);
        }
    }
    for (&value, &group) in value_rest.iter().zip(group_rest) {
        let lane = &mut lanes[group as usize & (ROWS - 1)][0];
        *lane = F::step(*lane, value);
    }
    for (state, lanes) in state.iter_mut().zip(lanes).skip(1) {
        *state = lanes.into_iter().fold(*state, F::merge);
    }
}

fn direct<V: Copy, F: Fold<V>>(groups: &[u32], values: &[V], state: &mut [F::Acc]) {
    for (&group, &value) in groups.iter().zip(values) {
        let acc = &mut state[group as usize];
        *acc = F::step(*acc, value);
    }
}

/// Adds each group's number of rows to `state`.
pub(super) fn count_groups(groups: &[u32], state: &mut [u64]) {
    // Blocks short enough for 32-bit counters.
    for block in groups.chunks(1 << 30) {
        match state.len().saturating_sub(1) {
            0 => {}
            1 => add_counts(&counted::<1>(block), state),
            2 => add_counts(&counted::<2>(block), state),
            3 => add_counts(&counted::<3>(block), state),
            MASKED_GROUPS => add_counts(&counted::<MASKED_GROUPS>(block), state),
            5..=REPLICATED_GROUPS => replicated::<u32, CountFold>(block, block, state),
            _ => direct::<u32, CountFold>(block, block, state),
        }
    }
}

fn add_counts(counts: &[u32], state: &mut [u64]) {
    for (state, &count) in state[1..].iter_mut().zip(counts) {
        *state += u64::from(count);
    }
}

#[multiversion::multiversion(targets("x86_64+avx512f+avx512dq+avx512bw+avx512vl", "x86_64+avx2"))]
fn counted<const G: usize>(groups: &[u32]) -> [u32; G] {
    let mut lanes = [[0u32; 16]; G];
    let (chunks, rest) = groups.as_chunks::<16>();
    for chunk in chunks {
        for (number, lanes) in (1..).zip(lanes.iter_mut()) {
            for at in 0..16 {
                lanes[at] += u32::from(chunk[at] == number);
            }
        }
    }
    for &group in rest {
        if group > 0 {
            lanes[group as usize - 1][0] += 1;
        }
    }
    lanes.map(|lanes| lanes.into_iter().sum())
}

/// Counts rows: the value does not matter.
struct CountFold;

impl Fold<u32> for CountFold {
    type Acc = u64;
    const IDENTITY: u64 = 0;
    fn step(acc: u64, _: u32) -> u64 {
        acc + 1
    }
    fn merge(a: u64, b: u64) -> u64 {
        a + b
    }
}

/// Integer sums in 64 bits, of values that the caller has proved to fit; sink rows may wrap.
pub(super) struct NarrowSum;
/// Integer sums in 128 bits, likewise.
pub(super) struct WideSum;
/// Float sums.
pub(super) struct FloatSum;
/// Smallest value.
pub(super) struct Least;
/// Greatest value.
pub(super) struct Greatest;

macro_rules! folds {
    ($($fold:ty: $value:ty => $acc:ty, $identity:expr, |$a:ident, $v:ident| $step:expr, |$x:ident, $y:ident| $merge:expr;)+) => {
        $(impl Fold<$value> for $fold {
            type Acc = $acc;
            const IDENTITY: $acc = $identity;
            #[inline(always)]
            fn step($a: $acc, $v: $value) -> $acc {
                $step
            }
            #[inline(always)]
            fn merge($x: $acc, $y: $acc) -> $acc {
                $merge
            }
        })+
    };
}

folds! {
    NarrowSum: i32 => i64, 0, |a, v| a.wrapping_add(i64::from(v)), |x, y| x.wrapping_add(y);
    NarrowSum: i64 => i64, 0, |a, v| a.wrapping_add(v), |x, y| x.wrapping_add(y);
    WideSum: i32 => i128, 0, |a, v| a.wrapping_add(i128::from(v)), |x, y| x.wrapping_add(y);
    WideSum: i64 => i128, 0, |a, v| a.wrapping_add(i128::from(v)), |x, y| x.wrapping_add(y);
    WideSum: i128 => i128, 0, |a, v| a.wrapping_add(v), |x, y| x.wrapping_add(y);
    FloatSum: f64 => f64, 0.0, |a, v| a + v, |x, y| x + y;
    Least: i32 => i64, i64::MAX, |a, v| a.min(i64::from(v)), |x, y| x.min(y);
    Least: i64 => i64, i64::MAX, |a, v| a.min(v), |x, y| x.min(y);
    Greatest: i32 => i64, i64::MIN, |a, v| a.max(i64::from(v)), |x, y| x.max(y);
    Greatest: i64 => i64, i64::MIN, |a, v| a.max(v), |x, y| x.max(y);
}

/// Smallest value, kept in 128 bits.
pub(super) struct WideLeast;
/// Greatest value, kept in 128 bits.
pub(super) struct WideGreatest;

folds! {
    WideLeast: i32 => i128, i128::MAX, |a, v| a.min(v.into()), |x, y| x.min(y);
    WideLeast: i64 => i128, i128::MAX, |a, v| a.min(v.into()), |x, y| x.min(y);
    WideLeast: i128 => i128, i128::MAX, |a, v| a.min(v), |x, y| x.min(y);
    WideGreatest: i32 => i128, i128::MIN, |a, v| a.max(v.into()), |x, y| x.max(y);
    WideGreatest: i64 => i128, i128::MIN, |a, v| a.max(v.into()), |x, y| x.max(y);
    WideGreatest: i128 => i128, i128::MIN, |a, v| a.max(v), |x, y| x.max(y);
}

/// Where the rows of a column go.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target<'a> {
    /// All of them to group 1.
    One,
    /// Each to its group; 0 is the sink.
    Each(&'a [u32]),
}

/// Folds a column into `state`, which has one more item than there are groups.
pub(super) fn fold<V: Copy + 'static, F: Fold<V>>(target: Target, values: &[V], state: &mut [F::Acc]) {
    match target {
        Target::Each(groups) => fold_groups::<V, F>(groups, values, state),
        Target::One => state[1] = F::merge(state[1], fold_all::<V, F>(values)),
    }
}
