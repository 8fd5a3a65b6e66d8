// Arithmetic of 32-bit words with carries: what the wide integers are made of.

// a + b + carry (carry is 0 or 1): x is the sum, y the carry out.
fn add_carry(a: u32, b: u32, carry: u32) -> vec2<u32> {
    let partial = a + b;
    let sum = partial + carry;
    return vec2<u32>(sum, u32(partial < a) | u32(sum < partial));
}

// a - b - borrow (borrow is 0 or 1): x is the difference, y the borrow out.
fn sub_borrow(a: u32, b: u32, borrow: u32) -> vec2<u32> {
    let partial = a - b;
    return vec2<u32>(partial - borrow, u32(a < b) | u32(partial < borrow));
}

// a * b in full: x is the low word, y the high word.
fn mul_u32_wide(a: u32, b: u32) -> vec2<u32> {
//!if int64
    let product = u64(a) * u64(b);
    return vec2<u32>(u32(product & 0xfffffffflu), u32(product >> 32u));
//!else
    let low = (a & 0xffffu) * (b & 0xffffu);
    let cross_a = (a >> 16u) * (b & 0xffffu);
    let cross_b = (a & 0xffffu) * (b >> 16u);
    let high = (a >> 16u) * (b >> 16u);
    // Three terms below 2^16 each: no overflow.
    let middle = (low >> 16u) + (cross_a & 0xffffu) + (cross_b & 0xffffu);
    return vec2<u32>((low & 0xffffu) | (middle << 16u), high + (cross_a >> 16u) + (cross_b >> 16u) + (middle >> 16u));
//!end
}

// (high * 2^32 + low) / divisor for high < divisor and divisor > 0: x is the quotient, y the remainder.
fn div_wide_u32(high: u32, low: u32, divisor: u32) -> vec2<u32> {
//!if int64
    let dividend = (u64(high) << 32u) | u64(low);
    return vec2<u32>(u32(dividend / u64(divisor)), u32(dividend % u64(divisor)));
//!else
    if (high == 0u) {
        return vec2<u32>(low / divisor, low % divisor);
    }
    var quotient = 0u;
    var remainder = high;
    for (var bit = 0u; bit < 32u; bit++) {
        // The remainder has 33 bits for a moment; the one that falls out is kept in `carry`.
        let carry = remainder >> 31u;
        remainder = (remainder << 1u) | ((low >> (31u - bit)) & 1u);
        quotient <<= 1u;
        if (carry != 0u || remainder >= divisor) {
            remainder -= divisor;
            quotient |= 1u;
        }
    }
    return vec2<u32>(quotient, remainder);
//!end
}
