// MurmurHash3 (x86, 32 bits) over key words: https://github.com/aappleby/smhasher (public domain).
//
//   var hash = seed;
//   for each word: hash = hash_word(hash, word);
//   hash = hash_finish(hash, number of words);
//
// The result is that of the reference code over the words as little-endian bytes.

fn hash_rotate(value: u32, count: u32) -> u32 {
    return (value << count) | (value >> (32u - count));
}

// Every bit of the input changes half of the bits of the result; a bijection.
fn hash_mix(value: u32) -> u32 {
    var h = value;
    h = (h ^ (h >> 16u)) * 0x85ebca6bu;
    h = (h ^ (h >> 13u)) * 0xc2b2ae35u;
    return h ^ (h >> 16u);
}

// Takes one more word into a running hash.
fn hash_word(running: u32, word: u32) -> u32 {
    let k = hash_rotate(word * 0xcc9e2d51u, 15u) * 0x1b873593u;
    return hash_rotate(running ^ k, 13u) * 5u + 0xe6546b64u;
}

// The hash of `words` words that were taken in.
fn hash_finish(running: u32, words: u32) -> u32 {
    return hash_mix(running ^ (words * 4u));
}
