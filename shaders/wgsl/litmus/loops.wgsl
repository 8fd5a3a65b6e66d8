// Loops beyond 65,535 iterations, which one common software driver ends in silence, whatever is left of them.
//
// counts: iterations of one long loop, of an outer loop, of the loop inside of it.
// results, 2 words per lane: a congruential sequence after the long loop, and after the nested ones. Lanes differ in
// their start and in one iteration per lane, so that a workgroup's lanes leave the loop one by one.
@group(0) @binding(0) var<storage, read> counts: array<u32>;
@group(0) @binding(1) var<storage, read_write> results: array<u32>;

fn step(x: u32) -> u32 {
    return x * 1664525u + 1013904223u;
}

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
    var x = lane;
    for (var i = 0u; i < counts[0] + lane; i++) {
        x = step(x);
    }
    results[2u * lane] = x;
    for (var outer = 0u; outer < counts[1]; outer++) {
        for (var inner = 0u; inner < counts[2]; inner++) {
            x = step(x);
        }
    }
    results[2u * lane + 1u] = x;
}
