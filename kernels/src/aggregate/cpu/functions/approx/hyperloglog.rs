//! HyperLogLog sketches of all groups, in the layout of Apache DataSketches (HLL_8, 2^12 registers).
//!
//! ```text
//! coupon:  [leading zeros of one hash half + 1: 6 bits][low bits of the other: 26 bits]
//! sparse:  (group, coupon) pairs of all groups in one list, sorted and freed of repeats whenever it has doubled
//! dense:   4096 registers of a byte, for groups of more than 384 coupons; register = largest value at its address
//! ```
//! Both are functions of the set of coupons alone, so merges commute. The estimate is the composite one of
//! DataSketches, which reads registers only (its HIP estimate depends on the order of rows). Standard error:
//! 1.04 / sqrt(4096) = 1.7 %; up to 384 values the count of coupons, which is exact but for collisions in 32 bits.
//! (Flajolet and others 2007; Heule and others 2013 for the sparse form.)

use datasketches::hll::HllSketch;

use super::murmur::hash_word;
use crate::error::{Error, Result};
use crate::memory::Grant;

const LG_REGISTERS: u8 = 12;
const REGISTERS: usize = 1 << LG_REGISTERS;

/// Coupons beyond which a group has registers: where DataSketches changes, at three quarters of its largest set.
const MOST_COUPONS: usize = 384;

/// Pairs from which the list is tidied.
const FIRST_TIDY: usize = 1 << 16;

/// Pairs that came of late: 32 KiB. A pair that is among them is known already.
const RECENT: usize = 1 << 12;

const ADDRESS_BITS: u32 = 26;

/// Bytes of the preambles: list, set, registers.
const LIST_BYTES: usize = 8;
const SET_BYTES: usize = 12;
const DENSE_BYTES: usize = 40;
/// Coupons that a list holds.
const MOST_LISTED: usize = 8;

const VERSION: u8 = 1;
const FAMILY: u8 = 7;
const EMPTY: u8 = 4;
const COMPACT: u8 = 8;
const OUT_OF_ORDER: u8 = 16;
/// HLL_8 in the high bits of the mode; the low ones say list, set or registers.
const LISTED: u8 = 2 << 2;
const SET: u8 = 2 << 2 | 1;
const DENSE: u8 = 2 << 2 | 2;

/// One sketch per group.
#[derive(Debug, Default)]
pub(super) struct Sketches {
    sparse: Vec<(u32, u32)>,
    tidy_at: usize,
    /// By their low bits.
    recent: Vec<(u32, u32)>,
    /// Number of a group's registers, from 1; item 0 is the sink.
    dense_of: Vec<u32>,
    registers: Vec<u8>,
}

/// A group's sketch.
enum Sketch<'a> {
    Dense(&'a [u8]),
    Sparse(&'a [(u32, u32)]),
}

/// The coupon of a hash.
#[inline(always)]
pub(super) fn coupon((low, high): (u64, u64)) -> u32 {
    let value = high.leading_zeros().min(62) + 1;
    value << ADDRESS_BITS | (low as u32 & ((1 << ADDRESS_BITS) - 1))
}

/// Coupons of hashed words.
#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl",
    "x86_64+avx2+lzcnt"
))]
pub(super) fn coupons_of<T: Copy, F: Fn(T) -> u64>(values: &[T], word: F, coupons: &mut [u32]) {
    for (coupon, &value) in coupons.iter_mut().zip(values) {
        *coupon = self::coupon(hash_word(word(value)));
    }
}

impl Sketches {
    /// Makes room for groups 1 to `groups`.
    pub(super) fn grow(&mut self, groups: usize, grant: &mut Grant) -> Result<()> {
        grant.resize(&mut self.recent, RECENT, (0, 0))?;
        grant.resize(&mut self.dense_of, groups + 1, 0)
    }

    #[inline]
    pub(super) fn add(&mut self, group: u32, coupon: u32, grant: &mut Grant) -> Result<()> {
        match self.dense_of[group as usize] {
            0 => {
                let recent = &mut self.recent[(coupon ^ group.wrapping_mul(0x9e37)) as usize % RECENT];
                if *recent == (group, coupon) {
                    return Ok(());
                }
                *recent = (group, coupon);
                grant.reserve(&mut self.sparse, 1)?;
                self.sparse.push((group, coupon));
                if self.sparse.len() >= self.tidy_at.max(FIRST_TIDY) { self.tidy(grant) } else { Ok(()) }
            }
            slot => {
                self.raise(slot, coupon);
                Ok(())
            }
        }
    }

    /// [`Sketches::add`] for many coupons of one group.
    pub(super) fn add_all(&mut self, group: u32, coupons: &[u32], grant: &mut Grant) -> Result<()> {
        for (at, &coupon) in coupons.iter().enumerate() {
            let slot = self.dense_of[group as usize];
            if slot > 0 {
                let start = (slot as usize - 1) * REGISTERS;
                if let Some(registers) = self.registers[start..].first_chunk_mut() {
                    raise_all(registers, &coupons[at..]);
                }
                return Ok(());
            }
            self.add(group, coupon, grant)?;
        }
        Ok(())
    }

    fn raise(&mut self, slot: u32, coupon: u32) {
        let at = (slot as usize - 1) * REGISTERS + coupon as usize % REGISTERS;
        self.registers[at] = self.registers[at].max((coupon >> ADDRESS_BITS) as u8);
    }

    /// Drops repeated coupons, and gives registers to groups that have too many.
    fn tidy(&mut self, grant: &mut Grant) -> Result<()> {
        let mut sparse = std::mem::take(&mut self.sparse);
        sparse.sort_unstable();
        sparse.dedup();
        let crowded: Vec<u32> = sparse
            .chunk_by(|a, b| a.0 == b.0)
            .filter(|pairs| pairs.len() > MOST_COUPONS)
            .map(|pairs| pairs[0].0)
            .collect();
        for &group in &crowded {
            self.densify(group, grant)?;
        }
        if !self.registers.is_empty() {
            sparse.retain(|&(group, coupon)| match self.dense_of[group as usize] {
                0 => true,
                slot => {
                    self.raise(slot, coupon);
                    false
                }
            });
        }
        self.tidy_at = sparse.len() * 2;
        self.sparse = sparse;
        Ok(())
    }

    fn densify(&mut self, group: u32, grant: &mut Grant) -> Result<u32> {
        if self.dense_of[group as usize] == 0 {
            let len = self.registers.len() + REGISTERS;
            grant.resize(&mut self.registers, len, 0)?;
            self.dense_of[group as usize] = (len / REGISTERS) as u32;
        }
        Ok(self.dense_of[group as usize])
    }

    fn dense(&self, group: usize) -> Option<&[u8]> {
        let slot = self.dense_of.get(group).copied().unwrap_or(0) as usize;
        (slot > 0).then(|| &self.registers[(slot - 1) * REGISTERS..slot * REGISTERS])
    }

    /// Calls `with` for the sketches of groups 1 to `groups`.
    fn each<T>(mut self, groups: usize, with: impl Fn(Sketch) -> Result<T>) -> Result<Vec<T>> {
        // Registers made here take at most four thirds of the reserved pairs that they replace.
        self.tidy(&mut Grant::new(std::sync::Arc::new(crate::memory::Unlimited)))?;
        let mut rest = self.sparse.as_slice();
        (1..=groups)
            .map(|group| {
                let own = rest.iter().take_while(|pair| pair.0 as usize == group).count();
                let (coupons, others) = rest.split_at(own);
                rest = others;
                with(self.dense(group).map_or(Sketch::Sparse(coupons), Sketch::Dense))
            })
            .collect()
    }

    /// Estimates for groups 1 to `groups`.
    pub(super) fn estimates(self, groups: usize) -> Result<Vec<u64>> {
        self.each(groups, |sketch| match sketch {
            Sketch::Dense(registers) => {
                let sketch = HllSketch::deserialize(&dense_bytes(registers));
                let sketch = sketch.map_err(|error| Error::invalid(error.to_string()))?;
                Ok(sketch.composite_estimate().round() as u64)
            }
            Sketch::Sparse(coupons) => Ok(coupons.len() as u64),
        })
    }

    /// Serialised sketches of groups 1 to `groups`.
    pub(super) fn serialised(self, groups: usize) -> Result<Vec<Vec<u8>>> {
        self.each(groups, |sketch| {
            Ok(match sketch {
                Sketch::Dense(registers) => dense_bytes(registers),
                Sketch::Sparse(coupons) => sparse_bytes(coupons),
            })
        })
    }

    /// Joins a serialised sketch of a group.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for bytes that are no sketch of this kind and size.
    pub(super) fn join(&mut self, group: u32, bytes: &[u8], grant: &mut Grant) -> Result<()> {
        let &[_, VERSION, FAMILY, LG_REGISTERS, _, flags, count, mode, ..] = bytes else {
            return Err(no_sketch());
        };
        let coupons = match mode {
            LISTED => (&bytes[LIST_BYTES..], usize::from(count)),
            SET => {
                let count = bytes[LIST_BYTES..].first_chunk().ok_or_else(no_sketch)?;
                (&bytes[SET_BYTES..], u32::from_le_bytes(*count) as usize)
            }
            DENSE => return self.join_registers(group, bytes, grant),
            _ => return Err(no_sketch()),
        };
        let (coupons, rest) =
            coupons.0.as_chunks::<4>().0.split_at_checked(coupons.1).ok_or_else(no_sketch)?;
        if flags & COMPACT == 0 || !rest.is_empty() {
            return Err(no_sketch());
        }
        for coupon in coupons {
            let coupon = u32::from_le_bytes(*coupon);
            if coupon >> ADDRESS_BITS == 0 {
                return Err(no_sketch());
            }
            self.add(group, coupon, grant)?;
        }
        Ok(())
    }

    fn join_registers(&mut self, group: u32, bytes: &[u8], grant: &mut Grant) -> Result<()> {
        let registers = &bytes[DENSE_BYTES.min(bytes.len())..];
        if registers.len() != REGISTERS || registers.iter().any(|&value| value > 63) {
            return Err(no_sketch());
        }
        let slot = self.densify(group, grant)? as usize;
        let own = &mut self.registers[(slot - 1) * REGISTERS..slot * REGISTERS];
        own.iter_mut().zip(registers).for_each(|(own, &other)| *own = other.max(*own));
        Ok(())
    }
}

/// Registers are rarely raised once a sketch is large: a comparison that is foreseen, and no store.
fn raise_all(registers: &mut [u8; REGISTERS], coupons: &[u32]) {
    for &coupon in coupons {
        let register = &mut registers[coupon as usize % REGISTERS];
        let value = (coupon >> ADDRESS_BITS) as u8;
        if *register < value {
            *register = value;
        }
    }
}

fn no_sketch() -> Error {
    Error::invalid("a state that is no HyperLogLog sketch of 2^12 registers")
}

fn sparse_bytes(coupons: &[(u32, u32)]) -> Vec<u8> {
    let count = coupons.len();
    let mut bytes = if count <= MOST_LISTED {
        let flags = if count == 0 { COMPACT | EMPTY } else { COMPACT };
        vec![2, VERSION, FAMILY, LG_REGISTERS, 3, flags, count as u8, LISTED]
    } else {
        // The size of the table that DataSketches would have: at most three quarters full.
        let lg_table = (5..9).find(|&lg| count * 4 <= 3 << lg).unwrap_or(9);
        let mut bytes = vec![3, VERSION, FAMILY, LG_REGISTERS, lg_table, COMPACT, 0, SET];
        bytes.extend_from_slice(&(count as u32).to_le_bytes());
        bytes
    };
    coupons.iter().for_each(|pair| bytes.extend_from_slice(&pair.1.to_le_bytes()));
    bytes
}

fn dense_bytes(registers: &[u8]) -> Vec<u8> {
    let mut bytes = vec![10, VERSION, FAMILY, LG_REGISTERS, 0, OUT_OF_ORDER, 0, DENSE];
    // Sums of 2^-register, which `f64` holds exactly: of the small ones and of the others.
    let power = |&value: &u8| 0.5f64.powi(value.into());
    let near: f64 = registers.iter().filter(|&&value| value < 32).map(power).sum();
    let far: f64 = registers.iter().filter(|&&value| value >= 32).map(power).sum();
    let zeros = registers.iter().filter(|&&value| value == 0).count() as u32;
    for number in [0.0, near, far] {
        bytes.extend_from_slice(&f64::to_le_bytes(number));
    }
    bytes.extend_from_slice(&zeros.to_le_bytes());
    bytes.extend_from_slice(&0u32.to_le_bytes());
    bytes.extend_from_slice(registers);
    bytes
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datasketches::hll::{HllSketch, HllType};

    use super::super::murmur;
    use super::*;
    use crate::memory::Unlimited;

    fn of(values: impl Iterator<Item = i64>) -> Sketches {
        let grant = &mut Grant::new(Arc::new(Unlimited));
        let mut sketches = Sketches::default();
        sketches.grow(1, grant).unwrap();
        values.for_each(|value| {
            sketches.add(1, coupon(murmur::hash(&value.to_le_bytes())), grant).unwrap();
        });
        sketches
    }

    /// Ours are read there, theirs here, and both are the same sketch.
    #[test]
    fn sketches_are_those_of_datasketches() {
        for count in [0, 1, 8, 9, 24, 25, 200, 300, 500, 5000, 200_000] {
            let mut theirs = HllSketch::new(LG_REGISTERS, HllType::Hll8).unwrap();
            (0..count).for_each(|value: i64| theirs.update(value));
            let ours = of(0..count).serialised(1).unwrap().remove(0);
            let read = HllSketch::deserialize(&ours).unwrap();
            assert!((read.composite_estimate() - theirs.composite_estimate()).abs() < 1e-6, "{count}");
            let grant = &mut Grant::new(Arc::new(Unlimited));
            let mut joined = Sketches::default();
            joined.grow(1, grant).unwrap();
            joined.join(1, &theirs.serialize(), grant).unwrap();
            assert_eq!(joined.serialised(1).unwrap().remove(0), ours, "{count}");
        }
    }

    /// Three standard errors, over many sizes; small ones to the last value.
    #[test]
    fn estimates_are_within_their_bound() {
        let mut squares = 0.0;
        let sizes: Vec<i64> = (0..60).map(|at| 385 + at * at * 40).collect();
        for (at, &size) in sizes.iter().enumerate() {
            let first = at as i64 * 10_000_000;
            let estimate = of(first..first + size).estimates(1).unwrap()[0];
            let error = (estimate as f64 - size as f64) / size as f64;
            assert!(error.abs() < 4.0 * 1.04 / 64.0, "{estimate} of {size}");
            squares += error * error;
        }
        let deviation = (squares / sizes.len() as f64).sqrt();
        assert!(deviation < 1.3 * 1.04 / 64.0, "{deviation}");
        for size in [1, 7, 100, 384] {
            assert_eq!(of(0..size).estimates(1).unwrap(), [size as u64]);
        }
    }

    #[test]
    fn bytes_from_outside_are_checked() {
        let good = of(0..20).serialised(1).unwrap().remove(0);
        let dense = of(0..2000).serialised(1).unwrap().remove(0);
        let grant = &mut Grant::new(Arc::new(Unlimited));
        let mut sketches = Sketches::default();
        sketches.grow(1, grant).unwrap();
        for bytes in [&good, &dense] {
            for len in 0..bytes.len() {
                assert!(sketches.join(1, &bytes[..len], grant).is_err(), "{len}");
            }
            let longer = [bytes.as_slice(), &[0; 4]].concat();
            assert!(sketches.join(1, &longer, grant).is_err());
            for at in [1, 2, 3, 7] {
                let mut other = bytes.clone();
                other[at] ^= 0x15;
                assert!(sketches.join(1, &other, grant).is_err(), "byte {at}");
            }
        }
        let mut large = dense;
        large[100] = 64;
        assert!(sketches.join(1, &large, grant).is_err());
    }
}
