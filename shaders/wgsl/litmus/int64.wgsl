// Native 64-bit integers. In tiers without them there is nothing to test.
//
// operands, 5 words per pair: a (low, high), b (low, high), shift count. No divisor is 0, no quotient overflows.
// results, 21 words per pair: sum, difference, product, quotient and remainder, unsigned quotient and remainder, shift
// left, right, unsigned right (each low, high), and flags: 0 equal, 1 less, 2 unsigned less.
@group(0) @binding(0) var<storage, read> operands: array<u32>;
@group(0) @binding(1) var<storage, read_write> results: array<u32>;

//!if int64
fn operand(at: u32) -> u64 {
    return u64(operands[at]) | (u64(operands[at + 1u]) << 32u);
}

fn put(at: u32, value: u64) {
    results[at] = u32(value & 0xfffffffflu);
    results[at + 1u] = u32(value >> 32u);
}
//!end

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= arrayLength(&operands) / 5u) {
        return;
    }
    let to = id.x * 21u;
//!if int64
    let a = operand(id.x * 5u);
    let b = operand(id.x * 5u + 2u);
    let count = operands[id.x * 5u + 4u];
    let signed_a = bitcast<i64>(a);
    let signed_b = bitcast<i64>(b);
    put(to, bitcast<u64>(signed_a + signed_b));
    put(to + 2u, bitcast<u64>(signed_a - signed_b));
    put(to + 4u, bitcast<u64>(signed_a * signed_b));
    put(to + 6u, bitcast<u64>(signed_a / signed_b));
    put(to + 8u, bitcast<u64>(signed_a % signed_b));
    put(to + 10u, a / b);
    put(to + 12u, a % b);
    put(to + 14u, a << count);
    put(to + 16u, bitcast<u64>(signed_a >> count));
    put(to + 18u, a >> count);
    results[to + 20u] = u32(a == b) | (u32(signed_a < signed_b) << 1u) | (u32(a < b) << 2u);
//!else
    results[to] = operands[id.x];
//!end
}
