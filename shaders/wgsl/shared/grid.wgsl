// The grid convention of all stages.
//
// A workgroup has WG invocations in one dimension. Its number is counted over x and y, so that a stage with more than
// 65,535 workgroups is dispatched as (65535, n) without the shader knowing; surplus workgroups at the end must find
// nothing to do. Override WG only with a multiple of 16 (and of the subgroup size).
override WG: u32 = 256u;

// What an entry point takes: `fn main(at: Invocation)`.
struct Invocation {
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
}

// Number of this workgroup.
fn grid_group(at: Invocation) -> u32 {
    return at.workgroup.y * at.workgroups.x + at.workgroup.x;
}

// Number of this invocation over the whole grid: one row per invocation. Wraps beyond 2^32 rows; batches are smaller.
fn grid_row(at: Invocation) -> u32 {
    return grid_group(at) * WG + at.lane;
}

// Workgroups of `rows` rows at `per_group` rows each, as the three words of an indirect dispatch: at most 65,535 in x.
fn grid_dispatch(rows: u32, per_group: u32) -> vec3<u32> {
    let groups = rows / per_group + u32(rows % per_group != 0u);
    if (groups <= 65535u) {
        return vec3<u32>(groups, 1u, 1u);
    }
    return vec3<u32>(65535u, groups / 65535u + u32(groups % 65535u != 0u), 1u);
}
