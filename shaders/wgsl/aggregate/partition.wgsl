//!use aggregate/row_hash
//!use shared/grid
// What the two stages of the partition share: a tile of WG * PARTITION_ITEMS rows to a workgroup, and the digit of a row.
//
//   partition_count    rows of each digit in a tile -> counts[digit][tile]
//   scan               counts -> first places
//   partition_scatter  row -> next place of its digit in its tile: `order`, and the key words in that order
//
// The digit is the top bits of the slot where probing will start, so that rows of a digit meet in one stretch of the
// table, and, since groups are numbered as rows come, in one stretch of the states. Skipped rows have any digit.

@group(0) @binding(0) var<storage, read> shape: array<u32>;
@group(0) @binding(1) var<storage, read> row_keys: array<u32>;
@group(0) @binding(2) var<storage, read> row_slots: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;

const PARTITION_ITEMS: u32 = 16u;
// MOST_DIGIT_BITS of `aggregate/choose`.
const PARTITION_DIGITS: u32 = 256u;

var<workgroup> partition_digits: array<atomic<u32>, PARTITION_DIGITS>;

fn key_word(row: u32, word: u32) -> u32 {
    return row_keys[row * shape[SHAPE_WIDTH] + word];
}

fn partition_row(tile: u32, item: u32, lane: u32) -> u32 {
    return (tile * PARTITION_ITEMS + item) * WG + lane;
}

fn partition_digit(row: u32) -> u32 {
    let digits = table[TABLE_DIGITS];
    if row_slots[row] == ROW_SKIPPED {
        return row & (digits - 1u);
    }
    let mask = table[TABLE_MASK];
    // Both are powers of two; the lowest slot of digit d is d * (slots / digits).
    let slots_of_digit = countOneBits(mask) - countOneBits(digits - 1u);
    return (row_hash(row, shape[SHAPE_WIDTH]) & mask) >> slots_of_digit;
}
