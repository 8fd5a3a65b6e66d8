// Exclusive prefix sum over the invocations of a workgroup, modulo 2^32: `scan_exclusive(value, at.lane)`, called in
// uniform control flow by all WG invocations.
//
// Without subgroups the scan rakes: one lane in SCAN_RAKE adds up its neighbours' values, then every lane adds the few
// partial sums before its own. That is three barriers where a doubling scan has sixteen, and barriers are what software
// adapters pay for. With subgroups the partial sums are those of the subgroups, whose lanes must be consecutive (the
// device's self-test checks that).
//!use shared/grid

var<workgroup> scan_partials: array<u32, WG>;
//!if !subgroups
const SCAN_RAKE: u32 = 16u;
var<workgroup> scan_words: array<u32, WG>;
//!end

// x: the sum of the values of lower lanes. y: the sum of all lanes' values.
fn scan_exclusive(value: u32, lane: u32) -> vec2<u32> {
//!if subgroups
    let before = subgroupExclusiveAdd(value);
    let sum = subgroupAdd(value);
    let size = subgroupAdd(1u);
    if (lane % size == 0u) {
        scan_partials[lane / size] = sum;
    }
//!else
    let size = SCAN_RAKE;
    scan_words[lane] = value;
    workgroupBarrier();
    if (lane < WG / size) {
        var sum = 0u;
        for (var i = lane * size; i < (lane + 1u) * size; i++) {
            let word = scan_words[i];
            scan_words[i] = sum;
            sum += word;
        }
        scan_partials[lane] = sum;
    }
//!end
    workgroupBarrier();
    var base = 0u;
    var total = 0u;
    for (var i = 0u; i < WG / size; i++) {
        base = select(base, total, i == lane / size);
        total += scan_partials[i];
    }
//!if !subgroups
    let before = scan_words[lane];
//!end
    // The next call may overwrite the partial sums.
    workgroupBarrier();
    return vec2<u32>(base + before, total);
}
