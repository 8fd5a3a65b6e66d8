// First stage of DELTA_BINARY_PACKED (see parquet/delta): the sum of each block.
//!use parquet/delta
//!use shared/scan64

@group(0) @binding(2) var<storage, read_write> delta_sums: array<vec2<u32>>;

@compute @workgroup_size(WG)
fn main(at: Invocation) {
    let block = grid_group(at);
    let within = block < delta_blocks();
    var sum = i64_from_u32(0u);
    if (within) {
        let page = delta_page(block);
        let first = (block - parquet_tables[page]) * DELTA_BLOCK + at.lane * DELTA_ITEMS;
        for (var item = 0u; item < DELTA_ITEMS; item++) {
            sum = i64_add(sum, delta_at(page, first + item));
        }
    }
    let total = scan64_exclusive(sum, at.lane).total;
    if (within && at.lane == 0u) {
        delta_sums[block] = vec2<u32>(i64_lo(total), i64_hi(total));
    }
}
