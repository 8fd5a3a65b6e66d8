// Arrow bitmaps: bit `i` of a bitmap is bit `i % 32` of word `i / 32`, lowest bit first.
// Functions take words by value: WGSL has no pointers to storage as parameters.

// Word of a bitmap that holds bit `index`.
fn bitmap_word(index: u32) -> u32 {
    return index >> 5u;
}

// Bit `index` of a bitmap, out of its word `bitmap_word(index)`.
fn bitmap_bit(word: u32, index: u32) -> bool {
    return ((word >> (index & 31u)) & 1u) != 0u;
}

// Words that a bitmap of `bits` bits takes. No overflow up to 2^32 - 1 bits.
fn bitmap_words(bits: u32) -> u32 {
    return (bits >> 5u) + u32((bits & 31u) != 0u);
}

// Word `index` of a bitmap of `bits` bits, with the garbage behind its last bit cleared.
fn bitmap_masked(word: u32, index: u32, bits: u32) -> u32 {
    let first = index << 5u;
    if (index >= bitmap_words(bits)) {
        return 0u;
    }
    let left = bits - first;
    if (left >= 32u) {
        return word;
    }
    return word & ((1u << left) - 1u);
}

// Bits set below bit `index` of its word: the rank of a set bit within the word.
fn bitmap_rank(word: u32, index: u32) -> u32 {
    return countOneBits(word & ((1u << (index & 31u)) - 1u));
}
