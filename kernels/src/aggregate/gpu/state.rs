//! Which words hold the state of a group, and in which pass each word is filled.
//!
//! ```text
//! state of a group:  [slot 0][slot 1]...      stride words, group-major in device memory
//!
//! slot          words                         merged by
//! count         1 or 2, by the rows of input  add with carry
//! sum           by range x rows, two's compl. add with carry
//! extreme       1 per 32 bits, highest first  max; complemented for min; 0 where no row came
//! float sum     flags, positives, negatives   or; add with carry
//! its squares   by exponents and rows         add with carry
//! bits          1 per 32 bits                 or, complemented for and; xor
//! squares       by range squared x rows       add with carry
//! ```
//! Aggregates share slots: `avg(x)`, `sum(x)` and `count(x)` are one sum and one count, and the count of a value that
//! cannot be null is the count of rows.
//!
//! An extreme of more than one word is found word by word: pass 0 finds the best first word, pass 1 the best second word
//! among rows whose first word is the best, and so on. Passes are further dispatches over the same resident batches.

use std::collections::HashMap;

use super::distinct::takes_set;
use super::float::{Accumulator, Format};
use crate::aggregate::{AggregateFunction, AggregateSpec};
use crate::error::{Backend, Error, Result};
use crate::expr::Expr;
use crate::expr::wgsl::{Class, ValueInfo, ValueRequest};

/// A value that slots read: an operand under a filter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Operand {
    /// The operand; none for a value that is only its filter.
    pub expr: Option<Expr>,
    /// `FILTER (WHERE ...)`.
    pub filter: Option<Expr>,
}

impl Operand {
    pub fn request(&self) -> ValueRequest<'_> {
        ValueRequest { expr: self.expr.as_ref(), filter: self.filter.as_ref() }
    }
}

/// The distinct operands of a spec, and which one each aggregate reads (none: every kept row counts).
#[derive(Debug, Clone, Default)]
pub(super) struct Operands {
    pub distinct: Vec<Operand>,
    pub by_aggregate: Vec<Option<usize>>,
}

impl Operands {
    pub fn of(spec: &AggregateSpec) -> Self {
        let mut operands = Operands::default();
        let mut seen: HashMap<Operand, usize> = HashMap::new();
        for aggregate in &spec.aggregates {
            if takes_set(aggregate) {
                operands.by_aggregate.push(None);
                continue;
            }
            let operand =
                Operand { expr: aggregate.inputs.first().cloned(), filter: aggregate.filter.clone() };
            if operand.expr.is_none() && operand.filter.is_none() {
                operands.by_aggregate.push(None);
                continue;
            }
            let next = operands.distinct.len();
            let index = *seen.entry(operand.clone()).or_insert(next);
            if index == next {
                operands.distinct.push(operand);
            }
            operands.by_aggregate.push(Some(index));
        }
        operands
    }
}

/// What a slot accumulates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum SlotKind {
    /// Rows where the operand is valid.
    Count { words: usize },
    /// An exact sum, two's complement.
    Sum { words: usize },
    /// The best value, as words in order.
    Extreme { greatest: bool, words: usize },
    /// An exact float sum.
    FloatSum { accumulator: Accumulator },
    /// An exact sum of squares of floats.
    FloatSquares { accumulator: Accumulator },
    /// The bits of all values, joined.
    Bits { fold: BitFold, words: usize },
    /// An exact sum of squares, of values whose magnitudes have `limbs` words.
    Squares { limbs: usize, words: usize },
}

/// How the bits of two values become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum BitFold {
    /// Complements are joined by or, so that the state of no rows is zero.
    And,
    Or,
    Xor,
}

impl SlotKind {
    pub fn words(self) -> usize {
        match self {
            SlotKind::Count { words }
            | SlotKind::Sum { words }
            | SlotKind::Extreme { words, .. }
            | SlotKind::Bits { words, .. }
            | SlotKind::Squares { words, .. } => words,
            SlotKind::FloatSum { accumulator } => accumulator.sum_words(),
            SlotKind::FloatSquares { accumulator } => accumulator.limbs,
        }
    }

    /// Passes over the data that fill it.
    fn passes(self) -> usize {
        match self {
            SlotKind::Extreme { words, .. } => words,
            _ => 1,
        }
    }
}

/// A slot in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    pub kind: SlotKind,
    /// The operand; none: every kept row.
    pub operand: Option<usize>,
    /// First word in a group's state.
    pub first: usize,
}

/// How a workgroup merges a run of words, see `aggregate/plan.wgsl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Merge {
    Add,
    Max,
    Or,
    Xor,
}

/// Words of a slot that one pass fills: where in workgroup memory, where in the state, how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub merge: Merge,
    pub local: usize,
    pub word: usize,
    pub words: usize,
}

/// A slot's part in a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub slot: Slot,
    /// First word in workgroup memory.
    pub local: usize,
}

/// Slots of an aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AggregateSlots {
    Count {
        count: usize,
    },
    Sum {
        sum: usize,
        count: usize,
    },
    Extreme {
        best: usize,
        count: usize,
    },
    Bits {
        bits: usize,
        count: usize,
    },
    Moments {
        sum: usize,
        squares: usize,
        count: usize,
    },
    /// None: the state is made of distinct values.
    Set,
}

/// All slots of a spec.
#[derive(Debug, Clone)]
pub(super) struct StateLayout {
    pub slots: Vec<Slot>,
    pub aggregates: Vec<AggregateSlots>,
    /// Words of a group.
    pub stride: usize,
    rows: u64,
}

impl StateLayout {
    /// Places the slots for `rows` rows of input. `infos` describe the operands. `occupied` adds a count of rows even
    /// where no aggregate asks for one: a direct array needs it to know which groups there are.
    pub fn new(
        spec: &AggregateSpec,
        operands: &Operands,
        infos: &[ValueInfo],
        rows: u64,
        occupied: bool,
    ) -> Result<Self> {
        let mut layout = StateLayout { slots: vec![], aggregates: vec![], stride: 0, rows };
        if occupied {
            layout.count(None, infos);
        }
        for (aggregate, &operand) in spec.aggregates.iter().zip(&operands.by_aggregate) {
            let slots = match takes_set(aggregate) {
                true => AggregateSlots::Set,
                false => layout.aggregate(&aggregate.function, operand, infos)?,
            };
            layout.aggregates.push(slots);
        }
        Ok(layout)
    }

    fn aggregate(
        &mut self,
        function: &AggregateFunction,
        operand: Option<usize>,
        infos: &[ValueInfo],
    ) -> Result<AggregateSlots> {
        let count = self.count(operand, infos);
        let info = |operand: Option<usize>| {
            operand.map(|at| &infos[at]).ok_or_else(|| Error::invalid("aggregate without operand"))
        };
        match function {
            AggregateFunction::CountRows | AggregateFunction::Count => Ok(AggregateSlots::Count { count }),
            AggregateFunction::Sum | AggregateFunction::Avg => {
                let kind = sum_kind(info(operand)?, self.rows)?;
                Ok(AggregateSlots::Sum { sum: self.slot(kind, operand), count })
            }
            AggregateFunction::Min | AggregateFunction::Max => {
                let greatest = *function == AggregateFunction::Max;
                let words = info(operand)?.class.words();
                Ok(AggregateSlots::Extreme {
                    best: self.slot(SlotKind::Extreme { greatest, words }, operand),
                    count,
                })
            }
            AggregateFunction::Variance { .. } | AggregateFunction::Stddev { .. } => {
                let info = info(operand)?;
                let (sum, squares) = (sum_kind(info, self.rows)?, squares_kind(info, self.rows)?);
                Ok(AggregateSlots::Moments {
                    sum: self.slot(sum, operand),
                    squares: self.slot(squares, operand),
                    count,
                })
            }
            function => match bit_fold(function) {
                Some(fold) => {
                    let words = info(operand)?.class.words();
                    Ok(AggregateSlots::Bits {
                        bits: self.slot(SlotKind::Bits { fold, words }, operand),
                        count,
                    })
                }
                None => Err(Error::unsupported(function, Backend::Gpu)),
            },
        }
    }

    /// The count of an operand's valid rows; where it cannot be null, the count of all kept rows.
    fn count(&mut self, operand: Option<usize>, infos: &[ValueInfo]) -> usize {
        let operand = operand.filter(|&at| infos[at].nullable);
        let words = bits(u128::from(self.rows)).div_ceil(32).max(1);
        self.slot(SlotKind::Count { words }, operand)
    }

    fn slot(&mut self, kind: SlotKind, operand: Option<usize>) -> usize {
        let found = self.slots.iter().position(|slot| slot.kind == kind && slot.operand == operand);
        found.unwrap_or_else(|| {
            self.slots.push(Slot { kind, operand, first: self.stride });
            self.stride += kind.words();
            self.slots.len() - 1
        })
    }

    /// The slot that counts all kept rows.
    pub fn row_count(&self) -> Option<usize> {
        let is_count = |slot: &Slot| matches!(slot.kind, SlotKind::Count { .. }) && slot.operand.is_none();
        self.slots.iter().position(is_count)
    }

    /// Passes over the data.
    pub fn passes(&self) -> usize {
        self.slots.iter().map(|slot| slot.kind.passes()).max().unwrap_or(1)
    }

    /// What `pass` fills, and the words that it takes in workgroup memory.
    pub fn parts(&self, pass: usize) -> (Vec<Part>, usize) {
        let mut local = 0;
        let mut parts = vec![];
        for &slot in self.slots.iter().filter(|slot| pass < slot.kind.passes()) {
            parts.push(Part { slot, local });
            local += if matches!(slot.kind, SlotKind::Extreme { .. }) { 1 } else { slot.kind.words() };
        }
        (parts, local)
    }
}

impl Part {
    /// The runs of words that `pass` fills.
    pub fn entries(&self, pass: usize) -> Vec<Entry> {
        let (local, word) = (self.local, self.slot.first);
        match self.slot.kind {
            SlotKind::Count { .. }
            | SlotKind::Sum { .. }
            | SlotKind::Squares { .. }
            | SlotKind::FloatSquares { .. } => {
                vec![Entry { merge: Merge::Add, local, word, words: self.slot.kind.words() }]
            }
            SlotKind::Bits { fold, words } => {
                let merge = if fold == BitFold::Xor { Merge::Xor } else { Merge::Or };
                let bits = |at| Entry { merge, local: local + at, word: word + at, words: 1 };
                (0..words).map(bits).collect()
            }
            SlotKind::Extreme { .. } => vec![Entry { merge: Merge::Max, local, word: word + pass, words: 1 }],
            SlotKind::FloatSum { accumulator: Accumulator { limbs, .. } } => {
                let number =
                    |skip| Entry { merge: Merge::Add, local: local + skip, word: word + skip, words: limbs };
                vec![Entry { merge: Merge::Or, local, word, words: 1 }, number(1), number(1 + limbs)]
            }
        }
    }
}

/// The fold of a function over bits.
pub(super) fn bit_fold(function: &AggregateFunction) -> Option<BitFold> {
    match function {
        AggregateFunction::BoolAnd | AggregateFunction::BitAnd => Some(BitFold::And),
        AggregateFunction::BoolOr | AggregateFunction::BitOr => Some(BitFold::Or),
        AggregateFunction::BitXor => Some(BitFold::Xor),
        _ => None,
    }
}

/// A sum wide enough for `rows` values of the operand's range, or of its class where no range is known.
fn sum_kind(info: &ValueInfo, rows: u64) -> Result<SlotKind> {
    if let Some(format) = format(info.class) {
        let accumulator = Accumulator::of_values(format, info.exponents, rows);
        return Ok(SlotKind::FloatSum { accumulator });
    }
    let value_bits = value_bits(info)?;
    // The product of two magnitudes has at most as many bits as both together; one more is the sign.
    let words = (value_bits + bits(u128::from(rows)) + 1).div_ceil(32);
    Ok(SlotKind::Sum { words })
}

fn format(class: Class) -> Option<Format> {
    match class {
        Class::F32 => Some(Format::F32),
        Class::F64 => Some(Format::F64),
        _ => None,
    }
}

/// Words of the sums that accumulators of moments take over.
pub(super) const SUM_WORDS: usize = 10;

/// A sum of squares wide enough for `rows` values: below 2^256 times 2^63.
fn squares_kind(info: &ValueInfo, rows: u64) -> Result<SlotKind> {
    if let Some(format) = format(info.class) {
        let accumulator = Accumulator::of_squares(format, info.exponents, rows);
        return Ok(SlotKind::FloatSquares { accumulator });
    }
    let value_bits = value_bits(info)?;
    let words = (2 * value_bits + bits(u128::from(rows)) + 1).div_ceil(32);
    if words > SUM_WORDS {
        return Err(Error::unsupported(format!("squares of {rows} values at once"), Backend::Gpu));
    }
    Ok(SlotKind::Squares { limbs: value_bits.div_ceil(32).max(1), words })
}

/// Bits of the greatest magnitude of an integer.
fn value_bits(info: &ValueInfo) -> Result<usize> {
    let class_bits = match info.class {
        Class::I32 => 32,
        Class::I64 => 64,
        Class::I128 => 128,
        _ => return Err(Error::unsupported(format!("sum of {}", info.data_type), Backend::Gpu)),
    };
    Ok(match info.range {
        Some((least, greatest)) => bits(least.unsigned_abs().max(greatest.unsigned_abs())),
        None => class_bits,
    })
}

fn bits(magnitude: u128) -> usize {
    (u128::BITS - magnitude.leading_zeros()) as usize
}
