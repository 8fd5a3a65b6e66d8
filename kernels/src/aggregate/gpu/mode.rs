//! Which way an aggregation runs: the one place that chooses.
//!
//! 1. Without keys: *ungrouped*. Every thread keeps a state in registers; threads meet in workgroup memory.
//! 2. Every key has a small known domain (booleans, dictionary codes, measured ranges), and the product of the domains is
//!    at most [`DIRECT_GROUPS`], at most [`DIRECT_GROUPS_PER_ROW`] times the rows, and its states fit the device budget:
//!    *direct array*. The group is the mixed-radix number of the keys' digits.
//! 3. Everything else: *hash table*.
//!
//! States live in workgroup memory where those of all groups fit there; with a hash table, those of the groups that
//! the workgroup met first. Otherwise in device memory. Rows of a hash table are partitioned if the device's sample says
//! that it outgrows the caches (`table.rs`, `aggregate/choose.wgsl`); a table over the budget is done in parts.

use super::state::{SlotKind, StateLayout};
use crate::expr::wgsl::{Class, ValueInfo};

/// Largest domain of a direct array. Its states are read back whole, so it should not be much larger than the number of
/// groups that are there.
pub(super) const DIRECT_GROUPS: u64 = 1 << 18;

/// A direct array has at most this many groups per row of input, or [`DIRECT_GROUPS_ALWAYS`].
const DIRECT_GROUPS_PER_ROW: u64 = 2;

/// A direct array of this size costs less than the dispatches of a hash table, however few the rows.
const DIRECT_GROUPS_ALWAYS: u64 = 1 << 12;

/// Workgroup memory that states may take: the WebGPU baseline. More would leave fewer workgroups on a compute unit.
const LOCAL_BYTES: u32 = 16 << 10;

/// Copies of a state in workgroup memory: one per lane of the widest common subgroup.
const MOST_COPIES: usize = 32;

/// A hash table keeps its first groups in workgroup memory only if at least this many fit: fewer do not repay the flush.
const HYBRID_GROUPS: usize = 16;

/// States of up to this many words are kept in registers.
const PRIVATE_WORDS: usize = 48;

/// One key of a direct array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Digit {
    /// Value of the first digit that is not null.
    pub least: i128,
    /// Digits, with the one for null.
    pub size: u64,
    /// Digit 0 is null.
    pub nullable: bool,
}

/// How groups are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    Ungrouped,
    Direct { digits: Vec<Digit>, groups: u64 },
    Hash,
}

impl Mode {
    /// Chooses; see the module's rule.
    pub fn choose(keys: &[ValueInfo], stride: usize, rows: u64, device_bytes: u64) -> Self {
        if keys.is_empty() {
            return Mode::Ungrouped;
        }
        Self::direct(keys).filter(|mode| mode.pays(stride, rows, device_bytes)).unwrap_or(Mode::Hash)
    }

    /// The direct array over `keys`, where each has a domain and their product is at most [`DIRECT_GROUPS`].
    fn direct(keys: &[ValueInfo]) -> Option<Self> {
        let digits: Vec<Digit> = keys.iter().map(digit).collect::<Option<_>>()?;
        let groups = digits.iter().try_fold(1u64, |product, digit| product.checked_mul(digit.size))?;
        (groups <= DIRECT_GROUPS).then_some(Mode::Direct { digits, groups })
    }

    fn pays(&self, stride: usize, rows: u64, device_bytes: u64) -> bool {
        let Mode::Direct { groups, .. } = self else { return true };
        let bytes = groups.saturating_mul(stride as u64).saturating_mul(4);
        let most = rows.saturating_mul(DIRECT_GROUPS_PER_ROW).max(DIRECT_GROUPS_ALWAYS);
        *groups <= most && bytes <= device_bytes / 2
    }

    pub fn name(&self) -> &'static str {
        match self {
            Mode::Ungrouped => "ungrouped",
            Mode::Direct { .. } => "direct array",
            Mode::Hash => "hash table",
        }
    }
}

/// Digits of a key, where its domain is known.
fn digit(key: &ValueInfo) -> Option<Digit> {
    let (least, greatest) = match key.class {
        Class::Bool => (0, 1),
        Class::Code => match &key.dictionary {
            Some(dictionary) => (0, (dictionary.values.len() as i128 - 1).max(0)),
            None => key.range?,
        },
        Class::I32 | Class::I64 | Class::I128 => key.range?,
        Class::F32 | Class::F64 => return None,
    };
    let values = greatest.checked_sub(least)?.checked_add(1)?;
    let size = u64::try_from(values).ok()?.checked_add(u64::from(key.nullable))?;
    (size > 0 && size <= DIRECT_GROUPS).then_some(Digit { least, size, nullable: key.nullable })
}

/// Where the accumulate stage of a pass keeps its states, and for how many groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Site {
    /// Registers, then workgroup memory: one group.
    Private { copies: usize },
    /// Workgroup memory: all groups.
    Local { groups: usize, copies: usize },
    /// Workgroup memory for the `groups` groups that a workgroup meets first, device memory for the others.
    Hybrid { groups: usize },
    /// Device memory.
    Global,
}

impl Site {
    /// Chooses for a pass whose states take `words` words per group in workgroup memory.
    pub fn choose(mode: &Mode, layout: &StateLayout, words: usize, workgroup_bytes: u32) -> Self {
        let room = workgroup_bytes.min(LOCAL_BYTES) as usize / 4;
        let words = words.max(1);
        let fits = room / words;
        let copies = |groups: usize| previous_power_of_two((fits / groups).min(MOST_COPIES));
        match mode {
            Mode::Ungrouped if fits >= 1 && words <= PRIVATE_WORDS && !has_float_sum(layout) => {
                Site::Private { copies: copies(1) }
            }
            Mode::Ungrouped if fits >= 1 => Site::Local { groups: 1, copies: copies(1) },
            Mode::Direct { groups, .. } if *groups <= fits as u64 => {
                Site::Local { groups: *groups as usize, copies: copies(*groups as usize) }
            }
            // A place has a word for its owner.
            Mode::Hash if room / (words + 1) >= HYBRID_GROUPS => {
                Site::Hybrid { groups: previous_power_of_two(room / (words + 1)) }
            }
            _ => Site::Global,
        }
    }

    /// The module of the site.
    pub fn module(self) -> &'static str {
        match self {
            Site::Private { .. } => "aggregate/site_private",
            Site::Local { .. } => "aggregate/site_local",
            Site::Hybrid { .. } => "aggregate/site_hybrid",
            Site::Global => "aggregate/site_global",
        }
    }

    /// Groups in workgroup memory.
    pub fn groups(self) -> usize {
        match self {
            Site::Private { .. } => 1,
            Site::Local { groups, .. } | Site::Hybrid { groups } => groups,
            Site::Global => 0,
        }
    }

    /// Copies of each state in workgroup memory.
    pub fn copies(self) -> usize {
        match self {
            Site::Private { copies } | Site::Local { copies, .. } => copies,
            Site::Hybrid { .. } | Site::Global => 1,
        }
    }
}

/// A float accumulator is indexed by the value: registers cannot be.
fn has_float_sum(layout: &StateLayout) -> bool {
    layout.slots.iter().any(|slot| matches!(slot.kind, SlotKind::FloatSum { .. }))
}

fn previous_power_of_two(number: usize) -> usize {
    1 << (usize::BITS - 1 - number.max(1).leading_zeros())
}
