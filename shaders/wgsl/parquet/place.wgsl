// Last stage of the Parquet decoder: the value of each slot at its place in the arena, zero under nulls, whole words at
// a time: an invocation writes one word of narrow values, or one value of several words.
//
//   slot -> page -> number of the value in its page (rank of the slot among values) -> stored value -> PLACE_BITS bits
//
// A stored value is read where the page's encoding has it: in the page, in the dictionary under its index, in streams of
// bytes, among the scanned deltas, among the values that parquet/unfold has put together. An index beyond the dictionary
// and a page of too few values are noted in the status: the lengths that the host knows bound every read.
//
// Byte arrays begin where the host's walk has found them (plain pages and dictionaries: their lengths lie before them) or
// where the scan over their lengths says.
//
//   a page:  kind, first byte, values there are, width (indices: bits; streams: values of a stream; deltas, lengths and
//            unfolded values: first value of the scan; plain byte arrays: word of where they begin), word of its runs, runs,
//            first byte of the dictionary (of byte arrays: word of where they begin), its values
//!use parquet/source
//!use shared/bitmap
//!use shared/int64

// Bits of a value in the arena: 1, 8, 16, 32, 64 or 128; 0 where it is PLACE_STRIDE bytes.
override PLACE_BITS: u32 = 32u;
override PLACE_STRIDE: u32 = 1u;
// 1 where the arena gets lengths, and behind those of all slots and one more word first bytes: for parquet/gather.
override PLACE_SPANS: u32 = 0u;
// 1 where stored values have their highest byte first.
override PLACE_BIG_ENDIAN: u32 = 0u;
// 1 where stored values are filled up with zeros instead of their sign.
override PLACE_UNSIGNED: u32 = 0u;
// Bytes of a stored value before those that are wanted.
override PLACE_SKIP: u32 = 0u;
// Parts of a second that an INT96 timestamp is converted to; 0 for all other values.
override PLACE_PER_SECOND: u32 = 0u;

@group(0) @binding(2) var<storage, read> place_first: array<u32>;
@group(0) @binding(3) var<storage, read> place_valid: array<u32>;
// Values before each word of slots.
@group(0) @binding(4) var<storage, read> place_before: array<u32>;
// Scanned deltas, two words each; of byte arrays the bytes before each value.
@group(0) @binding(5) var<storage, read> place_scanned: array<u32>;
@group(0) @binding(6) var<storage, read_write> place_arena: array<u32>;
// What went wrong (bits), and the first page of it: pages minus its number.
@group(0) @binding(7) var<storage, read_write> place_status: array<atomic<u32>, 2>;

const PLACE_PAGE_WORDS: u32 = 8u;
const PLACE_PLAIN: u32 = 0u;
const PLACE_DICTIONARY: u32 = 1u;
const PLACE_SPLIT: u32 = 2u;
const PLACE_DELTA: u32 = 3u;
const PLACE_BOOLEAN: u32 = 4u;
const PLACE_RUNS: u32 = 5u;
const PLACE_ARRAYS: u32 = 6u;
const PLACE_LENGTHS: u32 = 7u;
const PLACE_UNFOLDED: u32 = 8u;
const PLACE_ENTRIES: u32 = 9u;

const PLACE_JULIAN_DAY_OF_EPOCH: u32 = 2440588u;

var<private> place_page: u32;
// The page's first word in the tables; values before its first slot.
var<private> place_record: u32;
var<private> place_rank: u32;
var<private> place_run: u32;

fn place_values_before(slot: u32) -> u32 {
    if (parquet_tables[PARQUET_NULLABLE] == 0u) {
        return slot;
    }
    return place_before[slot >> 5u] + bitmap_rank(place_valid[slot >> 5u], slot);
}

fn place_open(page: u32) {
    place_page = page;
    place_record = parquet_tables[PARQUET_PAGES] + page * PLACE_PAGE_WORDS;
    place_rank = place_values_before(place_first[page]);
    place_run = 0xffffffffu;
}

// The last page that begins at or before `slot`.
fn place_find(slot: u32) {
    var low = 0u;
    var high = parquet_tables[PARQUET_PAGES + 1u];
    while (low + 1u < high) {
        let middle = (low + high) >> 1u;
        if (place_first[middle] <= slot) {
            low = middle;
        } else {
            high = middle;
        }
    }
    place_open(low);
}

fn place_fail(what: u32) {
    atomicOr(&place_status[0], what);
    atomicMax(&place_status[1], parquet_tables[PARQUET_PAGES + 1u] - place_page);
}

// Value `index` of the page's runs, for ascending indices.
fn place_from_runs(index: u32) -> u32 {
    let table = parquet_tables[place_record + 4u];
    let runs = parquet_tables[place_record + 5u];
    if (place_run == 0xffffffffu) {
        place_run = parquet_run(table, runs, index);
    }
    while (place_run + 1u < runs && (parquet_tables[table + 2u * (place_run + 1u)] & ~PARQUET_PACKED) <= index) {
        place_run += 1u;
    }
    return parquet_run_value(table + 2u * place_run, index, parquet_tables[place_record + 3u]);
}

// Where a stored value lies: byte `k` of its `len` bytes `k * stride` bytes behind the first; without stride, `first` and
// `high` are the value.
struct PlaceSource {
    first: u32,
    high: u32,
    stride: u32,
    len: u32,
}

fn place_swap(word: u32) -> u32 {
    let pairs = ((word & 0x00ff00ffu) << 8u) | ((word >> 8u) & 0x00ff00ffu);
    return (pairs << 16u) | (pairs >> 16u);
}

// Word `word` of a stored value, low word first; what is above its last byte is any.
fn place_stored(source: PlaceSource, word: u32) -> u32 {
    if (source.stride == 0u) {
        return select(source.first, source.high, word != 0u);
    }
    let left = source.len - 4u * word;
    if (source.stride == 1u) {
        if (PLACE_BIG_ENDIAN == 0u) {
            return parquet_word(source.first + 4u * word, 0u);
        }
        if (left >= 4u) {
            return place_swap(parquet_word(source.first + left - 4u, 0u));
        }
        return place_swap(parquet_word(source.first, 0u)) >> (8u * (4u - left));
    }
    var value = 0u;
    for (var byte = 0u; byte < min(left, 4u); byte++) {
        let place = select(4u * word + byte, left - 1u - byte, PLACE_BIG_ENDIAN != 0u);
        let position = source.first + place * source.stride;
        value |= ((parquet_bytes[position >> 2u] >> ((position & 3u) * 8u)) & 0xffu) << (8u * byte);
    }
    return value;
}

// Word `word` of a value, the sign of its last byte carried into all bits above; zero where it has no bytes.
fn place_word(source: PlaceSource, word: u32) -> u32 {
    if (source.len == 0u) {
        return 0u;
    }
    let last = (source.len - 1u) >> 2u;
    let stored = place_stored(source, min(word, last));
    if (word < last) {
        return stored;
    }
    let unused = (4u * (last + 1u) - source.len) * 8u;
    let high = bitcast<i32>(stored << unused);
    if (PLACE_UNSIGNED != 0u) {
        return select(0u, bitcast<u32>(high) >> unused, word == last);
    }
    return bitcast<u32>(select(high >> 31u, high >> unused, word == last));
}

// A byte array of a plain page or a dictionary: its length is before it.
fn place_array(table: u32, index: u32) -> PlaceSource {
    let first = parquet_tables[table + index];
    return PlaceSource(first, 0u, 1u, parquet_word(first - 4u, 0u));
}

// A byte array of scanned length, behind byte `byte`.
fn place_scanned_array(byte: u32, value: u32, index: u32) -> PlaceSource {
    let before = place_scanned[value + index];
    return PlaceSource(byte + before - place_scanned[value], 0u, 1u, place_scanned[value + index + 1u] - before);
}

// Value `index` of the page, which has that many.
fn place_in_page(index: u32) -> PlaceSource {
    let byte = parquet_tables[place_record + 1u];
    let width = parquet_tables[place_record + 3u];
    let bytes = parquet_tables[PARQUET_WIDTH];
    switch parquet_tables[place_record] {
        case PLACE_PLAIN: {
            return PlaceSource(byte + index * bytes, 0u, 1u, bytes);
        }
        case PLACE_DICTIONARY, PLACE_ENTRIES: {
            let code = place_from_runs(index);
            if (code >= parquet_tables[place_record + 7u]) {
                place_fail(PARQUET_NO_SUCH_INDEX);
                return PlaceSource(0u, 0u, 0u, 0u);
            }
            let dictionary = parquet_tables[place_record + 6u];
            if (parquet_tables[place_record] == PLACE_ENTRIES) {
                return place_array(dictionary, code);
            }
            return PlaceSource(dictionary + code * bytes, 0u, 1u, bytes);
        }
        case PLACE_SPLIT: {
            return PlaceSource(byte + index, 0u, width, bytes);
        }
        case PLACE_DELTA: {
            let value = 2u * (width + index);
            return PlaceSource(place_scanned[value], place_scanned[value + 1u], 0u, bytes);
        }
        case PLACE_BOOLEAN: {
            return PlaceSource(parquet_bits(byte, index, 1u), 0u, 0u, 4u);
        }
        case PLACE_ARRAYS: {
            return place_array(width, index);
        }
        case PLACE_LENGTHS, PLACE_UNFOLDED: {
            return place_scanned_array(byte, width, index);
        }
        default: {
            return PlaceSource(place_from_runs(index), 0u, 0u, 4u);
        }
    }
}

// The stored value of a slot, no bytes for nulls; slots ascend between two calls of `place_find`.
fn place_source(slot: u32) -> PlaceSource {
    while (place_page + 1u < parquet_tables[PARQUET_PAGES + 1u] && place_first[place_page + 1u] <= slot) {
        place_open(place_page + 1u);
    }
    if (parquet_tables[PARQUET_NULLABLE] != 0u && !bitmap_bit(place_valid[slot >> 5u], slot)) {
        return PlaceSource(0u, 0u, 0u, 0u);
    }
    let index = place_values_before(slot) - place_rank;
    if (index >= parquet_tables[place_record + 2u]) {
        place_fail(PARQUET_TOO_FEW);
        return PlaceSource(0u, 0u, 0u, 0u);
    }
    var source = place_in_page(index);
    source.first += PLACE_SKIP * source.stride;
    source.len -= min(PLACE_SKIP, source.len);
    return source;
}

// Nanoseconds of the day as a signed number, the Julian day after them; what overflows wraps. A null has no bytes.
fn place_timestamp(source: PlaceSource) -> vec2<u32> {
    if (source.len == 0u) {
        return vec2<u32>(0u);
    }
    let parts = max(PLACE_PER_SECOND, 1u);
    let nanoseconds = i64_from_words(place_word(source, 0u), place_word(source, 1u));
    let of_day = i64_div(nanoseconds, i64_from_u32(1000000000u / parts));
    let julian = i64_from_i32(bitcast<i32>(place_word(source, 2u)));
    let day = i64_sub(julian, i64_from_u32(PLACE_JULIAN_DAY_OF_EPOCH));
    let value = i64_add(i64_mul(day, i64_mul(i64_from_u32(86400u), i64_from_u32(parts))), of_day);
    return vec2<u32>(i64_lo(value), i64_hi(value));
}

// A value of 64 or 128 bits.
fn place_long(slot: u32, position: u32) {
    let source = place_source(slot);
    if (PLACE_PER_SECOND != 0u) {
        let value = place_timestamp(source);
        place_arena[position] = value.x;
        place_arena[position + 1u] = value.y;
        return;
    }
    for (var word = 0u; word < PLACE_BITS / 32u; word++) {
        place_arena[position + word] = place_word(source, word);
    }
}

// Word `index` of values of PLACE_STRIDE bytes.
fn place_bytes(index: u32, slots: u32) -> u32 {
    let stride = max(PLACE_STRIDE, 1u);
    var slot = 4u * index / stride;
    place_find(slot);
    var source = place_source(slot);
    var value = 0u;
    for (var byte = 0u; byte < 4u; byte++) {
        let position = 4u * index + byte;
        if (position / stride != slot) {
            slot = position / stride;
            if (slot >= slots) {
                break;
            }
            source = place_source(slot);
        }
        let within = position % stride;
        value |= ((place_word(source, within >> 2u) >> (8u * (within & 3u))) & 0xffu) << (8u * byte);
    }
    return value;
}

@compute @workgroup_size(WG)
fn main(at: Invocation) {
    let index = grid_row(at);
    let slots = parquet_tables[PARQUET_LEVELS];
    if (parquet_tables[PARQUET_NULLABLE] != 0u && index < bitmap_words(slots)) {
        place_arena[parquet_tables[PARQUET_VALIDITY] + index] = place_valid[index];
    }
    let values = parquet_tables[PARQUET_VALUES];
    if (PLACE_SPANS != 0u) {
        if (index < slots) {
            place_find(index);
            let source = place_source(index);
            place_arena[values + index] = source.len;
            place_arena[values + slots + 1u + index] = source.first;
        }
        return;
    }
    if (PLACE_BITS == 0u) {
        if (index < slots * (PLACE_STRIDE / 4u) + (slots * (PLACE_STRIDE % 4u) + 3u) / 4u) {
            place_arena[values + index] = place_bytes(index, slots);
        }
        return;
    }
    if (PLACE_BITS > 32u) {
        if (index < slots) {
            place_find(index);
            place_long(index, values + index * (PLACE_BITS / 32u));
        }
        return;
    }
    // Override expressions are evaluated for all widths, taken or not.
    let bits = clamp(PLACE_BITS, 1u, 32u);
    let together = 32u / bits;
    if (index >= slots / together + u32(slots % together != 0u)) {
        return;
    }
    let first = index * together;
    place_find(first);
    var word = 0u;
    for (var i = 0u; i < together && first + i < slots; i++) {
        word |= (place_word(place_source(first + i), 0u) & (0xffffffffu >> (32u - bits))) << (i * bits);
    }
    place_arena[values + index] = word;
}
