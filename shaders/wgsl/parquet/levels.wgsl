// Definition levels as bitmaps, 32 levels to an invocation: which levels are values, which are slots (elements of the
// innermost list, or nulls in it), and how many slots, or values where every level is a slot. The words behind the last
// level stay zero.
//!use parquet/source
//!use shared/bitmap

@group(0) @binding(2) var<storage, read_write> levels_valid: array<u32>;
@group(0) @binding(3) var<storage, read_write> levels_slots: array<u32>;
@group(0) @binding(4) var<storage, read_write> levels_counts: array<u32>;
@group(0) @binding(5) var<storage, read_write> levels_status: array<atomic<u32>, 2>;

@compute @workgroup_size(WG)
fn main(at: Invocation) {
    let index = grid_row(at);
    let levels = parquet_tables[PARQUET_LEVELS];
    if (index >= bitmap_words(levels)) {
        return;
    }
    let maximum = parquet_tables[PARQUET_DEFINITION + 3u];
    let slot = parquet_tables[PARQUET_SLOT_DEFINITION];
    let width = parquet_tables[PARQUET_DEFINITION + 2u];
    let first = index << 5u;
    let count = min(levels - first, 32u);
    var walk = parquet_walk_begin(
        parquet_tables[PARQUET_DEFINITION], parquet_tables[PARQUET_DEFINITION + 1u], width, first);
    let run = walk.table + 2u * walk.run;
    let ends = walk.run + 1u >= walk.runs || (parquet_tables[run + 2u] & ~PARQUET_PACKED) >= first + count;
    var valid = 0u;
    var slots = 0u;
    var largest = 0u;
    if (ends && width == 1u && slot == 0u && (parquet_tables[run] & PARQUET_PACKED) != 0u) {
        // The bitmap itself, shifted.
        valid = parquet_word(parquet_tables[run + 1u], first - (parquet_tables[run] & ~PARQUET_PACKED));
        slots = 0xffffffffu;
    } else if (ends && (parquet_tables[run] & PARQUET_PACKED) == 0u) {
        valid = select(0u, 0xffffffffu, parquet_tables[run + 1u] == maximum);
        slots = select(0u, 0xffffffffu, parquet_tables[run + 1u] >= slot);
    } else {
        for (var i = 0u; i < count; i++) {
            let level = parquet_walk(&walk, first + i);
            valid |= u32(level == maximum) << i;
            slots |= u32(level >= slot) << i;
            largest = max(largest, level);
        }
    }
    // The host has seen the levels of runs, and a single bit is never too large.
    if (largest > maximum) {
        atomicOr(&levels_status[0], PARQUET_NO_SUCH_LEVEL);
    }
    valid = bitmap_masked(valid, index, levels);
    slots = bitmap_masked(slots, index, levels);
    levels_valid[index] = valid;
    levels_slots[index] = slots;
    levels_counts[index] = countOneBits(select(slots, valid, slot == 0u));
}
