// First stage of the filter (see kernels/filter/gpu): a bit per row that the predicate keeps, and how many of a tile. A
// tile is a workgroup of WG rows. The generated text around it declares `evaluate`, `keep` and `parameters`.
//!use shared/grid

// WG / 32 words per tile, bits behind the last row clear.
@group(0) @binding(3) var<storage, read_write> filter_mask: array<u32>;
// Kept rows per tile, and one word more, which stays zero: so their scan ends with the total.
@group(0) @binding(4) var<storage, read_write> filter_counts: array<u32>;

override FILTER_TILE_WORDS: u32 = WG / 32u;

var<workgroup> filter_tile: array<atomic<u32>, FILTER_TILE_WORDS>;

fn filter_keep(at: Invocation) {
    let row = grid_row(at);
    let tile = grid_group(at);
    let within = tile < parameters[stage_parameters];
    // Trusted shaders find workgroup memory as the workgroup before left it.
    if (at.lane < FILTER_TILE_WORDS) {
        atomicStore(&filter_tile[at.lane], 0u);
    }
    workgroupBarrier();
    if (within && row < parameters[0]) {
        evaluate(row);
        if (keep) {
            atomicOr(&filter_tile[at.lane >> 5u], 1u << (at.lane & 31u));
        }
    }
    workgroupBarrier();
    if (!within) {
        return;
    }
    if (at.lane < FILTER_TILE_WORDS) {
        filter_mask[tile * FILTER_TILE_WORDS + at.lane] = atomicLoad(&filter_tile[at.lane]);
    }
    if (at.lane == 0u) {
        var count = 0u;
        for (var word = 0u; word < FILTER_TILE_WORDS; word++) {
            count += countOneBits(atomicLoad(&filter_tile[word]));
        }
        filter_counts[tile] = count;
    }
}
