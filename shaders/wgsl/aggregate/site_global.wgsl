//!use aggregate/state_global
// Site of the accumulate stage: every update goes to device memory.

fn site_begin(thread: u32, threads: u32) {}

fn site_enter(group: u32) {}

fn site_add(group: u32, local: u32, word: u32, value: u32, carry: u32) -> u32 {
    return global_add(group, word, value, carry);
}

fn site_max(group: u32, local: u32, word: u32, value: u32) {
    global_max(group, word, value);
}

fn site_or(group: u32, local: u32, word: u32, bits: u32) {
    global_or(group, word, bits);
}

fn site_xor(group: u32, local: u32, word: u32, bits: u32) {
    global_xor(group, word, bits);
}

fn site_end(thread: u32, threads: u32) {}
