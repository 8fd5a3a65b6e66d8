//!use aggregate/state_local
// Site of the accumulate stage for one group: every thread keeps its own state, in registers; at the end the threads
// meet in workgroup memory. The stage declares `private_state` and `private_flush`, which know the entries.

fn site_begin(thread: u32, threads: u32) {
    local_begin(thread, threads);
}

fn site_enter(group: u32) {}

fn site_add(group: u32, local: u32, word: u32, value: u32, carry: u32) -> u32 {
    let addend = value + carry;
    let sum = private_state[local] + addend;
    private_state[local] = sum;
    return u32(addend < carry) | u32(sum < addend);
}

fn site_max(group: u32, local: u32, word: u32, value: u32) {
    private_state[local] = max(private_state[local], value);
}

fn site_or(group: u32, local: u32, word: u32, bits: u32) {
    private_state[local] |= bits;
}

fn site_xor(group: u32, local: u32, word: u32, bits: u32) {
    private_state[local] ^= bits;
}

// Places are numbered as groups are.
fn site_group(place: u32) -> u32 {
    return place;
}

fn site_end(thread: u32, threads: u32) {
    private_flush();
    local_flush(thread, threads);
}
