//! Joins of two inputs: pairs of rows, or rows of one side by whether they have a partner.
//!
//! ```text
//! JoinSpec ------------------------------- what is joined; neither side is the build side yet
//!   JoinBuild::new(spec, Side::Right) ---- the host knows which side is smaller
//!     BuildWorker::consume(batch) ...      one worker per thread
//!   JoinBuild::finish(workers) ----------- in parallel on the current pool -> JoinTable, shared
//!     Prober::begin(batch), next(limit)... one prober per thread; output in bounded batches
//!   JoinTable::remaining(range) ---------- after all probes: build rows that the type shows at the end
//! ```
//! | type | rows | columns |
//! | --- | --- | --- |
//! | inner | pairs | both sides' |
//! | left, right, full | pairs; rows of the named side, or of both, without partner, once, nulls opposite | both sides' |
//! | left semi, right semi | rows of the named side with a partner, once | that side's |
//! | left anti, right anti | rows of the named side without partner | that side's |
//! | left anti, null aware | `NOT IN`: see [`JoinType::LeftAntiNullAware`] | the left side's |
//! | left mark, right mark | all rows of the named side, once | that side's, and whether it has a partner |
//!
//! Two rows are partners where all keys are equal and the residual predicate is true. Keys are equal as the semantics
//! page says (one NaN, one zero, bytes as unsigned); null is equal to nothing, or to null where the key says so
//! ([`JoinKey::nulls_equal`]). The residual takes part in matching: a left row whose every candidate it refuses is
//! unmatched. It is evaluated on candidates only, and so are its errors. Without keys every pair is a candidate: a cross
//! join, or a nested loop where there is a residual; types and bounds hold for it as for any other.
//!
//! **Order and determinism.** Which rows come out is the same for any number of threads, any cut into batches and either
//! build side. Rows of one probe batch come out in its order, partners of one row in order of their build row; build rows
//! are numbered worker by worker as they were consumed.
//!
//! **Physical types.** As anywhere inside a pipeline, a column may be physically narrower than its logical type, or a
//! dictionary over it, and batches may differ in it. Dictionaries and views stay what they are, on both sides.

use std::fmt;

use arrow::datatypes::DataType;

use crate::error::{Error, Result};
use crate::expr::{CompareOp, Expr};

pub mod cpu;
#[cfg(test)]
mod tests;

/// Which rows a join shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JoinType {
    /// Pairs.
    Inner,
    /// Pairs, and left rows without partner.
    Left,
    /// Pairs, and right rows without partner.
    Right,
    /// Pairs, and rows of both sides without partner.
    Full,
    /// Left rows with a partner.
    LeftSemi,
    /// Right rows with a partner.
    RightSemi,
    /// Left rows without partner; a null key has none.
    LeftAnti,
    /// Right rows without partner; a null key has none.
    RightAnti,
    /// `left NOT IN (right)`: left rows for which the comparison with every right row is false. Over no right rows that
    /// is all left rows, null or not; a null among the right keys makes the answer empty; a left null is not in it.
    LeftAntiNullAware,
    /// All left rows, with a Boolean that tells whether there is a partner; never null.
    LeftMark,
    /// All right rows, likewise.
    RightMark,
}

impl fmt::Display for JoinType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            JoinType::Inner => "inner",
            JoinType::Left => "left",
            JoinType::Right => "right",
            JoinType::Full => "full",
            JoinType::LeftSemi => "left semi",
            JoinType::RightSemi => "right semi",
            JoinType::LeftAnti => "left anti",
            JoinType::RightAnti => "right anti",
            JoinType::LeftAntiNullAware => "left anti null aware",
            JoinType::LeftMark => "left mark",
            JoinType::RightMark => "right mark",
        })
    }
}

/// One of the two inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The first input.
    Left,
    /// The second input.
    Right,
}

impl Side {
    /// The other input.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Side::Left => Side::Right,
            Side::Right => Side::Left,
        }
    }
}

/// What a join type does, by side: what all of it is decided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Pairs, and rows without partner of the sides that are kept.
    Pairs { keeps_left: bool, keeps_right: bool },
    /// Rows of one side by whether they have a partner.
    Rows { of: Side, test: RowTest },
}

/// Which rows of a side are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowTest {
    Matched,
    Unmatched,
    UnmatchedNullAware,
    Marked,
}

impl JoinType {
    pub(crate) fn shape(self) -> Shape {
        let pairs = |keeps_left, keeps_right| Shape::Pairs { keeps_left, keeps_right };
        let rows = |of, test| Shape::Rows { of, test };
        match self {
            JoinType::Inner => pairs(false, false),
            JoinType::Left => pairs(true, false),
            JoinType::Right => pairs(false, true),
            JoinType::Full => pairs(true, true),
            JoinType::LeftSemi => rows(Side::Left, RowTest::Matched),
            JoinType::RightSemi => rows(Side::Right, RowTest::Matched),
            JoinType::LeftAnti => rows(Side::Left, RowTest::Unmatched),
            JoinType::RightAnti => rows(Side::Right, RowTest::Unmatched),
            JoinType::LeftAntiNullAware => rows(Side::Left, RowTest::UnmatchedNullAware),
            JoinType::LeftMark => rows(Side::Left, RowTest::Marked),
            JoinType::RightMark => rows(Side::Right, RowTest::Marked),
        }
    }

    /// True where the output has columns of `side`.
    #[must_use]
    pub fn shows(self, side: Side) -> bool {
        match self.shape() {
            Shape::Pairs { .. } => true,
            Shape::Rows { of, .. } => of == side,
        }
    }

    /// True where rows of `side` come out that have no partner.
    #[must_use]
    pub fn shows_unmatched(self, side: Side) -> bool {
        match self.shape() {
            Shape::Pairs { keeps_left, keeps_right } => match side {
                Side::Left => keeps_left,
                Side::Right => keeps_right,
            },
            Shape::Rows { of, test } => of == side && test != RowTest::Matched,
        }
    }

    /// True where `side` may be taken in pieces, each of which is joined with all of the other side: what a row of
    /// `side` gives depends on no other row of it, and rows of the other side come out in pairs only. So a join with one key
    /// larger than memory is built on pieces of such a side. All types but full have one; a full join is the left join,
    /// and of the right anti join the rows, with nulls for the left columns.
    #[must_use]
    pub fn may_cut(self, side: Side) -> bool {
        match self.shape() {
            Shape::Pairs { .. } => !self.shows_unmatched(side.other()),
            Shape::Rows { of, .. } => of == side,
        }
    }
}

/// One equality of a join.
#[derive(Debug, Clone)]
pub struct JoinKey {
    /// Over the left columns.
    pub left: Expr,
    /// Over the right columns, of a type that [`Expr::compare`] compares with the left one's.
    pub right: Expr,
    /// `IS NOT DISTINCT FROM`: null equals null. Else null equals nothing.
    pub nulls_equal: bool,
}

/// A column of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutputColumn {
    /// This column of the left input.
    Left(usize),
    /// This column of the right input.
    Right(usize),
    /// The Boolean of a mark join.
    Mark,
}

/// What is joined.
#[derive(Debug, Clone)]
pub struct JoinSpec {
    /// Which rows come out.
    pub join_type: JoinType,
    /// Logical types of the left columns.
    pub left: Vec<DataType>,
    /// Logical types of the right columns.
    pub right: Vec<DataType>,
    /// Equalities, all of which must hold. None: every pair is a candidate.
    pub keys: Vec<JoinKey>,
    /// Boolean, over the left columns and then the right ones: right column `r` is column `left.len() + r`.
    pub residual: Option<Expr>,
    /// Columns of the output, in this order; a column may occur more than once or never.
    pub output: Vec<OutputColumn>,
}

impl JoinSpec {
    /// Checks types and column numbers.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where a key's types do not compare, the residual is not Boolean, an expression or the output
    /// names a column that is not there, or the output a side that the join type does not show;
    /// [`Error::Unsupported`] for nested keys and a null-aware anti join with another number of keys than one, null-equal
    /// keys or a residual. Such a `NOT IN` is a left anti join without keys, whose residual is
    /// `(left = right) IS DISTINCT FROM false AND residual`.
    pub fn check(&self) -> Result<()> {
        for key in &self.keys {
            Expr::compare(CompareOp::Eq, key.left.clone(), key.right.clone())?;
            in_bounds(&key.left, self.left.len(), "left key")?;
            in_bounds(&key.right, self.right.len(), "right key")?;
        }
        if let Some(residual) = &self.residual {
            if residual.data_type() != DataType::Boolean {
                return Err(Error::invalid(format!("the residual {residual} is {}", residual.data_type())));
            }
            in_bounds(residual, self.left.len() + self.right.len(), "residual")?;
        }
        let plain = matches!(self.keys.as_slice(), [key] if !key.nulls_equal) && self.residual.is_none();
        if self.join_type == JoinType::LeftAntiNullAware && !plain {
            let what = "a null-aware anti join but of one key that null does not equal, without residual,";
            return Err(Error::unsupported(what, crate::Backend::Cpu));
        }
        self.output.iter().try_for_each(|column| self.check_output(*column))
    }

    /// True where the join is the union of the joins of its partitions ([`cpu::JoinPartitioner`]). Rows without partner come
    /// out of the one partition that they are in; but `NOT IN` asks whether there is any row on the right, and any
    /// null, of which a partition knows nothing (it [may be cut](JoinType::may_cut) on the left), and without keys all rows are partners of
    /// all.
    #[must_use]
    pub fn may_partition(&self) -> bool {
        !self.keys.is_empty() && self.join_type != JoinType::LeftAntiNullAware
    }

    fn check_output(&self, column: OutputColumn) -> Result<()> {
        let (there, shown) = match column {
            OutputColumn::Left(at) => (at < self.left.len(), self.join_type.shows(Side::Left)),
            OutputColumn::Right(at) => (at < self.right.len(), self.join_type.shows(Side::Right)),
            OutputColumn::Mark => {
                (true, matches!(self.join_type.shape(), Shape::Rows { test: RowTest::Marked, .. }))
            }
        };
        match there && shown {
            true => Ok(()),
            false => Err(Error::invalid(format!("a {:?} join has no output {column:?}", self.join_type))),
        }
    }

    /// Logical type of a column of the output.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the column is not there.
    pub fn output_type(&self, column: OutputColumn) -> Result<&DataType> {
        let found = match column {
            OutputColumn::Left(at) => self.left.get(at),
            OutputColumn::Right(at) => self.right.get(at),
            OutputColumn::Mark => Some(&DataType::Boolean),
        };
        found.ok_or_else(|| Error::invalid(format!("no column {column:?}")))
    }
}

fn in_bounds(expr: &Expr, columns: usize, what: &str) -> Result<()> {
    let mut outside = None;
    expr.for_each_column(&mut |column| {
        if column >= columns {
            outside = Some(column);
        }
    });
    match outside {
        None => Ok(()),
        Some(column) => Err(Error::invalid(format!("the {what} {expr} reads column {column} of {columns}"))),
    }
}
