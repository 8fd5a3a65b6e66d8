//! The text while it is written: names, statements, constants, checks.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;

use super::{Class, STAGE_PARAMETERS, STATUS_WORDS};
use crate::error::Error;
use crate::expr::Expr;
use crate::expr::range::Range;
use crate::gpu::column::{DeviceColumns, Dictionary};

/// Name of a `bool` in the text: where it is false, nothing counts. None: always true.
pub(super) type Mask = Option<String>;

/// A computed value: names of immutable `let`s in the text.
///
/// A Boolean whose `valid` is false has a false value, so that "is true" is the value alone. Other values under a false
/// `valid` are garbage.
#[derive(Debug, Clone)]
pub(super) struct Operand {
    /// Not null.
    pub valid: Mask,
    /// The value.
    pub value: String,
    /// Its machine form.
    pub class: Class,
    /// Bounds of valid values: integers, and codes.
    pub range: Range,
    /// Meaning of codes.
    pub dictionary: Option<Arc<Dictionary>>,
    /// Evaluating it may set an error, which depends on the mask it was evaluated under.
    pub fallible: bool,
}

impl Operand {
    pub(super) fn new(class: Class, value: String, valid: Mask) -> Self {
        Operand { valid, value, class, range: Range::of(0), dictionary: None, fallible: false }
    }

    pub(super) fn boolean(value: String, valid: Mask) -> Self {
        Operand { range: Range { min: 0, max: 1 }, ..Operand::new(Class::Bool, value, valid) }
    }

    pub(super) fn integer(class: Class, value: String, valid: Mask, range: Range) -> Self {
        Operand { range, ..Operand::new(class, value, valid) }
    }
}

/// Everything that grows while text is written.
pub(super) struct Writer<'a> {
    /// The input.
    pub columns: &'a DeviceColumns,
    /// Native `f64` and 64-bit integers are there.
    pub float64: bool,
    /// Statements of `evaluate`.
    pub body: String,
    /// Constants: literals and tables.
    pub constants: Vec<u32>,
    /// Values computed so far, by expression: the mask they were computed under.
    pub known: HashMap<&'a Expr, Vec<(Mask, Operand)>>,
    /// A check was written since this was last cleared.
    pub fallible: bool,
    /// Columns in `parameters`, in order.
    pub used: Vec<usize>,
    errors: Vec<Error>,
    names: usize,
    constants_start: usize,
    literals: HashMap<Vec<u32>, usize>,
    loads: HashMap<usize, Operand>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        columns: &'a DeviceColumns,
        used: Vec<usize>,
        stage_words: usize,
        float64: bool,
    ) -> Self {
        Writer {
            columns,
            float64,
            body: String::new(),
            constants: Vec::new(),
            known: HashMap::new(),
            fallible: false,
            errors: Vec::new(),
            names: 0,
            constants_start: STAGE_PARAMETERS + stage_words + 2 * used.len(),
            literals: HashMap::new(),
            loads: HashMap::new(),
            used,
        }
    }

    pub(super) fn finish(self) -> (String, Vec<u32>, Vec<Error>, Vec<usize>) {
        (self.body, self.constants, self.errors, self.used)
    }

    /// A fresh name.
    pub(super) fn name(&mut self) -> String {
        self.names += 1;
        format!("v{}", self.names)
    }

    /// One statement.
    pub(super) fn statement(&mut self, text: impl Display) {
        use std::fmt::Write;
        // Writing to a string does not fail.
        let _ = writeln!(self.body, "    {text}");
    }

    /// `let` of an expression; its name.
    pub(super) fn bind(&mut self, expression: impl Display) -> String {
        let name = self.name();
        self.statement(format_args!("let {name} = {expression};"));
        name
    }

    /// Index in `parameters` of `words`, which are data. Equal literals share words only if `shared` says so: sharing
    /// depends on data, and text must not.
    pub(super) fn constant(&mut self, words: &[u32]) -> usize {
        let index = self.constants_start + self.constants.len();
        self.constants.extend_from_slice(words);
        index
    }

    /// Like [`Writer::constant`] for words that follow from types and operators alone, and so may be shared.
    pub(super) fn fixed_constant(&mut self, words: &[u32]) -> usize {
        if let Some(&index) = self.literals.get(words) {
            return index;
        }
        let index = self.constant(words);
        self.literals.insert(words.to_vec(), index);
        index
    }

    /// Index in `parameters` of the first constant.
    pub(super) fn first_constant(&self) -> usize {
        self.constants_start
    }

    /// Index in `parameters` of the first column's positions.
    pub(super) fn positions_start(&self) -> usize {
        self.constants_start - 2 * self.used.len()
    }

    /// Index in `parameters` of the next constant.
    pub(super) fn next_constant(&self) -> usize {
        self.constants_start + self.constants.len()
    }

    /// An integer constant as an expression of `class`.
    pub(super) fn integer(&mut self, class: Class, value: i128) -> String {
        let words = words_of(class, value);
        let index = self.constant(&words);
        load_words(class, index)
    }

    /// As [`Writer::integer`], for values that follow from types alone.
    pub(super) fn fixed_integer(&mut self, class: Class, value: i128) -> String {
        if let (Class::I32, Ok(value @ -1_000_000_000..=1_000_000_000)) = (class, i32::try_from(value)) {
            return if value < 0 { format!("({value}i)") } else { format!("{value}i") };
        }
        let words = words_of(class, value);
        let index = self.fixed_constant(&words);
        load_words(class, index)
    }

    /// Both must hold.
    pub(super) fn both(&mut self, left: &Mask, right: &Mask) -> Mask {
        match (left, right) {
            (None, other) | (other, None) => other.clone(),
            (Some(left), Some(right)) if left == right => Some(left.clone()),
            (Some(left), Some(right)) => {
                let both = format!("{left} & {right}");
                Some(self.bind(both))
            }
        }
    }

    /// Sets the error's bit where all masks and the condition hold.
    pub(super) fn fail(&mut self, error: Error, masks: &[&Mask], condition: &str) {
        self.fallible = true;
        let bit = self.error_bit(error);
        let masks: String =
            masks.iter().filter_map(|mask| mask.as_ref()).map(|mask| format!("{mask} & ")).collect();
        self.statement(format_args!(
            "if ({masks}({condition})) {{ atomicOr(&status[{}], {}u); }}",
            bit / 32,
            1u32 << (bit % 32)
        ));
    }

    /// Bit of an error; the same error has one bit, and all errors past the last word share the last bit.
    fn error_bit(&mut self, error: Error) -> usize {
        let text = error.to_string();
        if let Some(bit) = self.errors.iter().position(|known| known.to_string() == text) {
            return bit;
        }
        if self.errors.len() == 32 * STATUS_WORDS {
            return self.errors.len() - 1;
        }
        self.errors.push(error);
        self.errors.len() - 1
    }

    /// The load of a column, written once.
    pub(super) fn load_once(&self, column: usize) -> Option<Operand> {
        self.loads.get(&column).cloned()
    }

    pub(super) fn remember_load(&mut self, column: usize, operand: Operand) {
        self.loads.insert(column, operand);
    }
}

/// Low words of a value, as many as the class has.
pub(super) fn words_of(class: Class, value: i128) -> Vec<u32> {
    (0..class.words()).map(|word| (value >> (32 * word)) as u32).collect()
}

/// A value of `class` at a constant index of `parameters`.
fn load_words(class: Class, index: usize) -> String {
    let word = |offset: usize| format!("parameters[{}]", index + offset);
    match class {
        Class::I32 => format!("bitcast<i32>({})", word(0)),
        Class::I64 => format!("i64_from_words({}, {})", word(0), word(1)),
        Class::I128 => i128_text([word(0), word(1), word(2), word(3)]),
        Class::Code | Class::F32 => word(0),
        Class::Bool => format!("({} != 0u)", word(0)),
        Class::F64 => format!("vec2<u32>({}, {})", word(0), word(1)),
    }
}

/// A 128-bit value of four words.
pub(super) fn i128_text(words: [String; 4]) -> String {
    format!("i128_from_words({})", words.join(", "))
}

/// The narrowest integer class of a range.
pub(super) fn class_of(range: Range) -> Class {
    if range.within(&Range { min: i32::MIN.into(), max: i32::MAX.into() }) {
        Class::I32
    } else if range.within(&Range { min: i64::MIN.into(), max: i64::MAX.into() }) {
        Class::I64
    } else {
        Class::I128
    }
}
