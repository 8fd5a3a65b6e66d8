// 128-bit integers in two's complement: four words, low word first, in every tier.
//
// i128_* reads a value as signed, u128_* as unsigned. All arithmetic wraps; *_overflows tell exactly whether the signed
// result does not fit. Division truncates towards zero, by long division where the divisor fits a word and by shift
// and subtract (at most 128 steps) otherwise. A zero divisor gives the dividend as quotient and 0 as remainder, and
// -2^127 / -1 gives -2^127 and 0.
//!use shared/wide
//!use shared/int64

alias I128 = vec4<u32>;

struct I128Division {
    quotient: I128,
    remainder: I128,
}

fn i128_from_words(w0: u32, w1: u32, w2: u32, w3: u32) -> I128 {
    return vec4<u32>(w0, w1, w2, w3);
}

fn i128_from_i64(a: I64) -> I128 {
    let sign = bitcast<u32>(bitcast<i32>(i64_hi(a)) >> 31u);
    return vec4<u32>(i64_lo(a), i64_hi(a), sign, sign);
}

fn i128_from_i32(a: i32) -> I128 {
    return i128_from_i64(i64_from_i32(a));
}

// The low 64 bits.
fn i128_to_i64(a: I128) -> I64 {
    return i64_from_words(a.x, a.y);
}

// The value survives `i128_to_i64`.
fn i128_fits_i64(a: I128) -> bool {
    let sign = bitcast<u32>(bitcast<i32>(a.y) >> 31u);
    return a.z == sign && a.w == sign;
}

fn i128_add(a: I128, b: I128) -> I128 {
    let w0 = add_carry(a.x, b.x, 0u);
    let w1 = add_carry(a.y, b.y, w0.y);
    let w2 = add_carry(a.z, b.z, w1.y);
    return vec4<u32>(w0.x, w1.x, w2.x, a.w + b.w + w2.y);
}

fn i128_sub(a: I128, b: I128) -> I128 {
    let w0 = sub_borrow(a.x, b.x, 0u);
    let w1 = sub_borrow(a.y, b.y, w0.y);
    let w2 = sub_borrow(a.z, b.z, w1.y);
    return vec4<u32>(w0.x, w1.x, w2.x, a.w - b.w - w2.y);
}

fn i128_neg(a: I128) -> I128 {
    return i128_sub(vec4<u32>(0u), a);
}

fn i128_eq(a: I128, b: I128) -> bool {
    return all(a == b);
}

fn u128_lt(a: I128, b: I128) -> bool {
    if (a.w != b.w) {
        return a.w < b.w;
    }
    if (a.z != b.z) {
        return a.z < b.z;
    }
    if (a.y != b.y) {
        return a.y < b.y;
    }
    return a.x < b.x;
}

fn i128_lt(a: I128, b: I128) -> bool {
    // Flipping the sign bits makes signed order unsigned order.
    let flip = vec4<u32>(0u, 0u, 0u, 0x80000000u);
    return u128_lt(a ^ flip, b ^ flip);
}

fn i128_is_negative(a: I128) -> bool {
    return (a.w >> 31u) != 0u;
}

// Absolute value as an unsigned number: right for -2^127 too.
fn i128_magnitude(a: I128) -> I128 {
    if (i128_is_negative(a)) {
        return i128_neg(a);
    }
    return a;
}

fn i128_add_overflows(a: I128, b: I128) -> bool {
    let sum = i128_add(a, b).w;
    return (((a.w ^ sum) & (b.w ^ sum)) >> 31u) != 0u;
}

fn i128_sub_overflows(a: I128, b: I128) -> bool {
    let difference = i128_sub(a, b).w;
    return (((a.w ^ b.w) & (a.w ^ difference)) >> 31u) != 0u;
}

// Unsigned 64 x 64 -> 128 over words.
fn u128_mul_words(a: vec2<u32>, b: vec2<u32>) -> I128 {
    let p00 = mul_u32_wide(a.x, b.x);
    let p01 = mul_u32_wide(a.x, b.y);
    let p10 = mul_u32_wide(a.y, b.x);
    let p11 = mul_u32_wide(a.y, b.y);
    let w1 = add_carry(p00.y, p01.x, 0u);
    let w1b = add_carry(w1.x, p10.x, 0u);
    let w2 = add_carry(p11.x, p01.y, w1.y);
    let w2b = add_carry(w2.x, p10.y, w1b.y);
    return vec4<u32>(p00.x, w1b.x, w2b.x, p11.y + w2.y + w2b.y);
}

// The exact signed product of two 64-bit integers: always fits.
fn i128_mul_i64(a: I64, b: I64) -> I128 {
    let x = i64_magnitude(a);
    let y = i64_magnitude(b);
    let product = u128_mul_words(vec2<u32>(i64_lo(x), i64_hi(x)), vec2<u32>(i64_lo(y), i64_hi(y)));
    if (i64_is_negative(a) != i64_is_negative(b)) {
        return i128_neg(product);
    }
    return product;
}

// The low 128 bits of the product.
fn i128_mul(a: I128, b: I128) -> I128 {
    let low = u128_mul_words(a.xy, b.xy);
    let cross_a = i64_mul(i64_from_words(a.x, a.y), i64_from_words(b.z, b.w));
    let cross_b = i64_mul(i64_from_words(a.z, a.w), i64_from_words(b.x, b.y));
    let high = i64_add(i64_from_words(low.z, low.w), i64_add(cross_a, cross_b));
    return vec4<u32>(low.x, low.y, i64_lo(high), i64_hi(high));
}

fn i128_mul_overflows(a: I128, b: I128) -> bool {
    let x = i128_magnitude(a);
    let y = i128_magnitude(b);
    let zero = vec2<u32>(0u);
    if (any(x.zw != zero) && any(y.zw != zero)) {
        return true;
    }
    // At most one cross product is not zero, and adding the other carries nothing.
    let cross = u128_mul_words(x.zw, y.xy) + u128_mul_words(x.xy, y.zw);
    if (any(cross.zw != zero)) {
        return true;
    }
    let low = u128_mul_words(x.xy, y.xy);
    let w2 = add_carry(low.z, cross.x, 0u);
    let w3 = add_carry(low.w, cross.y, w2.y);
    if (w3.y != 0u) {
        return true;
    }
    // The magnitude may reach 2^127 only below zero.
    let negative = i128_is_negative(a) != i128_is_negative(b);
    let lowest = all(vec4<u32>(low.x, low.y, w2.x, w3.x) == vec4<u32>(0u, 0u, 0u, 0x80000000u));
    return (w3.x >> 31u) != 0u && !(negative && lowest);
}

// Unsigned division by a word; the remainder is a word.
fn u128_divide_u32(a: I128, divisor: u32) -> I128Division {
    if (divisor == 0u) {
        return I128Division(a, vec4<u32>(0u));
    }
    let w3 = vec2<u32>(a.w / divisor, a.w % divisor);
    let w2 = div_wide_u32(w3.y, a.z, divisor);
    let w1 = div_wide_u32(w2.y, a.y, divisor);
    let w0 = div_wide_u32(w1.y, a.x, divisor);
    return I128Division(vec4<u32>(w0.x, w1.x, w2.x, w3.x), vec4<u32>(w0.y, 0u, 0u, 0u));
}

fn u128_shl_1(a: I128) -> I128 {
    return (a << vec4<u32>(1u)) | vec4<u32>(0u, a.x >> 31u, a.y >> 31u, a.z >> 31u);
}

fn u128_divide(a: I128, b: I128) -> I128Division {
    if (all(b.yzw == vec3<u32>(0u))) {
        return u128_divide_u32(a, b.x);
    }
    if (u128_lt(a, b)) {
        return I128Division(vec4<u32>(0u), a);
    }
    // The divisor has more than 32 bits: the first 32 steps would only shift the highest word in.
    var rest = vec4<u32>(0u, a.x, a.y, a.z);
    var quotient = vec4<u32>(0u);
    var remainder = vec4<u32>(a.w, 0u, 0u, 0u);
    for (var bit = 0u; bit < 96u; bit++) {
        let carry = remainder.w >> 31u;
        remainder = u128_shl_1(remainder) | vec4<u32>(rest.w >> 31u, 0u, 0u, 0u);
        rest = u128_shl_1(rest);
        quotient = u128_shl_1(quotient);
        if (carry != 0u || !u128_lt(remainder, b)) {
            remainder = i128_sub(remainder, b);
            quotient.x |= 1u;
        }
    }
    return I128Division(quotient, remainder);
}

// The remainder has the sign of the dividend.
fn i128_divide(a: I128, b: I128) -> I128Division {
    if (all(b == vec4<u32>(0u))) {
        return I128Division(a, b);
    }
    var division = u128_divide(i128_magnitude(a), i128_magnitude(b));
    if (i128_is_negative(a) != i128_is_negative(b)) {
        division.quotient = i128_neg(division.quotient);
    }
    if (i128_is_negative(a)) {
        division.remainder = i128_neg(division.remainder);
    }
    return division;
}
