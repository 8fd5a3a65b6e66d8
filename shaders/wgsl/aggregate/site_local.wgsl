//!use aggregate/state_local
// Site of the accumulate stage: every update goes to workgroup memory, which holds all groups.

fn site_begin(thread: u32, threads: u32) {
    local_begin(thread, threads);
}

fn site_enter(group: u32) {}

fn site_add(group: u32, local: u32, word: u32, value: u32, carry: u32) -> u32 {
    return local_add(group, local, value, carry);
}

fn site_max(group: u32, local: u32, word: u32, value: u32) {
    local_max(group, local, value);
}

fn site_or(group: u32, local: u32, word: u32, bits: u32) {
    local_or(group, local, bits);
}

fn site_xor(group: u32, local: u32, word: u32, bits: u32) {
    local_xor(group, local, bits);
}

// Places are numbered as groups are.
fn site_group(place: u32) -> u32 {
    return place;
}

fn site_end(thread: u32, threads: u32) {
    local_flush(thread, threads);
}
