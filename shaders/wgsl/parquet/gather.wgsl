// Bytes of the slots' values, one behind the other: one invocation per word. Where a value lies and how long it is comes from
// parquet/place, where it goes from the scan over lengths.
//!use parquet/source

// Lengths of all slots, one more word, first bytes.
@group(0) @binding(2) var<storage, read> gather_spans: array<u32>;
@group(0) @binding(3) var<storage, read> gather_offsets: array<u32>;
@group(0) @binding(4) var<storage, read_write> gather_output: array<u32>;

@compute @workgroup_size(WG)
fn main(at: Invocation) {
    let index = grid_row(at);
    let slots = parquet_tables[PARQUET_LEVELS];
    let total = gather_offsets[slots];
    let first = 4u * index;
    if (first >= total || index >= arrayLength(&gather_output)) {
        return;
    }
    // The last slot that begins at or before the word: it is not empty.
    var slot = 0u;
    var high = slots;
    while (slot + 1u < high) {
        let middle = (slot + high) >> 1u;
        if (gather_offsets[middle] <= first) {
            slot = middle;
        } else {
            high = middle;
        }
    }
    let source = gather_spans[slots + 1u + slot] + first - gather_offsets[slot];
    if (first + 4u <= gather_offsets[slot + 1u]) {
        gather_output[index] = parquet_word(source, 0u);
        return;
    }
    var word = 0u;
    for (var i = 0u; i < 4u && first + i < total; i++) {
        while (gather_offsets[slot + 1u] <= first + i) {
            slot += 1u;
        }
        let byte = gather_spans[slots + 1u + slot] + first + i - gather_offsets[slot];
        word |= parquet_bits(byte, 0u, 8u) << (8u * i);
    }
    gather_output[index] = word;
}
