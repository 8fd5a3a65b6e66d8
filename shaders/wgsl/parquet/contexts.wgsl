// Which levels are slots of each context (see parquet/node), and how many: one invocation per context and 32 levels. The
// words behind the last level stay zero.
//
// An element after the first goes on in a list that has one: its own level and the one before it are of the list's element
// at least. By induction over levels no list then goes on that is null, empty or has not begun.
//!use parquet/node

@group(0) @binding(3) var<storage, read_write> contexts_slots: array<u32>;
@group(0) @binding(4) var<storage, read_write> contexts_counts: array<u32>;
@group(0) @binding(5) var<storage, read_write> contexts_status: array<atomic<u32>, 2>;

const CONTEXTS_BROKEN_LIST: u32 = 8u;

@compute @workgroup_size(WG)
fn main(at: Invocation) {
    let index = grid_row(at);
    let words = node_bitmap_words();
    if (index >= node_tables[NODE_CONTEXTS] * words) {
        return;
    }
    let context = index / words;
    let word = index % words;
    let slot = node_tables[NODE_HEAD + context * NODE_CONTEXT_WORDS];
    let deepest = node_tables[NODE_HEAD + context * NODE_CONTEXT_WORDS + 1u];
    let first = word << 5u;
    let count = min(node_tables[NODE_LEVELS] - first, 32u);
    var slots = 0u;
    var broken = false;
    for (var i = 0u; i < count; i++) {
        let level = first + i;
        let definition = node_definition(level);
        let repetition = node_repetition(level);
        slots |= u32(definition >= slot && repetition <= deepest) << i;
        if (context != 0u && repetition == context) {
            broken = broken || definition < slot || level == 0u || node_definition(level - 1u) < slot;
        }
    }
    if (broken) {
        atomicOr(&contexts_status[0], CONTEXTS_BROKEN_LIST);
    }
    contexts_slots[context * (words + 1u) + word] = slots;
    contexts_counts[context * (words + 1u) + word] = countOneBits(slots);
}
