// What the scan over byte arrays of scanned lengths begins with (see kernels/parquet/gpu/unfold): their lengths, by block and
// place in it as parquet/delta_apply has left them, zero behind the last value of a page. A value that shares a prefix with
// the one before has its lengths in two streams; the size of its prefix's place is that of the whole value.
//
//   lows: lengths of prefixes, the largest number where none is
//!use parquet/delta

@group(0) @binding(2) var<storage, read> delta_values: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> sizes_output: array<u32>;
@group(0) @binding(4) var<storage, read_write> sizes_lows: array<u32>;

@compute @workgroup_size(WG)
fn main(at: Invocation) {
    let index = grid_row(at);
    let block = index / DELTA_BLOCK;
    if (block >= delta_blocks()) {
        return;
    }
    let page = delta_page(block);
    if (index - parquet_tables[page] * DELTA_BLOCK >= parquet_tables[page + 1u]) {
        sizes_lows[index] = 0xffffffffu;
        return;
    }
    let own = delta_values[index].x;
    let suffixes = parquet_tables[page + 6u];
    if (suffixes == 0u) {
        sizes_output[index] = own;
        sizes_lows[index] = 0xffffffffu;
        return;
    }
    sizes_output[index] = own + delta_values[index + suffixes].x;
    sizes_lows[index] = own;
}
