//! Lists and structs above a leaf, found on the device: the shapes that the host finds in the same levels.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int32Array};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Field};
use pilaster::device::ShaderMode;
use pilaster_kernels::parquet::gpu::{Decode, DecodeError, Segment};
use pilaster_kernels::parquet::{
    DataPage, Encoding, Leaf, LeafBatch, LevelBatch, Levels, Nested, Physical, ShapedLeaf, assemble,
    assemble_shaped,
};
use pilaster_shaders::Shader;
use pilaster_tests::runner::check;
use pilaster_tests::strategies::{Choices, Random, choices};
use proptest::strategy::Strategy;

use super::super::backends::Gpu;
use super::{Plant, encode, spoiled};

/// A list or struct, and whether it can be null.
#[derive(Debug, Clone, Copy)]
struct Above {
    list: bool,
    nullable: bool,
}

/// One column of integers below lists and structs, as levels and values.
#[derive(Debug, Clone)]
struct Column {
    above: Vec<Above>,
    nullable: bool,
    levels: LevelBatch,
    values: Vec<i32>,
    /// Levels of each page.
    pages: Vec<usize>,
    random: u64,
}

impl Column {
    fn choose(choices: &mut Choices, most_levels: usize) -> Self {
        let depth = 1 + choices.pick(5);
        let mut node = || Above { list: choices.pick(3) != 2, nullable: choices.pick(2) == 0 };
        let above: Vec<Above> = (0..depth).map(|_| node()).collect();
        let nullable = choices.pick(2) == 0;
        let missing = [0, 5, 50, 95][choices.pick(4)];
        let most_elements = [2, 1, 40][choices.pick(3)];
        let least = [0, 1, 40, most_levels][choices.pick(4)];
        let mut random = Random::new(choices.seed());
        let mut column = Column {
            above,
            nullable,
            levels: LevelBatch::default(),
            values: Vec::new(),
            pages: Vec::new(),
            random: choices.seed(),
        };
        while column.levels.definition.len() < least {
            column.shred(0, [0, 0, 0], missing, most_elements, &mut random);
        }
        let mut left = column.levels.definition.len();
        while left > 0 {
            let page = if random.percent(30) { left } else { 1 + random.below(left as u64) as usize };
            column.pages.push(page);
            left -= page;
        }
        column
    }

    /// One value of node `at` and all below; definition reached, repetition of its first level, lists above.
    fn shred(&mut self, at: usize, reached: [u16; 3], missing: u64, most: u64, random: &mut Random) {
        let [definition, repetition, lists] = reached;
        let Some(Above { list, nullable }) = self.above.get(at).copied() else {
            let there = !self.nullable || !random.percent(missing);
            self.levels.definition.push(definition + u16::from(self.nullable && there));
            self.levels.repetition.push(repetition);
            if there {
                self.values.push(random.bits() as i32);
            }
            return;
        };
        let mut end = |definition: u16| {
            self.levels.definition.push(definition);
            self.levels.repetition.push(repetition);
        };
        if nullable && random.percent(missing) {
            return end(definition);
        }
        let definition = definition + u16::from(nullable);
        if !list {
            return self.shred(at + 1, [definition, repetition, lists], missing, most, random);
        }
        let len = if random.percent(missing) { 0 } else { random.below(most + 1) };
        if len == 0 {
            return end(definition);
        }
        for element in 0..len {
            let repetition = if element == 0 { repetition } else { lists + 1 };
            self.shred(at + 1, [definition + 1, repetition, lists + 1], missing, most, random);
        }
    }

    fn tree(&self) -> Nested {
        self.node(0, 0, 0)
    }

    fn node(&self, at: usize, definition: u16, lists: u16) -> Nested {
        let Some(Above { list, nullable }) = self.above.get(at).copied() else { return Nested::Leaf(0) };
        let definition = definition + u16::from(nullable) + u16::from(list);
        let child = self.node(at + 1, definition, lists + u16::from(list));
        let child_nullable = self.above.get(at + 1).map_or(self.nullable, |above| above.nullable);
        let child_type = match &child {
            Nested::List { data_type, .. } | Nested::Struct { data_type, .. } => data_type.clone(),
            _ => DataType::Int32,
        };
        let field = Field::new("item", child_type, child_nullable);
        match list {
            true => Nested::List {
                data_type: if at.is_multiple_of(2) {
                    DataType::List(Arc::new(field))
                } else {
                    DataType::LargeList(Arc::new(field))
                },
                definition,
                repetition: lists + 1,
                nullable,
                child: Box::new(child),
            },
            false => Nested::Struct {
                data_type: DataType::Struct(vec![field].into()),
                definition,
                nullable,
                children: vec![child],
            },
        }
    }

    fn leaf(&self) -> Leaf {
        let (mut definition, mut slot, mut lists) = (0, 0, 0);
        for above in &self.above {
            definition += u16::from(above.nullable) + u16::from(above.list);
            if above.list {
                (slot, lists) = (definition, lists + 1);
            }
        }
        Leaf {
            physical: Physical::Int32,
            data_type: DataType::Int32,
            max_definition: definition + u16::from(self.nullable),
            max_repetition: lists,
            slot_definition: slot,
            with_levels: false,
        }
    }

    fn segments(&self, leaf: &Leaf) -> Vec<Segment> {
        let mut random = Random::new(self.random);
        let (mut level, mut value) = (0, 0);
        let mut pages = Vec::new();
        for &count in &self.pages {
            let definition = &self.levels.definition[level..level + count];
            let there = definition.iter().filter(|level| **level == leaf.max_definition).count();
            let mut packed = |levels: &[u16], most: u16| {
                let levels: Vec<u32> = levels.iter().map(|level| u32::from(*level)).collect();
                match most {
                    0 => Levels::None,
                    most => Levels::Hybrid(Buffer::from_vec(encode::hybrid(
                        &levels,
                        encode::width_of(most.into()),
                        &mut random,
                    ))),
                }
            };
            // Levels that were spoiled may say that there are more values than there were.
            let values = self.values.iter().skip(value).chain(std::iter::repeat(&7)).take(there);
            pages.push(DataPage {
                levels: count,
                nulls: None,
                definition: packed(definition, leaf.max_definition),
                repetition: packed(&self.levels.repetition[level..level + count], leaf.max_repetition),
                encoding: Encoding::Plain,
                values: Buffer::from_vec(values.copied().collect::<Vec<i32>>()),
                offset: 1,
            });
            (level, value) = (level + count, value + there);
        }
        vec![Segment { dictionary: None, pages }]
    }

    /// What the host's reader would give for the levels.
    fn on_host(&self, leaf: &Leaf) -> LeafBatch {
        let mut values = self.values.iter().copied().chain(std::iter::repeat(7));
        let slots = self.levels.definition.iter().filter(|level| **level >= leaf.slot_definition);
        let array: Int32Array =
            slots.map(|level| (*level == leaf.max_definition).then(|| values.next().unwrap())).collect();
        let mut levels = self.levels.clone();
        let rows = levels.repetition.iter().filter(|level| **level == 0).count();
        if leaf.max_repetition == 0 {
            levels.repetition.clear();
        }
        LeafBatch { rows, array: Arc::new(array), levels: Some(levels) }
    }

    fn on_device(&self, gpu: &Gpu, leaf: &Leaf) -> Result<ShapedLeaf, DecodeError> {
        let nodes = self.tree().nodes(0).unwrap();
        let decode = Decode::new(leaf, &self.segments(leaf), gpu.tier())?.with_nodes(&nodes)?;
        decode.finish_shaped(&gpu.run(&decode.program()?)?)
    }
}

/// The same shapes, or an error from both.
fn agrees(gpu: &Gpu, column: &Column) -> Result<(), String> {
    let (leaf, tree) = (column.leaf(), column.tree());
    let batch = column.on_host(&leaf);
    let expected = ShapedLeaf::new(&tree.nodes(0).unwrap(), &batch);
    let got = match (column.on_device(gpu, &leaf), &expected) {
        (Err(DecodeError::Malformed { .. }), Err(_)) => return Ok(()),
        (Err(error), _) => return Err(error.to_string()),
        (Ok(_), Err(error)) => return Err(format!("only the host noticed: {error}")),
        (Ok(got), Ok(_)) => got,
    };
    let expected = expected.unwrap();
    for (at, (got, due)) in got.nodes.iter().zip(&expected.nodes).enumerate() {
        if got != due {
            return Err(format!("node {at}: {got:?}, expected {due:?}"));
        }
    }
    if (got.rows, got.nodes.len(), &*got.array) != (batch.rows, expected.nodes.len(), &*batch.array) {
        return Err(format!("{} rows of {:?}, expected {:?}", got.rows, got.array, batch.array));
    }
    let (got, due) = (assemble_shaped(&tree, &[got]), assemble(&tree, &[batch]));
    let (got, due): (ArrayRef, ArrayRef) = (got.map_err(|e| e.to_string())?, due.map_err(|e| e.to_string())?);
    got.to_data().validate_full().map_err(|error| error.to_string())?;
    if got.to_data() == due.to_data() { Ok(()) } else { Err(format!("{got:?}, expected {due:?}")) }
}

#[test]
fn random_lists_on_gpu() {
    let Some(gpu) = Gpu::open("random_lists_on_gpu", ShaderMode::Checked) else { return };
    let columns = choices(40).prop_map(|mut choices| Column::choose(&mut choices, 3000));
    check("random lists, GPU", 300, &columns, |column| agrees(&gpu, column));
}

/// More levels than a block of the scan has words, in more contexts than one.
#[test]
fn long_lists_on_gpu() {
    let Some(gpu) = Gpu::open("long_lists_on_gpu", ShaderMode::Trusted) else { return };
    let columns = choices(40).prop_map(|mut choices| Column::choose(&mut choices, 90_000));
    check("long lists, GPU", 12, &columns, |column| agrees(&gpu, column));
}

/// A level changed: an error where the host has one, else the same lists.
#[test]
fn spoiled_lists_on_gpu() {
    let Some(gpu) = Gpu::open("spoiled_lists_on_gpu", ShaderMode::Checked) else { return };
    let columns = choices(60).prop_map(|mut choices| {
        let mut column = Column::choose(&mut choices, 60);
        let leaf = column.leaf();
        let len = column.levels.definition.len();
        for _ in 0..if len > 0 { 1 + choices.pick(2) } else { 0 } {
            let at = choices.pick(len);
            column.levels.definition[at] = choices.pick(usize::from(leaf.max_definition) + 1) as u16;
            column.levels.repetition[at] = choices.pick(usize::from(leaf.max_repetition) + 1) as u16;
        }
        column
    });
    let refused = std::cell::Cell::new(0);
    check("spoiled lists, GPU", 300, &columns, |column| {
        let leaf = column.leaf();
        let nodes = column.tree().nodes(0).unwrap();
        refused.set(refused.get() + usize::from(ShapedLeaf::new(&nodes, &column.on_host(&leaf)).is_err()));
        agrees(&gpu, column)
    });
    assert!(refused.get() > 30, "{} columns were refused", refused.get());
}

/// Planted errors: each must be noticed.
#[test]
fn errors_in_the_list_shaders_are_noticed() {
    let plants: [Plant; 4] = [
        ("contexts", |shader: &Shader| spoiled(shader, "repetition <= deepest", "repetition < deepest + 2u")),
        ("rank", |shader| {
            spoiled(shader, "elements_before + bitmap_rank(element_bits, bit)", "elements_before")
        }),
        ("validity", |shader| spoiled(shader, ">= there) << slot", "> there) << slot")),
        ("end", |shader| spoiled(shader, "nodes_before(elements, words, words));", "elements_before);")),
    ];
    for (stage, plant) in plants {
        let Some(mut gpu) = Gpu::open("errors_in_the_list_shaders_are_noticed", ShaderMode::Checked) else {
            return;
        };
        let mut found = 0;
        for seed in 0..200 {
            let mut random = Random::new(seed);
            let numbers = (0..40).map(|_| random.bits() as u32).collect();
            let column = Column::choose(&mut Choices::new(numbers), 500);
            gpu.sabotage = None;
            assert_eq!(agrees(&gpu, &column), Ok(()), "without the error");
            gpu.sabotage = Some(plant);
            found += usize::from(agrees(&gpu, &column).is_err());
            if found > 2 {
                break;
            }
        }
        assert!(found > 2, "an error in {stage} is not noticed");
    }
}
