// Exact float sums: two fixed-point numbers per group, of the positive and of the negative values, that span the whole
// exponent range. Bit 0 is the smallest subnormal. A value touches three words plus its carries; no float hardware.

const FLOAT_NAN: u32 = 1u;
const FLOAT_POSITIVE_INFINITY: u32 = 2u;
const FLOAT_NEGATIVE_INFINITY: u32 = 4u;

// Adds `significand << shift` at word `at` of a number that starts at `first` and has `limbs` words.
fn float_deposit(group: u32, local: u32, word: u32, limbs: u32, significand: vec2<u32>, offset: u32) {
    let limb = offset >> 5u;
    let shift = offset & 31u;
    // A shift by 32 is not defined, hence in two steps.
    let low = significand.x << shift;
    let middle = (significand.y << shift) | ((significand.x >> 1u) >> (31u - shift));
    let high = (significand.y >> 1u) >> (31u - shift);
    var carry = site_add(group, local + limb, word + limb, low, 0u);
    carry = site_add(group, local + limb + 1u, word + limb + 1u, middle, carry);
    carry = site_add(group, local + limb + 2u, word + limb + 2u, high, carry);
    for (var at = limb + 3u; carry != 0u && at < limbs; at++) {
        carry = site_add(group, local + at, word + at, 0u, carry);
    }
}

fn float_special(group: u32, local: u32, word: u32, nan: bool, negative: bool) {
    let infinity = select(FLOAT_POSITIVE_INFINITY, FLOAT_NEGATIVE_INFINITY, negative);
    site_or(group, local, word, select(infinity, FLOAT_NAN, nan));
}

// State: flags, `limbs` words of positives, `limbs` words of negatives. `bits` is the value, low word first.
fn float64_add(group: u32, local: u32, word: u32, bits: vec2<u32>, limbs: u32) {
    let negative = (bits.y >> 31u) != 0u;
    let exponent = (bits.y >> 20u) & 0x7ffu;
    let fraction = bits.y & 0xfffffu;
    if exponent == 0x7ffu {
        float_special(group, local, word, (fraction | bits.x) != 0u, negative);
        return;
    }
    let significand = vec2<u32>(bits.x, fraction | select(0u, 0x100000u, exponent != 0u));
    let skip = 1u + select(0u, limbs, negative);
    float_deposit(group, local + skip, word + skip, limbs, significand, max(exponent, 1u) - 1u);
}

fn float32_add(group: u32, local: u32, word: u32, bits: u32, limbs: u32) {
    let negative = (bits >> 31u) != 0u;
    let exponent = (bits >> 23u) & 0xffu;
    let fraction = bits & 0x7fffffu;
    if exponent == 0xffu {
        float_special(group, local, word, fraction != 0u, negative);
        return;
    }
    let significand = vec2<u32>(fraction | select(0u, 0x800000u, exponent != 0u), 0u);
    let skip = 1u + select(0u, limbs, negative);
    float_deposit(group, local + skip, word + skip, limbs, significand, max(exponent, 1u) - 1u);
}
