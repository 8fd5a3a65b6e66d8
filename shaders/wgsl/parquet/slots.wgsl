// Values as a bitmap over slots, from the bitmaps over levels: 32 levels to an invocation, whose slots are moved
// together. Levels that are no slots (empty lists, null lists) vanish.
//!use parquet/source
//!use shared/bitmap

@group(0) @binding(2) var<storage, read> levels_valid: array<u32>;
@group(0) @binding(3) var<storage, read> levels_slots: array<u32>;
// Slots before each word of levels.
@group(0) @binding(4) var<storage, read> slots_before: array<u32>;
@group(0) @binding(5) var<storage, read_write> slots_valid: array<atomic<u32>>;

@compute @workgroup_size(WG)
fn main(at: Invocation) {
    let index = grid_row(at);
    if (index >= bitmap_words(parquet_tables[PARQUET_LEVELS])) {
        return;
    }
    let valid = levels_valid[index];
    var moved = 0u;
    var slot = 0u;
    for (var left = levels_slots[index]; left != 0u; left &= left - 1u) {
        moved |= ((valid >> firstTrailingBit(left)) & 1u) << slot;
        slot += 1u;
    }
    if (moved == 0u) {
        return;
    }
    let position = slots_before[index];
    let shift = position & 31u;
    atomicOr(&slots_valid[position >> 5u], moved << shift);
    if (shift != 0u && (moved >> (32u - shift)) != 0u) {
        atomicOr(&slots_valid[(position >> 5u) + 1u], moved >> (32u - shift));
    }
}
