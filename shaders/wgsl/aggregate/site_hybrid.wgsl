//!use aggregate/state_local
// Site of the accumulate stage: the groups that were met first live in workgroup memory, the others in device memory.
// Groups are numbered in order of appearance, so few groups, or hot ones, stay off the device's atomics.

fn site_begin(thread: u32, threads: u32) {
    local_begin(thread, threads);
}

fn site_add(group: u32, local: u32, word: u32, value: u32, carry: u32) -> u32 {
    if group < plan[PLAN_GROUPS] {
        return local_add(group, local, value, carry);
    }
    return global_add(group, word, value, carry);
}

fn site_max(group: u32, local: u32, word: u32, value: u32) {
    if group < plan[PLAN_GROUPS] {
        local_max(group, local, value);
    } else {
        global_max(group, word, value);
    }
}

fn site_or(group: u32, local: u32, word: u32, bits: u32) {
    if group < plan[PLAN_GROUPS] {
        local_or(group, local, bits);
    } else {
        global_or(group, word, bits);
    }
}

fn site_end(thread: u32, threads: u32) {
    local_flush(thread, threads);
}
