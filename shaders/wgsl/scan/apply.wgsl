// Third stage of the exclusive scan (see scan/block): scans each block from its base. One workgroup per block.
// Input and output are different buffers.
//!use scan/block
//!use shared/scan

@group(0) @binding(1) var<storage, read> scan_input: array<u32>;
@group(0) @binding(2) var<storage, read> scan_block_sums: array<u32>;
@group(0) @binding(3) var<storage, read_write> scan_output: array<u32>;

@compute @workgroup_size(WG)
fn main(at: Invocation) {
    let block = grid_group(at);
    let within = block < scan_blocks();
    // A lane scans SCAN_ITEMS neighbours by itself.
    let first = block * scan_block() + at.lane * SCAN_ITEMS;
    var items: array<u32, SCAN_ITEMS>;
    var sum = 0u;
    for (var item = 0u; item < SCAN_ITEMS; item++) {
        items[item] = sum;
        if (within && first + item < scan_params.count) {
            sum += scan_input[first + item];
        }
    }
    let before = scan_exclusive(sum, at.lane).x;
    if (!within) {
        return;
    }
    let base = scan_block_sums[block] + before;
    for (var item = 0u; item < SCAN_ITEMS; item++) {
        if (first + item < scan_params.count) {
            scan_output[first + item] = base + items[item];
        }
    }
}
