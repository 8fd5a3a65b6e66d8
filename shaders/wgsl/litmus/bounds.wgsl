// What checked shaders promise: an index out of bounds reads zero or something of the same array, and writes nothing or
// something of the same array; integer division by zero and its overflow have a value. Never run unchecked.
//
// parameters: an index out of bounds, 0, -1, the smallest i32, a dividend.
// results: 0 storage read, 1 read just past the end, 2 workgroup memory, 3 function memory, 4 dividend / 0,
//          5 dividend % 0, 6 smallest / -1, 7 smallest % -1.
@group(0) @binding(0) var<storage, read> parameters: array<u32>;
@group(0) @binding(1) var<storage, read> values: array<u32>;
@group(0) @binding(2) var<storage, read_write> written: array<u32>;
@group(0) @binding(3) var<storage, read_write> results: array<u32>;

var<workgroup> shared_words: array<u32, 8>;

@compute @workgroup_size(8)
fn main(@builtin(local_invocation_index) lane: u32) {
    shared_words[lane] = 201u + lane;
    workgroupBarrier();
    if (lane == 0u) {
        var local_words = array<u32, 4>(301u, 302u, 303u, 304u);
        let outside = parameters[0];
        local_words[outside % 3u] += 0u;
        results[0] = values[outside];
        results[1] = values[arrayLength(&values)];
        results[2] = shared_words[outside];
        results[3] = local_words[outside];
        results[4] = parameters[4] / parameters[1];
        results[5] = parameters[4] % parameters[1];
        let smallest = bitcast<i32>(parameters[3]);
        let minus_one = bitcast<i32>(parameters[2]);
        results[6] = bitcast<u32>(smallest / minus_one);
        results[7] = bitcast<u32>(smallest % minus_one);
        written[outside] = 0xdeadbeefu;
        written[arrayLength(&written)] = 0xdeadbeefu;
    }
}
