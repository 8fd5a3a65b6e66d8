//!use aggregate/table
//!use shared/grid
// Decides from the sample, on the device: whether rows are partitioned and how finely, and whether the table is so small
// for what is coming that the run should end here. Writes the sizes of the partition's dispatches, all zero without one.

@group(0) @binding(0) var<storage, read> choice: array<u32>;
@group(0) @binding(1) var<storage, read_write> table: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read_write> sizes: array<u32>;

// choice: [rows][tiles][digit bits to take whatever the sample says, or CHOOSE][rows of all batches]
//         [KiB that a table may have unpartitioned][KiB of a partition][bytes of a group][words of a block of the scan]
const CHOICE_ROWS: u32 = 0u;
const CHOICE_TILES: u32 = 1u;
const CHOICE_FORCED: u32 = 2u;
const CHOICE_ALL_ROWS: u32 = 3u;
const CHOICE_UNPARTITIONED_KIB: u32 = 4u;
const CHOICE_PARTITION_KIB: u32 = 5u;
const CHOICE_GROUP_BYTES: u32 = 6u;
const CHOICE_SCAN_BLOCK: u32 = 7u;

const CHOOSE: u32 = 0xffffffffu;
const MOST_DIGIT_BITS: u32 = 8u;

// sizes: [words to scan] [workgroups of count and scatter] [of the scan's blocks] [of its spine]
const SIZES_TILES: u32 = 1u;
const SIZES_BLOCKS: u32 = 4u;
const SIZES_SPINE: u32 = 7u;

// A sample of s rows of G equally frequent keys has about s^2 / 2G repetitions, while these are few; with more of them the
// sample has seen a large part of the keys, and twice what it has seen bounds the number from above well enough here.
fn estimated_groups(sampled: u32, distinct: u32, rows: u32) -> f32 {
    let seen = f32(distinct);
    if distinct * 2u <= sampled {
        return seen * 2.0;
    }
    let repeated = max(f32(sampled) - seen, 0.5);
    return min(f32(sampled) * f32(sampled) / (2.0 * repeated), f32(rows));
}

// Bits of the digit; none where the table is small enough as it is.
fn digit_bits(groups: f32) -> u32 {
    let kib = groups * f32(choice[CHOICE_GROUP_BYTES]) / 1024.0;
    if kib <= f32(choice[CHOICE_UNPARTITIONED_KIB]) {
        return 0u;
    }
    var bits = 1u;
    while bits < MOST_DIGIT_BITS && kib > f32(choice[CHOICE_PARTITION_KIB] << bits) {
        bits++;
    }
    return bits;
}

fn choose() {
    let sampled = atomicLoad(&table[TABLE_SAMPLED]);
    let groups = estimated_groups(sampled, atomicLoad(&table[TABLE_DISTINCT]), choice[CHOICE_ALL_ROWS]);
    atomicStore(&table[TABLE_ESTIMATE], u32(groups));
    if groups > 2.0 * f32(atomicLoad(&table[TABLE_CAPACITY])) {
        atomicOr(&table[TABLE_OVERFLOW], OVERFLOW_GROUPS);
    }
    var bits = choice[CHOICE_FORCED];
    if bits == CHOOSE {
        bits = digit_bits(groups);
    }
    bits = min(bits, countOneBits(atomicLoad(&table[TABLE_MASK])));
    if atomicLoad(&table[TABLE_OVERFLOW]) != 0u {
        bits = 0u;
    }
    let digits = select(1u << bits, 0u, bits == 0u);
    atomicStore(&table[TABLE_DIGITS], digits);
    let words = digits * choice[CHOICE_TILES];
    let tiles = grid_dispatch(select(choice[CHOICE_TILES], 0u, digits == 0u), 1u);
    let blocks = grid_dispatch(words, choice[CHOICE_SCAN_BLOCK]);
    let spine = vec3<u32>(u32(digits != 0u), 1u, 1u);
    sizes[0] = words;
    for (var axis = 0u; axis < 3u; axis++) {
        sizes[SIZES_TILES + axis] = tiles[axis];
        sizes[SIZES_BLOCKS + axis] = blocks[axis];
        sizes[SIZES_SPINE + axis] = spine[axis];
    }
}

@compute @workgroup_size(WG)
fn main(at: Invocation) {
    if at.lane == 0u && grid_group(at) == 0u {
        choose();
    }
}
