//! DataFusion's joins as ours: hash joins, nested loops and cross joins.
//!
//! DataFusion has chosen sides by its statistics: it builds the left one, and so do we. How its inputs are partitioned
//! makes no difference. A join that keeps the order of an input, for a parent that relies on it, stays with DataFusion.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion_common::{JoinSide, JoinType as DataFusionJoinType, NullEquality};
use datafusion_physical_plan::joins::utils::JoinFilter;
use datafusion_physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec};
use datafusion_physical_plan::{ExecutionPlan, ExecutionPlanProperties as _};
use pilaster::expr::Expr;
use pilaster::join::{JoinKey, JoinType, OutputColumn, Side};
use pilaster::plan::{Join, Plan};
use pilaster::{Error, Result};

use super::{expr, unsupported};

/// A join in terms of its inputs' columns.
pub struct Lowered<'a> {
    /// The left input.
    pub left: &'a Arc<dyn ExecutionPlan>,
    /// The right input.
    pub right: &'a Arc<dyn ExecutionPlan>,
    join: Join,
    fetch: Option<usize>,
}

impl Lowered<'_> {
    /// The join of the rows of `left` and `right`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] and [`Error::InvalidInput`] for what has to stay with DataFusion.
    pub fn over(self, left: Plan, right: Plan) -> Result<Plan> {
        let joined = left.join(right, self.join)?;
        match self.fetch {
            Some(fetch) => joined.limit(0, Some(fetch)),
            None => Ok(joined),
        }
    }
}

/// Lowers a join; none where `plan` is no join that we know.
///
/// # Errors
/// [`Error::Unsupported`] naming the part that stays with DataFusion.
pub fn lower(plan: &Arc<dyn ExecutionPlan>) -> Option<Result<Lowered<'_>>> {
    if let Some(hash) = plan.downcast_ref::<HashJoinExec>() {
        return Some(in_no_order(plan).and_then(|()| lower_hash(hash)));
    }
    if let Some(nested) = plan.downcast_ref::<NestedLoopJoinExec>() {
        return Some(in_no_order(plan).and_then(|()| lower_nested(nested)));
    }
    let cross = plan.downcast_ref::<CrossJoinExec>()?;
    Some(in_no_order(plan).map(|()| Lowered {
        left: cross.left(),
        right: cross.right(),
        join: Join { build: Some(Side::Left), ..Join::on(JoinType::Inner, Vec::new()) },
        fetch: None,
    }))
}

fn in_no_order(plan: &Arc<dyn ExecutionPlan>) -> Result<()> {
    match plan.output_ordering() {
        None => Ok(()),
        Some(order) => Err(unsupported(format!("a join that keeps the order {order}"))),
    }
}

fn lower_hash(node: &HashJoinExec) -> Result<Lowered<'_>> {
    let (left, right) = (node.left().schema(), node.right().schema());
    let nulls_equal = node.null_equality() == NullEquality::NullEqualsNull;
    let keys = node.on().iter().map(|(one, other)| {
        Ok(JoinKey { left: expr::lower(one, &left)?, right: expr::lower(other, &right)?, nulls_equal })
    });
    let join_type = match (node.join_type(), node.null_aware) {
        (DataFusionJoinType::LeftAnti, true) => JoinType::LeftAntiNullAware,
        (other, true) => return Err(unsupported(format!("a null-aware {other} join"))),
        (other, false) => join_type(*other),
    };
    let join = Join {
        join_type,
        keys: keys.collect::<Result<_>>()?,
        residual: residual(node.filter(), &left)?,
        output: output(join_type, &left, &right, node.projection.as_deref())?,
        build: Some(Side::Left),
    };
    Ok(Lowered { left: node.left(), right: node.right(), join, fetch: node.fetch() })
}

fn lower_nested(node: &NestedLoopJoinExec) -> Result<Lowered<'_>> {
    let (left, right) = (node.left().schema(), node.right().schema());
    let join_type = join_type(*node.join_type());
    let join = Join {
        join_type,
        keys: Vec::new(),
        residual: residual(node.filter(), &left)?,
        output: output(join_type, &left, &right, node.projection().as_deref())?,
        build: Some(Side::Left),
    };
    Ok(Lowered { left: node.left(), right: node.right(), join, fetch: node.fetch() })
}

fn join_type(of: DataFusionJoinType) -> JoinType {
    match of {
        DataFusionJoinType::Inner => JoinType::Inner,
        DataFusionJoinType::Left => JoinType::Left,
        DataFusionJoinType::Right => JoinType::Right,
        DataFusionJoinType::Full => JoinType::Full,
        DataFusionJoinType::LeftSemi => JoinType::LeftSemi,
        DataFusionJoinType::RightSemi => JoinType::RightSemi,
        DataFusionJoinType::LeftAnti => JoinType::LeftAnti,
        DataFusionJoinType::RightAnti => JoinType::RightAnti,
        DataFusionJoinType::LeftMark => JoinType::LeftMark,
        DataFusionJoinType::RightMark => JoinType::RightMark,
    }
}

/// The filter over the left columns and then the right ones.
fn residual(filter: Option<&JoinFilter>, left: &Schema) -> Result<Option<Expr>> {
    let Some(filter) = filter else { return Ok(None) };
    let lowered = expr::lower(filter.expression(), filter.schema())?;
    let places: Option<Vec<usize>> = filter
        .column_indices()
        .iter()
        .map(|column| match column.side {
            JoinSide::Left => Some(column.index),
            JoinSide::Right => Some(left.fields().len() + column.index),
            JoinSide::None => None,
        })
        .collect();
    let places = places.ok_or_else(|| unsupported("a join filter over a mark"))?;
    // An expression reads columns of the filter's own schema only.
    Ok(Some(lowered.map_columns(&mut |column| places.get(column).copied().unwrap_or(usize::MAX))))
}

/// The columns of `projection` over all that the join shows; none where it shows them all.
fn output(
    join_type: JoinType,
    left: &Schema,
    right: &Schema,
    projection: Option<&[usize]>,
) -> Result<Option<Vec<OutputColumn>>> {
    let Some(projection) = projection else { return Ok(None) };
    let of = |side: Side, schema: &Schema| if join_type.shows(side) { schema.fields().len() } else { 0 };
    let (from_left, from_right) = (of(Side::Left, left), of(Side::Right, right));
    let mark = matches!(join_type, JoinType::LeftMark | JoinType::RightMark);
    let column = |&at: &usize| match at.checked_sub(from_left) {
        None => Ok(OutputColumn::Left(at)),
        Some(at) if at < from_right => Ok(OutputColumn::Right(at)),
        Some(at) if at == from_right && mark => Ok(OutputColumn::Mark),
        Some(_) => Err(Error::invalid(format!("a join's output has no column {at}"))),
    };
    projection.iter().map(column).collect::<Result<_>>().map(Some)
}
