// One level of a pyramid of smallest numbers: each is that of 32 neighbours of the level below (see parquet/unfold).
//!use shared/grid

// First number of the level below, how many, first number of this level.
@group(0) @binding(0) var<storage, read> lows_level: array<u32, 3>;
@group(0) @binding(1) var<storage, read_write> lows: array<u32>;

@compute @workgroup_size(WG)
fn main(at: Invocation) {
    let index = grid_row(at);
    let first = index << 5u;
    if (first >= lows_level[1]) {
        return;
    }
    var low = 0xffffffffu;
    for (var i = first; i < min(first + 32u, lows_level[1]); i++) {
        low = min(low, lows[lows_level[0] + i]);
    }
    lows[lows_level[2] + index] = low;
}
