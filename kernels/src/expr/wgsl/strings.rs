//! Strings are codes; what is asked of them is answered by the CPU, once per distinct value.
//!
//! ```text
//! expression over one string column:   distinct values and a null -> CPU evaluation -> packed table
//!                                      row: table[code], or the table's last entry where the code is null
//! two columns of different dictionaries: codes -> codes (or ranks) of the joined dictionary, by tables likewise
//! ```

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt32Array, new_empty_array, new_null_array};
use arrow::compute::{concat, sort_to_indices};
use arrow::datatypes::DataType;

use super::Class;
use super::lower::DictionaryRef;
use super::writer::{Operand, Writer};
use crate::error::{Backend, Error, Result};
use crate::expr::range::Range;
use crate::expr::types::{Family, family};
use crate::expr::{Expr, Scalar, cpu};
use crate::gpu::column::{DeviceColumns, Dictionary, Interner, pack};

/// The string column that is all that `expr` depends on, where a table is the better way to compute it.
pub(super) fn single_column(expr: &Expr, columns: &DeviceColumns) -> Option<usize> {
    let is_string = |index: usize| columns.dictionaries.get(index).is_some_and(Option::is_some);
    only_column(expr).filter(|&index| is_string(index))
}

/// The one column of an expression that a table could compute.
pub(super) fn only_column(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Column { .. } | Expr::Literal(_) => return None,
        // The validity bit says so already.
        Expr::IsNull(input) | Expr::IsNotNull(input) if matches!(**input, Expr::Column { .. }) => {
            return None;
        }
        _ => {}
    }
    let mut found = None;
    let mut one = !has_external(expr);
    expr.for_each_column(&mut |index| one &= *found.get_or_insert(index) == index);
    found.filter(|_| one)
}

fn has_external(expr: &Expr) -> bool {
    matches!(expr, Expr::External { .. }) || expr.children().any(has_external)
}

/// A dictionary of one constant.
pub(super) fn single_value(scalar: &Scalar) -> Result<DictionaryRef> {
    Ok(Arc::new(Dictionary { values: scalar.to_array(1)? }))
}

/// A dictionary of nothing.
pub(super) fn no_values(data_type: &DataType) -> DictionaryRef {
    let values = match family(data_type) {
        Ok(Family::Binary) => DataType::Binary,
        _ => DataType::Utf8,
    };
    Arc::new(Dictionary { values: new_empty_array(&values) })
}

impl<'a> Writer<'a> {
    /// `expr`, which depends on string column `column` alone, by a table over its distinct values.
    pub(super) fn lookup(&mut self, expr: &'a Expr, column: usize) -> Result<Operand> {
        let code = self.column(column)?;
        let Some(dictionary) = code.dictionary.clone() else {
            return Err(Error::invalid(format!("column {column} has no dictionary")));
        };
        let values = &dictionary.values;
        let null = new_null_array(values.data_type(), 1);
        let input = concat(&[values.as_ref(), null.as_ref()])?;
        let rows = input.len();
        let results =
            cpu::evaluate(&expr.map_columns(&mut |_| 0), &[input], rows).map_err(|error| match error {
                // An error on a value is one only where a row that counts has it: the CPU knows.
                Error::Unsupported { .. } => error,
                other => Error::unsupported(format!("{expr} ({other})"), Backend::Gpu),
            })?;
        let table = pack(&[&[results]], &[expr.data_type()], &[0], u64::MAX)?;
        let row = match &code.valid {
            None => code.value.clone(),
            Some(valid) => {
                let last = self.constant(&[values.len() as u32]);
                self.bind(format_args!("select(parameters[{last}], {}, {valid})", code.value))
            }
        };
        self.table(&table, &row)
    }

    /// Both sides as values in the order of the strings.
    pub(super) fn ranks(&mut self, left: &Operand, right: &Operand) -> Result<(String, String)> {
        let (codes, joined) = join(&[left, right])?;
        let order = sort_to_indices(&joined, None, None)?;
        let mut ranks = vec![0u32; joined.len()];
        for (rank, code) in order.values().iter().enumerate() {
            ranks[*code as usize] = rank as u32;
        }
        let to_ranks = |codes: &[u32]| codes.iter().map(|&code| ranks[code as usize]).collect::<Vec<_>>();
        let (a, b) = (to_ranks(&codes[0]), to_ranks(&codes[1]));
        Ok((self.remapped(left, a)?, self.remapped(right, b)?))
    }

    /// Operands over one dictionary.
    pub(super) fn unified(&mut self, operands: Vec<Operand>) -> Result<(Vec<Operand>, DictionaryRef)> {
        let Some(first) = operands.iter().find_map(|operand| operand.dictionary.clone()) else {
            return Err(Error::invalid("codes without a dictionary"));
        };
        let same =
            |operand: &Operand| operand.dictionary.as_ref().is_some_and(|other| Arc::ptr_eq(other, &first));
        if operands.iter().all(same) {
            return Ok((operands, first));
        }
        let (codes, joined) = join(&operands.iter().collect::<Vec<_>>())?;
        let most = (joined.len() as i128 - 1).max(0);
        let dictionary = Arc::new(Dictionary { values: joined });
        let mut unified = Vec::with_capacity(operands.len());
        for (operand, codes) in operands.into_iter().zip(codes) {
            let value = self.remapped(&operand, codes)?;
            let dictionary = Some(dictionary.clone());
            unified.push(Operand { value, dictionary, range: Range { min: 0, max: most }, ..operand });
        }
        Ok((unified, dictionary))
    }

    /// The code of `operand` through a table.
    fn remapped(&mut self, operand: &Operand, mut table: Vec<u32>) -> Result<String> {
        if table.is_empty() {
            table.push(0);
        }
        let table: ArrayRef = Arc::new(UInt32Array::from(table));
        let packed = pack(&[&[table]], &[DataType::UInt32], &[0], u64::MAX)?;
        let remapped = self.table(&packed, &operand.value)?;
        Ok(match remapped.class {
            Class::I32 => self.bind(format_args!("bitcast<u32>({})", remapped.value)),
            _ => self.bind(format_args!("i64_lo({})", remapped.value)),
        })
    }
}

/// The distinct values of all operands, and for each operand its codes' codes among them.
fn join(operands: &[&Operand]) -> Result<(Vec<Vec<u32>>, ArrayRef)> {
    let arrays: Vec<ArrayRef> = operands
        .iter()
        .map(|operand| match &operand.dictionary {
            Some(dictionary) => Ok(dictionary.values.clone()),
            None => Err(Error::invalid("a code without a dictionary")),
        })
        .collect::<Result<_>>()?;
    let mut interner = Interner::new();
    let codes = arrays.iter().map(|array| interner.codes(array)).collect::<Result<_>>()?;
    let text = arrays.iter().any(|array| matches!(family(array.data_type()), Ok(Family::Text)));
    Ok((codes, interner.finish(text)?))
}
