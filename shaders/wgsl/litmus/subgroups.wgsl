// What subgroup operations give in a full workgroup of 128. In tiers without subgroups there is nothing to test.
//
// results, 12 words per lane: 0 size, 1 number of the lane, 2 number of the subgroup, 3 sum and 4 exclusive sum of
// lane * lane + 1, 5 lane of the first, 6 neighbour's lane, 7 largest lane, 8..12 ballot of odd lanes.
@group(0) @binding(0) var<storage, read_write> results: array<u32>;

@compute @workgroup_size(128)
fn main(
    @builtin(local_invocation_index) lane: u32,
//!if subgroups
    @builtin(subgroup_size) size: u32,
    @builtin(subgroup_invocation_id) number: u32,
    @builtin(subgroup_id) subgroup: u32,
//!end
) {
    let at = lane * 12u;
//!if subgroups
    let value = lane * lane + 1u;
    let odd = subgroupBallot((lane & 1u) == 1u);
    results[at] = size;
    results[at + 1u] = number;
    results[at + 2u] = subgroup;
    results[at + 3u] = subgroupAdd(value);
    results[at + 4u] = subgroupExclusiveAdd(value);
    results[at + 5u] = subgroupBroadcastFirst(lane);
    results[at + 6u] = subgroupShuffleXor(lane, 1u);
    results[at + 7u] = subgroupMax(lane);
    results[at + 8u] = odd.x;
    results[at + 9u] = odd.y;
    results[at + 10u] = odd.z;
    results[at + 11u] = odd.w;
//!else
    results[at] = 0u;
//!end
}
