// What all stages of the Parquet decoder read (see kernels/parquet/gpu): the tables that the host's walk over headers
// made, and the encoded bytes of all pages and dictionaries of a column.
//
//   tables:  [head][runs of definition levels][runs of repetition levels][pages][runs of each page][delta ...]
//   a run:   first output, its highest bit set where the run is bit-packed; then the value, or the first byte
//
// Positions of bytes are below 2^29, so that positions of bits within a page are 32-bit numbers.
//!use shared/grid

@group(0) @binding(0) var<storage, read> parquet_tables: array<u32>;
// Padded, so that the three words behind a position can always be read.
@group(0) @binding(1) var<storage, read> parquet_bytes: array<u32>;

// Words of the head. Those of levels are four: word of the run table, runs, bit width, largest level.
const PARQUET_LEVELS: u32 = 0u;
const PARQUET_DEFINITION: u32 = 1u;
const PARQUET_REPETITION: u32 = 5u;
const PARQUET_SLOT_DEFINITION: u32 = 9u;
// Word of the page table, then pages.
const PARQUET_PAGES: u32 = 10u;
const PARQUET_NULLABLE: u32 = 12u;
// Words of the arena.
const PARQUET_VALUES: u32 = 13u;
const PARQUET_VALIDITY: u32 = 14u;
// Bytes of a stored value.
const PARQUET_WIDTH: u32 = 15u;
// Word of the table of delta pages, pages in it, blocks of all.
const PARQUET_DELTA: u32 = 16u;

// Bits of the status: what went wrong.
const PARQUET_TOO_FEW: u32 = 1u;
const PARQUET_NO_SUCH_INDEX: u32 = 2u;
const PARQUET_NO_SUCH_LEVEL: u32 = 4u;

const PARQUET_PACKED: u32 = 0x80000000u;

// The 32 bits that begin `bit` bits behind byte `byte`.
fn parquet_word(byte: u32, bit: u32) -> u32 {
    let start = byte + (bit >> 3u);
    let shift = ((start & 3u) << 3u) + (bit & 7u);
    let low = parquet_bytes[start >> 2u] >> shift;
    if (shift == 0u) {
        return low;
    }
    return low | (parquet_bytes[(start >> 2u) + 1u] << (32u - shift));
}

// `width` bits, 0 to 32, from there.
fn parquet_bits(byte: u32, bit: u32, width: u32) -> u32 {
    if (width == 0u) {
        return 0u;
    }
    return parquet_word(byte, bit) & (0xffffffffu >> (32u - width));
}

// Number of the run that output `index` is in: the last of `runs` runs that begins at or before it.
fn parquet_run(table: u32, runs: u32, index: u32) -> u32 {
    var low = 0u;
    var high = runs;
    while (low + 1u < high) {
        let middle = (low + high) >> 1u;
        if ((parquet_tables[table + 2u * middle] & ~PARQUET_PACKED) <= index) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

// Output `index` of the run at word `at` of the tables.
fn parquet_run_value(at: u32, index: u32, width: u32) -> u32 {
    let head = parquet_tables[at];
    let payload = parquet_tables[at + 1u];
    if ((head & PARQUET_PACKED) == 0u) {
        return payload;
    }
    return parquet_bits(payload, (index - (head & ~PARQUET_PACKED)) * width, width);
}

// Walks over consecutive outputs of runs: `parquet_walk_begin` once, then `parquet_walk` for ascending outputs.
struct ParquetWalk {
    table: u32,
    runs: u32,
    width: u32,
    run: u32,
}

fn parquet_walk_begin(table: u32, runs: u32, width: u32, index: u32) -> ParquetWalk {
    return ParquetWalk(table, runs, width, parquet_run(table, runs, index));
}

fn parquet_walk(walk: ptr<function, ParquetWalk>, index: u32) -> u32 {
    while ((*walk).run + 1u < (*walk).runs
        && (parquet_tables[(*walk).table + 2u * ((*walk).run + 1u)] & ~PARQUET_PACKED) <= index) {
        (*walk).run += 1u;
    }
    return parquet_run_value((*walk).table + 2u * (*walk).run, index, (*walk).width);
}
