// Every function of shared/int128 on pairs of operands, for comparison with Rust's i128 and u128. One invocation per pair.
//
// operands, 8 words per pair: a, b, each low word first.
// results, 53 words per pair, low word first, by word:
//    0 add          4 sub          8 mul         12 neg(a)      16 divide: quotient    20 divide: remainder
//   24 u128_divide: quotient      28 u128_divide: remainder
//   32 u128_divide_u32(a, low word of b): quotient             36 the same: remainder
//   40 mul_i64(low half of a, low half of b)    44 from_i64(low half of a)    48 magnitude(a)
//   52 flags, by bit: 0 eq, 1 lt, 2 u128_lt, 3 add_overflows, 4 sub_overflows, 5 mul_overflows, 6 fits_i64(a)
//!use shared/grid
//!use shared/int128

const OPERAND_WORDS: u32 = 8u;
const RESULT_WORDS: u32 = 53u;

@group(0) @binding(0) var<storage, read> operands: array<u32>;
@group(0) @binding(1) var<storage, read_write> results: array<u32>;

fn operand(at: u32) -> I128 {
    return i128_from_words(operands[at], operands[at + 1u], operands[at + 2u], operands[at + 3u]);
}

fn put(at: u32, value: I128) {
    results[at] = value.x;
    results[at + 1u] = value.y;
    results[at + 2u] = value.z;
    results[at + 3u] = value.w;
}

fn put_division(at: u32, division: I128Division) {
    put(at, division.quotient);
    put(at + 4u, division.remainder);
}

@compute @workgroup_size(WG)
fn main(at: Invocation) {
    let pair = grid_row(at);
    if (pair >= arrayLength(&operands) / OPERAND_WORDS) {
        return;
    }
    let a = operand(pair * OPERAND_WORDS);
    let b = operand(pair * OPERAND_WORDS + 4u);
    let to = pair * RESULT_WORDS;
    put(to, i128_add(a, b));
    put(to + 4u, i128_sub(a, b));
    put(to + 8u, i128_mul(a, b));
    put(to + 12u, i128_neg(a));
    put_division(to + 16u, i128_divide(a, b));
    put_division(to + 24u, u128_divide(a, b));
    put_division(to + 32u, u128_divide_u32(a, b.x));
    put(to + 40u, i128_mul_i64(i128_to_i64(a), i128_to_i64(b)));
    put(to + 44u, i128_from_i64(i128_to_i64(a)));
    put(to + 48u, i128_magnitude(a));
    results[to + 52u] = u32(i128_eq(a, b)) | (u32(i128_lt(a, b)) << 1u) | (u32(u128_lt(a, b)) << 2u)
        | (u32(i128_add_overflows(a, b)) << 3u) | (u32(i128_sub_overflows(a, b)) << 4u)
        | (u32(i128_mul_overflows(a, b)) << 5u) | (u32(i128_fits_i64(a)) << 6u);
}
