//!use aggregate/partition
// Rows of each digit, per tile; digit-major, so that their scan gives first places. See aggregate/partition.

@group(0) @binding(4) var<storage, read_write> counts: array<u32>;

@compute @workgroup_size(WG)
fn main(at: Invocation) {
    let tile = grid_group(at);
    let tiles = shape[SHAPE_TILES];
    let digits = table[TABLE_DIGITS];
    for (var digit = at.lane; digit < digits; digit += WG) {
        atomicStore(&partition_digits[digit], 0u);
    }
    workgroupBarrier();
    for (var item = 0u; item < PARTITION_ITEMS; item++) {
        let row = partition_row(tile, item, at.lane);
        if tile < tiles && row < shape[SHAPE_ROWS] {
            atomicAdd(&partition_digits[partition_digit(row)], 1u);
        }
    }
    workgroupBarrier();
    if tile >= tiles {
        return;
    }
    for (var digit = at.lane; digit < digits; digit += WG) {
        counts[digit * tiles + tile] = atomicLoad(&partition_digits[digit]);
    }
}
