// The plan of an aggregation pass: data that the host writes and every stage of the pass reads, so that shaders depend
// on the shape of the states only. Positions are shared with the host, which reads them from this file's constants in
// a test (`kernels/src/aggregate/gpu/tests.rs`).
//
//   plan: [entries][groups][state stride][local stride] [entry: kind, local word, state word, words]... [digits, ranks]

const PLAN_ENTRIES: u32 = 0u;       // entries that a workgroup flushes
const PLAN_GROUPS: u32 = 1u;        // groups that workgroup memory holds
const PLAN_STATE_STRIDE: u32 = 2u;  // words of one group's state
const PLAN_LOCAL_STRIDE: u32 = 3u;  // words of one group's state in workgroup memory
const PLAN_HEAD: u32 = 4u;          // first entry
const ENTRY_WORDS: u32 = 4u;

const ENTRY_ADD: u32 = 0u;  // a little-endian number of `words` words, two's complement
const ENTRY_MAX: u32 = 1u;  // one word, the greatest wins; 0 where no row has come yet
const ENTRY_OR: u32 = 2u;   // one word of bits
const ENTRY_XOR: u32 = 3u;  // one word of parities
