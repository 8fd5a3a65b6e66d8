// First stage of compaction (see compact/mask): selected rows per word of the mask.
//!use compact/mask

@group(0) @binding(2) var<storage, read_write> compact_counts: array<u32>;

@compute @workgroup_size(WG)
fn main(at: Invocation) {
    let index = grid_row(at);
    if (index < compact_words()) {
        compact_counts[index] = countOneBits(compact_word(index));
    }
}
