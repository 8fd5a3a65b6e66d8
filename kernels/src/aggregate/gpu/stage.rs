//! The generated stages: text around `evaluate`, and the plan words that it reads.
//!
//! ```text
//! accumulate, one per pass:                           keys, hash table only:
//!   bindings 0-2 of `evaluate`                          bindings 0-2 of `evaluate`
//!   3 plan, 4 state                                     3 row_keys, 4 row_slots
//!   hash table: 5 row_slots, 6 table, 7 order
//!
//! plan:  [head][entries][digits: least, size per key][least exponent per float sum][where the ranks of a slot start][ranks]
//! ```
//! Domains, ranks and capacities are data; text depends on the shape of keys and states alone.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use pilaster_shaders::{Request, Root, Shader, Tier, shader};

use super::float::{Accumulator, Format};
use super::mode::{Digit, Mode, Site};
use super::state::{BitFold, Entry, Merge, Part, SlotKind, StateLayout};
use super::{WORKGROUP, values};
use crate::error::{Error, Result};
use crate::expr::wgsl::{Class, GeneratedExprs, ValueInfo};

/// Words of `plan` before the entries, as in `aggregate/plan.wgsl`.
pub(super) const PLAN_HEAD: usize = 4;
/// Words of an entry.
pub(super) const ENTRY_WORDS: usize = 4;

/// One pass over the data: a shader and its plan.
#[derive(Debug, Clone)]
pub(super) struct Pass {
    /// Parameters and errors of this pass's `evaluate`.
    pub exprs: GeneratedExprs,
    pub shader: Arc<Shader>,
    pub plan: Vec<u32>,
    pub site: Site,
}

/// What a pass is made from.
pub(super) struct PassRequest<'a> {
    pub mode: &'a Mode,
    pub layout: &'a StateLayout,
    pub index: usize,
    pub tier: &'a Tier,
    /// Keys of a direct array: the first values of `exprs`.
    pub keys: usize,
    /// Per operand, its index among the values of `exprs`.
    pub value_of: &'a HashMap<usize, usize>,
}

/// Writes the accumulate stage of a pass around `exprs`.
pub(super) fn accumulate(request: &PassRequest<'_>, exprs: GeneratedExprs) -> Result<Pass> {
    let (parts, local_words) = request.layout.parts(request.index);
    let site = Site::choose(request.mode, request.layout, local_words, request.tier.workgroup_bytes);
    let entries: Vec<Entry> = parts.iter().flat_map(|part| part.entries(request.index)).collect();
    let plan = Plan::new(request, &exprs, site, &parts, &entries, local_words)?;
    let mut text = exprs.wgsl.clone();
    text.push_str(match request.mode {
        Mode::Hash => HASH_BINDINGS,
        _ => BINDINGS,
    });
    if parts.iter().any(|part| float_base(part).is_some()) {
        text.push_str("//!use aggregate/float\n");
    }
    if parts.iter().any(|part| matches!(part.slot.kind, SlotKind::Squares { .. })) {
        text.push_str("//!use aggregate/square\n");
    }
    if let Site::Private { .. } = site {
        text.push_str(&private_state(&entries, local_words));
    }
    text.push_str("fn accumulate(group: u32) {\n    site_enter(group);\n");
    for part in &parts {
        text.push_str(&update(request, &plan, &exprs.values, part));
    }
    text.push_str("}\n\n");
    match request.mode {
        Mode::Hash => {}
        Mode::Ungrouped => text.push_str(&group_of(&[], &[], 0)),
        Mode::Direct { digits, .. } => {
            text.push_str(&group_of(&exprs.values[..request.keys], digits, plan.digits_at));
        }
    }
    text.push_str(if *request.mode == Mode::Hash { HASH_MAIN } else { MAIN });
    let constants = local_constants(site, local_words, request.tier);
    let shader = compose(
        &format!("aggregate/accumulate/{}", request.index),
        &text,
        &[("Site", site.module())],
        &constants,
        request.tier,
    )?;
    Ok(Pass { exprs, shader, plan: plan.words, site })
}

/// Sizes of workgroup memory. They are rounded, so that few pipelines differ by nothing else.
fn local_constants(site: Site, local_words: usize, tier: &Tier) -> Vec<(&'static str, f64)> {
    let words = (local_words * site.groups() * site.copies()).max(1);
    let room = (tier.workgroup_bytes / 4) as usize;
    let copies = ("COPIES", site.copies() as f64);
    match site {
        Site::Global => vec![],
        // Nothing is left for rounding up: owners lie there too. The number of places is round.
        Site::Hybrid { groups } => {
            vec![("LOCAL_WORDS", words as f64), copies, ("LOCAL_PLACES", groups as f64)]
        }
        _ => vec![("LOCAL_WORDS", words.next_power_of_two().min(room) as f64), copies],
    }
}

/// The bindings of a stage without a table.
const BINDINGS: &str = "
//!use $Site
//!use shared/float_order
@group(0) @binding(3) var<storage, read> plan: array<u32>;
@group(0) @binding(4) var<storage, read_write> state: array<atomic<u32>>;

";

/// The bindings of a stage with one.
const HASH_BINDINGS: &str = "
//!use $Site
//!use shared/float_order
//!use aggregate/table
@group(0) @binding(3) var<storage, read> plan: array<u32>;
@group(0) @binding(4) var<storage, read_write> state: array<atomic<u32>>;
@group(0) @binding(5) var<storage, read> row_slots: array<u32>;
@group(0) @binding(6) var<storage, read> table: array<u32>;
@group(0) @binding(7) var<storage, read> order: array<u32>;

";

const MAIN: &str = "
@compute @workgroup_size(256)
fn main(
    @builtin(global_invocation_id) invocation: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    site_begin(thread, 256u);
    for (var row = invocation.x; row < parameters[0]; row += workgroups.x * 256u) {
        evaluate(row);
        if keep {
            accumulate(group_of_row());
        }
    }
    site_end(thread, 256u);
}
";

const HASH_MAIN: &str = "
@compute @workgroup_size(256)
fn main(
    @builtin(global_invocation_id) invocation: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    site_begin(thread, 256u);
    // A table that has overflowed holds unsettled slots: its run is void, and will be repeated with a larger one.
    let rows = select(0u, parameters[0], table[TABLE_OVERFLOW] == 0u);
    let sorted = table[TABLE_DIGITS] != 0u;
    for (var at = invocation.x; at < rows; at += workgroups.x * 256u) {
        let slot = row_slots[at];
        if slot != ROW_SKIPPED {
            var row = at;
            if sorted {
                row = order[at];
            }
            evaluate(row);
            accumulate(table[TABLE_HEAD + (slot & ~ROW_CLAIMS)] & ~SLOT_GROUP);
        }
    }
    site_end(thread, 256u);
}
";

/// The registers of [`Site::Private`] and how they join the workgroup's states.
fn private_state(entries: &[Entry], words: usize) -> String {
    let mut text =
        format!("var<private> private_state: array<u32, {}>;\n\nfn private_flush() {{\n", words.max(1));
    text.push_str("    var carry = 0u;\n");
    for entry in entries {
        let local = entry.local;
        match entry.merge {
            Merge::Add => {
                for word in local..local + entry.words {
                    let carry = if word == local { "0u" } else { "carry" };
                    let _ =
                        writeln!(text, "    carry = local_add(0u, {word}u, private_state[{word}], {carry});");
                }
            }
            Merge::Max => {
                let _ = writeln!(text, "    local_max(0u, {local}u, private_state[{local}]);");
            }
            Merge::Or | Merge::Xor => {
                let join = if entry.merge == Merge::Or { "or" } else { "xor" };
                let _ = writeln!(text, "    local_{join}(0u, {local}u, private_state[{local}]);");
            }
        }
    }
    text.push_str("}\n\n");
    text
}

/// How a row updates one slot.
fn update(request: &PassRequest<'_>, plan: &Plan, infos: &[ValueInfo], part: &Part) -> String {
    let slot = part.slot;
    let info = slot.operand.map(|operand| &infos[request.value_of[&operand]]);
    let body = match (slot.kind, info) {
        (SlotKind::Count { words }, _) => {
            let addends = (0..words).map(|word| if word == 0 { "1u".into() } else { "0u".into() });
            add(part, addends)
        }
        (SlotKind::Sum { words }, Some(info)) => {
            let value = info.words_wgsl();
            let top = value.last().cloned().unwrap_or_default();
            let is_signed = info.range.is_none_or(|(least, _)| least < 0);
            let sign =
                if is_signed { format!("bitcast<u32>(bitcast<i32>({top}) >> 31u)") } else { "0u".into() };
            add(part, (0..words).map(|word| value.get(word).cloned().unwrap_or_else(|| sign.clone())))
        }
        (SlotKind::Extreme { greatest, .. }, Some(info)) => extreme(
            part,
            request.index,
            greatest,
            &order_words(info, plan.ranks_at.get(&slot.operand).copied()),
        ),
        (SlotKind::FloatSum { accumulator }, Some(info)) => float(plan, part, accumulator, "add", info),
        (SlotKind::FloatSquares { accumulator }, Some(info)) => {
            float(plan, part, accumulator, "add_square", info)
        }
        (SlotKind::Bits { fold, .. }, Some(info)) => fold_bits(part, fold, info),
        (SlotKind::Squares { limbs, words }, Some(info)) => squares(part, limbs, words, info),
        (_, None) => String::new(),
    };
    match info {
        Some(info) if info.nullable => format!("    if valid_{} {{\n{body}    }}\n", info.index),
        _ => format!("    {{\n{body}    }}\n"),
    }
}

/// Adds a number, word by word.
fn add(part: &Part, addends: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    for (at, addend) in addends.enumerate() {
        let (local, word) = (part.local + at, part.slot.first + at);
        let _ = match at {
            0 => writeln!(text, "        var carry = site_add(group, {local}u, {word}u, {addend}, 0u);"),
            _ => writeln!(text, "        carry = site_add(group, {local}u, {word}u, {addend}, carry);"),
        };
    }
    text
}

/// Adds a float, or its square.
fn float(plan: &Plan, part: &Part, accumulator: Accumulator, adds: &str, info: &ValueInfo) -> String {
    let bits = if accumulator.format == Format::F32 { 32 } else { 64 };
    let (local, word, limbs) = (part.local, part.slot.first, accumulator.limbs);
    let base = plan.bases_at[&part.slot.first];
    format!(
        "        float{bits}_{adds}(group, {local}u, {word}u, value_{}, {limbs}u, plan[{base}u]);\n",
        info.index
    )
}

/// The least exponent of the values of a float sum.
fn float_base(part: &Part) -> Option<u32> {
    match part.slot.kind {
        SlotKind::FloatSum { accumulator } | SlotKind::FloatSquares { accumulator } => Some(accumulator.base),
        _ => None,
    }
}

/// Joins the bits of a value, word by word. Values are sign-extended, and so is what their bits join to.
fn fold_bits(part: &Part, fold: BitFold, info: &ValueInfo) -> String {
    let (join, complement) = match fold {
        BitFold::And => ("or", "~"),
        BitFold::Or => ("or", ""),
        BitFold::Xor => ("xor", ""),
    };
    let mut text = String::new();
    for (at, word) in info.words_wgsl().into_iter().enumerate() {
        let (local, state) = (part.local + at, part.slot.first + at);
        let _ = writeln!(text, "        site_{join}(group, {local}u, {state}u, {complement}({word}));");
    }
    text
}

/// Adds the square of a value.
fn squares(part: &Part, limbs: usize, words: usize, info: &ValueInfo) -> String {
    let value = info.words_wgsl();
    let top = value.last().cloned().unwrap_or_default();
    let signed = info.range.is_none_or(|(least, _)| least < 0);
    let sign = if signed { format!("bitcast<u32>(bitcast<i32>({top}) >> 31u)") } else { "0u".into() };
    let word = |at: usize| value.get(at).cloned().unwrap_or_else(|| sign.clone());
    let extended: Vec<String> = (0..4).map(word).collect();
    let mut text = format!("        square_of(vec4<u32>({}), {limbs}u, {signed});\n", extended.join(", "));
    text.push_str(&add(
        part,
        (0..words).map(|at| match at < 2 * limbs {
            true => format!("square_word({at}u)"),
            false => "0u".into(),
        }),
    ));
    text
}

/// Words of a value whose unsigned lexicographic order is the order of values, highest first.
fn order_words(info: &ValueInfo, ranks_at: Option<usize>) -> Vec<String> {
    let value = info.index;
    match info.class {
        Class::F32 => vec![format!("f32_order(value_{value})")],
        Class::F64 => vec![format!("f64_order(value_{value}).y"), format!("f64_order(value_{value}).x")],
        Class::Code => vec![format!("plan[plan[{}u] + value_{value}]", ranks_at.unwrap_or_default())],
        Class::Bool => info.words_wgsl(),
        Class::I32 | Class::I64 | Class::I128 => {
            let mut words: Vec<String> = info.words_wgsl().into_iter().rev().collect();
            words[0] = format!("({} ^ 0x80000000u)", words[0]);
            words
        }
    }
}

/// Offers word `pass` of a value, if its higher words are those of the best value.
fn extreme(part: &Part, pass: usize, greatest: bool, words: &[String]) -> String {
    let first = part.slot.first;
    let complement = if greatest { "" } else { "~" };
    let mut condition = String::new();
    for (at, word) in words[..pass].iter().enumerate() {
        let and = if at == 0 { "" } else { " && " };
        let _ = write!(condition, "{and}{complement}({word}) == global_load(group, {}u)", first + at);
    }
    let (local, word, offer) = (part.local, first + pass, &words[pass]);
    let offer = format!("site_max(group, {local}u, {word}u, {complement}({offer}));");
    if condition.is_empty() {
        format!("        {offer}\n")
    } else {
        format!("        if {condition} {{\n            {offer}\n        }}\n")
    }
}

/// The group of a row that `evaluate` has just been called for; keys are its first values.
pub(super) fn group_of(keys: &[ValueInfo], digits: &[Digit], digits_at: usize) -> String {
    let mut text = String::from("fn group_of_row() -> u32 {\n    var group = 0u;\n");
    for (key, (info, digit)) in keys.iter().zip(digits).enumerate() {
        let least = digits_at + 2 * key;
        // The range is below 2^32, so low words are enough.
        let mut offset = format!("{} - plan[{least}u]", info.words_wgsl()[0]);
        if digit.nullable {
            offset = format!("select(0u, {offset} + 1u, valid_{})", info.index);
        }
        let _ = writeln!(text, "    group = group * plan[{}u] + ({offset});", least + 1);
    }
    text.push_str("    return group;\n}\n");
    text
}

/// The words of `plan`, and where its parts start.
struct Plan {
    words: Vec<u32>,
    digits_at: usize,
    /// Per float sum, by the first word of its slot: the word that holds the least exponent.
    bases_at: HashMap<usize, usize>,
    /// Per operand that is compared by rank: the word that holds where its ranks start.
    ranks_at: HashMap<Option<usize>, usize>,
}

impl Plan {
    fn new(
        request: &PassRequest<'_>,
        exprs: &GeneratedExprs,
        site: Site,
        parts: &[Part],
        entries: &[Entry],
        local_words: usize,
    ) -> Result<Self> {
        let stride = request.layout.stride;
        let mut words = vec![entries.len() as u32, site.groups() as u32, stride as u32, local_words as u32];
        for entry in entries {
            words.extend([entry.merge as u32, entry.local as u32, entry.word as u32, entry.words as u32]);
        }
        let digits_at = words.len();
        debug_assert_eq!(digits_at, PLAN_HEAD + entries.len() * ENTRY_WORDS);
        if let Mode::Direct { digits, .. } = request.mode {
            words.extend(digits.iter().flat_map(|Digit { least, size, .. }| [*least as u32, *size as u32]));
        }
        let mut bases_at = HashMap::new();
        for (part, base) in parts.iter().filter_map(|part| Some((part, float_base(part)?))) {
            bases_at.insert(part.slot.first, words.len());
            words.push(base);
        }
        let mut plan = Plan { words, digits_at, bases_at, ranks_at: HashMap::new() };
        plan.add_ranks(request, exprs, parts)?;
        Ok(plan)
    }

    fn add_ranks(&mut self, request: &PassRequest<'_>, exprs: &GeneratedExprs, parts: &[Part]) -> Result<()> {
        let mut tables = vec![];
        for part in parts.iter().filter(|part| matches!(part.slot.kind, SlotKind::Extreme { .. })) {
            let operand = part.slot.operand;
            let info = operand.and_then(|operand| exprs.values.get(*request.value_of.get(&operand)?));
            let Some(dictionary) =
                info.filter(|info| info.class == Class::Code).and_then(|i| i.dictionary.as_ref())
            else {
                continue;
            };
            if !self.ranks_at.contains_key(&operand) {
                self.ranks_at.insert(operand, self.words.len());
                self.words.push(0);
                tables.push((operand, values::ranks(dictionary)?));
            }
        }
        for (operand, ranks) in tables {
            self.words[self.ranks_at[&operand]] = self.words.len() as u32;
            self.words.extend(ranks);
        }
        Ok(())
    }
}

/// How the keys of a hash table lie in words: one word of null bits for every 32 keys that can be null, then the keys.
#[derive(Debug, Clone)]
pub(super) struct KeyLayout {
    /// Per key: its null bit (word and bit), if it can be null; its first word.
    pub fields: Vec<(Option<(usize, usize)>, usize)>,
    pub width: usize,
}

impl KeyLayout {
    pub fn new(keys: &[ValueInfo]) -> Self {
        let nullable = keys.iter().filter(|key| key.nullable).count();
        let (mut null, mut width) = (0, nullable.div_ceil(32));
        let mut fields = vec![];
        for key in keys {
            let bit = key.nullable.then_some((null / 32, null % 32));
            null += usize::from(key.nullable);
            fields.push((bit, width));
            width += key.class.words();
        }
        KeyLayout { fields, width }
    }
}

/// The stage that writes the key words of every kept row. Values under a null are zero, so words are equal exactly where
/// keys are.
pub(super) fn keys(exprs: &GeneratedExprs, layout: &KeyLayout, tier: &Tier) -> Result<Arc<Shader>> {
    let mut text = exprs.wgsl.clone();
    text.push_str(KEYS_BINDINGS);
    let width = layout.width;
    let _ = writeln!(text, "fn write_keys(row: u32) {{\n    let at = row * {width}u;");
    let first = layout.fields.first().map_or(0, |&(_, word)| word);
    for null_word in 0..first {
        let bits: Vec<String> = exprs
            .values
            .iter()
            .zip(&layout.fields)
            .filter_map(|(key, (null, _))| {
                let (_, bit) = null.filter(|&(word, _)| word == null_word)?;
                Some(format!("select({}u, 0u, valid_{})", 1u32 << bit, key.index))
            })
            .collect();
        let _ = writeln!(text, "    row_keys[at + {null_word}u] = {};", bits.join(" | "));
    }
    for (key, &(_, first)) in exprs.values.iter().zip(&layout.fields) {
        for (word, value) in canonical_words(key).into_iter().enumerate() {
            let _ = writeln!(text, "    row_keys[at + {}u] = {value};", first + word);
        }
    }
    text.push_str("}\n");
    let _ = writeln!(text, "const KEY_WORDS: u32 = {width}u;");
    text.push_str(KEYS_MAIN);
    compose("aggregate/keys", &text, &[], &[], tier)
}

const KEYS_BINDINGS: &str = "
//!use shared/float_order
//!use shared/hash
//!use aggregate/table
@group(0) @binding(3) var<storage, read_write> row_keys: array<u32>;
@group(0) @binding(4) var<storage, read_write> row_slots: array<u32>;

";

const KEYS_MAIN: &str = "
// Stage words: the part that is wanted, of how many, the seed of its hash. Another one than the table's: a part is to
// fill the whole of its table.
fn is_of_part(row: u32) -> bool {
    let parts = parameters[stage_parameters + 1u];
    if parts <= 1u {
        return true;
    }
    let seed = parameters[stage_parameters + 2u];
    var hash = seed;
    for (var word = 0u; word < KEY_WORDS; word++) {
        hash = hash_word(hash, row_keys[row * KEY_WORDS + word] ^ seed);
    }
    return hash_finish(hash, KEY_WORDS) % parts == parameters[stage_parameters];
}

@compute @workgroup_size(256)
fn main(
    @builtin(global_invocation_id) invocation: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    for (var row = invocation.x; row < parameters[0]; row += workgroups.x * 256u) {
        evaluate(row);
        row_slots[row] = ROW_SKIPPED;
        if keep {
            write_keys(row);
            if is_of_part(row) {
                row_slots[row] = 0u;
            }
        }
    }
}
";

/// Words of a key; equal keys have equal words. `value_k` is zero under a null.
pub(super) fn canonical_words(key: &ValueInfo) -> Vec<String> {
    match key.class {
        Class::F32 => vec![format!("f32_canonical(value_{})", key.index)],
        Class::F64 => vec![
            format!("f64_canonical(value_{}).x", key.index),
            format!("f64_canonical(value_{}).y", key.index),
        ],
        _ => key.words_wgsl(),
    }
}

/// Composes generated text.
pub(super) fn compose(
    label: &str,
    text: &str,
    slots: &[(&str, &str)],
    constants: &[(&str, f64)],
    tier: &Tier,
) -> Result<Arc<Shader>> {
    request(label, Root::Generated(text), slots, constants, tier)
}

/// A stage of the library.
pub(super) fn library(path: &str, tier: &Tier) -> Result<Arc<Shader>> {
    request(path, Root::Library(path), &[], &[], tier)
}

fn request(
    label: &str,
    root: Root<'_>,
    slots: &[(&str, &str)],
    constants: &[(&str, f64)],
    tier: &Tier,
) -> Result<Arc<Shader>> {
    let shader = shader(&Request { label, root, slots, constants, tier })
        .map_err(|error| Error::Device { stage: label.into(), reason: error.to_string() })?;
    debug_assert_eq!(shader.workgroup_size, [WORKGROUP, 1, 1], "{label}");
    Ok(shader)
}
