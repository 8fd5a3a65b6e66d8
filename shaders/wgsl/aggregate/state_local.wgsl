//!use aggregate/plan
//!use aggregate/state_global
// States in workgroup memory: some copies (`COPIES`, a power of two) of each word side by side, so that the threads of
// a subgroup neither wait for one address nor for one bank. `local_flush` adds them up, once per workgroup. States have
// places here; the site says which group a place belongs to (`site_group`).

override LOCAL_WORDS: u32 = 4096u;
override COPIES: u32 = 1u;

var<workgroup> local_state: array<atomic<u32>, LOCAL_WORDS>;
var<private> local_copy: u32;
// A place that no group has claimed.
const LOCAL_FREE: u32 = 0xffffffffu;

// Clears the states: trusted shaders start with whatever workgroup memory held before.
fn local_begin(thread: u32, threads: u32) {
    local_copy = thread & (COPIES - 1u);
    let words = plan[PLAN_GROUPS] * plan[PLAN_LOCAL_STRIDE] * COPIES;
    for (var word = thread; word < words; word += threads) {
        atomicStore(&local_state[word], 0u);
    }
    workgroupBarrier();
}

fn local_at(place: u32, word: u32) -> u32 {
    return (place * plan[PLAN_LOCAL_STRIDE] + word) * COPIES;
}

fn local_add(place: u32, word: u32, value: u32, carry: u32) -> u32 {
    let addend = value + carry;
    if addend == 0u {
        return u32(addend < carry);
    }
    let before = atomicAdd(&local_state[local_at(place, word) + local_copy], addend);
    return u32(before + addend < addend);
}

fn local_max(place: u32, word: u32, value: u32) {
    atomicMax(&local_state[local_at(place, word) + local_copy], value);
}

fn local_or(place: u32, word: u32, bits: u32) {
    atomicOr(&local_state[local_at(place, word) + local_copy], bits);
}

fn local_xor(place: u32, word: u32, bits: u32) {
    atomicXor(&local_state[local_at(place, word) + local_copy], bits);
}

// Adds the copies of a number, word by word, to the state in device memory.
fn local_flush_add(local: u32, state_at: u32, words: u32) {
    var carry = 0u;
    for (var word = 0u; word < words; word++) {
        var sum = carry;
        carry = 0u;
        for (var copy = 0u; copy < COPIES; copy++) {
            let addend = atomicLoad(&local_state[local + word * COPIES + copy]);
            sum += addend;
            carry += u32(sum < addend);
        }
        if sum != 0u {
            let before = atomicAdd(&state[state_at + word], sum);
            carry += u32(before + sum < sum);
        }
    }
}

// Joins the copies of a word, then that with the state in device memory.
fn local_flush_word(local: u32, state_at: u32, kind: u32) {
    var greatest = 0u;
    var bits = 0u;
    var parity = 0u;
    for (var copy = 0u; copy < COPIES; copy++) {
        let word = atomicLoad(&local_state[local + copy]);
        greatest = max(greatest, word);
        bits |= word;
        parity ^= word;
    }
    if bits == 0u {
        return;
    }
    if kind == ENTRY_MAX {
        atomicMax(&state[state_at], greatest);
    } else if kind == ENTRY_OR {
        atomicOr(&state[state_at], bits);
    } else {
        atomicXor(&state[state_at], parity);
    }
}

// Merges this workgroup's states into the ones in device memory: one thread per group and entry.
fn local_flush(thread: u32, threads: u32) {
    workgroupBarrier();
    let entries = plan[PLAN_ENTRIES];
    let tasks = entries * plan[PLAN_GROUPS];
    for (var task = thread; task < tasks; task += threads) {
        let place = task / entries;
        let group = site_group(place);
        if group == LOCAL_FREE {
            continue;
        }
        let entry = PLAN_HEAD + (task % entries) * ENTRY_WORDS;
        let local = local_at(place, plan[entry + 1u]);
        let state_at = group * plan[PLAN_STATE_STRIDE] + plan[entry + 2u];
        let kind = plan[entry];
        if kind == ENTRY_ADD {
            local_flush_add(local, state_at, plan[entry + 3u]);
        } else {
            local_flush_word(local, state_at, kind);
        }
    }
}
