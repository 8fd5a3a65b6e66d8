//!use shared/wide
// Exact float sums: fixed-point numbers per group, of the positive values, of the negative ones, and of squares. Bit 0 is
// the lowest bit of values of the exponent `base`, or of the squares of these; subnormals have exponent 1. A value touches
// three words plus its carries, a square five; no float hardware. No value that is added has a lesser exponent, but zero.

const FLOAT_NAN: u32 = 1u;
const FLOAT_POSITIVE_INFINITY: u32 = 2u;
const FLOAT_NEGATIVE_INFINITY: u32 = 4u;

// Adds `magnitude << offset`, of which `words` words are in use, at word `word` of a group's state to a number of `limbs`
// words that has room for it.
fn float_deposit(group: u32, local: u32, word: u32, limbs: u32, magnitude: vec4<u32>, words: u32, offset: u32) {
    let limb = offset >> 5u;
    let shift = offset & 31u;
    var below = 0u;
    var carry = 0u;
    for (var at = 0u; at <= words; at++) {
        let own = select(0u, magnitude[min(at, 3u)], at < words);
        // A shift by 32 is not defined, hence in two steps.
        let placed = (own << shift) | ((below >> 1u) >> (31u - shift));
        carry = site_add(group, local + limb + at, word + limb + at, placed, carry);
        below = own;
    }
    for (var at = limb + words + 1u; carry != 0u && at < limbs; at++) {
        carry = site_add(group, local + at, word + at, 0u, carry);
    }
}

fn float_special(group: u32, local: u32, word: u32, nan: bool, negative: bool) {
    let infinity = select(FLOAT_POSITIVE_INFINITY, FLOAT_NEGATIVE_INFINITY, negative);
    site_or(group, local, word, select(infinity, FLOAT_NAN, nan));
}

fn float64_exponent(bits: vec2<u32>) -> u32 {
    return (bits.y >> 20u) & 0x7ffu;
}

fn float64_significand(bits: vec2<u32>) -> vec2<u32> {
    return vec2<u32>(bits.x, (bits.y & 0xfffffu) | select(0u, 0x100000u, float64_exponent(bits) != 0u));
}

// State: flags, `limbs` words of positives, `limbs` words of negatives. `bits` is the value, low word first.
fn float64_add(group: u32, local: u32, word: u32, bits: vec2<u32>, limbs: u32, base: u32) {
    let negative = (bits.y >> 31u) != 0u;
    let exponent = float64_exponent(bits);
    if exponent == 0x7ffu {
        float_special(group, local, word, ((bits.y & 0xfffffu) | bits.x) != 0u, negative);
        return;
    }
    let significand = float64_significand(bits);
    if (significand.x | significand.y) == 0u {
        return;
    }
    let skip = 1u + select(0u, limbs, negative);
    let magnitude = vec4<u32>(significand, 0u, 0u);
    float_deposit(group, local + skip, word + skip, limbs, magnitude, 2u, max(exponent, 1u) - base);
}

// State: `limbs` words. What is no number is left out: the sum has flags for it.
fn float64_add_square(group: u32, local: u32, word: u32, bits: vec2<u32>, limbs: u32, base: u32) {
    let exponent = float64_exponent(bits);
    let significand = float64_significand(bits);
    if exponent == 0x7ffu || (significand.x | significand.y) == 0u {
        return;
    }
    let low = mul_u32_wide(significand.x, significand.x);
    let cross = mul_u32_wide(significand.x, significand.y);
    let high = mul_u32_wide(significand.y, significand.y);
    let second = add_carry(low.y, cross.x << 1u, 0u);
    let third = add_carry(high.x, (cross.y << 1u) | (cross.x >> 31u), second.y);
    let square = vec4<u32>(low.x, second.x, third.x, high.y + third.y);
    float_deposit(group, local, word, limbs, square, 4u, 2u * (max(exponent, 1u) - base));
}

fn float32_significand(bits: u32) -> u32 {
    return (bits & 0x7fffffu) | select(0u, 0x800000u, (bits & 0x7f800000u) != 0u);
}

fn float32_add(group: u32, local: u32, word: u32, bits: u32, limbs: u32, base: u32) {
    let negative = (bits >> 31u) != 0u;
    let exponent = (bits >> 23u) & 0xffu;
    let significand = float32_significand(bits);
    if exponent == 0xffu {
        float_special(group, local, word, (bits & 0x7fffffu) != 0u, negative);
        return;
    }
    if significand == 0u {
        return;
    }
    let skip = 1u + select(0u, limbs, negative);
    let magnitude = vec4<u32>(significand, 0u, 0u, 0u);
    float_deposit(group, local + skip, word + skip, limbs, magnitude, 1u, max(exponent, 1u) - base);
}

fn float32_add_square(group: u32, local: u32, word: u32, bits: u32, limbs: u32, base: u32) {
    let exponent = (bits >> 23u) & 0xffu;
    let significand = float32_significand(bits);
    if exponent == 0xffu || significand == 0u {
        return;
    }
    let square = mul_u32_wide(significand, significand);
    float_deposit(group, local, word, limbs, vec4<u32>(square, 0u, 0u), 2u, 2u * (max(exponent, 1u) - base));
}
