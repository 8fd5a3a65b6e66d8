//!use aggregate/row_hash
// Finds or claims the slot of every row's key: linear probing, bounded, no waiting.

@group(0) @binding(0) var<storage, read> shape: array<u32>;
@group(0) @binding(1) var<storage, read> row_keys: array<u32>;
@group(0) @binding(2) var<storage, read> group_keys: array<u32>;
@group(0) @binding(3) var<storage, read_write> table: array<atomic<u32>>;
@group(0) @binding(4) var<storage, read_write> row_slots: array<u32>;
@group(0) @binding(5) var<storage, read> order: array<u32>;
@group(0) @binding(6) var<storage, read> sorted_keys: array<u32>;

// Half-full tables keep linear probing below this by a wide margin, unless keys are chosen to collide.
const MAX_PROBES: u32 = 1024u;

var<private> sorted: bool;

fn key_word(row: u32, word: u32) -> u32 {
    let at = row * shape[SHAPE_WIDTH] + word;
    if sorted {
        return sorted_keys[at];
    }
    return row_keys[at];
}

fn equals_row(row: u32, other: u32, width: u32) -> bool {
    for (var word = 0u; word < width; word++) {
        if key_word(row, word) != key_word(other, word) {
            return false;
        }
    }
    return true;
}

fn equals_group(row: u32, group: u32, width: u32) -> bool {
    for (var word = 0u; word < width; word++) {
        if key_word(row, word) != group_keys[group * width + word] {
            return false;
        }
    }
    return true;
}

fn is_mine(row: u32, holder: u32, width: u32) -> bool {
    if (holder & SLOT_GROUP) != 0u {
        return equals_group(row, holder & ~SLOT_GROUP, width);
    }
    return equals_row(row, holder - 1u, width);
}

fn insert(row: u32, width: u32, mask: u32) {
    var slot = row_hash(row, width) & mask;
    for (var probe = 0u; probe < MAX_PROBES;) {
        var holder = atomicLoad(&table[TABLE_HEAD + slot]);
        if holder == SLOT_EMPTY {
            let claim = atomicCompareExchangeWeak(&table[TABLE_HEAD + slot], SLOT_EMPTY, row + 1u);
            if claim.exchanged {
                row_slots[row] = slot | ROW_CLAIMS;
                return;
            }
            holder = claim.old_value;
        }
        // A weak exchange may fail on an empty slot: then the same slot is tried again, and counted.
        if holder != SLOT_EMPTY {
            if is_mine(row, holder, width) {
                row_slots[row] = slot;
                return;
            }
            slot = (slot + 1u) & mask;
        }
        probe++;
    }
    atomicOr(&table[TABLE_OVERFLOW], OVERFLOW_PROBES);
    row_slots[row] = ROW_SKIPPED;
}

@compute @workgroup_size(256)
fn main(
    @builtin(global_invocation_id) invocation: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    if atomicLoad(&table[TABLE_OVERFLOW]) != 0u {
        return;
    }
    let rows = shape[SHAPE_ROWS];
    let width = shape[SHAPE_WIDTH];
    let mask = atomicLoad(&table[TABLE_MASK]);
    sorted = atomicLoad(&table[TABLE_DIGITS]) != 0u;
    for (var row = invocation.x; row < rows; row += workgroups.x * 256u) {
        if sorted {
            row_slots[row] = order[row];
        }
        if row_slots[row] != ROW_SKIPPED {
            insert(row, width, mask);
        }
    }
}
