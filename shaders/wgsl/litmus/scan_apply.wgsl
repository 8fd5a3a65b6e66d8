// Second half of an exclusive scan across workgroups: what other workgroups wrote in the dispatch before, and a scan
// within the workgroup by doubling.
@group(0) @binding(0) var<storage, read> values: array<u32>;
@group(0) @binding(1) var<storage, read> sums: array<u32>;
@group(0) @binding(2) var<storage, read_write> scanned: array<u32>;

var<workgroup> line: array<u32, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    let value = values[group.x * 256u + lane];
    var before = 0u;
    for (var other = 0u; other < group.x; other++) {
        before += sums[other];
    }
    line[lane] = value;
    workgroupBarrier();
    for (var distance = 1u; distance < 256u; distance *= 2u) {
        var sum = line[lane];
        if (lane >= distance) {
            sum += line[lane - distance];
        }
        workgroupBarrier();
        line[lane] = sum;
        workgroupBarrier();
    }
    scanned[group.x * 256u + lane] = before + line[lane] - value;
}
