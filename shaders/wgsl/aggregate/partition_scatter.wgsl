//!use aggregate/partition
// Brings rows and their keys into the order of their digits. Rows of a digit and tile come in any order: nothing depends
// on it. See aggregate/partition.

@group(0) @binding(4) var<storage, read> places: array<u32>;
@group(0) @binding(5) var<storage, read_write> order: array<u32>;
@group(0) @binding(6) var<storage, read_write> sorted_keys: array<u32>;

fn partition_move(row: u32) {
    let width = shape[SHAPE_WIDTH];
    let place = atomicAdd(&partition_digits[partition_digit(row)], 1u);
    if row_slots[row] == ROW_SKIPPED {
        order[place] = ROW_SKIPPED;
        return;
    }
    order[place] = row;
    for (var word = 0u; word < width; word++) {
        sorted_keys[place * width + word] = row_keys[row * width + word];
    }
}

@compute @workgroup_size(WG)
fn main(at: Invocation) {
    let tile = grid_group(at);
    let tiles = shape[SHAPE_TILES];
    let digits = table[TABLE_DIGITS];
    if tile < tiles {
        for (var digit = at.lane; digit < digits; digit += WG) {
            atomicStore(&partition_digits[digit], places[digit * tiles + tile]);
        }
    }
    workgroupBarrier();
    for (var item = 0u; item < PARTITION_ITEMS; item++) {
        let row = partition_row(tile, item, at.lane);
        if tile < tiles && row < shape[SHAPE_ROWS] {
            partition_move(row);
        }
    }
}
