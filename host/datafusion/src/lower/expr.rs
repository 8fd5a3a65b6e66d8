//! DataFusion's physical expressions as ours. What has no counterpart becomes an [`External`] expression, which runs
//! inside our CPU pipeline.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use datafusion_common::ScalarValue;
use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion_expr::Operator;
use datafusion_physical_expr::ScalarFunctionExpr;
use datafusion_physical_expr::expressions::{
    BinaryExpr, CaseExpr, CastExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, Literal,
    NegativeExpr, NotExpr, TryCastExpr,
};
use datafusion_physical_expr_common::physical_expr::PhysicalExpr;
use pilaster::expr::like::LikePattern;
use pilaster::expr::{ArithmeticOp, CastMode, CompareOp, Expr, External, OverflowMode, Rounding, Scalar};
use pilaster::{Backend, Error, Result};

/// Lowers `expr` over columns of `schema`.
///
/// # Errors
/// [`Error::Unsupported`] where neither we nor a batch-wise call of the engine's expression can evaluate it.
pub fn lower(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Expr> {
    match native(expr, schema) {
        Ok(lowered) => Ok(lowered),
        Err(Error::Unsupported { .. } | Error::InvalidInput(_)) => external(expr, schema),
        Err(other) => Err(other),
    }
}

fn native(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Expr> {
    if let Some(column) = expr.downcast_ref::<Column>() {
        return lower_column(column, schema);
    }
    if let Some(literal) = expr.downcast_ref::<Literal>() {
        return Ok(Expr::literal(lower_scalar(literal.value())?));
    }
    if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
        return lower_binary(expr, binary, schema);
    }
    if let Some(not) = expr.downcast_ref::<NotExpr>() {
        return Expr::not(lower(not.arg(), schema)?);
    }
    if let Some(is_null) = expr.downcast_ref::<IsNullExpr>() {
        return Ok(Expr::is_null(lower(is_null.arg(), schema)?));
    }
    if let Some(is_not_null) = expr.downcast_ref::<IsNotNullExpr>() {
        return Ok(Expr::is_not_null(lower(is_not_null.arg(), schema)?));
    }
    if let Some(negative) = expr.downcast_ref::<NegativeExpr>() {
        return Expr::negate(lower(negative.arg(), schema)?, OverflowMode::Wrap);
    }
    if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        let mode = if cast.cast_options().safe { CastMode::Try } else { CastMode::Strict };
        return lower_cast(cast.expr(), cast.cast_type(), mode, schema);
    }
    if let Some(cast) = expr.downcast_ref::<TryCastExpr>() {
        return lower_cast(cast.expr(), cast.cast_type(), CastMode::Try, schema);
    }
    if let Some(list) = expr.downcast_ref::<InListExpr>() {
        return lower_in_list(list, schema);
    }
    if let Some(like) = expr.downcast_ref::<LikeExpr>() {
        return lower_like(like, schema);
    }
    if let Some(case) = expr.downcast_ref::<CaseExpr>() {
        return lower_case(case, schema);
    }
    Err(Error::unsupported(function_name(expr), Backend::Cpu))
}

fn lower_column(column: &Column, schema: &Schema) -> Result<Expr> {
    let field = schema.fields().get(column.index()).ok_or_else(|| {
        Error::invalid(format!("column {} of a schema of {}", column.index(), schema.fields().len()))
    })?;
    Ok(Expr::column(column.index(), field.data_type().clone()))
}

/// A DataFusion constant as ours.
///
/// # Errors
/// [`Error::Unsupported`] for types without a storage class (lists, structs, intervals).
pub fn lower_scalar(value: &ScalarValue) -> Result<Scalar> {
    let array = value.to_array().map_err(|error| Error::invalid(error.to_string()))?;
    Scalar::from_array(array.as_ref(), 0)
}

fn lower_binary(expr: &Arc<dyn PhysicalExpr>, binary: &BinaryExpr, schema: &Schema) -> Result<Expr> {
    let compare = |op| Expr::compare(op, lower(binary.left(), schema)?, lower(binary.right(), schema)?);
    let arithmetic = |op| {
        let left = lower(binary.left(), schema)?;
        let right = lower(binary.right(), schema)?;
        let result = type_of(expr, schema)?;
        // DataFusion's integer operators wrap; a decimal quotient is truncated.
        Expr::arithmetic(op, left, right, result, OverflowMode::Wrap, Rounding::Truncate)
    };
    match binary.op() {
        Operator::Eq => compare(CompareOp::Eq),
        Operator::NotEq => compare(CompareOp::NotEq),
        Operator::Lt => compare(CompareOp::Lt),
        Operator::LtEq => compare(CompareOp::LtEq),
        Operator::Gt => compare(CompareOp::Gt),
        Operator::GtEq => compare(CompareOp::GtEq),
        Operator::IsDistinctFrom => compare(CompareOp::IsDistinctFrom),
        Operator::IsNotDistinctFrom => compare(CompareOp::IsNotDistinctFrom),
        Operator::And => Expr::and(lower(binary.left(), schema)?, lower(binary.right(), schema)?),
        Operator::Or => Expr::or(lower(binary.left(), schema)?, lower(binary.right(), schema)?),
        Operator::Plus => arithmetic(ArithmeticOp::Add),
        Operator::Minus => arithmetic(ArithmeticOp::Subtract),
        Operator::Multiply => arithmetic(ArithmeticOp::Multiply),
        Operator::Divide => arithmetic(ArithmeticOp::Divide),
        Operator::Modulo => arithmetic(ArithmeticOp::Remainder),
        other => Err(Error::unsupported(format!("operator {other}"), Backend::Cpu)),
    }
}

/// Casts on which DataFusion and we agree run on our kernels; the others, among them those that lose digits of floats
/// and decimals and all from and to strings, stay the engine's own.
fn lower_cast(input: &Arc<dyn PhysicalExpr>, to: &DataType, mode: CastMode, schema: &Schema) -> Result<Expr> {
    let from = type_of(input, schema)?;
    if !casts_agree(&from, to) {
        return Err(Error::unsupported(format!("cast from {from} to {to}"), Backend::Cpu));
    }
    Expr::cast(lower(input, schema)?, to.clone(), mode)
}

fn casts_agree(from: &DataType, to: &DataType) -> bool {
    let is_decimal = |t: &DataType| {
        matches!(t, DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..))
    };
    let is_text = |t: &DataType| matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let widens = |t: &DataType| t.is_integer() || is_decimal(t) || *t == DataType::Float64;
    from == to
        || (from.is_integer() && widens(to))
        || (is_decimal(from) && is_decimal(to))
        || (*from == DataType::Float32 && *to == DataType::Float64)
        || (is_text(from) && is_text(to))
        || *from == DataType::Null
}

fn lower_in_list(list: &InListExpr, schema: &Schema) -> Result<Expr> {
    let constants = list.list().iter().map(|item| match item.downcast_ref::<Literal>() {
        Some(literal) => lower_scalar(literal.value()),
        None => Err(Error::unsupported("IN over a list that is not constant", Backend::Cpu)),
    });
    let constants = constants.collect::<Result<Vec<_>>>()?;
    Expr::in_list(lower(list.expr(), schema)?, constants, list.negated())
}

fn lower_like(like: &LikeExpr, schema: &Schema) -> Result<Expr> {
    let pattern = like.pattern().downcast_ref::<Literal>().map(Literal::value);
    let Some(pattern) = pattern.and_then(|value| value.try_as_str().flatten()) else {
        return Err(Error::unsupported("LIKE with a pattern that is not constant", Backend::Cpu));
    };
    let pattern = LikePattern::new(pattern, Some('\\'), like.case_insensitive())?;
    Expr::like(lower(like.expr(), schema)?, pattern, like.negated())
}

fn lower_case(case: &CaseExpr, schema: &Schema) -> Result<Expr> {
    let base = case.expr().map(|base| lower(base, schema)).transpose()?;
    let branch = |(when, then): &(Arc<dyn PhysicalExpr>, Arc<dyn PhysicalExpr>)| {
        let when = lower(when, schema)?;
        let condition = match &base {
            Some(base) => Expr::compare(CompareOp::Eq, base.clone(), when)?,
            None => when,
        };
        Ok((condition, lower(then, schema)?))
    };
    let branches = case.when_then_expr().iter().map(branch).collect::<Result<Vec<_>>>()?;
    let otherwise = case.else_expr().map(|otherwise| lower(otherwise, schema)).transpose()?;
    Expr::case(branches, otherwise)
}

fn type_of(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<DataType> {
    expr.data_type(schema).map_err(|error| Error::invalid(error.to_string()))
}

/// What reports call an expression that we have no kernel for: a function by its name, others by their text.
fn function_name(expr: &Arc<dyn PhysicalExpr>) -> String {
    match expr.downcast_ref::<ScalarFunctionExpr>() {
        Some(function) => format!("function {}", function.name()),
        None => format!("expression {expr}"),
    }
}

/// An expression of the engine, evaluated batch by batch over the columns that it reads.
#[derive(Debug)]
struct EngineExpr {
    name: String,
    expr: Arc<dyn PhysicalExpr>,
    inputs: SchemaRef,
    data_type: DataType,
}

impl External for EngineExpr {
    fn name(&self) -> &str {
        &self.name
    }

    fn data_type(&self) -> DataType {
        self.data_type.clone()
    }

    fn evaluate(&self, inputs: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let failed = |reason: String| Error::External { source_name: self.name.clone(), reason };
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.inputs), inputs.to_vec(), &options)
            .map_err(|error| failed(error.to_string()))?;
        let value = self.expr.evaluate(&batch).map_err(|error| failed(error.to_string()))?;
        value.into_array(rows).map_err(|error| failed(error.to_string()))
    }
}

fn external(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Expr> {
    let columns = referenced_columns(expr, schema)?;
    let position = |index: usize| columns.iter().position(|&column| column == index);
    let renumbered = Arc::clone(expr)
        .transform(|node| {
            let Some(column) = node.downcast_ref::<Column>() else { return Ok(Transformed::no(node)) };
            let Some(index) = position(column.index()) else { return Ok(Transformed::no(node)) };
            Ok(Transformed::yes(Arc::new(Column::new(column.name(), index)) as Arc<dyn PhysicalExpr>))
        })
        .data()
        .map_err(|error| Error::invalid(error.to_string()))?;
    let fields: Vec<FieldRef> = columns.iter().map(|&index| nullable(&schema.fields()[index])).collect();
    let inputs =
        columns.iter().map(|&index| Expr::column(index, schema.field(index).data_type().clone())).collect();
    let function = EngineExpr {
        name: function_name(expr),
        data_type: type_of(expr, schema)?,
        expr: renumbered,
        inputs: Arc::new(Schema::new(fields)),
    };
    Ok(Expr::external(Arc::new(function), inputs))
}

/// Inside a subtree of ours a column may hold nulls that the engine's plan had ruled out by a filter not yet applied.
fn nullable(field: &FieldRef) -> FieldRef {
    Arc::new(field.as_ref().clone().with_nullable(true))
}

fn referenced_columns(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Vec<usize>> {
    let mut columns = Vec::new();
    expr.apply(|node| {
        if let Some(column) = node.downcast_ref::<Column>() {
            columns.push(column.index());
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(|error| Error::invalid(error.to_string()))?;
    columns.sort_unstable();
    columns.dedup();
    match columns.last() {
        Some(&last) if last >= schema.fields().len() => {
            Err(Error::invalid(format!("no column {last} in the input")))
        }
        _ => Ok(columns),
    }
}
