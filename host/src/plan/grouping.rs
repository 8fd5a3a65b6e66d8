//! Grouping sets, ROLLUP and CUBE: several ways of grouping in one aggregation.

use std::fmt;

use arrow::datatypes::DataType;
use pilaster_kernels::{Error, Result};

/// Most keys whose CUBE is made: beyond, there are more sets than anybody reads.
const MOST_CUBE_KEYS: usize = 16;

/// One way of grouping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupingSet {
    keys: Vec<usize>,
    id: u64,
}

impl GroupingSet {
    /// Positions of the keys that it groups by, ascending. The others are null in its rows.
    #[must_use]
    pub fn keys(&self) -> &[usize] {
        &self.keys
    }

    /// What its rows bear in the column of the grouping id: see [`GroupingSets`].
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }
}

/// The sets of an aggregation, with a column that tells them apart: the grouping id.
///
/// The id's bit 0 stands for the last key, bit 1 for the one before, and so on; a bit is 1 where the set does not group by
/// the key, as `GROUPING(key, ...)` has it in SQL. A set that occurs again has the same bits below, and above them how
/// often it came before. This is DataFusion's `__grouping_id`. Its type is the narrowest of `UInt8`, `UInt16`, `UInt32`
/// and `UInt64` that holds all bits. A set of no keys gives its one row over no rows too.
///
/// ```
/// use pilaster::plan::GroupingSets;
///
/// let rollup = GroupingSets::rollup(2)?;
/// let ids: Vec<u64> = rollup.sets().iter().map(|set| set.id()).collect();
/// assert_eq!(ids, [0b00, 0b01, 0b11]);
/// assert_eq!(GroupingSets::cube(3)?.sets().len(), 8);
/// # Ok::<(), pilaster::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupingSets {
    sets: Vec<GroupingSet>,
    id_type: DataType,
}

impl GroupingSets {
    /// Sets of some of `keys` keys, by their positions.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where there is no set, a position is out of range, or an id would need more than 64 bits.
    pub fn new(keys: usize, sets: &[Vec<usize>]) -> Result<Self> {
        if sets.is_empty() {
            return Err(Error::invalid("no grouping set"));
        }
        let mut made: Vec<GroupingSet> = Vec::with_capacity(sets.len());
        let (mut patterns, mut most_repeats) = (Vec::new(), 0u64);
        for set in sets {
            let mut positions = set.clone();
            positions.sort_unstable();
            positions.dedup();
            if let Some(key) = positions.iter().find(|&&key| key >= keys) {
                return Err(Error::invalid(format!("a grouping set of key {key} of {keys}")));
            }
            let repeats = patterns.iter().filter(|&pattern| *pattern == positions).count() as u64;
            most_repeats = most_repeats.max(repeats);
            patterns.push(positions.clone());
            let shift = u32::try_from(keys).ok().filter(|&keys| keys < 64 || (keys == 64 && repeats == 0));
            let shift = shift.ok_or_else(too_many)?;
            let missing = (0..keys).filter(|key| !positions.contains(key));
            let pattern = missing.fold(0u64, |bits, key| bits | 1 << (keys - 1 - key));
            let above = repeats.checked_shl(shift).unwrap_or(0);
            made.push(GroupingSet { keys: positions, id: above | pattern });
        }
        let bits = keys + (u64::BITS - most_repeats.leading_zeros()) as usize;
        let id_type = match bits {
            0..=8 => DataType::UInt8,
            9..=16 => DataType::UInt16,
            17..=32 => DataType::UInt32,
            33..=64 => DataType::UInt64,
            _ => return Err(too_many()),
        };
        Ok(GroupingSets { sets: made, id_type })
    }

    /// ROLLUP: all keys, all but the last, ..., none.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for more than 64 keys.
    pub fn rollup(keys: usize) -> Result<Self> {
        GroupingSets::new(keys, &(0..=keys).rev().map(|count| (0..count).collect()).collect::<Vec<_>>())
    }

    /// CUBE: every set of the keys.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for more than 16 keys.
    pub fn cube(keys: usize) -> Result<Self> {
        if keys > MOST_CUBE_KEYS {
            return Err(Error::invalid(format!("a cube of {keys} keys: {MOST_CUBE_KEYS} at most")));
        }
        let set = |missing: u64| (0..keys).filter(|key| missing >> (keys - 1 - key) & 1 == 0).collect();
        GroupingSets::new(keys, &(0..1u64 << keys).map(set).collect::<Vec<_>>())
    }

    /// The sets, in the order that they were given in.
    #[must_use]
    pub fn sets(&self) -> &[GroupingSet] {
        &self.sets
    }

    /// Type of the grouping id.
    #[must_use]
    pub fn id_type(&self) -> &DataType {
        &self.id_type
    }

    /// True where some set does not group by `key`: its column has nulls then.
    pub(crate) fn leaves_out(&self, key: usize) -> bool {
        self.sets.iter().any(|set| !set.keys.contains(&key))
    }
}

impl fmt::Display for GroupingSets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = |set: &GroupingSet| {
            let keys: Vec<String> = set.keys.iter().map(ToString::to_string).collect();
            format!("({})", keys.join(", "))
        };
        write!(f, "[{}]", self.sets.iter().map(set).collect::<Vec<_>>().join(", "))
    }
}

fn too_many() -> Error {
    Error::invalid("grouping ids of more than 64 bits")
}
