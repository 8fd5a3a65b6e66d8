//!use aggregate/table
//!use shared/hash
// The hash of a row's key words. The stage declares `shape` and `key_word(row, word)`.
//
// The seed is drawn by the host for each table and goes into every word before that is multiplied: keys that collide in
// MurmurHash3 under any seed (differences that cancel between two words) have no such difference here.

fn row_hash(row: u32, width: u32) -> u32 {
    let seed = shape[SHAPE_SEED];
    var hash = seed;
    for (var word = 0u; word < width; word++) {
        hash = hash_word(hash, key_word(row, word) ^ seed);
    }
    return hash_finish(hash, width) & shape[SHAPE_HASH_MASK];
}
