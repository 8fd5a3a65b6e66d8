// Native 64-bit floats, bit by bit, denormals included. In tiers without them there is nothing to test.
//
// operands: pairs a, b. results, 5 per pair: sum, difference, product, a * b + a rounded twice (a fused one differs),
// 1 where a < b.
//!if float64
alias Float = f64;
//!else
alias Float = vec2<u32>;
//!end
@group(0) @binding(0) var<storage, read> operands: array<Float>;
@group(0) @binding(1) var<storage, read_write> results: array<Float>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= arrayLength(&operands) / 2u) {
        return;
    }
    let a = operands[2u * id.x];
    let b = operands[2u * id.x + 1u];
    let to = 5u * id.x;
//!if float64
    results[to] = a + b;
    results[to + 1u] = a - b;
    results[to + 2u] = a * b;
    results[to + 3u] = a * b + a;
    results[to + 4u] = select(0.0lf, 1.0lf, a < b);
//!else
    results[to] = a + b;
//!end
}
