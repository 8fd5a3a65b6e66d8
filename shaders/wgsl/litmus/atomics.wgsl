// Atomics that all workgroups contend for.
//
// words: 0 sum of all numbers, 1 largest, 2 smallest (starts as all ones), 3 exclusive or, 4 tickets;
//        16..32 sums by compare-and-swap, one per number modulo 16; 32.. a bit per ticket that was handed out.
const SUMS: u32 = 16u;
const SEEN: u32 = 32u;

@group(0) @binding(0) var<storage, read_write> words: array<atomic<u32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let number = id.x * 2654435761u;
    atomicAdd(&words[0], number);
    atomicMax(&words[1], number);
    atomicMin(&words[2], number);
    atomicXor(&words[3], number);
    let ticket = atomicAdd(&words[4], 1u);
    atomicOr(&words[SEEN + ticket / 32u], 1u << (ticket % 32u));
    let sum = SUMS + id.x % 16u;
    var before = atomicLoad(&words[sum]);
    loop {
        let swap = atomicCompareExchangeWeak(&words[sum], before, before + number);
        if (swap.exchanged) {
            break;
        }
        before = swap.old_value;
    }
}
