//! Joins of columns of every type: keys that meet often, seldom or always, residuals, outputs.

use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::DataType;
use pilaster_kernels::expr::Expr;
use pilaster_kernels::join::{JoinKey, JoinSpec, JoinType, OutputColumn, Side};

use super::{Batches, Choices, ColumnRecipe, ExprLimits, Random, Spread, all_types, boolean_expr, sizes};

/// All join types. Small indices are the simplest.
pub const JOIN_TYPES: [JoinType; 11] = [
    JoinType::Inner,
    JoinType::Left,
    JoinType::LeftSemi,
    JoinType::LeftAnti,
    JoinType::Full,
    JoinType::Right,
    JoinType::RightSemi,
    JoinType::RightAnti,
    JoinType::LeftMark,
    JoinType::RightMark,
    JoinType::LeftAntiNullAware,
];

/// A join and both inputs.
#[derive(Debug, Clone)]
pub struct JoinInput {
    /// What is joined.
    pub spec: JoinSpec,
    /// The left input.
    pub left: Batches,
    /// The right input.
    pub right: Batches,
}

/// A join of up to three keys of any types; each side has a column beside them.
pub fn any_join(most_rows: usize, choices: &mut Choices) -> JoinInput {
    let join_type = *choices.one_of(&JOIN_TYPES);
    let keys = match join_type {
        JoinType::LeftAntiNullAware => 1,
        _ => *choices.one_of(&[1, 1, 2, 3, 0]),
    };
    let all = all_types();
    let mut types: Vec<DataType> = (0..keys).map(|_| choices.one_of(&all).clone()).collect();
    let nulls_equal: Vec<bool> =
        (0..keys).map(|_| join_type != JoinType::LeftAntiNullAware && choices.rarely(3)).collect();
    types.push(choices.one_of(&all).clone());
    let (left, right) = (join_side(&types, most_rows, choices), join_side(&types, most_rows, choices));
    let both: Vec<DataType> = types.iter().chain(&types).cloned().collect();
    let residual = (join_type != JoinType::LeftAntiNullAware && choices.pick(3) == 1)
        .then(|| boolean_expr(&ExprLimits { columns: both, depth: 2 }, choices));
    let key = |(at, nulls_equal): (usize, bool)| JoinKey {
        left: Expr::column(at, types[at].clone()),
        right: Expr::column(at, types[at].clone()),
        nulls_equal,
    };
    let spec = JoinSpec {
        join_type,
        keys: nulls_equal.into_iter().enumerate().map(key).collect(),
        residual,
        output: everything(join_type, types.len(), types.len()),
        left: types.clone(),
        right: types,
    };
    JoinInput { spec, left, right }
}

/// All columns that a join type shows.
#[must_use]
pub fn everything(join_type: JoinType, left: usize, right: usize) -> Vec<OutputColumn> {
    let lefts = (0..left).map(OutputColumn::Left).filter(|_| join_type.shows(Side::Left));
    let rights = (0..right).map(OutputColumn::Right).filter(|_| join_type.shows(Side::Right));
    let mark = matches!(join_type, JoinType::LeftMark | JoinType::RightMark);
    lefts.chain(rights).chain(mark.then_some(OutputColumn::Mark)).collect()
}

/// Batches whose values mostly meet those of another side: few values, or the same ones from the ends of the type.
pub fn join_side(types: &[DataType], most_rows: usize, choices: &mut Choices) -> Batches {
    let spreads = [Spread::Tiny, Spread::Small, Spread::Extreme, Spread::Constant, Spread::Wide];
    let recipe = |data_type: &DataType| {
        let recipe = ColumnRecipe::choose(data_type, choices);
        ColumnRecipe { spread: *choices.one_of(&spreads), ..recipe }
    };
    let recipes = types.iter().map(recipe).collect();
    let sizes = sizes(most_rows);
    let rows: Vec<usize> = (0..choices.pick(4)).map(|_| *choices.one_of(&sizes)).collect();
    let batches = Batches::new(recipes, &rows);
    if choices.rarely(4) { skewed(&batches, choices.seed()) } else { batches }
}

/// Nine of ten rows of each batch are its first.
fn skewed(batches: &Batches, seed: u64) -> Batches {
    let mut random = Random::new(seed);
    let mut skewed = Batches::of_arrays(batches.types.clone(), Vec::new());
    for (columns, &rows) in batches.batches.iter().zip(&batches.rows) {
        let row = |row: usize| if random.percent(90) { 0 } else { row as u32 };
        let indices = Arc::new(UInt32Array::from_iter_values((0..rows).map(row)));
        let taken = |column: &ArrayRef| take(column, indices.as_ref(), None).expect("rows that are there");
        skewed.push(columns.iter().map(taken).collect());
    }
    skewed
}
