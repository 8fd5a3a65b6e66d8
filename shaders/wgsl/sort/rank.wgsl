// Stable rank sort of a small batch: a row's place is the number of rows that come before it. Quadratic, and free of
// barriers; all threads of a subgroup compare with the same row, which the cache serves once.

@group(0) @binding(0) var<storage, read> shape: array<u32>;  // [rows][key words]
@group(0) @binding(1) var<storage, read> keys: array<u32>;   // row-major, compared word by word as unsigned
@group(0) @binding(2) var<storage, read_write> order: array<u32>;

// True where row `a` comes before row `b`: lexicographic, ties by index.
fn comes_before(a: u32, b: u32, width: u32) -> bool {
    for (var word = 0u; word < width; word++) {
        let left = keys[a * width + word];
        let right = keys[b * width + word];
        if left != right {
            return left < right;
        }
    }
    return a < b;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) invocation: vec3<u32>) {
    let rows = shape[0];
    let width = shape[1];
    let row = invocation.x;
    if row >= rows {
        return;
    }
    var rank = 0u;
    for (var other = 0u; other < rows; other++) {
        rank += u32(comes_before(other, row, width));
    }
    order[rank] = row;
}
