// What the three stages of the exclusive scan share: reduce-then-scan over blocks of WG * SCAN_ITEMS words.
//
//   reduce: block_sums[b] = sum of block b                        one workgroup per block
//   spine:  block_sums    = their exclusive scan, then the total   one workgroup
//   apply:  output[i]     = block_sums[b] + scan within the block  one workgroup per block
//
// Bytes moved per word: 4 read by reduce, 4 read and 4 written by apply. The number of words lies on the device, so
// that an earlier stage may set it. All sums are modulo 2^32. block_sums holds one word per block and one more.
// (Merrill and Grimshaw, "Parallel scan for stream architectures", 2009.)
//!use shared/grid

const SCAN_ITEMS: u32 = 4u;

struct ScanParams {
    // Words to scan.
    count: u32,
}

@group(0) @binding(0) var<storage, read> scan_params: ScanParams;

// Words of a block.
fn scan_block() -> u32 {
    return WG * SCAN_ITEMS;
}

// Blocks that the words take.
fn scan_blocks() -> u32 {
    return scan_params.count / scan_block() + u32(scan_params.count % scan_block() != 0u);
}
