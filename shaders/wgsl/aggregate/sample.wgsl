//!use aggregate/row_hash
//!use shared/grid
// How many different keys a sample of the first batch's rows has: hashes go into a small table of their own. Rows are
// taken at even distances, so that sorted input shows its whole range. Two different keys with one hash count as one, of
// which a sample of 2^16 has half a pair.

@group(0) @binding(0) var<storage, read> shape: array<u32>;
@group(0) @binding(1) var<storage, read> row_keys: array<u32>;
@group(0) @binding(2) var<storage, read> row_slots: array<u32>;
@group(0) @binding(3) var<storage, read_write> sample: array<atomic<u32>>;
@group(0) @binding(4) var<storage, read_write> table: array<atomic<u32>>;

const SAMPLE_PROBES: u32 = 64u;

var<workgroup> sample_counts: array<atomic<u32>, 2>;

fn key_word(row: u32, word: u32) -> u32 {
    return row_keys[row * shape[SHAPE_WIDTH] + word];
}

// True where the hash was not there. After SAMPLE_PROBES steps it is believed to be new.
fn sample_insert(hash: u32) -> bool {
    let mask = arrayLength(&sample) - 1u;
    let word = max(hash, 1u);
    var slot = hash_mix(hash) & mask;
    for (var probe = 0u; probe < SAMPLE_PROBES; probe++) {
        var holder = atomicLoad(&sample[slot]);
        if holder == 0u {
            let claim = atomicCompareExchangeWeak(&sample[slot], 0u, word);
            if claim.exchanged {
                return true;
            }
            holder = claim.old_value;
        }
        if holder == word {
            return false;
        }
        if holder != 0u {
            slot = (slot + 1u) & mask;
        }
    }
    return true;
}

@compute @workgroup_size(WG)
fn main(at: Invocation) {
    if at.lane < 2u {
        atomicStore(&sample_counts[at.lane], 0u);
    }
    workgroupBarrier();
    let taken = shape[SHAPE_SAMPLE];
    let index = grid_row(at);
    if index < taken {
        let row = index * (shape[SHAPE_ROWS] / taken);
        if row_slots[row] != ROW_SKIPPED {
            atomicAdd(&sample_counts[0], 1u);
            if sample_insert(row_hash(row, shape[SHAPE_WIDTH])) {
                atomicAdd(&sample_counts[1], 1u);
            }
        }
    }
    workgroupBarrier();
    if at.lane < 2u {
        atomicAdd(&table[TABLE_SAMPLED + at.lane], atomicLoad(&sample_counts[at.lane]));
    }
}
