// Second stage of the exclusive scan (see scan/block): scans the block sums in place and puts the total behind them.
// One workgroup, which walks over the sums with a running total.
//!use scan/block
//!use shared/scan

@group(0) @binding(1) var<storage, read_write> scan_block_sums: array<u32>;

@compute @workgroup_size(WG)
fn main(at: Invocation) {
    let blocks = scan_blocks();
    var running = 0u;
    for (var first = 0u; first < blocks; first += WG) {
        let index = first + at.lane;
        var sum = 0u;
        if (index < blocks) {
            sum = scan_block_sums[index];
        }
        let scanned = scan_exclusive(sum, at.lane);
        if (index < blocks) {
            scan_block_sums[index] = running + scanned.x;
        }
        running += scanned.y;
    }
    if (at.lane == 0u) {
        scan_block_sums[blocks] = running;
    }
}
