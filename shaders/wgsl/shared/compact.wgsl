// Compaction by a bitmap: the position of a selected row among the selected rows.
//
// offsets[w] is the exclusive scan of the bits set per bitmap word (compact/count, then the scan stages).
//!use shared/bitmap

// Position of the row `row`, whose bit is set in `word`; `offset` is the scanned count of the words before it.
fn compact_position(offset: u32, word: u32, row: u32) -> u32 {
    return offset + bitmap_rank(word, row);
}
