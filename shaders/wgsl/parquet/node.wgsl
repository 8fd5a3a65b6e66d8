// What the two stages share that find the lists and structs above a leaf (see kernels/parquet/gpu/shape).
//
//   a context:  definition level from which on a level is a slot in it, repetition level up to which it is one
//   a node:     its context, definition level from which on it is there, context of its elements (none: a struct), first
//               word of its validity in the output, first word of its offsets
//
// Context 0 is the rows, context k the elements of the k-th list: its repetition level is k. The words of a bitmap over
// levels, and the counts of them, lie context by context, one word more than levels have.
//!use shared/grid
//!use shared/bitmap

@group(0) @binding(0) var<storage, read> node_tables: array<u32>;
// Levels, two to a word.
@group(0) @binding(1) var<storage, read> node_definitions: array<u32>;
@group(0) @binding(2) var<storage, read> node_repetitions: array<u32>;

const NODE_LEVELS: u32 = 0u;
const NODE_CONTEXTS: u32 = 1u;
const NODE_NODES: u32 = 2u;
// Whether there are repetition levels.
const NODE_REPEATED: u32 = 3u;
const NODE_HEAD: u32 = 4u;
const NODE_CONTEXT_WORDS: u32 = 2u;
const NODE_WORDS: u32 = 5u;
const NODE_STRUCT: u32 = 0xffffffffu;

fn node_definition(level: u32) -> u32 {
    return (node_definitions[level >> 1u] >> ((level & 1u) << 4u)) & 0xffffu;
}

fn node_repetition(level: u32) -> u32 {
    if (node_tables[NODE_REPEATED] == 0u) {
        return 0u;
    }
    return (node_repetitions[level >> 1u] >> ((level & 1u) << 4u)) & 0xffffu;
}

// Words of a bitmap over levels.
fn node_bitmap_words() -> u32 {
    return bitmap_words(node_tables[NODE_LEVELS]);
}
