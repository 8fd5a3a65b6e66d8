// Second stage of DELTA_BINARY_PACKED (see parquet/delta): scans the sums in place. One workgroup, which walks over them
// with a running total.
//!use parquet/delta
//!use shared/scan64

@group(0) @binding(2) var<storage, read_write> delta_sums: array<vec2<u32>>;

@compute @workgroup_size(WG)
fn main(at: Invocation) {
    let blocks = delta_blocks();
    var running = i64_from_u32(0u);
    for (var first = 0u; first < blocks; first += WG) {
        let index = first + at.lane;
        var sum = i64_from_u32(0u);
        if (index < blocks) {
            sum = i64_from_words(delta_sums[index].x, delta_sums[index].y);
        }
        let scanned = scan64_exclusive(sum, at.lane);
        if (index < blocks) {
            let before = i64_add(running, scanned.before);
            delta_sums[index] = vec2<u32>(i64_lo(before), i64_hi(before));
        }
        running = i64_add(running, scanned.total);
    }
}
