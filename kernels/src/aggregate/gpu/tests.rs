//! What is decidable without a device: constants, places, choices, words. Runs against naive loops are in `pilaster-tests`.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, i256};
use pilaster_shaders::{Request, Root, Tier, shader};

use super::mode::{DIRECT_GROUPS, Digit, Mode, Site};
use super::stage::{ENTRY_WORDS, KeyLayout, PLAN_HEAD};
use super::state::{AggregateSlots, Merge, Operands, SlotKind, StateLayout};
use super::{Capacity, float, program, values};
use crate::aggregate::{Aggregate, AggregateFunction, AggregateSpec};
use crate::expr::wgsl::{Class, ValueInfo};
use crate::expr::{Expr, OverflowMode, Rounding};
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
    ValueInfo { index, class, data_type, nullable, range, dictionary: None }
}

fn aggregate(function: AggregateFunction, column: Option<usize>) -> Aggregate {
    Aggregate {
        function,
        input: column.map(|index| Expr::column(index, DataType::Int64)),
        filter: None,
        data_type: DataType::Int64,
        overflow: OverflowMode::Checked,
        rounding: Rounding::HalfAwayFromZero,
    }
}

fn layout_of(
    functions: &[(AggregateFunction, Option<usize>)],
    infos: &[ValueInfo],
    rows: u64,
    occupied: bool,
) -> StateLayout {
    let aggregates = functions.iter().map(|&(function, column)| aggregate(function, column)).collect();
    let spec = AggregateSpec { predicate: None, keys: vec![], aggregates };
    StateLayout::new(&spec, &Operands::of(&spec), infos, rows, occupied).unwrap()
}

use AggregateFunction::{Avg, Count, CountRows, Max, Min, Sum};

/// The value of `const name: u32 = ...` in a module of the library.
fn constant(module: &str, name: &str) -> u32 {
    let text = format!("//!use {module}\n@compute @workgroup_size(1) fn main() {{ }}");
    let root = Root::Generated(&text);
    let tier = &Tier::BASELINE;
    let composed =
        shader(&Request { label: module, root, slots: &[], constants: &[], tier }).unwrap().wgsl.clone();
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
    let merges = [("ENTRY_ADD", Merge::Add), ("ENTRY_MAX", Merge::Max), ("ENTRY_OR", Merge::Or)];
    for (name, merge) in merges {
        assert_eq!(plan(name), merge as u32, "{name}");
    }
    let table = |name| constant("aggregate/table", name) as usize;
    assert_eq!(table("TABLE_HEAD"), program::TABLE_HEAD);
    assert_eq!(["TABLE_GROUPS", "TABLE_OVERFLOW", "TABLE_CAPACITY", "TABLE_MASK"].map(table), [0, 1, 2, 3]);
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
    assert_eq!(Mode::choose(&[medium.clone()], 4, 100, u64::MAX), Mode::Hash);
    assert_eq!(Mode::choose(&[medium.clone()], 4, 1 << 20, 1 << 20), Mode::Hash);
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
    assert_eq!(Site::choose(&Mode::Hash, &layout, 14, 16 << 10), Site::Hybrid { groups: 292 });
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

#[test]
fn accumulators_hold_the_whole_range_and_its_carries() {
    // Highest bit of the largest value, and 40 bits of rows.
    assert!(float::FLOAT64.limbs * 32 >= 2098 + 40);
    assert!(float::FLOAT32.limbs * 32 >= 277 + 40);
}

mod composed {
    //! Every mode, site and kind of slot, on every tier: composes, validates, and binds what the program binds.

    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BooleanArray, Decimal128Array, Float32Array, Float64Array, Int64Array, StringArray,
    };
    use arrow::datatypes::DataType;
    use pilaster_shaders::Tier;

    use super::{Avg, Count, CountRows, Max, Min, Sum, aggregate};
    use crate::aggregate::gpu::{Capacity, GpuAggregate, GpuAggregateSettings, Grouping, Outcome};
    use crate::aggregate::partial::StateColumn;
    use crate::aggregate::{Aggregate, AggregateSpec};
    use crate::error::{Backend, Error};
    use crate::expr::{CompareOp, Expr};
    use crate::gpu::column::{DeviceColumns, pack};
    use crate::gpu::program::{BufferInit, Program, ProgramOutput};

    fn tiers() -> Vec<Tier> {
        let tier = |int64, float64, subgroups| Tier { int64, float64, subgroups, ..Tier::BASELINE };
        let large = Tier { workgroup_bytes: 48 << 10, storage_buffers: 32, ..tier(true, true, true) };
        vec![Tier::BASELINE, tier(true, false, false), large]
    }

    fn types() -> Vec<DataType> {
        let decimal = DataType::Decimal128(38, 2);
        vec![
            DataType::Int64,
            DataType::Utf8,
            DataType::Boolean,
            decimal,
            DataType::Float32,
            DataType::Float64,
        ]
    }

    fn columns() -> DeviceColumns {
        let batch = |least: i64| -> Vec<ArrayRef> {
            let decimals = vec![Some(i128::MAX / 7), None, Some(-1)];
            let decimals = Decimal128Array::from(decimals).with_precision_and_scale(38, 2).unwrap();
            vec![
                Arc::new(Int64Array::from(vec![Some(least), None, Some(i64::MAX)])),
                Arc::new(StringArray::from(vec![Some("b"), Some("a"), None])),
                Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
                Arc::new(decimals),
                Arc::new(Float32Array::from(vec![Some(1.5), None, Some(f32::NAN)])),
                Arc::new(Float64Array::from(vec![Some(-0.0), None, Some(f64::INFINITY)])),
            ]
        };
        let batches = [batch(-5), batch(i64::MIN)];
        let batches: Vec<&[ArrayRef]> = batches.iter().map(Vec::as_slice).collect();
        pack(&batches, &types(), &[0, 1, 2, 3, 4, 5], 128 << 20).unwrap()
    }

    fn column(index: usize) -> Expr {
        Expr::column(index, types()[index].clone())
    }

    fn aggregates(indices: &[usize]) -> Vec<Aggregate> {
        let mut aggregates = vec![aggregate(CountRows, None)];
        for &index in indices {
            let sums: &[_] = if types()[index].is_numeric() { &[Sum, Avg] } else { &[] };
            for &function in [Count, Min, Max].iter().chain(sums) {
                let filter = (function == Max).then(|| column(2));
                aggregates.push(Aggregate {
                    input: Some(column(index)),
                    filter,
                    ..aggregate(function, None)
                });
            }
        }
        aggregates
    }

    fn spec(keys: &[usize], inputs: &[usize]) -> AggregateSpec {
        let predicate = Expr::compare(CompareOp::NotEq, column(0), Expr::literal(7i64)).unwrap();
        let keys = keys.iter().map(|&key| column(key)).collect();
        AggregateSpec { predicate: Some(predicate), keys, aggregates: aggregates(inputs) }
    }

    fn prepare(spec: &AggregateSpec, tier: &Tier, grouping: Grouping) -> GpuAggregate {
        GpuAggregate::supports(spec, tier).unwrap();
        let settings = GpuAggregateSettings { grouping, ..GpuAggregateSettings::default() };
        GpuAggregate::new(spec, &columns(), tier, settings).unwrap()
    }

    fn check(program: &Program, tier: &Tier) {
        for stage in &program.stages {
            assert_eq!(stage.bindings.len(), stage.shader.bindings.len(), "{}", stage.label);
            assert!(stage.bindings.len() <= tier.storage_buffers as usize);
            for (buffer, binding) in stage.bindings.iter().zip(&stage.shader.bindings) {
                let buffer = &program.buffers[buffer.0 as usize];
                assert!(
                    buffer.bytes >= binding.min_bytes,
                    "{} {} {}",
                    stage.label,
                    binding.name,
                    buffer.label
                );
            }
        }
        for buffer in &program.buffers {
            if let BufferInit::Upload(pieces) = &buffer.init {
                assert!(pieces.iter().all(|(offset, piece)| offset + piece.len() as u64 <= buffer.bytes));
            }
        }
    }

    #[test]
    fn on_every_tier() {
        let all = [0, 1, 2, 3, 4, 5];
        for tier in &tiers() {
            for (keys, inputs, grouping, name, stages) in [
                (&[][..], &[0, 1, 2, 3][..], Grouping::Auto, "ungrouped", 4),
                (&[], &all, Grouping::Auto, "ungrouped", 4),
                (&[1, 2], &[0], Grouping::Auto, "direct array", 2),
                (&[1, 2], &all, Grouping::Auto, "direct array", 4),
                (&[1, 2], &[1], Grouping::HashTable, "hash table", 4),
                (&all, &all, Grouping::Auto, "hash table", 3 + 4),
                (&[5], &[], Grouping::Auto, "hash table", 4),
            ] {
                let aggregate = prepare(&spec(keys, inputs), tier, grouping);
                assert_eq!(aggregate.mode_name(), name);
                let program = aggregate.program().unwrap();
                assert_eq!(
                    program.stages.len(),
                    stages * columns().batches.len(),
                    "{keys:?} {inputs:?} {}",
                    tier.name()
                );
                check(&program, tier);
            }
        }
    }

    #[test]
    fn text_depends_on_shape_only() {
        let number = |value: i64| {
            let batch: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![0, value]))];
            let columns = pack(&[&batch], &[DataType::Int64], &[0], 128 << 20).unwrap();
            let keys = vec![Expr::column(0, DataType::Int64)];
            let spec = AggregateSpec { predicate: None, keys, aggregates: vec![aggregate(CountRows, None)] };
            let settings = GpuAggregateSettings::default();
            let aggregate = GpuAggregate::new(&spec, &columns, &Tier::BASELINE, settings).unwrap();
            aggregate.program().unwrap().stages[0].shader.id
        };
        assert_eq!(number(100), number(90));
    }

    /// What a device gives back that saw no rows: all zero, and the table's head as it was uploaded.
    fn nothing(program: &Program) -> ProgramOutput {
        let words = program.read_back.iter().map(|range| vec![0; range.bytes as usize / 4]).collect();
        ProgramOutput { words }
    }

    #[test]
    fn no_rows_give_one_group_or_none() {
        let aggregate = prepare(&spec(&[], &[0, 1, 5]), &Tier::BASELINE, Grouping::Auto);
        let output = nothing(&aggregate.program().unwrap());
        let Outcome::Partial(partial) = aggregate.decode(&output).unwrap() else { panic!() };
        assert_eq!((partial.groups, partial.keys.len()), (1, 0));
        for (state, aggregate) in partial.states.iter().zip(&aggregates(&[0, 1, 5])) {
            match state {
                StateColumn::Count(counts) => assert_eq!(counts, &[0]),
                StateColumn::Integer { counts, .. } | StateColumn::Float { counts, .. } => {
                    assert_eq!(counts, &[0])
                }
                StateColumn::Extreme(array) => {
                    assert_eq!(array.data_type(), &aggregate.input.as_ref().unwrap().data_type());
                    assert_eq!((array.len(), array.null_count()), (1, 1));
                }
            }
        }
        for grouping in [Grouping::Auto, Grouping::HashTable] {
            let aggregate = prepare(&spec(&[1, 2], &[0]), &Tier::BASELINE, grouping);
            let output = nothing(&aggregate.program().unwrap());
            let Outcome::Partial(partial) = aggregate.decode(&output).unwrap() else { panic!() };
            assert_eq!((partial.groups, partial.keys.len(), partial.keys[0].len()), (0, 2, 0));
            assert_eq!(partial.keys[0].data_type(), &DataType::Utf8);
        }
    }

    #[test]
    fn overflow_asks_for_more_room_and_then_for_another_backend() {
        let mut aggregate = prepare(&spec(&[0], &[]), &Tier::BASELINE, Grouping::HashTable);
        let first = aggregate.capacity;
        let mut output = nothing(&aggregate.program().unwrap());
        output.words[2][1] = 2;
        let mut rounds = 0;
        let error = loop {
            match aggregate.decode(&output) {
                Ok(Outcome::Retry(larger)) => {
                    assert!(larger.slots > aggregate.capacity.slots && larger.groups >= first.groups);
                    aggregate.resize(larger);
                    output = nothing(&aggregate.program().unwrap());
                    output.words[2][1] = 2;
                    rounds += 1;
                }
                other => break other.unwrap_err(),
            }
        };
        assert!(rounds > 0);
        assert!(matches!(error, Error::OutOfMemory { backend: Backend::Gpu, .. }), "{error}");
    }

    #[test]
    fn budgets_are_kept() {
        let settings = GpuAggregateSettings { device_bytes: 1000, ..GpuAggregateSettings::default() };
        let aggregate = GpuAggregate::new(&spec(&[1], &[5]), &columns(), &Tier::BASELINE, settings).unwrap();
        let error = aggregate.program().unwrap_err();
        assert!(
            matches!(error, Error::OutOfMemory { backend: Backend::Gpu, limit_bytes: 1000, .. }),
            "{error}"
        );
        let mut aggregate = prepare(&spec(&[0], &[]), &Tier::BASELINE, Grouping::HashTable);
        aggregate.resize(Capacity { groups: 1 << 31, slots: 1 << 62 });
        assert!(aggregate.program().is_err_and(|error| error.is_device_failure()));
    }

    #[test]
    fn read_backs_that_cannot_be_are_device_failures() {
        let aggregate = prepare(&spec(&[1], &[1]), &Tier::BASELINE, Grouping::HashTable);
        let program = aggregate.program().unwrap();
        let mut output = nothing(&program);
        output.words[2][0] = u32::MAX;
        assert!(aggregate.decode(&output).is_err_and(|error| error.is_device_failure()));
        output.words.pop();
        assert!(aggregate.decode(&output).is_err_and(|error| error.is_device_failure()));
        assert!(aggregate.decode(&ProgramOutput::default()).is_err_and(|error| error.is_device_failure()));
    }

    #[test]
    fn sums_of_strings_are_refused_before_the_data_is_seen() {
        let spec = AggregateSpec {
            predicate: None,
            keys: vec![],
            aggregates: vec![Aggregate { input: Some(column(1)), ..aggregate(Sum, None) }],
        };
        let error = GpuAggregate::supports(&spec, &Tier::BASELINE).unwrap_err();
        assert!(matches!(error, Error::Unsupported { on_backend: Backend::Gpu, .. }), "{error}");
    }
}
