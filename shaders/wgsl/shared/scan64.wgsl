// Exclusive prefix sum of 64-bit integers over the invocations of a workgroup, modulo 2^64: `scan64_exclusive(value,
// at.lane)`, called in uniform control flow by all WG invocations. It rakes as `shared/scan` does without subgroups:
// subgroup operations on 64-bit integers are in no tier.
//!use shared/grid
//!use shared/int64

const SCAN64_RAKE: u32 = 16u;
var<workgroup> scan64_words: array<I64, WG>;
var<workgroup> scan64_partials: array<I64, WG>;

struct Scan64 {
    // The sum of the values of lower lanes.
    before: I64,
    // The sum of all lanes' values.
    total: I64,
}

fn scan64_exclusive(value: I64, lane: u32) -> Scan64 {
    scan64_words[lane] = value;
    workgroupBarrier();
    if (lane < WG / SCAN64_RAKE) {
        var sum = i64_from_u32(0u);
        for (var i = lane * SCAN64_RAKE; i < (lane + 1u) * SCAN64_RAKE; i++) {
            let word = scan64_words[i];
            scan64_words[i] = sum;
            sum = i64_add(sum, word);
        }
        scan64_partials[lane] = sum;
    }
    workgroupBarrier();
    var base = i64_from_u32(0u);
    var total = i64_from_u32(0u);
    for (var i = 0u; i < WG / SCAN64_RAKE; i++) {
        if (i == lane / SCAN64_RAKE) {
            base = total;
        }
        total = i64_add(total, scan64_partials[i]);
    }
    let before = scan64_words[lane];
    // The next call may overwrite the words.
    workgroupBarrier();
    return Scan64(i64_add(base, before), total);
}
