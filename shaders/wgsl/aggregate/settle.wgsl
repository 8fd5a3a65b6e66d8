//!use aggregate/table
//!use shared/scan
// Turns the slots that rows of this batch claimed into groups: the claiming row takes the next number and copies its
// key. Numbers stay for all later batches. One addition to the count of groups for each WG * SETTLE_ITEMS rows: one for
// each group would make all of them queue for one word.

@group(0) @binding(0) var<storage, read> shape: array<u32>;
@group(0) @binding(1) var<storage, read> row_keys: array<u32>;
@group(0) @binding(2) var<storage, read> row_slots: array<u32>;
@group(0) @binding(3) var<storage, read_write> table: array<atomic<u32>>;
@group(0) @binding(4) var<storage, read_write> group_keys: array<u32>;
@group(0) @binding(5) var<storage, read> sorted_keys: array<u32>;

const SETTLE_ITEMS: u32 = 4u;

var<workgroup> settle_first: u32;
var<workgroup> settle_overflow: u32;

fn settle_claims(row: u32) -> bool {
    if row >= shape[SHAPE_ROWS] {
        return false;
    }
    let slot = row_slots[row];
    return slot != ROW_SKIPPED && (slot & ROW_CLAIMS) != 0u;
}

fn settle(row: u32, group: u32, sorted: bool) {
    if group >= atomicLoad(&table[TABLE_CAPACITY]) {
        atomicOr(&table[TABLE_OVERFLOW], OVERFLOW_GROUPS);
        return;
    }
    let width = shape[SHAPE_WIDTH];
    for (var word = 0u; word < width; word++) {
        if sorted {
            group_keys[group * width + word] = sorted_keys[row * width + word];
        } else {
            group_keys[group * width + word] = row_keys[row * width + word];
        }
    }
    atomicStore(&table[TABLE_HEAD + (row_slots[row] & ~ROW_CLAIMS)], SLOT_GROUP | group);
}

@compute @workgroup_size(WG)
fn main(at: Invocation) {
    // Other workgroups may raise the flag while this one runs: one invocation looks, for all of them.
    if at.lane == 0u {
        settle_overflow = atomicLoad(&table[TABLE_OVERFLOW]);
    }
    workgroupBarrier();
    // Slots that probing gave up on were not found: the keys of this batch are incomplete, and the run is void. One that
    // ended for its number of groups goes on counting them.
    let rows = select(shape[SHAPE_ROWS], 0u, (settle_overflow & OVERFLOW_PROBES) != 0u);
    let sorted = atomicLoad(&table[TABLE_DIGITS]) != 0u;
    let tile = WG * SETTLE_ITEMS;
    for (var first = grid_group(at) * tile; first < rows; first += at.workgroups.x * tile) {
        // A lane's rows are WG apart, so that neighbours read neighbours.
        var claims = 0u;
        for (var item = 0u; item < SETTLE_ITEMS; item++) {
            claims |= u32(settle_claims(first + item * WG + at.lane)) << item;
        }
        let place = scan_exclusive(countOneBits(claims), at.lane);
        if at.lane == 0u && place.y != 0u {
            settle_first = atomicAdd(&table[TABLE_GROUPS], place.y);
        }
        workgroupBarrier();
        var group = settle_first + place.x;
        for (var item = 0u; item < SETTLE_ITEMS; item++) {
            if ((claims >> item) & 1u) != 0u {
                settle(first + item * WG + at.lane, group, sorted);
                group++;
            }
        }
    }
}
