//! What a finished build side says about probe keys: rows that fail it have no partner, and need not reach the join.
//!
//! | filter | when | per row |
//! | --- | --- | --- |
//! | range | always, for integers, times, decimals; the longest length, for strings | a comparison |
//! | list | at most `LIST_KEYS` keys, also as a predicate for row groups and pages | as bits or Bloom |
//! | bits | a domain of at most 2^`BITS_DOMAIN`, exact | one bit at random |
//! | Bloom | beyond, up to `BLOOM_KEYS` keys | 32 bytes at random |
//!
//! A filter may keep rows without partner and never drops one with. It counts what it keeps; once `TRIAL_ROWS` rows have
//! shown that it keeps more than `WORTH_SHARE` of 10, it lets everything pass. The Bloom filter is the split-block filter of the
//! Parquet format (Putze, Sanders, Singler 2007; Apel, Apache Impala): one block of 256 bits per key, 8 bits of it set. At 16
//! bits per key about 1 row of 200 passes by chance.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::ArrayRef;
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;

use super::layout::{Extent, Layout, Word, and};
use super::plan::ProbeOutput;
use super::table::Table;
use super::{JoinTable, Keys};
use crate::error::{Error, Result};
use crate::expr::{CompareOp, Expr, Scalar, Value, value_type};
use crate::filter::Selection;
use crate::join::{RowTest, Side};
use crate::keys::hash::Hasher;
use crate::keys::lanes::LaneColumn;
use crate::memory::Grant;

/// Keys of a list, at most.
const LIST_KEYS: usize = 150;

/// Bits of the domain of an exact bitmap, at most: 8 MiB.
const BITS_DOMAIN: u32 = 26;

/// Keys of a Bloom filter, at most: 32 MiB of it.
const BLOOM_KEYS: usize = 1 << 24;

/// Rows that a filter is tried on.
const TRIAL_ROWS: u64 = 1 << 16;

/// Tenths of the rows that a filter may keep and still be worth its test.
const WORTH_SHARE: u64 = 6;

/// Words of a block, and the factors that choose their bits: those of the Parquet format.
const SALT: [u32; 8] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

/// A test of one key column of the probe side.
#[derive(Debug)]
pub struct RuntimeFilter {
    data_type: DataType,
    extent: Extent,
    layout: Layout,
    set: KeySet,
    tested: AtomicU64,
    kept: AtomicU64,
    _grant: Grant,
}

/// Codes of the keys that there are.
#[derive(Debug)]
enum KeySet {
    /// Not known: the range has to do.
    All,
    Bits {
        bits: Vec<u64>,
        list: Option<Vec<u128>>,
    },
    Bloom {
        blocks: Vec<[u32; 8]>,
        hasher: Hasher,
        list: Option<Vec<u128>>,
    },
}

impl JoinTable {
    /// The side whose rows are probed.
    #[must_use]
    pub fn probe_side(&self) -> Side {
        self.plan.build.other()
    }

    /// True where probe rows without partner make no difference, so that [`JoinTable::runtime_filter`]s may drop them.
    #[must_use]
    pub fn may_drop_probe_rows(&self) -> bool {
        let without_nulls = self.plan.at_the_end != Some(RowTest::UnmatchedNullAware);
        match self.plan.while_probing {
            ProbeOutput::Pairs { keeps_probe } => !keeps_probe,
            ProbeOutput::Rows(test) => test == RowTest::Matched,
            ProbeOutput::Nothing => without_nulls,
        }
    }

    /// A test for probe rows by key number `key`; none where nothing is known of it that a row could fail.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::InvalidInput`] where there is no such key.
    pub fn runtime_filter(&self, key: usize) -> Result<Option<RuntimeFilter>> {
        let Some(spec) = self.plan.spec.keys.get(key) else {
            return Err(Error::invalid(format!("key {key} of {}", self.plan.spec.keys.len())));
        };
        let Keys::Exact(layout) = &self.keys else { return Ok(None) };
        let field = layout.field(key);
        let Some(alone) = Layout::new([(field.extent, spec.nulls_equal)]) else { return Ok(None) };
        let mut grant = Grant::new(Arc::clone(&self.memory));
        let set = self.key_set(&|word| field.code(word), &alone, &mut grant)?;
        Ok(Some(RuntimeFilter {
            data_type: spec.left.data_type(),
            extent: field.extent,
            layout: alone,
            set,
            tested: AtomicU64::new(0),
            kept: AtomicU64::new(0),
            _grant: grant,
        }))
    }

    fn key_set(&self, code: &dyn Fn(u128) -> u128, alone: &Layout, grant: &mut Grant) -> Result<KeySet> {
        if alone.greatest < 1 << BITS_DOMAIN {
            let words = alone.greatest as usize / 64 + 1;
            let mut bits = Vec::new();
            grant.resize(&mut bits, words, 0u64)?;
            self.table.for_each_word(&mut |word| {
                let code = code(word) as usize;
                bits[code / 64] |= 1 << (code % 64);
            });
            return Ok(KeySet::Bits { bits, list: self.few_codes(code) });
        }
        if self.rows > BLOOM_KEYS {
            return Ok(KeySet::All);
        }
        let (mut blocks, hasher) = (Vec::new(), Hasher::default());
        grant.resize(&mut blocks, (self.rows / 16).max(1), [0u32; 8])?;
        self.table.for_each_word(&mut |word| insert(&mut blocks, code(word).hash(&hasher)));
        Ok(KeySet::Bloom { blocks, hasher, list: self.few_codes(code) })
    }

    /// All codes, where they are few.
    fn few_codes(&self, code: &dyn Fn(u128) -> u128) -> Option<Vec<u128>> {
        let mut codes = Vec::new();
        self.table.for_each_word(&mut |word| {
            if codes.len() <= LIST_KEYS {
                let code = code(word);
                if let Err(at) = codes.binary_search(&code) {
                    codes.insert(at, code);
                }
            }
        });
        (codes.len() <= LIST_KEYS).then_some(codes)
    }
}

impl Table {
    /// Calls `visit` with the word of every key.
    fn for_each_word(&self, visit: &mut dyn FnMut(u128)) {
        match self {
            Table::Direct(values) => {
                let there = values.iter().enumerate().filter(|(_, value)| **value != 0);
                there.for_each(|(word, _)| visit(word as u128));
            }
            Table::Narrow(table) => {
                table.slots.iter().filter(|slot| slot.1 != 0).for_each(|slot| visit(slot.0.into()));
            }
            Table::Wide(table) => {
                table.slots.iter().filter(|slot| slot.1 != 0).for_each(|slot| visit(slot.0))
            }
        }
    }
}

impl RuntimeFilter {
    /// The rows of `key` (an array of the probe side's key) that may have a partner; all, where the filter does not pay.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for nested types; [`Error::InvalidInput`] where a dictionary's code has no value.
    pub fn keep(&self, key: &ArrayRef) -> Result<Selection> {
        if !self.pays() {
            return Ok(Selection::all(key.len()));
        }
        let lanes = [LaneColumn::from_array(key)?];
        let kept = match self.layout.bits <= u64::BITS {
            true => self.test::<u64>(&lanes, key.len(), u128::from)?,
            false => self.test::<u128>(&lanes, key.len(), |word| word)?,
        };
        self.tested.fetch_add(key.len() as u64, Ordering::Relaxed);
        self.kept.fetch_add(kept.count() as u64, Ordering::Relaxed);
        Ok(kept)
    }

    fn test<K: Word>(&self, key: &[LaneColumn], rows: usize, code: impl Fn(K) -> u128) -> Result<Selection> {
        let (words, live) = self.layout.words::<K>(key, rows)?;
        let there = match &self.set {
            KeySet::All => None,
            // A row that is not live may have any word.
            KeySet::Bits { bits, .. } => Some(BooleanBuffer::collect_bool(rows, |row| {
                let word = words[row].index();
                bits.get(word / 64).is_some_and(|bits| bits >> (word % 64) & 1 != 0)
            })),
            KeySet::Bloom { blocks, hasher, .. } => {
                Some(BooleanBuffer::collect_bool(rows, |row| holds(blocks, code(words[row]).hash(hasher))))
            }
        };
        Ok(and(live, there).map_or_else(|| Selection::all(rows), Selection::from_bitmap))
    }

    /// False once the filter has shown that it drops too few rows.
    #[must_use]
    pub fn pays(&self) -> bool {
        let (tested, kept) = self.counts();
        tested < TRIAL_ROWS || kept * 10 <= tested * WORTH_SHARE
    }

    /// Rows tested and rows kept so far.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.tested.load(Ordering::Relaxed), self.kept.load(Ordering::Relaxed))
    }

    /// `range`, `bits` or `bloom`, for reports.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.set {
            KeySet::All => "range",
            KeySet::Bits { .. } => "bits",
            KeySet::Bloom { .. } => "bloom",
        }
    }

    /// What `key` must be for a row to have a partner, as a predicate that prunes row groups, pages and dictionaries: a list
    /// of values, or a range. None where there is no such bound, or null has partners.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where `key` is of another type.
    pub fn predicate(&self, key: &Expr) -> Result<Option<Expr>> {
        if self.layout.field(0).nulls_have_place() {
            return Ok(None);
        }
        let list = match &self.set {
            KeySet::All => None,
            KeySet::Bits { list, .. } | KeySet::Bloom { list, .. } => list.as_ref(),
        };
        if let Some(codes) = list {
            let values = codes.iter().map(|&code| self.scalar(code)).collect::<Result<Option<Vec<_>>>>()?;
            if let Some(values) = values {
                return Ok(Some(Expr::in_list(key.clone(), values, false)?));
            }
        }
        let Extent::Integers { .. } = self.extent else { return Ok(None) };
        let (Some(low), Some(high)) = (self.scalar(0)?, self.scalar(self.layout.greatest)?) else {
            return Ok(None);
        };
        let at_least = Expr::compare(CompareOp::GtEq, key.clone(), Expr::literal(low))?;
        Ok(Some(Expr::and(at_least, Expr::compare(CompareOp::LtEq, key.clone(), Expr::literal(high))?)?))
    }

    /// The key of a code.
    fn scalar(&self, code: u128) -> Result<Option<Scalar>> {
        let value = match self.extent {
            Extent::Integers { low, .. } => match value_type(&self.data_type) {
                DataType::Boolean => Value::Boolean(low.wrapping_add(code.cast_signed()) != 0),
                _ => Value::Integer(low.wrapping_add(code.cast_signed())),
            },
            Extent::Bytes { longest } => {
                let bits = 8 * longest as u32;
                Value::Bytes(code.to_le_bytes()[..(code >> bits) as usize].to_vec())
            }
            _ => return Ok(None),
        };
        Scalar::new(self.data_type.clone(), value).map(Some)
    }
}

#[inline]
fn block_of(blocks: usize, hash: u64) -> usize {
    (((hash >> 32) * blocks as u64) >> 32) as usize
}

#[inline]
fn mask(hash: u64) -> [u32; 8] {
    SALT.map(|salt| 1 << ((hash as u32).wrapping_mul(salt) >> 27))
}

fn insert(blocks: &mut [[u32; 8]], hash: u64) {
    let at = block_of(blocks.len(), hash);
    for (word, mask) in blocks[at].iter_mut().zip(mask(hash)) {
        *word |= mask;
    }
}

#[inline]
fn holds(blocks: &[[u32; 8]], hash: u64) -> bool {
    let block = &blocks[block_of(blocks.len(), hash)];
    block.iter().zip(mask(hash)).fold(0, |missing, (word, mask)| missing | (!word & mask)) == 0
}
