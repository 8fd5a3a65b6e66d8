//!use aggregate/state_local
// Site of the accumulate stage: the groups that this workgroup meets first live in workgroup memory, the others in device
// memory. A place in workgroup memory belongs to the group that claims it, for the whole run of the workgroup; a group
// looks at LOCAL_PROBES places. So few groups, or hot ones among many, stay off the device's atomics: a group that is one
// row of some dozen is met before the places are taken.

const LOCAL_PROBES: u32 = 4u;
// No place: the row's group lives in device memory.
const PLACE_NONE: u32 = 0xffffffffu;

override LOCAL_PLACES: u32 = 256u;

// The group of each place plus one; 0 where it is free. LOCAL_PLACES is a power of two.
var<workgroup> local_owners: array<atomic<u32>, LOCAL_PLACES>;
var<private> site_place: u32;

fn site_begin(thread: u32, threads: u32) {
    for (var place = thread; place < LOCAL_PLACES; place += threads) {
        atomicStore(&local_owners[place], 0u);
    }
    local_begin(thread, threads);
}

// Groups are numbered in order of appearance: the first LOCAL_PLACES ones never look further than one place.
fn site_enter(group: u32) {
    site_place = PLACE_NONE;
    for (var probe = 0u; probe < LOCAL_PROBES; probe++) {
        let place = (group + probe) & (LOCAL_PLACES - 1u);
        var owner = atomicLoad(&local_owners[place]);
        if owner == 0u {
            let claim = atomicCompareExchangeWeak(&local_owners[place], 0u, group + 1u);
            // An exchange that fails on a free place leaves that to others.
            owner = select(claim.old_value, group + 1u, claim.exchanged);
        }
        if owner == group + 1u {
            site_place = place;
            return;
        }
    }
}

fn site_add(group: u32, local: u32, word: u32, value: u32, carry: u32) -> u32 {
    if site_place != PLACE_NONE {
        return local_add(site_place, local, value, carry);
    }
    return global_add(group, word, value, carry);
}

fn site_max(group: u32, local: u32, word: u32, value: u32) {
    if site_place != PLACE_NONE {
        local_max(site_place, local, value);
    } else {
        global_max(group, word, value);
    }
}

fn site_or(group: u32, local: u32, word: u32, bits: u32) {
    if site_place != PLACE_NONE {
        local_or(site_place, local, bits);
    } else {
        global_or(group, word, bits);
    }
}

fn site_xor(group: u32, local: u32, word: u32, bits: u32) {
    if site_place != PLACE_NONE {
        local_xor(site_place, local, bits);
    } else {
        global_xor(group, word, bits);
    }
}

// The group whose state a place holds, or LOCAL_FREE.
fn site_group(place: u32) -> u32 {
    return atomicLoad(&local_owners[place]) - 1u;
}

fn site_end(thread: u32, threads: u32) {
    local_flush(thread, threads);
}
