// Reduction over the invocations of a workgroup: `reduce_add(value, at.lane)` and its sisters, called in uniform control
// flow by all WG invocations; every invocation gets the answer. Sums are modulo 2^32.
//
// WGSL has no generics: one function per operation, over the same words. Without subgroups, REDUCE_RAKE lanes reduce
// the words, and every lane reduces what these found: three barriers. With subgroups, one lane per subgroup
// takes part in an atomic.
//!use shared/grid

//!if subgroups
var<workgroup> reduce_word: atomic<u32>;

fn reduce_add(value: u32, lane: u32) -> u32 {
    let part = subgroupAdd(value);
    let leads = subgroupExclusiveAdd(1u) == 0u;
    reduce_start(0u, lane);
    if (leads) {
        atomicAdd(&reduce_word, part);
    }
    return reduce_result();
}

fn reduce_min(value: u32, lane: u32) -> u32 {
    let part = subgroupMin(value);
    let leads = subgroupExclusiveAdd(1u) == 0u;
    reduce_start(0xffffffffu, lane);
    if (leads) {
        atomicMin(&reduce_word, part);
    }
    return reduce_result();
}

fn reduce_max(value: u32, lane: u32) -> u32 {
    let part = subgroupMax(value);
    let leads = subgroupExclusiveAdd(1u) == 0u;
    reduce_start(0u, lane);
    if (leads) {
        atomicMax(&reduce_word, part);
    }
    return reduce_result();
}

fn reduce_start(identity: u32, lane: u32) {
    if (lane == 0u) {
        atomicStore(&reduce_word, identity);
    }
    workgroupBarrier();
}

fn reduce_result() -> u32 {
    workgroupBarrier();
    let result = atomicLoad(&reduce_word);
    // The next call may overwrite the word.
    workgroupBarrier();
    return result;
}
//!else
const REDUCE_RAKE: u32 = 16u;
var<workgroup> reduce_words: array<u32, WG>;

fn reduce_add(value: u32, lane: u32) -> u32 {
    reduce_words[lane] = value;
    workgroupBarrier();
    if (lane < REDUCE_RAKE) {
        var part = 0u;
        for (var i = lane; i < WG; i += REDUCE_RAKE) {
            part += reduce_words[i];
        }
        reduce_words[lane] = part;
    }
    workgroupBarrier();
    var result = 0u;
    for (var i = 0u; i < REDUCE_RAKE; i++) {
        result += reduce_words[i];
    }
    // The next call may overwrite the words.
    workgroupBarrier();
    return result;
}

fn reduce_max(value: u32, lane: u32) -> u32 {
    reduce_words[lane] = value;
    workgroupBarrier();
    if (lane < REDUCE_RAKE) {
        var part = 0u;
        for (var i = lane; i < WG; i += REDUCE_RAKE) {
            part = max(part, reduce_words[i]);
        }
        reduce_words[lane] = part;
    }
    workgroupBarrier();
    var result = 0u;
    for (var i = 0u; i < REDUCE_RAKE; i++) {
        result = max(result, reduce_words[i]);
    }
    workgroupBarrier();
    return result;
}

// Complementing the bits turns the order round.
fn reduce_min(value: u32, lane: u32) -> u32 {
    return ~reduce_max(~value, lane);
}
//!end
