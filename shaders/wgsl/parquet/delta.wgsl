// What the three stages of DELTA_BINARY_PACKED share: reduce-then-scan in 64 bits over blocks of DELTA_BLOCK values, none
// of which crosses the border of a page.
//
//   reduce: sums[b] = sum of the deltas of block b                              one workgroup per block
//   spine:  sums    = their exclusive scan over the blocks of all pages          one workgroup
//   apply:  value   = sums[b] - sums[first block of the page] + scan in block    one workgroup per block
//
// The first value of a page counts as its first delta. All sums are modulo 2^64, so that the difference is exact, and
// so are the low words for 32-bit columns. Bytes per value: the packed delta twice, 8 written.
//
//   a page:       first block, values, first value (2 words), word of its miniblocks, values of a miniblock,
//                 values from those of a stream of prefixes to their suffixes (see parquet/sizes), else zero
//   a miniblock:  first byte, bit width, smallest delta (2 words)
//!use parquet/source
//!use shared/int64

const DELTA_PAGE_WORDS: u32 = 7u;
const DELTA_MINIBLOCK_WORDS: u32 = 4u;
const DELTA_ITEMS: u32 = 4u;
// WG * DELTA_ITEMS; the host lays out blocks of this size.
const DELTA_BLOCK: u32 = 1024u;

// Word of the page that block `block` belongs to.
fn delta_page(block: u32) -> u32 {
    let table = parquet_tables[PARQUET_DELTA];
    var low = 0u;
    var high = parquet_tables[PARQUET_DELTA + 1u];
    while (low + 1u < high) {
        let middle = (low + high) >> 1u;
        if (parquet_tables[table + middle * DELTA_PAGE_WORDS] <= block) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return table + low * DELTA_PAGE_WORDS;
}

// Delta `index` of the page at word `page`; zero behind its last.
fn delta_at(page: u32, index: u32) -> I64 {
    if (index >= parquet_tables[page + 1u]) {
        return i64_from_u32(0u);
    }
    if (index == 0u) {
        return i64_from_words(parquet_tables[page + 2u], parquet_tables[page + 3u]);
    }
    let values = parquet_tables[page + 5u];
    let mini = parquet_tables[page + 4u] + (index - 1u) / values * DELTA_MINIBLOCK_WORDS;
    let byte = parquet_tables[mini];
    let width = parquet_tables[mini + 1u];
    let bit = (index - 1u) % values * width;
    let low = parquet_bits(byte, bit, min(width, 32u));
    var high = 0u;
    if (width > 32u) {
        high = parquet_bits(byte, bit + 32u, width - 32u);
    }
    let least = i64_from_words(parquet_tables[mini + 2u], parquet_tables[mini + 3u]);
    return i64_add(least, i64_from_words(low, high));
}

fn delta_blocks() -> u32 {
    return parquet_tables[PARQUET_DELTA + 2u];
}
