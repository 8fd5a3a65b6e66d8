//! The join of two sides = the joins of their partitions, or of the pieces of one side.

use std::collections::BTreeSet;
use std::sync::Arc;

use pilaster_kernels::Result;
use pilaster_kernels::filter::Selection;
use pilaster_kernels::join::cpu::{JoinPartitioner, MAX_PARTITION_BITS, PartitionedRows};
use pilaster_kernels::join::{JoinSpec, JoinType, Side};
use pilaster_tests::compare::Got;
use pilaster_tests::runner::check;
use pilaster_tests::strategies::{Batches, JOIN_TYPES, JoinInput, choices};
use proptest::strategy::Strategy;

use super::{Case, Run, any_case, fixed, join, judge, types_of};

/// Bits of each level of partitions.
type Levels = Vec<u32>;

fn any_levels() -> impl Strategy<Value = Levels> {
    choices(4).prop_map(|mut choices| {
        let depth = 1 + choices.pick(2);
        (0..depth).map(|_| *choices.one_of(&[1, 2, 0, 3, 6])).collect()
    })
}

/// Rows of each partition of a side. Every other batch is given as two selections.
fn parts(partitioner: &JoinPartitioner, side: Side, batches: &Batches) -> Result<Vec<Batches>> {
    let mut parts = vec![Batches::of_arrays(batches.types.clone(), Vec::new()); partitioner.partitions()];
    for (at, (columns, &rows)) in batches.batches.iter().zip(&batches.rows).enumerate() {
        let some: Vec<u32> = (0..rows as u32).filter(|row| row % 3 == 1).collect();
        let rest = (0..rows as u32).filter(|row| row % 3 != 1).collect::<Vec<_>>();
        let selections = match at % 2 {
            0 => vec![None],
            _ => vec![Some(Selection::from_indices(rows, some)), Some(Selection::from_indices(rows, rest))],
        };
        for selection in selections {
            let cut = partitioner.partition(side, columns, rows, selection.as_ref())?;
            let given = selection.as_ref().map_or(rows, Selection::count);
            each_row_once(&cut, partitioner.partitions(), given);
            for batch in cut.gather(columns)? {
                assert_eq!(batch.rows, cut.rows(batch.partition).len());
                parts[batch.partition].push(batch.columns);
            }
        }
    }
    Ok(parts)
}

fn each_row_once(cut: &PartitionedRows, partitions: usize, given: usize) {
    let rows: Vec<u32> = (0..partitions).flat_map(|partition| cut.rows(partition).to_vec()).collect();
    let distinct: BTreeSet<u32> = rows.iter().copied().collect();
    assert_eq!((rows.len(), distinct.len()), (cut.total(), cut.total()), "a row in two partitions");
    assert!(cut.total() <= given);
}

/// The join of both sides' partitions, each of which is cut again by the levels below.
fn by_partitions(spec: &JoinSpec, sides: [&Batches; 2], levels: &[u32], run: &Run) -> Result<Got> {
    let [left, right] = sides;
    let Some((&bits, deeper)) = levels.split_first() else { return join(spec, left, right, run) };
    let partitioner = JoinPartitioner::new(Arc::new(spec.clone()), bits)?;
    let lefts = parts(&partitioner, Side::Left, &left.cut(run.cut))?;
    let rights = parts(&partitioner, Side::Right, &right.cut(run.cut))?;
    let mut all = Got { types: types_of(spec), rows: Vec::new() };
    for (left, right) in lefts.iter().zip(&rights) {
        all.append(by_partitions(spec, [left, right], deeper, run)?);
    }
    Ok(all)
}

/// The joins of pieces of one side with all of the other.
fn by_pieces(input: &JoinInput, side: Side, rows: usize, run: &Run) -> Result<Got> {
    let (cut, whole) = match side {
        Side::Left => (&input.left, &input.right),
        Side::Right => (&input.right, &input.left),
    };
    let pieces = cut.cut(rows);
    let mut all = Got { types: types_of(&input.spec), rows: Vec::new() };
    for piece in 0..pieces.batches.len() {
        let piece = pieces.only(piece);
        let (left, right) = if side == Side::Left { (&piece, whole) } else { (whole, &piece) };
        all.append(join(&input.spec, left, right, run)?);
    }
    Ok(all)
}

#[test]
fn joins_by_partitions_are_the_join() {
    let strategy = (any_case(65), any_levels());
    check("joins by partitions, CPU", 500, &strategy, |(Case { input, run }, levels)| {
        if !input.spec.may_partition() {
            assert!(JoinPartitioner::new(Arc::new(input.spec.clone()), 1).is_err());
            return Ok(());
        }
        judge(input, &by_partitions(&input.spec, [&input.left, &input.right], levels, run))
    });
}

#[test]
fn joins_by_pieces_of_a_side_are_the_join() {
    let strategy = (any_case(65), choices(2).prop_map(|mut choices| *choices.one_of(&[10, 1, 64])));
    check("joins by pieces, CPU", 300, &strategy, |(Case { input, run }, rows)| {
        for side in [Side::Left, Side::Right] {
            let cut = if side == Side::Left { &input.left } else { &input.right };
            if input.spec.join_type.may_cut(side) && cut.total() > 0 {
                judge(input, &by_pieces(input, side, *rows, run))?;
            }
        }
        Ok(())
    });
}

/// A side that may not be cut gives another answer where it is; and all types but full have one that may.
#[test]
fn sides_that_may_not_be_cut_are_told() {
    for join_type in JOIN_TYPES {
        let input = fixed(join_type);
        for side in [Side::Left, Side::Right] {
            let whole = judge(&input, &by_pieces(&input, side, 7, &Run::plain(Side::Right)));
            assert_eq!(whole.is_ok(), join_type.may_cut(side), "{join_type:?}, {side:?} cut: {whole:?}");
        }
        let either = join_type.may_cut(Side::Left) || join_type.may_cut(Side::Right);
        assert_eq!(either, join_type != JoinType::Full);
    }
}

/// Partitions that do not meet, and one that is lost, must not pass.
#[test]
fn errors_of_partitions_are_noticed() {
    for join_type in JOIN_TYPES.into_iter().filter(|&t| t != JoinType::LeftAntiNullAware) {
        let input = fixed(join_type);
        let run = Run::plain(Side::Right);
        let own = || JoinPartitioner::new(Arc::new(input.spec.clone()), 4).unwrap();
        let joined = |lefts: &[Batches], rights: &[Batches]| {
            let mut all = Got { types: types_of(&input.spec), rows: Vec::new() };
            for (left, right) in lefts.iter().zip(rights) {
                all.append(join(&input.spec, left, right, &run).unwrap());
            }
            judge(&input, &Ok(all))
        };
        let (one, other) = (own(), own());
        let lefts = parts(&one, Side::Left, &input.left).unwrap();
        let rights = parts(&one, Side::Right, &input.right).unwrap();
        assert_eq!(joined(&lefts, &rights), Ok(()), "{join_type:?}");
        let apart = parts(&other, Side::Right, &input.right).unwrap();
        assert!(joined(&lefts, &apart).is_err(), "{join_type:?}: two hashes");
        let (lefts, rights) = without_a_result(&input, &run, &lefts, &rights);
        assert!(joined(&lefts, &rights).is_err(), "{join_type:?}: a partition lost");
    }
}

/// All partitions but the first that gives rows.
fn without_a_result(
    input: &JoinInput,
    run: &Run,
    lefts: &[Batches],
    rights: &[Batches],
) -> (Vec<Batches>, Vec<Batches>) {
    let gives = |at: usize| !join(&input.spec, &lefts[at], &rights[at], run).unwrap().rows.is_empty();
    let lost = (0..lefts.len()).find(|&at| gives(at)).unwrap();
    let others = |all: &[Batches]| {
        all.iter().enumerate().filter(|(at, _)| *at != lost).map(|(_, part)| part.clone()).collect()
    };
    (others(lefts), others(rights))
}

#[test]
fn too_many_partitions_are_refused() {
    let spec = Arc::new(fixed(JoinType::Inner).spec);
    assert!(JoinPartitioner::new(Arc::clone(&spec), MAX_PARTITION_BITS).is_ok());
    assert!(JoinPartitioner::new(spec, MAX_PARTITION_BITS + 1).is_err());
}
