//! Row groups that no row can match in, by interval tests on their statistics.
//!
//! A predicate is evaluated over the *set* of truth values that it may have in a row group: `column op constant` by the
//! bounds of the column, `AND`, `OR` and `NOT` by combining sets, anything else as "may be anything". A row group is left
//! out where *true* is not in the set.

use pilaster_kernels::Result;
use pilaster_kernels::expr::{CompareOp, Expr, Scalar, Value};
use std::cmp::Ordering::{Equal, Greater, Less};

use super::matching::Origin;
use super::predicate::columns;
use super::statistics::{Facts, compare};
use super::types::reads_as;
use super::{PruneReport, Scan, ScanTask, ScanTasks, SlicedFile};

pub(super) fn tasks(scan: &Scan, predicate: Option<&Expr>) -> Result<ScanTasks> {
    let conjuncts = predicate.map(Expr::conjuncts).unwrap_or_default();
    let names = conjuncts.iter().map(|conjunct| name(scan, conjunct)).collect::<Result<Vec<_>>>()?;
    let mut pruned_by = vec![0; conjuncts.len()];
    let mut report = PruneReport::default();
    let mut tasks = Vec::new();
    for (index, sliced) in scan.files.iter().enumerate() {
        for &row_group in &sliced.row_groups {
            let (compressed_bytes, _) = scan.sizes(sliced, row_group);
            let rows = sliced.file.rows(row_group);
            report.row_groups += 1;
            report.bytes += compressed_bytes;
            let facts = |column: usize| facts(scan, sliced, row_group, column);
            match conjuncts.iter().position(|conjunct| !truth(conjunct, &facts).can_true) {
                Some(conjunct) => {
                    pruned_by[conjunct] += 1;
                    report.row_groups_pruned += 1;
                    report.rows_pruned += rows as u64;
                    report.bytes_pruned += compressed_bytes;
                }
                None => tasks.push(ScanTask { file: index, row_group, rows, compressed_bytes, ranges: None }),
            }
        }
    }
    report.pruned_by = names.into_iter().zip(pruned_by).filter(|(_, count)| *count > 0).collect();
    Ok(ScanTasks { tasks, report })
}

fn name(scan: &Scan, conjunct: &Expr) -> Result<String> {
    let columns = columns(conjunct, &scan.schema)?;
    let names: Vec<&str> =
        columns.into_iter().map(|index| scan.schema.field(index).name().as_str()).collect();
    Ok(names.join(", "))
}

/// What is known of projected column `column` in a row group.
fn facts(scan: &Scan, sliced: &SlicedFile, row_group: usize, column: usize) -> Facts {
    let (field, file) = (scan.schema.field(column), &sliced.file);
    let root = match &sliced.origins[scan.projection[column]] {
        Origin::Constant(constant) => return Facts::constant(&constant.value),
        Origin::Absent => return Facts::all_null(),
        Origin::Root(root) => *root,
    };
    let data_type = file.schema.field(root).data_type();
    match file.flat_chunk(row_group, root) {
        // A cast could change the order of values.
        Some(chunk) if reads_as(data_type, field.data_type()) => {
            let order = file.metadata.file_metadata().column_order(file.leaves(root).start);
            Facts::of(chunk, data_type, order)
        }
        _ => Facts::default(),
    }
}

/// Truth values that a predicate may have on some row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Truth {
    pub(super) can_true: bool,
    pub(super) can_false: bool,
    pub(super) can_null: bool,
}

impl Truth {
    const ANY: Self = Self { can_true: true, can_false: true, can_null: true };
    const NULL: Self = Self { can_true: false, can_false: false, can_null: true };

    fn of(value: bool) -> Self {
        Self { can_true: value, can_false: !value, can_null: false }
    }

    fn not(self) -> Self {
        Self { can_true: self.can_false, can_false: self.can_true, ..self }
    }

    fn and(self, other: Self) -> Self {
        Self {
            can_true: self.can_true && other.can_true,
            can_false: self.can_false || other.can_false,
            can_null: (self.can_null && (other.can_null || other.can_true))
                || (other.can_null && self.can_true),
        }
    }

    fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }
}

/// The truth values of `predicate` over rows whose columns obey `facts`.
pub(super) fn truth(predicate: &Expr, facts: &impl Fn(usize) -> Facts) -> Truth {
    match predicate {
        Expr::Literal(Scalar { value: Value::Boolean(value), .. }) => Truth::of(*value),
        Expr::Literal(Scalar { value: Value::Null, .. }) => Truth::NULL,
        Expr::And(left, right) => truth(left, facts).and(truth(right, facts)),
        Expr::Or(left, right) => truth(left, facts).or(truth(right, facts)),
        Expr::Not(input) => truth(input, facts).not(),
        Expr::IsNull(input) => is_null(input, facts),
        Expr::IsNotNull(input) => is_null(input, facts).not(),
        Expr::Column { index, .. } => against(CompareOp::Eq, &facts(*index), &Value::Boolean(true)),
        Expr::Compare { op, left, right } => match (left.as_ref(), right.as_ref()) {
            (Expr::Column { index, .. }, Expr::Literal(constant)) => {
                against(*op, &facts(*index), &constant.value)
            }
            (Expr::Literal(constant), Expr::Column { index, .. }) => {
                against(mirrored(*op), &facts(*index), &constant.value)
            }
            _ => Truth::ANY,
        },
        Expr::InList { input, list, negated } => match input.as_ref() {
            Expr::Column { index, .. } => {
                let facts = facts(*index);
                let equals = list.iter().map(|constant| against(CompareOp::Eq, &facts, &constant.value));
                let any = equals.fold(Truth::of(false), Truth::or);
                if *negated { any.not() } else { any }
            }
            _ => Truth::ANY,
        },
        _ => Truth::ANY,
    }
}

fn is_null(input: &Expr, facts: &impl Fn(usize) -> Facts) -> Truth {
    match input {
        Expr::Column { index, .. } => {
            let facts = facts(*index);
            Truth { can_true: facts.nulls, can_false: facts.values, can_null: false }
        }
        _ => Truth { can_null: false, ..Truth::ANY },
    }
}

fn mirrored(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::LtEq => CompareOp::GtEq,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::GtEq => CompareOp::LtEq,
        same => same,
    }
}

fn against(op: CompareOp, facts: &Facts, constant: &Value) -> Truth {
    match op {
        CompareOp::IsNotDistinctFrom if *constant == Value::Null => {
            Truth { can_true: facts.nulls, can_false: facts.values, can_null: false }
        }
        CompareOp::IsNotDistinctFrom => {
            let equal = against(CompareOp::Eq, facts, constant);
            Truth { can_false: equal.can_false || equal.can_null, can_null: false, ..equal }
        }
        CompareOp::IsDistinctFrom => against(CompareOp::IsNotDistinctFrom, facts, constant).not(),
        _ if *constant == Value::Null => Truth::NULL,
        _ => {
            let (can_true, can_false) =
                if facts.values { values_against(op, facts, constant) } else { (false, false) };
            Truth { can_true, can_false, can_null: facts.nulls }
        }
    }
}

/// Whether `value op constant` can be true, and can be false, for values within the bounds.
fn values_against(op: CompareOp, facts: &Facts, constant: &Value) -> (bool, bool) {
    // A missing bound, or one of another class, excludes nothing.
    let min = facts.min.as_ref().and_then(|min| compare(min, constant));
    let max = facts.max.as_ref().and_then(|max| compare(max, constant));
    let some_less = min.is_none_or(|order| order == Less);
    let some_greater = max.is_none_or(|order| order == Greater);
    let some_equal = min.is_none_or(|order| order != Greater) && max.is_none_or(|order| order != Less);
    let all_equal = min == Some(Equal) && max == Some(Equal);
    match op {
        CompareOp::Eq => (some_equal, !all_equal),
        CompareOp::NotEq => (!all_equal, some_equal),
        CompareOp::Lt => (some_less, max.is_none_or(|order| order != Less)),
        CompareOp::LtEq => (min.is_none_or(|order| order != Greater), some_greater),
        CompareOp::Gt => (some_greater, min.is_none_or(|order| order != Greater)),
        CompareOp::GtEq => (max.is_none_or(|order| order != Less), some_less),
        CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom => (true, true),
    }
}

#[cfg(test)]
mod tests;
