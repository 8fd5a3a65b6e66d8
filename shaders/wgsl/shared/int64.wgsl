// 64-bit integers in two's complement: one interface, native where the tier has int64, else two words (low, high).
//
// I64 holds signed and unsigned values alike; i64_* reads it as signed, u64_* as unsigned, and what is the same for
// both (add, sub, mul, eq, shl) has the name i64_*. All arithmetic wraps; *_overflows tell exactly whether the signed
// result does not fit. Division truncates towards zero. A zero divisor gives the dividend as quotient and 0 as
// remainder, and -2^63 / -1 gives -2^63 and 0: WGSL's own rules for 32 bits. Shift counts are taken modulo 64.
//!use shared/wide

//!if int64
alias I64 = i64;

fn i64_from_words(lo: u32, hi: u32) -> I64 {
    return bitcast<i64>(u64(lo) | (u64(hi) << 32u));
}

fn i64_lo(a: I64) -> u32 {
    return u32(bitcast<u64>(a) & 0xfffffffflu);
}

fn i64_hi(a: I64) -> u32 {
    return u32(bitcast<u64>(a) >> 32u);
}

fn i64_add(a: I64, b: I64) -> I64 {
    return a + b;
}

fn i64_sub(a: I64, b: I64) -> I64 {
    return a - b;
}

fn i64_mul(a: I64, b: I64) -> I64 {
    return a * b;
}

fn i64_eq(a: I64, b: I64) -> bool {
    return a == b;
}

fn i64_lt(a: I64, b: I64) -> bool {
    return a < b;
}

fn u64_lt(a: I64, b: I64) -> bool {
    return bitcast<u64>(a) < bitcast<u64>(b);
}

fn i64_and(a: I64, b: I64) -> I64 {
    return a & b;
}

fn i64_or(a: I64, b: I64) -> I64 {
    return a | b;
}

fn i64_xor(a: I64, b: I64) -> I64 {
    return a ^ b;
}

fn i64_shl(a: I64, count: u32) -> I64 {
    return a << (count & 63u);
}

// Shifts in copies of the sign.
fn i64_shr(a: I64, count: u32) -> I64 {
    return a >> (count & 63u);
}

// Shifts in zeros.
fn u64_shr(a: I64, count: u32) -> I64 {
    return bitcast<i64>(bitcast<u64>(a) >> (count & 63u));
}

fn u64_div(a: I64, b: I64) -> I64 {
    if (b == 0li) {
        return a;
    }
    return bitcast<i64>(bitcast<u64>(a) / bitcast<u64>(b));
}

fn u64_rem(a: I64, b: I64) -> I64 {
    if (b == 0li) {
        return 0li;
    }
    return bitcast<i64>(bitcast<u64>(a) % bitcast<u64>(b));
}
//!else
alias I64 = vec2<u32>;

fn i64_from_words(lo: u32, hi: u32) -> I64 {
    return vec2<u32>(lo, hi);
}

fn i64_lo(a: I64) -> u32 {
    return a.x;
}

fn i64_hi(a: I64) -> u32 {
    return a.y;
}

fn i64_add(a: I64, b: I64) -> I64 {
    let lo = a.x + b.x;
    return vec2<u32>(lo, a.y + b.y + u32(lo < a.x));
}

fn i64_sub(a: I64, b: I64) -> I64 {
    return vec2<u32>(a.x - b.x, a.y - b.y - u32(a.x < b.x));
}

fn i64_mul(a: I64, b: I64) -> I64 {
    let low = mul_u32_wide(a.x, b.x);
    return vec2<u32>(low.x, low.y + a.x * b.y + a.y * b.x);
}

fn i64_eq(a: I64, b: I64) -> bool {
    return all(a == b);
}

fn i64_lt(a: I64, b: I64) -> bool {
    if (a.y == b.y) {
        return a.x < b.x;
    }
    return bitcast<i32>(a.y) < bitcast<i32>(b.y);
}

fn u64_lt(a: I64, b: I64) -> bool {
    if (a.y == b.y) {
        return a.x < b.x;
    }
    return a.y < b.y;
}

fn i64_and(a: I64, b: I64) -> I64 {
    return a & b;
}

fn i64_or(a: I64, b: I64) -> I64 {
    return a | b;
}

fn i64_xor(a: I64, b: I64) -> I64 {
    return a ^ b;
}

fn i64_shl(a: I64, count: u32) -> I64 {
    let n = count & 63u;
    if (n == 0u) {
        return a;
    }
    if (n >= 32u) {
        return vec2<u32>(0u, a.x << (n - 32u));
    }
    return vec2<u32>(a.x << n, (a.y << n) | (a.x >> (32u - n)));
}

// Shifts in copies of the sign.
fn i64_shr(a: I64, count: u32) -> I64 {
    let n = count & 63u;
    if (n == 0u) {
        return a;
    }
    let hi = bitcast<i32>(a.y);
    if (n >= 32u) {
        return vec2<u32>(bitcast<u32>(hi >> (n - 32u)), bitcast<u32>(hi >> 31u));
    }
    return vec2<u32>((a.x >> n) | (a.y << (32u - n)), bitcast<u32>(hi >> n));
}

// Shifts in zeros.
fn u64_shr(a: I64, count: u32) -> I64 {
    let n = count & 63u;
    if (n == 0u) {
        return a;
    }
    if (n >= 32u) {
        return vec2<u32>(a.y >> (n - 32u), 0u);
    }
    return vec2<u32>((a.x >> n) | (a.y << (32u - n)), a.y >> n);
}

// Shift and subtract; quotient in xy, remainder in zw. The divisor is not zero.
fn u64_div_words(a: vec2<u32>, b: vec2<u32>) -> vec4<u32> {
    if (b.y == 0u) {
        let high = vec2<u32>(a.y / b.x, a.y % b.x);
        let low = div_wide_u32(high.y, a.x, b.x);
        return vec4<u32>(low.x, high.x, low.y, 0u);
    }
    // The quotient is below 2^32: the first 32 steps would only shift the high word in.
    var quotient = 0u;
    var remainder = vec2<u32>(a.y, 0u);
    for (var bit = 0u; bit < 32u; bit++) {
        let carry = remainder.y >> 31u;
        remainder = vec2<u32>((remainder.x << 1u) | ((a.x >> (31u - bit)) & 1u), (remainder.y << 1u) | (remainder.x >> 31u));
        quotient <<= 1u;
        if (carry != 0u || !u64_lt(remainder, b)) {
            remainder = i64_sub(remainder, b);
            quotient |= 1u;
        }
    }
    return vec4<u32>(quotient, 0u, remainder);
}

fn u64_div(a: I64, b: I64) -> I64 {
    if (all(b == vec2<u32>(0u))) {
        return a;
    }
    return u64_div_words(a, b).xy;
}

fn u64_rem(a: I64, b: I64) -> I64 {
    if (all(b == vec2<u32>(0u))) {
        return b;
    }
    return u64_div_words(a, b).zw;
}
//!end

// From here on for both variants.

fn i64_from_u32(a: u32) -> I64 {
    return i64_from_words(a, 0u);
}

fn i64_from_i32(a: i32) -> I64 {
    return i64_from_words(bitcast<u32>(a), bitcast<u32>(a >> 31u));
}

fn i64_neg(a: I64) -> I64 {
    return i64_sub(i64_from_u32(0u), a);
}

fn i64_is_negative(a: I64) -> bool {
    return (i64_hi(a) >> 31u) != 0u;
}

// Absolute value as an unsigned number: right for -2^63 too.
fn i64_magnitude(a: I64) -> I64 {
    if (i64_is_negative(a)) {
        return i64_neg(a);
    }
    return a;
}

fn i64_min(a: I64, b: I64) -> I64 {
    if (i64_lt(b, a)) {
        return b;
    }
    return a;
}

fn i64_max(a: I64, b: I64) -> I64 {
    if (i64_lt(a, b)) {
        return b;
    }
    return a;
}

fn i64_add_overflows(a: I64, b: I64) -> bool {
    let sum = i64_hi(i64_add(a, b));
    return (((i64_hi(a) ^ sum) & (i64_hi(b) ^ sum)) >> 31u) != 0u;
}

fn i64_sub_overflows(a: I64, b: I64) -> bool {
    let difference = i64_hi(i64_sub(a, b));
    return (((i64_hi(a) ^ i64_hi(b)) & (i64_hi(a) ^ difference)) >> 31u) != 0u;
}

fn i64_mul_overflows(a: I64, b: I64) -> bool {
    let x = i64_magnitude(a);
    let y = i64_magnitude(b);
    if (i64_hi(x) != 0u && i64_hi(y) != 0u) {
        return true;
    }
    // At most one of the cross products is not zero, and no carry is lost in adding the other.
    let cross = mul_u32_wide(i64_hi(x), i64_lo(y)) + mul_u32_wide(i64_lo(x), i64_hi(y));
    let low = mul_u32_wide(i64_lo(x), i64_lo(y));
    let high = add_carry(low.y, cross.x, 0u);
    if (cross.y != 0u || high.y != 0u) {
        return true;
    }
    // The magnitude may reach 2^63 only below zero.
    let negative = i64_is_negative(a) != i64_is_negative(b);
    return (high.x >> 31u) != 0u && !(negative && high.x == 0x80000000u && low.x == 0u);
}

fn i64_div(a: I64, b: I64) -> I64 {
    if (i64_eq(b, i64_from_u32(0u))) {
        return a;
    }
    let quotient = u64_div(i64_magnitude(a), i64_magnitude(b));
    if (i64_is_negative(a) != i64_is_negative(b)) {
        return i64_neg(quotient);
    }
    return quotient;
}

// Has the sign of the dividend.
fn i64_rem(a: I64, b: I64) -> I64 {
    let remainder = u64_rem(i64_magnitude(a), i64_magnitude(b));
    if (i64_is_negative(a)) {
        return i64_neg(remainder);
    }
    return remainder;
}
