// Validity of each list and struct above a leaf, and the offsets of the lists, from the slots of the contexts (see
// parquet/node): one invocation per node and 32 levels.
//
//   slot s of a node, at level l:  valid[s] = definition(l) >= there      offsets[s] = elements before l
//
// The output begins with the slots of each node.
//!use parquet/node

@group(0) @binding(3) var<storage, read> contexts_slots: array<u32>;
// Slots before each word, over all contexts.
@group(0) @binding(4) var<storage, read> contexts_before: array<u32>;
@group(0) @binding(5) var<storage, read_write> nodes_output: array<atomic<u32>>;

// Slots of a context before a word of it.
fn nodes_before(context: u32, word: u32, words: u32) -> u32 {
    let first = context * (words + 1u);
    return contexts_before[first + word] - contexts_before[first];
}

@compute @workgroup_size(WG)
fn main(at: Invocation) {
    let index = grid_row(at);
    let words = node_bitmap_words();
    if (index >= node_tables[NODE_NODES] * words) {
        return;
    }
    let node = index / words;
    let word = index % words;
    let record = NODE_HEAD + node_tables[NODE_CONTEXTS] * NODE_CONTEXT_WORDS + node * NODE_WORDS;
    let context = node_tables[record];
    let there = node_tables[record + 1u];
    let elements = node_tables[record + 2u];
    let offsets = node_tables[record + 4u];
    let position = nodes_before(context, word, words);
    var elements_before = 0u;
    var element_bits = 0u;
    if (elements != NODE_STRUCT) {
        elements_before = nodes_before(elements, word, words);
        element_bits = contexts_slots[elements * (words + 1u) + word];
    }
    var valid = 0u;
    var slot = 0u;
    for (var left = contexts_slots[context * (words + 1u) + word]; left != 0u; left &= left - 1u) {
        let bit = firstTrailingBit(left);
        valid |= u32(node_definition((word << 5u) + bit) >= there) << slot;
        if (elements != NODE_STRUCT) {
            atomicStore(&nodes_output[offsets + position + slot], elements_before + bitmap_rank(element_bits, bit));
        }
        slot += 1u;
    }
    let shift = position & 31u;
    let first = node_tables[record + 3u] + (position >> 5u);
    if (valid != 0u) {
        atomicOr(&nodes_output[first], valid << shift);
        if (shift != 0u && (valid >> (32u - shift)) != 0u) {
            atomicOr(&nodes_output[first + 1u], valid >> (32u - shift));
        }
    }
    if (word + 1u == words) {
        atomicStore(&nodes_output[node], position + slot);
        if (elements != NODE_STRUCT) {
            atomicStore(&nodes_output[offsets + position + slot], nodes_before(elements, words, words));
        }
    }
}
