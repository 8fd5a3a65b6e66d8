// Third stage of DELTA_BINARY_PACKED (see parquet/delta): the values, two words each, by block and place in it.
//!use parquet/delta
//!use shared/scan64

@group(0) @binding(2) var<storage, read> delta_sums: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> delta_values: array<vec2<u32>>;

@compute @workgroup_size(WG)
fn main(at: Invocation) {
    let block = grid_group(at);
    let within = block < delta_blocks();
    var page = 0u;
    var first = 0u;
    var sums: array<I64, DELTA_ITEMS>;
    var sum = i64_from_u32(0u);
    if (within) {
        page = delta_page(block);
        first = (block - parquet_tables[page]) * DELTA_BLOCK + at.lane * DELTA_ITEMS;
        for (var item = 0u; item < DELTA_ITEMS; item++) {
            sum = i64_add(sum, delta_at(page, first + item));
            sums[item] = sum;
        }
    }
    let before = scan64_exclusive(sum, at.lane).before;
    if (!within) {
        return;
    }
    let start = delta_sums[parquet_tables[page]];
    let here = delta_sums[block];
    let of_page = i64_sub(i64_from_words(here.x, here.y), i64_from_words(start.x, start.y));
    let base = i64_add(of_page, before);
    for (var item = 0u; item < DELTA_ITEMS; item++) {
        let value = i64_add(base, sums[item]);
        delta_values[block * DELTA_BLOCK + at.lane * DELTA_ITEMS + item] = vec2<u32>(i64_lo(value), i64_hi(value));
    }
}
