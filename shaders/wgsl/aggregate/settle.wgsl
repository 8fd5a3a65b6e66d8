//!use aggregate/table
// Turns the slots that rows of this batch claimed into groups: the claiming row takes the next number and copies its
// key. Numbers stay for all later batches.

@group(0) @binding(0) var<storage, read> shape: array<u32>;
@group(0) @binding(1) var<storage, read> row_keys: array<u32>;
@group(0) @binding(2) var<storage, read> row_slots: array<u32>;
@group(0) @binding(3) var<storage, read_write> table: array<atomic<u32>>;
@group(0) @binding(4) var<storage, read_write> group_keys: array<u32>;

fn settle(row: u32, width: u32, capacity: u32) {
    let slot = row_slots[row];
    if slot == ROW_SKIPPED || atomicLoad(&table[TABLE_HEAD + slot]) != row + 1u {
        return;
    }
    let group = atomicAdd(&table[TABLE_GROUPS], 1u);
    if group >= capacity {
        atomicOr(&table[TABLE_OVERFLOW], OVERFLOW_GROUPS);
        return;
    }
    for (var word = 0u; word < width; word++) {
        group_keys[group * width + word] = row_keys[row * width + word];
    }
    atomicStore(&table[TABLE_HEAD + slot], SLOT_GROUP | group);
}

@compute @workgroup_size(256)
fn main(
    @builtin(global_invocation_id) invocation: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    // Slots that probing gave up on were not found: the keys of this batch are incomplete, and the run is void.
    if (atomicLoad(&table[TABLE_OVERFLOW]) & OVERFLOW_PROBES) != 0u {
        return;
    }
    let rows = shape[SHAPE_ROWS];
    let width = shape[SHAPE_WIDTH];
    let capacity = atomicLoad(&table[TABLE_CAPACITY]);
    for (var row = invocation.x; row < rows; row += workgroups.x * 256u) {
        settle(row, width, capacity);
    }
}
