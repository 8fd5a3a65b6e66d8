// Last stage of the filter (see kernels/filter/gpu): each kept row's values to the row's place among all kept rows, in
// order. What does not fit the output is dropped; the totals tell how many rows there are. The generated text around it
// declares `evaluate`, `parameters` and `filter_write(position)`.
//!use shared/grid
//!use shared/bitmap

@group(0) @binding(3) var<storage, read> filter_mask: array<u32>;
// Exclusive scan of the tiles' counts, then the total.
@group(0) @binding(4) var<storage, read> filter_offsets: array<u32>;
@group(0) @binding(5) var<storage, read_write> filter_values: array<u32>;
// Validity and Booleans.
@group(0) @binding(6) var<storage, read_write> filter_bits: array<atomic<u32>>;
// Kept rows of all batches before a batch.
@group(0) @binding(7) var<storage, read_write> filter_totals: array<u32>;

override FILTER_TILE_WORDS: u32 = WG / 32u;

fn filter_project(at: Invocation) {
    let tiles = parameters[stage_parameters];
    let batch = parameters[stage_parameters + 1u];
    let capacity = parameters[stage_parameters + 2u];
    let before = filter_totals[batch];
    let tile = grid_group(at);
    if (tile == 0u && at.lane == 0u) {
        filter_totals[batch + 1u] = before + filter_offsets[tiles];
    }
    if (tile >= tiles) {
        return;
    }
    let own = at.lane >> 5u;
    let word = filter_mask[tile * FILTER_TILE_WORDS + own];
    if (!bitmap_bit(word, at.lane)) {
        return;
    }
    var position = before + filter_offsets[tile] + bitmap_rank(word, at.lane);
    for (var i = 0u; i < own; i++) {
        position += countOneBits(filter_mask[tile * FILTER_TILE_WORDS + i]);
    }
    if (position < capacity) {
        evaluate(grid_row(at));
        filter_write(position);
    }
}

fn filter_set_bit(plane: u32, position: u32) {
    atomicOr(&filter_bits[plane + (position >> 5u)], 1u << (position & 31u));
}
