// What the stages of compaction share: from a bitmap to the ascending numbers of its set bits.
//
//   count:    counts[w] = bits set in word w      one invocation per word
//   scan/*:   offsets   = exclusive scan of counts
//   scatter:  rows[offsets[w] + rank] = row       one invocation per word
//!use shared/grid
//!use shared/bitmap

struct CompactParams {
    // Rows that the mask speaks of; bits beyond are ignored.
    rows: u32,
}

@group(0) @binding(0) var<storage, read> compact_params: CompactParams;
@group(0) @binding(1) var<storage, read> compact_mask: array<u32>;

// Words of the mask.
fn compact_words() -> u32 {
    return bitmap_words(compact_params.rows);
}

// Word `index` of the mask without the bits behind the last row.
fn compact_word(index: u32) -> u32 {
    return bitmap_masked(compact_mask[index], index, compact_params.rows);
}
