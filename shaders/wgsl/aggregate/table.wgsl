// The hash table of a grouped aggregation. A slot holds no key, only who claimed it:
//
//   0                 empty
//   row + 1           claimed by a row of the batch at hand; its key words lie in `row_keys` or `sorted_keys`
//   GROUP | group     a settled group; its key words lie in `group_keys`
//
// Keys are written by an earlier dispatch than the one that compares them, so relaxed atomics suffice.
//
//   table: [groups][overflow][largest group count][slot mask]
//          [rows of the sample][distinct keys among them][groups estimated][digits] [slots]...
//
// Digits: 0 while rows are taken as they come. Else rows were brought into the order of their digit, the top bits of the
// slot where probing starts, and "row" in a slot and in `row_slots` means a place in that order (`order` has the row).

const TABLE_GROUPS: u32 = 0u;
const TABLE_OVERFLOW: u32 = 1u;
const TABLE_CAPACITY: u32 = 2u;
const TABLE_MASK: u32 = 3u;
const TABLE_SAMPLED: u32 = 4u;
const TABLE_DISTINCT: u32 = 5u;
const TABLE_ESTIMATE: u32 = 6u;
const TABLE_DIGITS: u32 = 7u;
const TABLE_HEAD: u32 = 8u;

const OVERFLOW_GROUPS: u32 = 1u;  // more groups than the state has room for
const OVERFLOW_PROBES: u32 = 2u;  // too many keys near one slot

const SLOT_EMPTY: u32 = 0u;
const SLOT_GROUP: u32 = 0x80000000u;
// In `row_slots`: the row claimed its slot, and will be the one to settle it. Slots are below 2^30.
const ROW_CLAIMS: u32 = 0x80000000u;
const ROW_SKIPPED: u32 = 0xffffffffu;

// shape: [rows][key words][seed of the hash][bits of the hash in use][rows to sample][tiles of the partition]
const SHAPE_ROWS: u32 = 0u;
const SHAPE_WIDTH: u32 = 1u;
const SHAPE_SEED: u32 = 2u;
const SHAPE_HASH_MASK: u32 = 3u;
const SHAPE_SAMPLE: u32 = 4u;
const SHAPE_TILES: u32 = 5u;
