// Values of DELTA_BYTE_ARRAY pages, put together: one invocation per word of them, behind the uploaded bytes.
//
// A value is a prefix of the one before and a suffix of its own, so that a byte may have come a long way. Its owner is the
// nearest value, from its own backwards, whose prefix is not longer than the byte's place: no value after the owner has that
// byte in its suffix. The owner is looked up in a pyramid over the lengths of prefixes (parquet/lows): up to the first
// number on the left that is small enough, then down to the last such value, in steps of 32. The first value of a page has
// no prefix, so that no search leaves a page; the host has checked this and that no prefix is longer than the value before.
//
//   tables:  [pages, words, first word of the output, first number of each level of the pyramid ..][a page ..]
//   a page:  first value in the scan, values, values from there to its suffixes, first byte of the suffixes, first byte of
//            the output, bytes
//!use shared/grid

@group(0) @binding(0) var<storage, read> unfold_tables: array<u32>;
@group(0) @binding(1) var<storage, read_write> unfold_bytes: array<u32>;
@group(0) @binding(2) var<storage, read> unfold_scanned: array<u32>;
@group(0) @binding(3) var<storage, read> unfold_lows: array<u32>;

const UNFOLD_LEVELS: u32 = 3u;
// A pyramid over 2^32 numbers.
const UNFOLD_MOST_LEVELS: u32 = 8u;
const UNFOLD_HEAD: u32 = 11u;
const UNFOLD_PAGE_WORDS: u32 = 6u;

fn unfold_low(level: u32, at: u32) -> u32 {
    return unfold_lows[unfold_tables[UNFOLD_LEVELS + level] + at];
}

// The owner of byte `byte` of value `value`.
fn unfold_owner(value: u32, byte: u32) -> u32 {
    var at = value;
    var level = 0u;
    var low = unfold_low(0u, at);
    while (low > byte) {
        if ((at & 31u) != 0u) {
            at -= 1u;
            low = unfold_low(level, at);
        } else if (level + 1u < UNFOLD_MOST_LEVELS && at != 0u) {
            // All of these are too large, and so is the one that stands for them: its left neighbour is next.
            at >>= 5u;
            level += 1u;
        } else {
            return value;
        }
    }
    while (level > 0u) {
        level -= 1u;
        at = (at << 5u) | 31u;
        while (unfold_low(level, at) > byte && (at & 31u) != 0u) {
            at -= 1u;
        }
    }
    return at;
}

// Page of a byte of the output: its first word in the tables.
fn unfold_page(byte: u32) -> u32 {
    var low = 0u;
    var high = unfold_tables[0];
    while (low + 1u < high) {
        let middle = (low + high) >> 1u;
        if (unfold_tables[UNFOLD_HEAD + middle * UNFOLD_PAGE_WORDS + 4u] <= byte) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return UNFOLD_HEAD + low * UNFOLD_PAGE_WORDS;
}

@compute @workgroup_size(WG)
fn main(at: Invocation) {
    let index = grid_row(at);
    if (index >= unfold_tables[1]) {
        return;
    }
    let target_word = unfold_tables[2] + index;
    let page = unfold_page(4u * target_word);
    let values = unfold_tables[page];
    let last = values + unfold_tables[page + 1u];
    let suffixes = unfold_tables[page + 2u];
    let start = unfold_scanned[values];
    let first = 4u * target_word - unfold_tables[page + 4u];
    // The last value that begins at or before the word.
    var value = values;
    var high = last;
    while (value + 1u < high) {
        let middle = (value + high) >> 1u;
        if (unfold_scanned[middle] - start <= first) {
            value = middle;
        } else {
            high = middle;
        }
    }
    var word = 0u;
    for (var i = 0u; i < 4u && first + i < unfold_tables[page + 5u]; i++) {
        while (value + 1u < last && unfold_scanned[value + 1u] - start <= first + i) {
            value += 1u;
        }
        let byte = first + i - (unfold_scanned[value] - start);
        let owner = unfold_owner(value, byte);
        let suffix = unfold_scanned[owner + suffixes] - unfold_scanned[values + suffixes];
        let position = unfold_tables[page + 3u] + suffix + byte - unfold_low(0u, owner);
        word |= ((unfold_bytes[position >> 2u] >> ((position & 3u) * 8u)) & 0xffu) << (8u * i);
    }
    unfold_bytes[target_word] = word;
}
