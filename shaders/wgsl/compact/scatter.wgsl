// Last stage of compaction (see compact/mask): the numbers of the selected rows, ascending. What does not fit the output
// is dropped; the scan's total tells how many rows there are.
//!use compact/mask
//!use shared/compact

// Exclusive scan of the counts.
@group(0) @binding(2) var<storage, read> compact_offsets: array<u32>;
@group(0) @binding(3) var<storage, read_write> compact_rows: array<u32>;

@compute @workgroup_size(WG)
fn main(at: Invocation) {
    let index = grid_row(at);
    if (index >= compact_words()) {
        return;
    }
    let word = compact_word(index);
    let offset = compact_offsets[index];
    let capacity = arrayLength(&compact_rows);
    for (var left = word; left != 0u; left &= left - 1u) {
        let row = (index << 5u) + firstTrailingBit(left);
        let position = compact_position(offset, word, row);
        if (position < capacity) {
            compact_rows[position] = row;
        }
    }
}
