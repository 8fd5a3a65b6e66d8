//! Expressions as WGSL: the generated middle of every fused shader.
//!
//! [`generate`] writes one function, `evaluate(row)`, that computes a predicate and any number of values of one row of
//! a packed batch ([`DeviceColumns`]). A stage (filter, aggregate, ...) is generated text too: it puts its own bindings
//! and entry point after [`GeneratedExprs::wgsl`] and composes both through [`pilaster_shaders::shader`].
//!
//! # Contract of the generated text
//! ```wgsl
//! @group(0) @binding(0) var<storage, read> parameters: array<u32>;            // per batch, GeneratedExprs::parameters
//! @group(0) @binding(1) var<storage, read> columns: array<u32>;               // the arena of the batch
//! @group(0) @binding(2) var<storage, read_write> status: array<atomic<u32>>;  // errors; zero at first
//! // bindings 3 and up belong to the stage
//!
//! // parameters[0]                 rows of the batch
//! // parameters[1]                 rows of all batches before it (wraps at 2^32)
//! // parameters[2 + i]             stage word i, for i < request.stage_words
//! // then                          column positions, literals, lookup tables: private to `evaluate`
//! const stage_parameters: u32 = 2u;
//! // status[0 .. STATUS_WORDS]     private to `evaluate`; the stage may use words from STATUS_WORDS on
//! const stage_status: u32 = 8u;
//!
//! var<private> keep: bool;      // the predicate is true (true without a predicate)
//! var<private> valid_0: bool;   // keep, and filter of value 0 is true, and value 0 is not null
//! var<private> value_0: i32;    // zero where not valid_0; its type by ValueInfo::class
//! fn evaluate(row: u32) { ... } // row < parameters[0]
//! ```
//! | [`Class`] | WGSL type | words |
//! | --- | --- | --- |
//! | `I32` | `i32` | 1 |
//! | `I64` | `I64` of `shared/int64` | 2, low first |
//! | `I128` | `I128` of `shared/int128` | 4, low first |
//! | `Code` | `u32`, an index into [`ValueInfo::dictionary`] | 1 |
//! | `Bool` | `bool` | 1 |
//! | `F32` | `u32`, the bits | 1 |
//! | `F64` | `vec2<u32>`, the bits, low first | 2 |
//!
//! [`ValueInfo::words_wgsl`] writes the words of a value as `u32` expressions, whatever its class.
//!
//! Literals, positions and tables are data in `parameters`: two queries of the same shape share text, and so shaders.
//! An error (overflow, division by zero, failed cast) on an active row sets a bit in `status`;
//! [`GeneratedExprs::check_status`] turns the words that were read back into the error that the CPU would raise.
//!
//! # Example
//! A stage that counts kept rows:
//! ```
//! # use pilaster_kernels::expr::wgsl::{self, ExprRequest};
//! # use pilaster_kernels::gpu::column::DeviceColumns;
//! # use pilaster_shaders::Tier;
//! # let columns = DeviceColumns { layouts: vec![], ranges: vec![], exponents: vec![], dictionaries: vec![], batches: vec![] };
//! let generated = wgsl::generate(&ExprRequest { predicate: None, values: &[], columns: &columns, tier: &Tier::BASELINE, stage_words: 0 })?;
//! let stage = r"
//! @group(0) @binding(3) var<storage, read_write> kept: atomic<u32>;
//! @compute @workgroup_size(256)
//! fn main(@builtin(global_invocation_id) id: vec3<u32>) {
//!     if id.x < parameters[0] { evaluate(id.x); if keep { atomicAdd(&kept, 1u); } }
//! }";
//! let text = generated.wgsl + stage;
//! # assert!(text.contains("fn evaluate(row: u32)"));
//! # Ok::<(), pilaster_kernels::Error>(())
//! ```
//!
//! # What runs
//! Integers, decimals, dates, times and timestamps: everything. Each value has a measured range; interval arithmetic picks
//! `i32`, else 64, else 128 bits, and only a result that may leave its declared type is checked. Strings: any expression
//! over a single string column is computed by the CPU on the column's distinct values and becomes a lookup table. Floats:
//! comparisons on bits; `+ - *` on `Float64` where the tier has `f64`. Everything else: [`Error::Unsupported`] naming the
//! operator, see [`supports`].

use std::sync::Arc;

use arrow::datatypes::DataType;
use pilaster_shaders::Tier;

pub use decode::ColumnWords;
use writer::{Mask, Writer};

use crate::error::{Backend, Error, Result};
use crate::expr::Expr;
use crate::expr::types::{Family, family};
use crate::gpu::column::{DeviceBatch, DeviceColumns, Dictionary, packable};

mod arithmetic;
mod cast;
mod compare;
mod decode;
mod float;
mod integer;
mod load;
mod lower;
mod strings;
#[cfg(test)]
mod tests;
mod writer;

/// Words of `status` that generated code uses; a stage's own words start here.
pub const STATUS_WORDS: usize = 8;

/// Index of the first stage word in `parameters`.
pub const STAGE_PARAMETERS: usize = 2;

/// Machine form of a value in generated code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// `i32`.
    I32,
    /// `I64` of `shared/int64`: native or emulated.
    I64,
    /// `I128` of `shared/int128`.
    I128,
    /// `u32`: a dictionary code.
    Code,
    /// `bool`.
    Bool,
    /// `u32`: the bits of an `f32`.
    F32,
    /// `vec2<u32>`: the bits of an `f64`, low word first.
    F64,
}

impl Class {
    /// Words that a value takes in a buffer.
    #[must_use]
    pub fn words(self) -> usize {
        match self {
            Class::I32 | Class::Code | Class::Bool | Class::F32 => 1,
            Class::I64 | Class::F64 => 2,
            Class::I128 => 4,
        }
    }

    /// Its WGSL type.
    #[must_use]
    pub fn wgsl_type(self) -> &'static str {
        match self {
            Class::I32 => "i32",
            Class::I64 => "I64",
            Class::I128 => "I128",
            Class::Code | Class::F32 => "u32",
            Class::Bool => "bool",
            Class::F64 => "vec2<u32>",
        }
    }
}

/// One value that `evaluate` computes.
#[derive(Debug, Clone, Copy)]
pub struct ValueRequest<'a> {
    /// The value; none for a value that is only its filter (`count(*)`): `valid_k` is then `keep` and the filter.
    pub expr: Option<&'a Expr>,
    /// Rows where this is not true count as null, and the value is not evaluated there.
    pub filter: Option<&'a Expr>,
}

/// What to generate.
#[derive(Debug, Clone, Copy)]
pub struct ExprRequest<'a> {
    /// Rows where this is not true are not kept; values are not evaluated there.
    pub predicate: Option<&'a Expr>,
    /// Values of kept rows.
    pub values: &'a [ValueRequest<'a>],
    /// Layouts, ranges and dictionaries of the input; column indices of the expressions are indices into these.
    pub columns: &'a DeviceColumns,
    /// What the shader may use.
    pub tier: &'a Tier,
    /// Words of `parameters` that the stage wants for itself.
    pub stage_words: usize,
}

/// What is known about a generated value.
#[derive(Debug, Clone)]
pub struct ValueInfo {
    /// Index `k` in `value_k` and `valid_k`.
    pub index: usize,
    /// Machine form. [`Class::Bool`] (always true) for a request without an expression.
    pub class: Class,
    /// Logical type.
    pub data_type: DataType,
    /// `valid_k` may be false on a kept row.
    pub nullable: bool,
    /// Bounds of every valid value of the integer-like classes and of codes.
    pub range: Option<(i128, i128)>,
    /// Exponents of a float column, as in [`DeviceColumns::exponents`].
    pub exponents: Option<(u32, u32)>,
    /// What codes mean.
    pub dictionary: Option<Arc<Dictionary>>,
}

impl ValueInfo {
    /// The words of the value as `u32` expressions over `value_k`, low word first.
    #[must_use]
    pub fn words_wgsl(&self) -> Vec<String> {
        let value = format!("value_{}", self.index);
        match self.class {
            Class::I32 => vec![format!("bitcast<u32>({value})")],
            Class::I64 => vec![format!("i64_lo({value})"), format!("i64_hi({value})")],
            Class::I128 => ["x", "y", "z", "w"].map(|word| format!("{value}.{word}")).to_vec(),
            Class::Code | Class::F32 => vec![value],
            Class::Bool => vec![format!("select(0u, 1u, {value})")],
            Class::F64 => vec![format!("{value}.x"), format!("{value}.y")],
        }
    }
}

/// Generated text and its data.
#[derive(Debug, Clone)]
pub struct GeneratedExprs {
    /// Declarations and `evaluate`; no entry point.
    pub wgsl: String,
    /// One per requested value.
    pub values: Vec<ValueInfo>,
    /// Columns that `evaluate` reads, in the order of their positions in `parameters`.
    columns: Vec<usize>,
    /// Words after the positions: literals and tables.
    constants: Vec<u32>,
    /// Stage words asked for.
    stage_words: usize,
    /// Error of each status bit.
    errors: Vec<Error>,
}

impl GeneratedExprs {
    /// Words for binding 0 for one batch; `first_row` is the number of rows in the batches before it.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where `stage` has not as many words as were asked for, or the batch lacks a column.
    pub fn parameters(&self, batch: &DeviceBatch, first_row: u64, stage: &[u32]) -> Result<Vec<u32>> {
        if stage.len() != self.stage_words {
            return Err(Error::invalid(format!(
                "{} stage words, {} asked for",
                stage.len(),
                self.stage_words
            )));
        }
        let mut words = vec![batch.rows, first_row as u32];
        words.extend_from_slice(stage);
        for &column in &self.columns {
            let position = batch.positions.get(column);
            words.extend(position.ok_or_else(|| Error::invalid(format!("batch has no column {column}")))?);
        }
        words.extend_from_slice(&self.constants);
        Ok(words)
    }

    /// The error that the status words say happened on an active row, if any; the first in order of evaluation.
    ///
    /// # Errors
    /// That error.
    pub fn check_status(&self, status: &[u32]) -> Result<()> {
        for (bit, error) in self.errors.iter().enumerate() {
            if status.get(bit / 32).is_some_and(|word| word >> (bit % 32) & 1 == 1) {
                return Err(error.clone());
            }
        }
        Ok(())
    }
}

/// Expressions nested deeper are refused: the generator recurses.
const DEPTH_LIMIT: usize = 200;

/// Whether [`generate`] can write `expr`, as far as that is decidable without the data: call it before packing.
///
/// # Errors
/// [`Error::Unsupported`] naming the operator, function or type.
pub fn supports(expr: &Expr, tier: &Tier) -> Result<()> {
    supports_nested(expr, tier, DEPTH_LIMIT)
}

fn supports_nested(expr: &Expr, tier: &Tier, depth: usize) -> Result<()> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Error::unsupported(
            format!("an expression nested deeper than {DEPTH_LIMIT}"),
            Backend::Gpu,
        ));
    };
    if only_string_column(expr) {
        return Ok(());
    }
    match expr {
        Expr::Column { data_type, .. } => packable(data_type)?,
        Expr::Literal(_) => {}
        Expr::Arithmetic { op, data_type, .. } if is_float(data_type) => {
            float::supports(*op, data_type, float64(tier))?;
        }
        Expr::Cast { input, to, .. } => cast::supports(&input.data_type(), to)?,
        Expr::Like { .. } => return Err(Error::unsupported("LIKE over more than one column", Backend::Gpu)),
        Expr::InList { input, .. } if is_string(&input.data_type()) => {
            return Err(Error::unsupported("IN over more than one string column", Backend::Gpu));
        }
        Expr::External { function, .. } => return Err(Error::unsupported(function.name(), Backend::Gpu)),
        _ => {}
    }
    expr.children().try_for_each(|child| supports_nested(child, tier, depth))
}

/// A table over a string column's distinct values computes the expression, whatever it is.
fn only_string_column(expr: &Expr) -> bool {
    let mut string = true;
    column_types(expr, &mut |data_type| string &= is_string(data_type));
    string && strings::only_column(expr).is_some()
}

fn column_types(expr: &Expr, visit: &mut impl FnMut(&DataType)) {
    if let Expr::Column { data_type, .. } = expr {
        visit(data_type);
    }
    expr.children().for_each(|child| column_types(child, visit));
}

fn is_string(data_type: &DataType) -> bool {
    matches!(family(data_type), Ok(Family::Text | Family::Binary))
}

fn is_float(data_type: &DataType) -> bool {
    matches!(family(data_type), Ok(Family::Float))
}

/// The bits of an `f64` are a native `u64`.
fn float64(tier: &Tier) -> bool {
    tier.float64 && tier.int64
}

/// Writes `evaluate` for a predicate and values over packed columns.
///
/// # Errors
/// [`Error::Unsupported`] where an expression cannot run on the GPU; [`Error::InvalidInput`] where it names a column
/// that is not there.
pub fn generate(request: &ExprRequest<'_>) -> Result<GeneratedExprs> {
    let exprs = || {
        let values = request.values.iter().flat_map(|value| [value.expr, value.filter]);
        std::iter::once(request.predicate).chain(values).flatten()
    };
    exprs().try_for_each(|expr| supports(expr, request.tier))?;
    let mut used = Vec::new();
    exprs().for_each(|expr| expr.for_each_column(&mut |column| used.push(column)));
    used.sort_unstable();
    used.dedup();
    let mut writer = Writer::new(request.columns, used, request.stage_words, float64(request.tier));
    let values = write_evaluate(&mut writer, request)?;
    let (body, constants, errors, columns) = writer.finish();
    let wgsl = declarations(&values) + "fn evaluate(row: u32) {\n" + &body + "}\n";
    Ok(GeneratedExprs { wgsl, values, columns, constants, stage_words: request.stage_words, errors })
}

/// The body: predicate, then values where it holds.
fn write_evaluate<'a>(writer: &mut Writer<'a>, request: &ExprRequest<'a>) -> Result<Vec<ValueInfo>> {
    let kept = match request.predicate {
        Some(predicate) => Some(writer.lower(predicate, &None)?.value),
        None => None,
    };
    writer.statement(format_args!("keep = {};", kept.as_deref().unwrap_or("true")));
    for index in 0..request.values.len() {
        writer.statement(format_args!("valid_{index} = false;"));
    }
    let mut values = Vec::with_capacity(request.values.len());
    let mut inner = std::mem::take(&mut writer.body);
    for (index, value) in request.values.iter().enumerate() {
        values.push(write_value(writer, index, value)?);
    }
    let computed = std::mem::take(&mut writer.body);
    for value in &values {
        inner += &format!("    value_{} = {};\n", value.index, zero_of(value.class));
    }
    match (kept, computed.is_empty()) {
        (_, true) => {}
        (None, false) => inner += &computed,
        (Some(_), false) => inner += &format!("    if (keep) {{\n{computed}    }}\n"),
    }
    writer.body = inner;
    Ok(values)
}

fn write_value<'a>(writer: &mut Writer<'a>, index: usize, request: &ValueRequest<'a>) -> Result<ValueInfo> {
    let filter: Mask = match request.filter {
        Some(filter) => Some(writer.lower(filter, &None)?.value),
        None => None,
    };
    let Some(expr) = request.expr else {
        let valid = filter.clone().unwrap_or_else(|| "true".into());
        writer.statement(format_args!("valid_{index} = {valid};"));
        writer.statement(format_args!("value_{index} = valid_{index};"));
        return Ok(ValueInfo {
            index,
            class: Class::Bool,
            data_type: DataType::Boolean,
            nullable: filter.is_some(),
            range: Some((1, 1)),
            exponents: None,
            dictionary: None,
        });
    };
    let operand = writer.lower(expr, &filter)?;
    let valid = writer.both(&filter, &operand.valid);
    let zero = zero_of(operand.class);
    match &valid {
        None => {
            writer.statement(format_args!("valid_{index} = true;"));
            writer.statement(format_args!("value_{index} = {};", operand.value));
        }
        Some(valid) => {
            writer.statement(format_args!("valid_{index} = {valid};"));
            writer.statement(format_args!("value_{index} = select({zero}, {}, {valid});", operand.value));
        }
    }
    let ranged = !matches!(operand.class, Class::F32 | Class::F64);
    Ok(ValueInfo {
        index,
        class: operand.class,
        data_type: expr.data_type(),
        nullable: valid.is_some(),
        range: ranged.then_some((operand.range.min, operand.range.max)),
        exponents: match expr {
            Expr::Column { index, .. } => writer.columns.exponents.get(*index).copied().flatten(),
            _ => None,
        },
        dictionary: operand.dictionary,
    })
}

fn zero_of(class: Class) -> &'static str {
    match class {
        Class::I32 => "0i",
        Class::I64 => "i64_from_u32(0u)",
        Class::I128 => "vec4<u32>(0u)",
        Class::Code | Class::F32 => "0u",
        Class::Bool => "false",
        Class::F64 => "vec2<u32>(0u)",
    }
}

fn declarations(values: &[ValueInfo]) -> String {
    let mut text = String::from(
        "//!use shared/int64
//!use shared/int128
//!use shared/float_order
@group(0) @binding(0) var<storage, read> parameters: array<u32>;
@group(0) @binding(1) var<storage, read> columns: array<u32>;
@group(0) @binding(2) var<storage, read_write> status: array<atomic<u32>>;
",
    );
    text += &format!("const stage_parameters: u32 = {STAGE_PARAMETERS}u;\n");
    text += &format!("const stage_status: u32 = {STATUS_WORDS}u;\n");
    text += "var<private> keep: bool;\n";
    for value in values {
        let index = value.index;
        text += &format!(
            "var<private> valid_{index}: bool;\nvar<private> value_{index}: {};\n",
            value.class.wgsl_type()
        );
    }
    text
}
