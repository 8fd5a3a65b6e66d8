//!use shared/wide
// The square of an integer of up to four words, exact, schoolbook: `square_of(words, limbs, signed)`, then `square_word(i)`.

var<private> square_magnitude: array<u32, 4>;
var<private> square_product: array<u32, 8>;

// `words` are sign-extended two's complement; the magnitude fits `limbs` words.
fn square_of(words: vec4<u32>, limbs: u32, signed: bool) {
    let negative = signed && (words.w >> 31u) != 0u;
    var carry = u32(negative);
    for (var limb = 0u; limb < 4u; limb++) {
        let magnitude = add_carry(select(words[limb], ~words[limb], negative), 0u, carry);
        square_magnitude[limb] = magnitude.x;
        carry = magnitude.y;
    }
    for (var word = 0u; word < 8u; word++) {
        square_product[word] = 0u;
    }
    for (var left = 0u; left < limbs; left++) {
        // The sum of a product and two words is below 2^64.
        var over = 0u;
        for (var right = 0u; right < limbs; right++) {
            let product = mul_u32_wide(square_magnitude[left], square_magnitude[right]);
            let partial = add_carry(square_product[left + right], product.x, 0u);
            let sum = add_carry(partial.x, over, 0u);
            square_product[left + right] = sum.x;
            over = product.y + partial.y + sum.y;
        }
        square_product[left + limbs] = over;
    }
}

fn square_word(word: u32) -> u32 {
    return square_product[word];
}
