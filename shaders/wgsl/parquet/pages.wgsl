// First slot of each page, in place of its first level.
//!use parquet/source
//!use shared/bitmap

@group(0) @binding(2) var<storage, read> levels_slots: array<u32>;
// Slots before each word of levels.
@group(0) @binding(3) var<storage, read> slots_before: array<u32>;
@group(0) @binding(4) var<storage, read_write> pages_first: array<u32>;

@compute @workgroup_size(WG)
fn main(at: Invocation) {
    let page = grid_row(at);
    if (page >= parquet_tables[PARQUET_PAGES + 1u]) {
        return;
    }
    let level = pages_first[page];
    pages_first[page] = slots_before[level >> 5u] + bitmap_rank(levels_slots[level >> 5u], level);
}
