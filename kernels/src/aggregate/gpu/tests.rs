//! What is decidable without a device: constants, places, choices, words. Runs against naive loops are in `pilaster-tests`.

mod composed;

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::datatypes::{DataType, i256};
use pilaster_shaders::{Request, Root, Tier, shader};

use super::mode::{DIRECT_GROUPS, Digit, Mode, Site};
use super::stage::{ENTRY_WORDS, KeyLayout, PLAN_HEAD};
use super::state::{AggregateSlots, Merge, Operands, SlotKind, StateLayout};
use super::{Capacity, table, values};
use crate::aggregate::{Aggregate, AggregateFunction, AggregateSpec, FloatSum};
use crate::expr::Expr;
use crate::expr::wgsl::{Class, ValueInfo};
use crate::gpu::column::Dictionary;

fn info(index: usize, class: Class, nullable: bool, range: Option<(i128, i128)>) -> ValueInfo {
    let data_type = match class {
        Class::I32 => DataType::Int32,
        Class::I64 => DataType::Int64,
        Class::I128 => DataType::Decimal128(38, 0),
        Class::Code => DataType::Utf8,
        Class::Bool => DataType::Boolean,
        Class::F32 => DataType::Float32,
        Class::F64 => DataType::Float64,
    };
    ValueInfo { index, class, data_type, nullable, range, exponents: None, dictionary: None }
}

fn aggregate(function: AggregateFunction, column: Option<usize>) -> Aggregate {
    let operand = column.map(|index| Expr::column(index, DataType::Int64));
    Aggregate::new(function, operand.into_iter().collect(), DataType::Int64)
}

fn layout_of(
    functions: &[(AggregateFunction, Option<usize>)],
    infos: &[ValueInfo],
    rows: u64,
    occupied: bool,
) -> StateLayout {
    let aggregates =
        functions.iter().map(|(function, column)| aggregate(function.clone(), *column)).collect();
    let spec = AggregateSpec { predicate: None, keys: vec![], aggregates, float_sum: FloatSum::Fast };
    StateLayout::new(&spec, &Operands::of(&spec), infos, rows, occupied).unwrap()
}

use AggregateFunction::{Avg, Count, CountRows, Max, Min, Sum};

/// The value of `const name: u32 = ...` in a module of the library.
fn constant(module: &str, name: &str) -> u32 {
    let text = format!("//!use {module}\n@compute @workgroup_size(1) fn main() {{ }}");
    constant_in(Root::Generated(&text), name)
}

/// Likewise, in a stage of the library.
fn constant_of_stage(stage: &str, name: &str) -> u32 {
    constant_in(Root::Library(stage), name)
}

fn constant_in(root: Root<'_>, name: &str) -> u32 {
    let request = Request { label: "constants", root, slots: &[], constants: &[], tier: &Tier::BASELINE };
    let composed = shader(&request).unwrap().wgsl.clone();
    let definition = format!("const {name}: u32 = ");
    let value = composed.lines().find_map(|line| line.trim().strip_prefix(&definition)).unwrap();
    let value = value.split('u').next().unwrap();
    value.strip_prefix("0x").map_or_else(|| value.parse(), |hex| u32::from_str_radix(hex, 16)).unwrap()
}

#[test]
fn host_and_shaders_agree_on_places() {
    let plan = |name| constant("aggregate/plan", name);
    assert_eq!(plan("PLAN_HEAD") as usize, PLAN_HEAD);
    assert_eq!(plan("ENTRY_WORDS") as usize, ENTRY_WORDS);
    assert_eq!(
        [plan("PLAN_ENTRIES"), plan("PLAN_GROUPS"), plan("PLAN_STATE_STRIDE"), plan("PLAN_LOCAL_STRIDE")],
        [0, 1, 2, 3]
    );
    let merges = [
        ("ENTRY_ADD", Merge::Add),
        ("ENTRY_MAX", Merge::Max),
        ("ENTRY_OR", Merge::Or),
        ("ENTRY_XOR", Merge::Xor),
    ];
    for (name, merge) in merges {
        assert_eq!(plan(name), merge as u32, "{name}");
    }
    let table = |name: &str| constant("aggregate/table", name) as usize;
    assert_eq!(table("TABLE_HEAD"), table::TABLE_HEAD);
    let head = ["GROUPS", "OVERFLOW", "CAPACITY", "MASK", "SAMPLED", "DISTINCT", "ESTIMATE", "DIGITS"];
    assert_eq!(head.map(|name| table(&format!("TABLE_{name}"))), [0, 1, 2, 3, 4, 5, 6, 7]);
    let shape = ["ROWS", "WIDTH", "SEED", "HASH_MASK", "SAMPLE", "TILES"];
    assert_eq!(shape.map(|name| table(&format!("SHAPE_{name}"))), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn host_and_stages_of_the_partition_agree() {
    let choose = |name: &str| constant_of_stage("aggregate/choose", name);
    assert_eq!(choose("CHOOSE"), table::CHOOSE);
    assert_eq!(1 << choose("MOST_DIGIT_BITS"), table::MOST_DIGITS);
    let sizes = [table::SIZES_TILES, table::SIZES_BLOCKS, table::SIZES_SPINE];
    assert_eq!(["SIZES_TILES", "SIZES_BLOCKS", "SIZES_SPINE"].map(|name| u64::from(choose(name)) * 4), sizes);
    let choice = ["ROWS", "TILES", "FORCED", "ALL_ROWS", "UNPARTITIONED_KIB", "PARTITION_KIB", "GROUP_BYTES"];
    assert_eq!(choice.map(|name| choose(&format!("CHOICE_{name}"))), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(choose("CHOICE_SCAN_BLOCK"), 7);
    let count = |name| constant_of_stage("aggregate/partition_count", name);
    assert_eq!(count("PARTITION_ITEMS") * super::program::WORKGROUP, table::TILE);
    assert_eq!(count("PARTITION_DIGITS"), table::MOST_DIGITS);
}

#[test]
fn sums_of_squares_are_as_wide_as_range_squared_times_rows() {
    let squares = |class, range, rows| {
        let function = AggregateFunction::Variance { sample: true };
        let layout = layout_of(&[(function, Some(0))], &[info(0, class, false, range)], rows, false);
        let AggregateSlots::Moments { squares, .. } = layout.aggregates[0] else { unreachable!() };
        layout.slots[squares].kind
    };
    assert_eq!(squares(Class::I32, Some((-10, 10)), 1 << 20), SlotKind::Squares { limbs: 1, words: 1 });
    assert_eq!(squares(Class::I32, None, u32::MAX.into()), SlotKind::Squares { limbs: 1, words: 4 });
    assert_eq!(squares(Class::I64, None, 1 << 20), SlotKind::Squares { limbs: 2, words: 5 });
    assert_eq!(squares(Class::I128, None, 1 << 40), SlotKind::Squares { limbs: 4, words: 10 });
}

#[test]
fn bits_come_back_as_the_accumulator_has_them() {
    use super::state::BitFold::{And, Or, Xor};
    let joined = super::decode::joined_bits;
    assert_eq!(joined(And, &[!0b1100], Class::I32), 0b1100);
    assert_eq!(joined(And, &[1], Class::I32), -2);
    assert_eq!(joined(Or, &[1 << 31], Class::I32), i64::from(i32::MIN));
    assert_eq!(joined(Xor, &[5, 1 << 31], Class::I64), i64::MIN + 5);
    // UInt64 beyond the signed range: bit for bit.
    assert_eq!(joined(Or, &[7, 1 << 31, 0, 0], Class::I128), i64::MIN + 7);
    assert_eq!(joined(And, &[!1], Class::Bool), 1);
    assert_eq!(joined(And, &[u32::MAX], Class::Bool), 0);
}

#[test]
fn sums_of_moments_have_a_signed_low_part() {
    let bytes = |words: &[u32]| {
        let array = super::moments::integer_sums(std::iter::once(words));
        array.as_fixed_size_binary().value(0).to_vec()
    };
    let total = |low: i256, high: i64| [&low.to_le_bytes()[..], &high.to_le_bytes()].concat();
    assert_eq!(bytes(&[7]), total(i256::from_i128(7), 0));
    assert_eq!(bytes(&[u32::MAX, u32::MAX]), total(i256::from_i128(-1), 0));
    // 2^255 is -2^255 and one high; 2^256 is one high.
    assert_eq!(bytes(&[0, 0, 0, 0, 0, 0, 0, 1 << 31, 0]), total(i256::MIN, 1));
    assert_eq!(bytes(&[0, 0, 0, 0, 0, 0, 0, 0, 1, 0]), total(i256::ZERO, 1));
}

#[test]
fn parts_have_room_for_their_share_and_more() {
    let whole = Capacity { pairs: 10_000, ..Capacity::of_groups(100_000) };
    assert_eq!(whole.in_parts(1), whole);
    for parts in [2, 8, 64] {
        let part = whole.in_parts(parts);
        assert_eq!(part.parts, parts);
        assert!(part.groups * u64::from(parts) >= whole.groups + whole.groups / 4);
        assert!(part.pairs * u64::from(parts) >= whole.pairs + whole.pairs / 4);
        assert!(part.slots.is_power_of_two() && part.slots >= 2 * part.groups);
    }
}

#[test]
fn aggregates_share_slots() {
    let infos = [info(0, Class::I32, false, Some((0, 5000))), info(1, Class::I64, true, None)];
    let functions = [
        (Sum, Some(0)),
        (Avg, Some(0)),
        (CountRows, None),
        (Count, Some(0)),
        (Sum, Some(1)),
        (Count, Some(1)),
    ];
    let layout = layout_of(&functions, &infos, 1 << 20, false);
    // count of rows, sum of 0, count of 1, sum of 1
    assert_eq!(layout.slots.len(), 4);
    assert_eq!(layout.aggregates[0], layout.aggregates[1]);
    assert_eq!(layout.aggregates[2], layout.aggregates[3]);
    assert_eq!(layout.row_count(), Some(0));
    let AggregateSlots::Sum { sum, count } = layout.aggregates[4] else { unreachable!() };
    assert_eq!(layout.aggregates[5], AggregateSlots::Count { count });
    assert_eq!(layout.slots[sum].kind, SlotKind::Sum { words: 3 });
}

#[test]
fn sums_are_as_wide_as_range_times_rows() {
    let words =
        |class, range, rows| match layout_of(&[(Sum, Some(0))], &[info(0, class, false, range)], rows, false)
            .slots[1]
            .kind
        {
            SlotKind::Sum { words } => words,
            other => panic!("{other:?}"),
        };
    assert_eq!(words(Class::I32, Some((0, 10)), 1 << 20), 1);
    assert_eq!(words(Class::I32, Some((-1, 0)), 0), 1);
    assert_eq!(words(Class::I32, Some((0, (1 << 31) - 1)), 1), 2);
    assert_eq!(words(Class::I32, None, u32::MAX.into()), 3);
    assert_eq!(words(Class::I64, Some((i64::MIN.into(), i64::MAX.into())), 1 << 40), 4);
    assert_eq!(words(Class::I128, Some((i128::MIN, i128::MAX)), u64::MAX), 7);
    assert_eq!(words(Class::I128, None, 1), 5);
}

#[test]
fn parts_of_passes_cover_every_word_once() {
    let infos = [
        info(0, Class::I128, true, None),
        info(1, Class::F64, false, None),
        info(2, Class::I32, false, None),
        info(3, Class::F32, true, None),
    ];
    let functions = [
        (Min, Some(0)),
        (Max, Some(1)),
        (Min, Some(2)),
        (Sum, Some(1)),
        (Sum, Some(3)),
        (Avg, Some(0)),
        (CountRows, None),
    ];
    let layout = layout_of(&functions, &infos, 1 << 33, true);
    assert_eq!(layout.passes(), 4);
    let mut written = vec![0; layout.stride];
    for pass in 0..layout.passes() {
        let (parts, local_words) = layout.parts(pass);
        let mut local = vec![0; local_words];
        for entry in parts.iter().flat_map(|part| part.entries(pass)) {
            (entry.word..entry.word + entry.words).for_each(|word| written[word] += 1);
            (entry.local..entry.local + entry.words).for_each(|word| local[word] += 1);
        }
        assert_eq!(local, vec![1; local_words], "pass {pass}");
    }
    assert_eq!(written, vec![1; layout.stride]);
}

#[test]
fn modes_follow_the_rule() {
    let choose = |keys: &[ValueInfo]| Mode::choose(keys, 4, 1 << 20, u64::MAX);
    assert_eq!(choose(&[]), Mode::Ungrouped);
    let flag = info(0, Class::Bool, true, None);
    let small = info(1, Class::I64, false, Some((-5, 4)));
    let digits =
        vec![Digit { least: 0, size: 3, nullable: true }, Digit { least: -5, size: 10, nullable: false }];
    assert_eq!(choose(&[flag.clone(), small.clone()]), Mode::Direct { digits, groups: 30 });
    let strings: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
    let dictionary = Some(Arc::new(Dictionary { values: strings }));
    let code = ValueInfo { dictionary, ..info(2, Class::Code, false, None) };
    assert!(matches!(choose(&[code, flag]), Mode::Direct { groups: 6, .. }));
    let large = info(3, Class::I32, false, Some((0, i128::from(DIRECT_GROUPS))));
    assert_eq!(choose(&[large]), Mode::Hash);
    assert_eq!(choose(&[info(4, Class::F64, false, None)]), Mode::Hash);
    assert_eq!(choose(&[info(5, Class::I128, false, Some((i128::MIN, i128::MAX)))]), Mode::Hash);
    let medium = info(6, Class::I32, false, Some((0, 99_999)));
    assert_eq!(Mode::choose(std::slice::from_ref(&medium), 4, 100, u64::MAX), Mode::Hash);
    assert_eq!(Mode::choose(std::slice::from_ref(&medium), 4, 1 << 20, 1 << 20), Mode::Hash);
    assert!(matches!(Mode::choose(&[medium], 4, 1 << 20, u64::MAX), Mode::Direct { .. }));
}

#[test]
fn sites_fit_workgroup_memory() {
    let layout = layout_of(&[(CountRows, None)], &[], 1, false);
    let direct = |groups| Mode::Direct { digits: vec![], groups };
    let room = 4096;
    for mode in [Mode::Ungrouped, Mode::Hash, direct(1), direct(6), direct(300), direct(5000)] {
        for words in [1, 2, 5, 14, 48, 49, 300, 5000] {
            for bytes in [16 << 10, 48 << 10] {
                let site = Site::choose(&mode, &layout, words, bytes);
                assert!(site.groups() * site.copies() * words <= room, "{mode:?} {words} {site:?}");
                assert!(site.copies().is_power_of_two());
            }
        }
    }
    assert_eq!(Site::choose(&direct(6), &layout, 14, 16 << 10), Site::Local { groups: 6, copies: 32 });
    assert_eq!(Site::choose(&Mode::Hash, &layout, 14, 16 << 10), Site::Hybrid { groups: 256 });
    assert_eq!(Site::choose(&Mode::Ungrouped, &layout, 5000, 16 << 10), Site::Global);
    let floats = layout_of(&[(Sum, Some(0))], &[info(0, Class::F64, false, None)], 1, false);
    assert!(matches!(Site::choose(&Mode::Ungrouped, &floats, 136, 16 << 10), Site::Local { groups: 1, .. }));
}

#[test]
fn keys_lie_behind_their_null_bits() {
    let keys =
        [info(0, Class::I64, true, None), info(1, Class::Bool, false, None), info(2, Class::F64, true, None)];
    let layout = KeyLayout::new(&keys);
    assert_eq!(layout.fields, [(Some((0, 0)), 1), (None, 3), (Some((0, 1)), 4)]);
    assert_eq!(layout.width, 6);
    let many: Vec<ValueInfo> = (0..33).map(|at| info(at, Class::I32, true, None)).collect();
    let layout = KeyLayout::new(&many);
    assert_eq!((layout.fields[32], layout.width), ((Some((1, 0)), 34), 35));
}

#[test]
fn words_become_numbers() {
    assert_eq!(values::integer(Class::I32, &[u32::MAX]), -1);
    assert_eq!(values::integer(Class::Code, &[u32::MAX]), i128::from(u32::MAX));
    assert_eq!(values::integer(Class::I64, &[0, 1 << 31]), i128::from(i64::MIN));
    assert_eq!(values::integer(Class::I128, &[0, 0, 0, 1 << 31]), i128::MIN);
    assert_eq!(values::wide(&[u32::MAX]), i256::from_i128(-1));
    assert_eq!(values::wide(&[1, 0]), i256::from_i128(1));
    assert_eq!(values::wide(&[0, 0, 0, 0, 0, u32::MAX]), i256::from_parts(0, -(1 << 32)));
    assert_eq!(values::count(&[7, 1]), (1 << 32) + 7);
}

#[test]
fn order_words_come_back() {
    let top = 1u32 << 31;
    // 5 and -5, as the stage writes them: highest word first, sign flipped.
    assert_eq!(values::from_order_words(Class::I32, &[5 ^ top]), [5]);
    assert_eq!(values::from_order_words(Class::I64, &[u32::MAX ^ top, 0xffff_fffb]), [0xffff_fffb, u32::MAX]);
    for value in [1.5f32, -1.5, 0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
        let bits = value.to_bits();
        let order = if bits >> 31 == 1 { !bits } else { bits ^ top };
        assert_eq!(values::from_order_words(Class::F32, &[order]), [bits]);
    }
    let bits = (-2.5f64).to_bits();
    assert_eq!(
        values::from_order_words(Class::F64, &[!(bits >> 32) as u32, !bits as u32]),
        [bits as u32, (bits >> 32) as u32]
    );
    assert_eq!(values::from_order_words(Class::Code, &[3]), [3]);
}

#[test]
fn ranks_follow_bytes() {
    let values: ArrayRef = Arc::new(StringArray::from(vec!["b", "", "ä", "a", "a\0"]));
    assert_eq!(values::ranks(&Dictionary { values }).unwrap(), [3, 0, 4, 1, 2]);
}

#[test]
fn arrays_have_the_declared_type() {
    let dates = ValueInfo { data_type: DataType::Date32, ..info(0, Class::I32, true, None) };
    let array = values::array(&dates, &[Some(-1), None]).unwrap();
    assert_eq!((array.data_type(), array.null_count(), array.len()), (&DataType::Date32, 1, 2));
    let narrow = ValueInfo { data_type: DataType::Int8, ..info(0, Class::I32, false, None) };
    assert!(values::array(&narrow, &[Some(128)]).is_err_and(|error| error.is_device_failure()));
    let strings: ArrayRef = Arc::new(StringArray::from(vec!["x", "y"]));
    let dictionary = Some(Arc::new(Dictionary { values: strings }));
    let views = ValueInfo { dictionary, data_type: DataType::Utf8View, ..info(0, Class::Code, true, None) };
    let array = values::array(&views, &[Some(1), None]).unwrap();
    assert_eq!((array.data_type(), array.is_null(1)), (&DataType::Utf8View, true));
    assert!(values::array(&views, &[Some(2)]).is_err_and(|error| error.is_device_failure()));
}

#[test]
fn capacities_keep_half_of_the_slots_empty() {
    for groups in [0, 1, 2, 3, 1000, 1 << 14, (1 << 14) + 1] {
        let capacity = Capacity::of_groups(groups);
        assert!(
            capacity.slots.is_power_of_two() && capacity.slots >= 2 * capacity.groups && capacity.groups >= 1
        );
    }
}
