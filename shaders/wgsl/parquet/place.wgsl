// Last stage of the Parquet decoder: the value of each slot at its place in the arena, zero under nulls, whole words at
// a time: an invocation writes one word of narrow values, or one value of several words.
//
//   slot -> page -> number of the value in its page (rank of the slot among values) -> stored value -> PLACE_BITS bits
//
// A stored value is read where the page's encoding has it: in the page, in the dictionary under its index, in streams of
// bytes, among the scanned deltas. An index beyond the dictionary and a page of too few values are noted in the status:
// the lengths that the host knows bound every read.
//
//   a page:  kind, first byte, values there are, width (indices: bits; streams: values of a stream; deltas: first
//            value), word of its runs, runs, first byte of the dictionary, its values
//!use parquet/source
//!use shared/bitmap

// Bits of a value in the arena: 1, 8, 16, 32, 64 or 128.
override PLACE_BITS: u32 = 32u;
// 1 where stored values have their highest byte first.
override PLACE_BIG_ENDIAN: u32 = 0u;

@group(0) @binding(2) var<storage, read> place_first: array<u32>;
@group(0) @binding(3) var<storage, read> place_valid: array<u32>;
// Values before each word of slots.
@group(0) @binding(4) var<storage, read> place_before: array<u32>;
@group(0) @binding(5) var<storage, read> delta_values: array<vec2<u32>>;
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

// Words of which the highest is the one with the last of `bytes` bytes, the sign carried into the bits above.
fn place_signed(words: vec4<u32>, bytes: u32) -> vec4<u32> {
    var extended = words;
    let top = (bytes - 1u) >> 2u;
    let unused = (4u * (top + 1u) - bytes) * 8u;
    let high = bitcast<i32>(words[top] << unused) >> unused;
    extended[top] = bitcast<u32>(high);
    for (var word = top + 1u; word < 4u; word++) {
        extended[word] = bitcast<u32>(high >> 31u);
    }
    return extended;
}

fn place_swap(word: u32) -> u32 {
    let pairs = ((word & 0x00ff00ffu) << 8u) | ((word >> 8u) & 0x00ff00ffu);
    return (pairs << 16u) | (pairs >> 16u);
}

// The value stored at byte `byte`, low word first.
fn place_load(byte: u32) -> vec4<u32> {
    let bytes = parquet_tables[PARQUET_WIDTH];
    var words = vec4<u32>(0u);
    if (PLACE_BIG_ENDIAN == 0u) {
        for (var word = 0u; word * 4u < bytes; word++) {
            words[word] = parquet_word(byte + 4u * word, 0u);
        }
    } else {
        for (var word = 0u; word * 4u < bytes; word++) {
            let end = bytes - 4u * word;
            if (end >= 4u) {
                words[word] = place_swap(parquet_word(byte + end - 4u, 0u));
            } else {
                words[word] = place_swap(parquet_word(byte, 0u)) >> (8u * (4u - end));
            }
        }
    }
    return place_signed(words, bytes);
}

// Value `index` of streams of bytes: the first bytes of all values, then the second ones, and so on.
fn place_from_streams(index: u32) -> vec4<u32> {
    let bytes = parquet_tables[PARQUET_WIDTH];
    let first = parquet_tables[place_record + 1u] + index;
    let values = parquet_tables[place_record + 3u];
    var words = vec4<u32>(0u);
    for (var stream = 0u; stream < bytes; stream++) {
        let position = first + stream * values;
        let byte = (parquet_bytes[position >> 2u] >> ((position & 3u) * 8u)) & 0xffu;
        let place = select(stream, bytes - 1u - stream, PLACE_BIG_ENDIAN != 0u);
        words[place >> 2u] |= byte << ((place & 3u) * 8u);
    }
    return place_signed(words, bytes);
}

// The value of a slot, zero for nulls; slots ascend between two calls of `place_find`.
fn place_value(slot: u32) -> vec4<u32> {
    while (place_page + 1u < parquet_tables[PARQUET_PAGES + 1u] && place_first[place_page + 1u] <= slot) {
        place_open(place_page + 1u);
    }
    if (parquet_tables[PARQUET_NULLABLE] != 0u && !bitmap_bit(place_valid[slot >> 5u], slot)) {
        return vec4<u32>(0u);
    }
    let index = place_values_before(slot) - place_rank;
    if (index >= parquet_tables[place_record + 2u]) {
        place_fail(PARQUET_TOO_FEW);
        return vec4<u32>(0u);
    }
    let byte = parquet_tables[place_record + 1u];
    switch parquet_tables[place_record] {
        case PLACE_PLAIN: {
            return place_load(byte + index * parquet_tables[PARQUET_WIDTH]);
        }
        case PLACE_DICTIONARY: {
            let code = place_from_runs(index);
            if (code >= parquet_tables[place_record + 7u]) {
                place_fail(PARQUET_NO_SUCH_INDEX);
                return vec4<u32>(0u);
            }
            return place_load(parquet_tables[place_record + 6u] + code * parquet_tables[PARQUET_WIDTH]);
        }
        case PLACE_SPLIT: {
            return place_from_streams(index);
        }
        case PLACE_DELTA: {
            let words = delta_values[parquet_tables[place_record + 3u] + index];
            return place_signed(vec4<u32>(words, 0u, 0u), parquet_tables[PARQUET_WIDTH]);
        }
        case PLACE_BOOLEAN: {
            return vec4<u32>(parquet_bits(byte, index, 1u), 0u, 0u, 0u);
        }
        default: {
            return vec4<u32>(place_from_runs(index), 0u, 0u, 0u);
        }
    }
}

@compute @workgroup_size(WG)
fn main(at: Invocation) {
    let index = grid_row(at);
    let slots = parquet_tables[PARQUET_LEVELS];
    if (parquet_tables[PARQUET_NULLABLE] != 0u && index < bitmap_words(slots)) {
        place_arena[parquet_tables[PARQUET_VALIDITY] + index] = place_valid[index];
    }
    let values = parquet_tables[PARQUET_VALUES];
    if (PLACE_BITS > 32u) {
        if (index < slots) {
            place_find(index);
            let value = place_value(index);
            let position = values + index * (PLACE_BITS / 32u);
            place_arena[position] = value.x;
            place_arena[position + 1u] = value.y;
            if (PLACE_BITS > 64u) {
                place_arena[position + 2u] = value.z;
                place_arena[position + 3u] = value.w;
            }
        }
        return;
    }
    // Override expressions are evaluated for all widths, taken or not.
    let bits = min(PLACE_BITS, 32u);
    let together = 32u / bits;
    if (index >= slots / together + u32(slots % together != 0u)) {
        return;
    }
    let first = index * together;
    place_find(first);
    var word = 0u;
    for (var i = 0u; i < together && first + i < slots; i++) {
        word |= (place_value(first + i).x & (0xffffffffu >> (32u - bits))) << (i * bits);
    }
    place_arena[values + index] = word;
}
