//! Float arithmetic: on `Float64` alone, and only where the adapter's own is exact.

use arrow::datatypes::DataType;

use super::Class;
use super::writer::{Operand, Writer};
use crate::error::{Backend, Error, Result};
use crate::expr::ArithmeticOp;

/// Whether `left op right` of a float type can run.
pub(super) fn supports(op: ArithmeticOp, data_type: &DataType, float64: bool) -> Result<()> {
    let exact = matches!(op, ArithmeticOp::Add | ArithmeticOp::Subtract | ArithmeticOp::Multiply);
    if exact && float64 && *data_type == DataType::Float64 {
        return Ok(());
    }
    Err(Error::unsupported(format!("{data_type} {op}"), Backend::Gpu))
}

impl Writer<'_> {
    /// `left op right`, rounded to nearest even.
    pub(super) fn float_arithmetic(
        &mut self,
        op: ArithmeticOp,
        data_type: &DataType,
        left: &Operand,
        right: &Operand,
    ) -> Result<Operand> {
        supports(op, data_type, self.float64)?;
        let valid = self.both(&left.valid, &right.valid);
        let (a, b) = (self.native_f64(left), self.native_f64(right));
        let bits = self.bind(format_args!("bitcast<u64>({a} {op} {b})"));
        let value = self.bind(format_args!("vec2<u32>(u32({bits} & 0xfffffffflu), u32({bits} >> 32u))"));
        Ok(Operand::new(Class::F64, value, valid))
    }

    fn native_f64(&mut self, operand: &Operand) -> String {
        let value = &operand.value;
        self.bind(format_args!("bitcast<f64>(u64({value}.x) | (u64({value}.y) << 32u))"))
    }
}
