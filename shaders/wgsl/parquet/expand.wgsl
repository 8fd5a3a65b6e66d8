// Levels one by one, two 16-bit numbers to a word: one invocation per word. EXPAND_AT says which levels: the place of
// their words in the head.
//!use parquet/source

override EXPAND_AT: u32 = 1u;

@group(0) @binding(2) var<storage, read_write> expand_output: array<u32>;
@group(0) @binding(3) var<storage, read_write> expand_status: array<atomic<u32>, 2>;

@compute @workgroup_size(WG)
fn main(at: Invocation) {
    let index = grid_row(at);
    let levels = parquet_tables[PARQUET_LEVELS];
    if (index >= (levels >> 1u) + (levels & 1u)) {
        return;
    }
    let first = index << 1u;
    var walk = parquet_walk_begin(
        parquet_tables[EXPAND_AT], parquet_tables[EXPAND_AT + 1u], parquet_tables[EXPAND_AT + 2u], first);
    let low = parquet_walk(&walk, first);
    var high = 0u;
    if (first + 1u < levels) {
        high = parquet_walk(&walk, first + 1u);
    }
    if (max(low, high) > parquet_tables[EXPAND_AT + 3u]) {
        atomicOr(&expand_status[0], PARQUET_NO_SUCH_LEVEL);
    }
    expand_output[index] = low | (high << 16u);
}
