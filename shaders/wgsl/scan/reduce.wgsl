// First stage of the exclusive scan (see scan/block): the sum of each block. One workgroup per block.
//!use scan/block
//!use shared/reduce

@group(0) @binding(1) var<storage, read> scan_input: array<u32>;
@group(0) @binding(2) var<storage, read_write> scan_block_sums: array<u32>;

@compute @workgroup_size(WG)
fn main(at: Invocation) {
    let block = grid_group(at);
    var sum = 0u;
    for (var item = 0u; item < SCAN_ITEMS; item++) {
        let index = block * scan_block() + item * WG + at.lane;
        if (block < scan_blocks() && index < scan_params.count) {
            sum += scan_input[index];
        }
    }
    let total = reduce_add(sum, at.lane);
    if (at.lane == 0u && block < scan_blocks()) {
        scan_block_sums[block] = total;
    }
}
