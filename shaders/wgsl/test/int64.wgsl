// Every function of shared/int64 on pairs of operands, for comparison with Rust's i64 and u64. One invocation per pair.
//
// operands, 5 words per pair: a (low, high), b (low, high), shift count.
// results, 39 words per pair, wide results low word first, by word:
//    0 add          2 sub          4 mul          6 neg(a)       8 div         10 rem
//   12 u64_div     14 u64_rem     16 shl(a, n)   18 shr(a, n)   20 u64_shr    22 and
//   24 or          26 xor         28 min         30 max         32 magnitude(a)
//   34 from_i32(low word of a)    36 from_u32(low word of a)
//   38 flags, by bit: 0 eq, 1 lt, 2 u64_lt, 3 add_overflows, 4 sub_overflows, 5 mul_overflows, 6 is_negative(a)
//!use shared/grid
//!use shared/int64

const OPERAND_WORDS: u32 = 5u;
const RESULT_WORDS: u32 = 39u;

@group(0) @binding(0) var<storage, read> operands: array<u32>;
@group(0) @binding(1) var<storage, read_write> results: array<u32>;

fn put(at: u32, value: I64) {
    results[at] = i64_lo(value);
    results[at + 1u] = i64_hi(value);
}

@compute @workgroup_size(WG)
fn main(at: Invocation) {
    let pair = grid_row(at);
    if (pair >= arrayLength(&operands) / OPERAND_WORDS) {
        return;
    }
    let first = pair * OPERAND_WORDS;
    let a = i64_from_words(operands[first], operands[first + 1u]);
    let b = i64_from_words(operands[first + 2u], operands[first + 3u]);
    let count = operands[first + 4u];
    let to = pair * RESULT_WORDS;
    put(to, i64_add(a, b));
    put(to + 2u, i64_sub(a, b));
    put(to + 4u, i64_mul(a, b));
    put(to + 6u, i64_neg(a));
    put(to + 8u, i64_div(a, b));
    put(to + 10u, i64_rem(a, b));
    put(to + 12u, u64_div(a, b));
    put(to + 14u, u64_rem(a, b));
    put(to + 16u, i64_shl(a, count));
    put(to + 18u, i64_shr(a, count));
    put(to + 20u, u64_shr(a, count));
    put(to + 22u, i64_and(a, b));
    put(to + 24u, i64_or(a, b));
    put(to + 26u, i64_xor(a, b));
    put(to + 28u, i64_min(a, b));
    put(to + 30u, i64_max(a, b));
    put(to + 32u, i64_magnitude(a));
    put(to + 34u, i64_from_i32(bitcast<i32>(i64_lo(a))));
    put(to + 36u, i64_from_u32(i64_lo(a)));
    results[to + 38u] = u32(i64_eq(a, b)) | (u32(i64_lt(a, b)) << 1u) | (u32(u64_lt(a, b)) << 2u)
        | (u32(i64_add_overflows(a, b)) << 3u) | (u32(i64_sub_overflows(a, b)) << 4u)
        | (u32(i64_mul_overflows(a, b)) << 5u) | (u32(i64_is_negative(a)) << 6u);
}
