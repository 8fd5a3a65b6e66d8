// The hash table of a grouped aggregation. A slot holds no key, only who claimed it:
//
//   0                 empty
//   row + 1           claimed by a row of the batch at hand; its key words lie in `row_keys`
//   GROUP | group     a settled group; its key words lie in `group_keys`
//
// Keys are written by an earlier dispatch than the one that compares them, so relaxed atomics suffice.
//
//   table: [groups][overflow][largest group count][slot mask] [slots]...

const TABLE_GROUPS: u32 = 0u;
const TABLE_OVERFLOW: u32 = 1u;
const TABLE_CAPACITY: u32 = 2u;
const TABLE_MASK: u32 = 3u;
const TABLE_HEAD: u32 = 4u;

const OVERFLOW_GROUPS: u32 = 1u;  // more groups than the state has room for
const OVERFLOW_PROBES: u32 = 2u;  // too many keys near one slot

const SLOT_EMPTY: u32 = 0u;
const SLOT_GROUP: u32 = 0x80000000u;
const ROW_SKIPPED: u32 = 0xffffffffu;

// shape: [rows][key words]
const SHAPE_ROWS: u32 = 0u;
const SHAPE_WIDTH: u32 = 1u;
