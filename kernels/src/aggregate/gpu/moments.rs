//! Counts, sums and sums of squares, as the CPU's accumulators of var and stddev take them over.

use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeBinaryArray, Float64Array, UInt64Array};

use super::float::Accumulator;
use super::state::SUM_WORDS;
use crate::aggregate::FloatSum;
use crate::aggregate::exact::{Exact, encoded, special};
use crate::aggregate::partial::StateColumn;

/// Words of the low part of an exact sum.
const LOW_WORDS: usize = 8;

/// Of integers: exact in both modes. `words` are those of the sums and of the squares.
pub(super) fn of_integers<'a>(
    words: (impl Iterator<Item = &'a [u32]>, impl Iterator<Item = &'a [u32]>),
    counts: Vec<u64>,
) -> StateColumn {
    let counts: ArrayRef = Arc::new(UInt64Array::from(counts));
    StateColumn::Arrays(vec![counts, integer_sums(words.0), integer_sums(words.1)])
}

/// Sums as the accumulators of moments have them: `high * 2^256 + low`, with `low` signed, lowest byte first.
pub(super) fn integer_sums<'a>(sums: impl Iterator<Item = &'a [u32]>) -> ArrayRef {
    let mut bytes = Vec::new();
    for words in sums {
        let sign = if words.last().is_some_and(|word| word >> 31 == 1) { u32::MAX } else { 0 };
        let word = |at: usize| words.get(at).copied().unwrap_or(sign);
        bytes.extend((0..LOW_WORDS).flat_map(|at| word(at).to_le_bytes()));
        let high = u64::from(word(LOW_WORDS)) | u64::from(word(LOW_WORDS + 1)) << 32;
        let borrowed = u64::from(word(LOW_WORDS - 1) >> 31);
        bytes.extend(high.wrapping_add(borrowed).to_le_bytes());
    }
    Arc::new(FixedSizeBinaryArray::new(SUM_WORDS as i32 * 4, bytes.into(), None))
}

/// Of floats: the exact sums in the reproducible mode, sums of deviations from the mean in the fast one.
pub(super) fn of_floats<'a>(
    (sum, squares): (Accumulator, Accumulator),
    words: (impl Iterator<Item = &'a [u32]>, impl Iterator<Item = &'a [u32]>),
    counts: Vec<u64>,
    mode: FloatSum,
) -> StateColumn {
    let sums: Vec<(Exact, u8)> = words.0.map(|words| sum.exact(words)).collect();
    let squares = words.1.map(|words| squares.squares(words));
    let columns: Vec<ArrayRef> = match mode {
        FloatSum::Reproducible => {
            let squares = encoded(squares.map(|squares| (squares, 0)));
            vec![encoded(sums.into_iter()), squares]
        }
        FloatSum::Fast => {
            let groups = sums.iter().zip(squares).zip(&counts);
            let spreads: Vec<[f64; 3]> =
                groups.map(|((sum, squares), &count)| spread(sum, &squares, count)).collect();
            let column = |at: usize| -> ArrayRef {
                Arc::new(spreads.iter().map(|spread| Some(spread[at])).collect::<Float64Array>())
            };
            vec![column(0), column(1), column(2)]
        }
    };
    let counts: ArrayRef = Arc::new(UInt64Array::from(counts));
    StateColumn::Arrays([vec![counts], columns].concat())
}

/// Centre, sum and squares of the deviations from it, each rounded once. The squares are NaN where a value was infinite or
/// NaN.
fn spread((sum, flags): &(Exact, u8), squares: &Exact, count: u64) -> [f64; 3] {
    if count == 0 || special(*flags).is_some() {
        return [0.0, 0.0, if count == 0 { 0.0 } else { f64::NAN }];
    }
    let centre = sum.over(count);
    let (exact_centre, count) = (Exact::from_f64(centre), Exact::from_u64(count));
    let centres = count.times(&exact_centre);
    let deviations = sum.minus(&centres);
    // sum((x - c)^2) = sum(x^2) - c * (sum(x) + sum(x - c))
    let about = squares.minus(&exact_centre.times(&sum.plus(&deviations)));
    [centre, deviations.to_f64(), about.to_f64()]
}
