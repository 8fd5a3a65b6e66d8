// shared/hash, float_order, bitmap, wide and the workgroup operations on one word per invocation. The number of operands
// is a multiple of WG (the workgroup operations want all lanes).
//
// operands, 2 words per invocation: a, b.
// results, 20 words per invocation, by word:
//    0 f32_order(a)    1 f32_from_order(that)    2 f64_order(a low, b high)    4 f64_from_order(that)
//    6 hash of the words a, b with seed 0        7 mul_u32_wide(a, b)          9 add_carry(a, b, 1)
//   11 sub_borrow(a, b, 1)                      13 div_wide_u32(a % b, a, b), where b > 0
//   15 bitmap_masked(a, 1, b)                   16 scan_exclusive(a).x         17 reduce_add(a)
//   18 reduce_min(a)                            19 reduce_max(a)
//!use shared/grid
//!use shared/wide
//!use shared/hash
//!use shared/float_order
//!use shared/bitmap
//!use shared/scan
//!use shared/reduce

const RESULT_WORDS: u32 = 20u;

@group(0) @binding(0) var<storage, read> operands: array<u32>;
@group(0) @binding(1) var<storage, read_write> results: array<u32>;

fn put_pair(at: u32, pair: vec2<u32>) {
    results[at] = pair.x;
    results[at + 1u] = pair.y;
}

@compute @workgroup_size(WG)
fn main(at: Invocation) {
    let row = grid_row(at);
    let a = operands[row * 2u];
    let b = operands[row * 2u + 1u];
    let to = row * RESULT_WORDS;
    results[to] = f32_order(a);
    results[to + 1u] = f32_from_order(f32_order(a));
    put_pair(to + 2u, f64_order(vec2<u32>(a, b)));
    put_pair(to + 4u, f64_from_order(f64_order(vec2<u32>(a, b))));
    results[to + 6u] = hash_finish(hash_word(hash_word(0u, a), b), 2u);
    put_pair(to + 7u, mul_u32_wide(a, b));
    put_pair(to + 9u, add_carry(a, b, 1u));
    put_pair(to + 11u, sub_borrow(a, b, 1u));
    if (b > 0u) {
        put_pair(to + 13u, div_wide_u32(a % b, a, b));
    }
    results[to + 15u] = bitmap_masked(a, 1u, b);
    results[to + 16u] = scan_exclusive(a, at.lane).x;
    results[to + 17u] = reduce_add(a, at.lane);
    results[to + 18u] = reduce_min(a, at.lane);
    results[to + 19u] = reduce_max(a, at.lane);
}
