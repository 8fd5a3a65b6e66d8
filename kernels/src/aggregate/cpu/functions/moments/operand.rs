//! Operands as numbers: integers as they are, everything else as floats.

use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::DataType;

use super::Term;
use crate::error::{Backend, Error, Result};
use crate::expr::cpu::Vector;
use crate::expr::{Expr, value_type};
use crate::keys::lanes::{LaneColumn, Lanes};

/// What operands are: x, or y and x.
#[derive(Debug)]
pub(super) struct Operands {
    integers: bool,
    /// Decimal scales, in the order of the operands.
    scales: Vec<i32>,
}

/// One column per operand.
#[derive(Debug)]
pub(super) struct Columns {
    columns: Vec<Numbers>,
    /// Where an operand is null.
    pub(super) nulls: Option<NullBuffer>,
}

/// Values of an operand, nulls not left out.
#[derive(Debug)]
pub(super) enum Numbers {
    /// Integer lanes, whose range over valid rows is known.
    Integers(LaneColumn),
    Floats(ScalarBuffer<f64>),
}

impl Operands {
    pub(super) fn new(inputs: &[Expr]) -> Result<Self> {
        let types: Vec<DataType> =
            inputs.iter().map(|input| value_type(&input.data_type()).clone()).collect();
        for plain in &types {
            let is_number = plain.is_numeric() || matches!(plain, DataType::Null);
            if !is_number {
                return Err(Error::unsupported(format!("a moment of {plain}"), Backend::Cpu));
            }
        }
        let is_integer =
            |plain: &DataType| !plain.is_floating() && !matches!(plain, DataType::Decimal256(..));
        Ok(Self {
            integers: types.iter().all(is_integer),
            scales: types.iter().map(crate::aggregate::cpu::finish::scale_of).collect(),
        })
    }

    pub(super) fn are_integers(&self) -> bool {
        self.integers
    }

    /// Decimal digits after the point of x, and of y.
    pub(super) fn scales(&self) -> (i32, i32) {
        (self.scales.last().copied().unwrap_or(0), self.scales.first().copied().unwrap_or(0))
    }

    pub(super) fn columns(&self, arguments: &[&Vector]) -> Result<Columns> {
        let mut columns = Vec::with_capacity(arguments.len());
        let mut nulls = None;
        for (argument, &scale) in arguments.iter().zip(&self.scales) {
            let column = LaneColumn::from_vector(argument)?;
            nulls = NullBuffer::union(nulls.as_ref(), column.nulls.as_ref());
            columns.push(if self.integers {
                Numbers::Integers(column)
            } else {
                Numbers::Floats(floats(&column, scale)?)
            });
        }
        Ok(Columns { columns, nulls: nulls.filter(|nulls| nulls.null_count() > 0) })
    }
}

impl Columns {
    pub(super) fn x(&self) -> &Numbers {
        &self.columns[self.columns.len() - 1]
    }

    pub(super) fn y(&self) -> &Numbers {
        &self.columns[0]
    }

    /// The two factors of a term, where it is a product.
    pub(super) fn factors(&self, term: Term) -> (&Numbers, Option<&Numbers>) {
        match term {
            Term::X => (self.x(), None),
            Term::Y => (self.y(), None),
            Term::XX => (self.x(), Some(self.x())),
            Term::YY => (self.y(), Some(self.y())),
            Term::XY => (self.x(), Some(self.y())),
        }
    }
}

impl Numbers {
    /// Empty for integers, which are not asked for floats.
    pub(super) fn floats(&self) -> &[f64] {
        match self {
            Self::Floats(values) => values,
            Self::Integers(_) => &[],
        }
    }
}

fn floats(column: &LaneColumn, scale: i32) -> Result<ScalarBuffer<f64>> {
    let unit = 10f64.powi(scale);
    Ok(match &column.lanes {
        Lanes::F64(values) => values.clone(),
        Lanes::I32(values) => values.iter().map(|&value| f64::from(value) / unit).collect(),
        Lanes::I64(values) => values.iter().map(|&value| value as f64 / unit).collect(),
        Lanes::I128(values) => values.iter().map(|&value| value as f64 / unit).collect(),
        Lanes::I256(values) => {
            values.iter().map(|&value| crate::aggregate::cpu::finish::to_f64(value) / unit).collect()
        }
        _ => return Err(Error::invalid("a moment of a column that is no number")),
    })
}
