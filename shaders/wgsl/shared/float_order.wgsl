// Floats as words whose unsigned order is the order of the floats: NaN is one value above all others, -0.0 is 0.0.
//
// On bits only: adapters flush denormals and are free with NaN as soon as a value is a float.

// f32 bits with one NaN and one zero.
fn f32_canonical(bits: u32) -> u32 {
    if ((bits & 0x7fffffffu) > 0x7f800000u) {
        return 0x7fc00000u;
    }
    return select(bits, 0u, bits == 0x80000000u);
}

// Order word of f32 bits.
fn f32_order(bits: u32) -> u32 {
    let canonical = f32_canonical(bits);
    return select(canonical ^ 0x80000000u, ~canonical, (canonical >> 31u) != 0u);
}

// Canonical f32 bits of an order word.
fn f32_from_order(order: u32) -> u32 {
    return select(~order, order ^ 0x80000000u, (order >> 31u) != 0u);
}

// f64 bits (low word, high word) with one NaN and one zero.
fn f64_canonical(bits: vec2<u32>) -> vec2<u32> {
    let high = bits.y & 0x7fffffffu;
    if (high > 0x7ff00000u || (high == 0x7ff00000u && bits.x != 0u)) {
        return vec2<u32>(0u, 0x7ff80000u);
    }
    return select(bits, vec2<u32>(0u), bits.y == 0x80000000u && bits.x == 0u);
}

// Order words (low, high) of f64 bits.
fn f64_order(bits: vec2<u32>) -> vec2<u32> {
    let canonical = f64_canonical(bits);
    return select(canonical ^ vec2<u32>(0u, 0x80000000u), ~canonical, (canonical.y >> 31u) != 0u);
}

// Canonical f64 bits of order words.
fn f64_from_order(order: vec2<u32>) -> vec2<u32> {
    return select(~order, order ^ vec2<u32>(0u, 0x80000000u), (order.y >> 31u) != 0u);
}
