//!use aggregate/plan
// States in device memory, updated by one atomic per touched word. Group-major: a group's words share cache lines.

// Adds `value + carry` to one word and returns the carry into the next one. What `atomicAdd` returns tells whether this
// very addition wrapped, so that every carry is counted once, whatever the order; the number is exact after the dispatch.
fn global_add(group: u32, word: u32, value: u32, carry: u32) -> u32 {
    let addend = value + carry;
    if addend == 0u {
        return u32(addend < carry);
    }
    let before = atomicAdd(&state[group * plan[PLAN_STATE_STRIDE] + word], addend);
    return u32(before + addend < addend);
}

fn global_max(group: u32, word: u32, value: u32) {
    let at = group * plan[PLAN_STATE_STRIDE] + word;
    // A stale read can only be too small: the atomic decides, the read saves it for most rows.
    if atomicLoad(&state[at]) < value {
        atomicMax(&state[at], value);
    }
}

// Bits once set stay: a stale read can only lack some.
fn global_or(group: u32, word: u32, bits: u32) {
    let at = group * plan[PLAN_STATE_STRIDE] + word;
    if (atomicLoad(&state[at]) & bits) != bits {
        atomicOr(&state[at], bits);
    }
}

fn global_xor(group: u32, word: u32, bits: u32) {
    if bits != 0u {
        atomicXor(&state[group * plan[PLAN_STATE_STRIDE] + word], bits);
    }
}

fn global_load(group: u32, word: u32) -> u32 {
    return atomicLoad(&state[group * plan[PLAN_STATE_STRIDE] + word]);
}
