//! From the words that were read back to a [`Partial`].

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};

use super::float::Accumulator;
use super::mode::{Digit, Mode};
use super::program::ReadBack;
use super::state::{AggregateSlots, BitFold, Slot, SlotKind};
use super::{Capacity, GpuAggregate, Outcome, moments, values};
use crate::aggregate::partial::{Partial, StateColumn};
use crate::aggregate::{FloatSum, exact};
use crate::error::{Error, Result};
use crate::expr::wgsl::{Class, STATUS_WORDS, ValueInfo};
use crate::gpu::program::ProgramOutput;

/// Words of the table's head, see `aggregate/table.wgsl`.
const TABLE_GROUPS: usize = 0;
const TABLE_OVERFLOW: usize = 1;
const TABLE_ESTIMATE: usize = 6;
const TABLE_DIGITS: usize = 7;

/// A table that was too small grows by this factor: few retries, and none of them needs much more than the answer does.
const GROWTH: u64 = 4;

/// More slots than this per row of input do not help: too many keys share a hash.
const MOST_SLOTS_PER_ROW: u64 = 64;

/// The groups of a read-back: where each one's state is.
struct Groups<'a> {
    state: &'a [u32],
    stride: usize,
    /// Index of each group that is there.
    present: Vec<usize>,
}

impl<'a> Groups<'a> {
    /// The words of a slot of each group.
    fn slot(&self, slot: Slot) -> impl Iterator<Item = &'a [u32]> {
        let (first, words, stride, state) = (slot.first, slot.kind.words(), self.stride, self.state);
        self.present.iter().map(move |&group| &state[group * stride + first..][..words])
    }

    fn counts(&self, slot: Slot) -> Vec<u64> {
        self.slot(slot).map(values::count).collect()
    }
}

impl GpuAggregate {
    /// Reads what the program of this aggregation gave.
    ///
    /// # Errors
    /// What a row raised (overflow, division by zero, failed cast); [`Error::Device`] for a read-back that cannot be;
    /// [`Error::OutOfMemory`] where no table would do.
    pub fn decode(&self, output: &ProgramOutput) -> Result<Outcome> {
        let batches = self.batches.iter().filter(|batch| batch.rows > 0);
        crate::gpu::column::check_decodes(batches, &output.words)?;
        let state = words(output, ReadBack::STATE, self.groups_limit() as usize * self.layout.stride)?;
        self.passes[0].exprs.check_status(words(output, ReadBack::PASS_STATUS, STATUS_WORDS)?)?;
        let (present, keys) = match &self.mode {
            Mode::Ungrouped => (vec![0], vec![]),
            Mode::Direct { digits, .. } => self.direct_groups(state, digits)?,
            Mode::Hash => match self.hash_groups(output)? {
                Ok(groups) => groups,
                Err(larger) => return Ok(Outcome::Retry(larger)),
            },
        };
        if let Some(met) = self.missing_pairs(output)? {
            return self.larger_sets(met).map(Outcome::Retry);
        }
        let groups = Groups { state, stride: self.layout.stride, present };
        let states = self.layout.aggregates.iter().zip(&self.operands.by_aggregate);
        let states = states.enumerate().map(|(at, (&slots, &operand))| match self.set_of[at] {
            Some(set) => self.set_state(output, at, set, &groups.present),
            None => self.state(&groups, slots, operand),
        });
        let states = states.collect::<Result<_>>()?;
        Ok(Outcome::Partial(Partial { groups: groups.present.len(), keys, states }))
    }

    /// Groups with rows, and their keys from the digits of their numbers.
    fn direct_groups(&self, state: &[u32], digits: &[Digit]) -> Result<(Vec<usize>, Vec<ArrayRef>)> {
        let rows = self.layout.row_count().map(|slot| self.layout.slots[slot]);
        let rows = rows.ok_or_else(|| Error::invalid("a direct array without a count of rows"))?;
        let has_rows = |group: &[u32]| group[rows.first..][..rows.kind.words()].iter().any(|&word| word != 0);
        let groups = state.chunks_exact(self.layout.stride).enumerate();
        let present: Vec<usize> = groups.filter(|(_, group)| has_rows(group)).map(|(at, _)| at).collect();
        let mut keys = Vec::with_capacity(digits.len());
        let mut weight: u64 = digits.iter().map(|digit| digit.size).product();
        for (digit, info) in digits.iter().zip(&self.key_infos) {
            weight /= digit.size;
            let value = |&group: &usize| digit.value(group as u64 / weight % digit.size);
            keys.push(values::array(info, &present.iter().map(value).collect::<Vec<_>>())?);
        }
        Ok((present, keys))
    }

    /// Groups of the table and their keys, or the size of the table to try next.
    #[expect(clippy::type_complexity, reason = "what decode matches on, named there")]
    fn hash_groups(
        &self,
        output: &ProgramOutput,
    ) -> Result<std::result::Result<(Vec<usize>, Vec<ArrayRef>), Capacity>> {
        let hash = self.hash.as_ref().ok_or_else(|| Error::invalid("hash mode without its stages"))?;
        hash.exprs.check_status(words(output, ReadBack::KEY_STATUS, STATUS_WORDS)?)?;
        let head = words(output, ReadBack::TABLE, super::table::TABLE_HEAD)?;
        if head[TABLE_OVERFLOW] != 0 {
            return self.larger(u64::from(head[TABLE_GROUPS]), u64::from(head[TABLE_ESTIMATE])).map(Err);
        }
        let groups = head[TABLE_GROUPS] as usize;
        let width = hash.layout.width;
        let group_keys = words(output, ReadBack::GROUP_KEYS, self.capacity.groups as usize * width)?;
        let rows = group_keys
            .get(..groups * width)
            .ok_or_else(|| values::corrupt(format!("{groups} groups of {}", self.capacity.groups)))?;
        let fields = self.key_infos.iter().zip(&hash.layout.fields);
        let keys = fields.map(|(info, &(null, first))| {
            let value = |row: &[u32]| {
                let is_null = null.is_some_and(|(word, bit)| row[word] >> bit & 1 == 1);
                (!is_null).then(|| values::integer(info.class, &row[first..][..info.class.words()]))
            };
            values::array(info, &rows.chunks_exact(width).map(value).collect::<Vec<_>>())
        });
        Ok(Ok(((0..groups).collect(), keys.collect::<Result<_>>()?)))
    }

    /// The capacity after one that did not do. `met` groups were counted before the run was void; a sample said that there
    /// are about `estimate` (0: no sample).
    fn larger(&self, met: u64, estimate: u64) -> Result<Capacity> {
        let Capacity { groups, slots, parts, .. } = self.capacity;
        let part = if estimate > 2 * groups {
            estimate + estimate / 4
        } else {
            groups.max(met).saturating_mul(GROWTH)
        };
        // There are never more groups than rows; what fails then are collisions, which more slots spread.
        let wanted = part.saturating_mul(u64::from(parts)).min(self.rows);
        let all_slots = slots.saturating_mul(u64::from(parts));
        let at_least =
            if wanted <= groups * u64::from(parts) { all_slots.saturating_mul(GROWTH) } else { all_slots };
        if at_least > self.rows.next_power_of_two().saturating_mul(MOST_SLOTS_PER_ROW).max(1 << 12) {
            return Err(self.out_of_memory(at_least.saturating_mul(4)));
        }
        Ok(self.fitted(wanted, at_least.next_power_of_two(), self.all_pairs()))
    }

    /// Pairs that all parts together have room for.
    fn all_pairs(&self) -> u64 {
        self.capacity.pairs.saturating_mul(u64::from(self.capacity.parts))
    }

    /// The capacity after one whose tables of distinct values did not do; `met` pairs were counted in one of them.
    fn larger_sets(&self, met: u64) -> Result<Capacity> {
        let Capacity { groups, slots, parts, pairs } = self.capacity;
        let wanted = pairs.max(met).saturating_mul(GROWTH).saturating_mul(u64::from(parts));
        // There are never more pairs than rows; what fails then are collisions, which more slots spread.
        let wanted = if self.all_pairs() < self.rows { wanted.min(self.rows) } else { wanted };
        if wanted > self.rows.saturating_mul(MOST_SLOTS_PER_ROW).max(1 << 12) {
            return Err(self.out_of_memory(wanted.saturating_mul(8)));
        }
        let parts = u64::from(parts);
        Ok(self.fitted(groups.saturating_mul(parts).min(self.rows), slots.saturating_mul(parts), wanted))
    }

    /// Digits that the rows of the last batch were partitioned by; 0 where they were taken as they came.
    #[must_use]
    pub fn digits(&self, output: &ProgramOutput) -> u32 {
        let head = self.hash.as_ref().and_then(|_| output.words.get(ReadBack::TABLE));
        head.and_then(|head| head.get(TABLE_DIGITS)).copied().unwrap_or(0)
    }

    fn state(
        &self,
        groups: &Groups<'_>,
        slots: AggregateSlots,
        operand: Option<usize>,
    ) -> Result<StateColumn> {
        let slot = |index: usize| self.layout.slots[index];
        match slots {
            AggregateSlots::Count { count } => Ok(StateColumn::Count(groups.counts(slot(count)))),
            AggregateSlots::Sum { sum, count } => {
                let (sums, counts) = (slot(sum), groups.counts(slot(count)));
                Ok(match sums.kind {
                    SlotKind::FloatSum { accumulator } => {
                        float_sums(accumulator, groups.slot(sums), counts, self.spec.float_sum)
                    }
                    _ => StateColumn::Integer { sums: groups.slot(sums).map(values::wide).collect(), counts },
                })
            }
            AggregateSlots::Bits { bits, count } => {
                let info = operand.map(|operand| &self.operand_infos[operand]);
                let info = info.ok_or_else(|| Error::invalid("bits without operand"))?;
                let SlotKind::Bits { fold, .. } = slot(bits).kind else {
                    return Err(Error::invalid("not bits"));
                };
                let words = groups.slot(slot(bits)).zip(groups.slot(slot(count)));
                let word = |(words, count): (&[u32], &[u32])| {
                    (values::count(count) > 0).then(|| joined_bits(fold, words, info.class))
                };
                Ok(StateColumn::Arrays(vec![Arc::new(words.map(word).collect::<Int64Array>())]))
            }
            AggregateSlots::Moments { sum, squares, count } => {
                let (sum, squares, counts) = (slot(sum), slot(squares), groups.counts(slot(count)));
                let words = (groups.slot(sum), groups.slot(squares));
                Ok(match (sum.kind, squares.kind) {
                    (
                        SlotKind::FloatSum { accumulator: sum },
                        SlotKind::FloatSquares { accumulator: squares },
                    ) => moments::of_floats((sum, squares), words, counts, self.spec.float_sum),
                    _ => moments::of_integers(words, counts),
                })
            }
            AggregateSlots::Set => Err(Error::invalid("an aggregate without a state of words")),
            AggregateSlots::Extreme { best, count } => {
                let info = operand.map(|operand| &self.operand_infos[operand]);
                let info = info.ok_or_else(|| Error::invalid("extreme without operand"))?;
                let values = extremes(groups, slot(best), slot(count), info)?;
                Ok(StateColumn::Extreme(values::array(info, &values)?))
            }
        }
    }
}

/// The word that an accumulator of bits has on the CPU: sign-extended, unsigned words bit for bit, booleans 0 and 1.
pub(super) fn joined_bits(fold: BitFold, words: &[u32], class: Class) -> i64 {
    let words: Vec<u32> = words.iter().map(|&word| if fold == BitFold::And { !word } else { word }).collect();
    let word = values::integer(class, &words) as i64;
    if class == Class::Bool { word & 1 } else { word }
}

impl Digit {
    /// The value of a digit; none for null.
    fn value(&self, digit: u64) -> Option<i128> {
        if self.nullable && digit == 0 {
            return None;
        }
        Some(self.least + i128::from(digit - u64::from(self.nullable)))
    }
}

/// Float sums: exact ones in the reproducible mode, since partials of several rounds merge.
fn float_sums<'a>(
    accumulator: Accumulator,
    states: impl Iterator<Item = &'a [u32]>,
    counts: Vec<u64>,
    mode: FloatSum,
) -> StateColumn {
    match mode {
        FloatSum::Fast => {
            let (sums, large) = states.map(|words| accumulator.parts(words)).unzip();
            StateColumn::Float { sums, large, counts }
        }
        FloatSum::Reproducible => exact::states(states.map(|words| accumulator.exact(words)), counts),
    }
}

/// The best value of each group, none where no row was valid.
fn extremes(groups: &Groups<'_>, best: Slot, count: Slot, info: &ValueInfo) -> Result<Vec<Option<i128>>> {
    let SlotKind::Extreme { greatest, .. } = best.kind else {
        return Err(Error::invalid("not an extreme"));
    };
    let codes = match &info.dictionary {
        Some(dictionary) if info.class == Class::Code => {
            let ranks = values::ranks(dictionary)?;
            let mut codes = vec![0; ranks.len()];
            ranks.iter().enumerate().for_each(|(code, &rank)| codes[rank as usize] = code as i128);
            codes
        }
        _ => vec![],
    };
    let value = |(best, count): (&[u32], &[u32])| {
        if values::count(count) == 0 {
            return Ok(None);
        }
        let words: Vec<u32> = best.iter().map(|&word| if greatest { word } else { !word }).collect();
        let value = values::integer(info.class, &values::from_order_words(info.class, &words));
        if info.class != Class::Code {
            return Ok(Some(value));
        }
        let code = usize::try_from(value).ok().and_then(|rank| codes.get(rank));
        code.map(|&code| Some(code))
            .ok_or_else(|| values::corrupt(format!("rank {value} of {}", codes.len())))
    };
    groups.slot(best).zip(groups.slot(count)).map(value).collect()
}

/// A read-back of at least `least` words.
pub(super) fn words(output: &ProgramOutput, index: usize, least: usize) -> Result<&[u32]> {
    match output.words.get(index) {
        Some(words) if words.len() >= least => Ok(words),
        words => Err(values::corrupt(format!("{} words, not {least}", words.map_or(0, Vec::len)))),
    }
}
