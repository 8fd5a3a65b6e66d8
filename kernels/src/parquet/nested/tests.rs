//! Random records of random types, shredded to levels record by record, against arrays made value by value.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, FixedSizeListArray, Int32Array, LargeListArray, ListArray, MapArray, StructArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Fields, Int32Type};

use super::*;

/// What a column is.
#[derive(Debug, Clone)]
enum Kind {
    Int,
    Missing,
    Struct(Vec<(Kind, bool)>),
    /// Of which sort, and its element.
    List(Sort, Box<(Kind, bool)>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Sort {
    List,
    Large,
    Fixed(i32),
    Map,
}

#[derive(Debug, Clone)]
enum Value {
    Null,
    Int(i32),
    Struct(Vec<Value>),
    List(Vec<Value>),
}

struct Rng(u64);

impl Rng {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn kind(&mut self, depth: usize) -> Kind {
        match self.below(if depth == 0 { 1 } else { 8 }) {
            0 => Kind::Int,
            1 | 2 => {
                let mut fields: Vec<(Kind, bool)> =
                    (0..1 + self.below(3)).map(|_| self.field(depth - 1)).collect();
                if self.below(4) == 0 {
                    fields.push((Kind::Missing, true));
                }
                Kind::Struct(fields)
            }
            3 | 4 => Kind::List(Sort::List, Box::new(self.field(depth - 1))),
            5 => Kind::List(Sort::Large, Box::new(self.field(depth - 1))),
            6 => Kind::List(Sort::Fixed(1 + self.below(3) as i32), Box::new(self.field(depth - 1))),
            _ => {
                let entry = Kind::Struct(vec![(Kind::Int, false), self.field(depth - 1)]);
                Kind::List(Sort::Map, Box::new((entry, false)))
            }
        }
    }

    fn field(&mut self, depth: usize) -> (Kind, bool) {
        (self.kind(depth), self.below(2) == 0)
    }

    fn value(&mut self, kind: &Kind, nullable: bool) -> Value {
        if nullable && self.below(4) == 0 {
            return Value::Null;
        }
        match kind {
            Kind::Missing => Value::Null,
            Kind::Int => Value::Int(self.below(1000) as i32),
            Kind::Struct(fields) => {
                Value::Struct(fields.iter().map(|(kind, nullable)| self.value(kind, *nullable)).collect())
            }
            Kind::List(sort, element) => {
                let len = match sort {
                    Sort::Fixed(size) => *size as u64,
                    _ => self.below(4),
                };
                Value::List((0..len).map(|_| self.value(&element.0, element.1)).collect())
            }
        }
    }
}

fn data_type(kind: &Kind) -> DataType {
    match kind {
        Kind::Int | Kind::Missing => DataType::Int32,
        Kind::Struct(fields) => DataType::Struct(
            fields
                .iter()
                .enumerate()
                .map(|(i, (kind, null))| Field::new(format!("f{i}"), data_type(kind), *null))
                .collect::<Fields>(),
        ),
        Kind::List(sort, element) => {
            let field = Arc::new(Field::new("element", data_type(&element.0), element.1));
            match sort {
                Sort::List => DataType::List(field),
                Sort::Large => DataType::LargeList(field),
                Sort::Fixed(size) => DataType::FixedSizeList(field, *size),
                Sort::Map => DataType::Map(field, false),
            }
        }
    }
}

/// The array, value by value.
fn array(kind: &Kind, values: &[Value]) -> ArrayRef {
    let there: Vec<bool> = values.iter().map(|value| !matches!(value, Value::Null)).collect();
    let nulls = Some(NullBuffer::from(there)).filter(|nulls| nulls.null_count() > 0);
    match kind {
        Kind::Int | Kind::Missing => Arc::new(
            values
                .iter()
                .map(|value| if let Value::Int(value) = value { Some(*value) } else { None })
                .collect::<Int32Array>(),
        ),
        Kind::Struct(fields) => {
            let column = |i: usize| -> Vec<Value> {
                values
                    .iter()
                    .map(
                        |value| {
                            if let Value::Struct(fields) = value { fields[i].clone() } else { Value::Null }
                        },
                    )
                    .collect()
            };
            let arrays = fields.iter().enumerate().map(|(i, (kind, _))| array(kind, &column(i))).collect();
            let DataType::Struct(fields) = data_type(kind) else { unreachable!() };
            Arc::new(StructArray::new(fields, arrays, nulls))
        }
        Kind::List(sort, element) => {
            let mut elements = Vec::new();
            let mut lens = Vec::new();
            for value in values {
                let before = elements.len();
                match value {
                    Value::List(list) => elements.extend(list.iter().cloned()),
                    _ => {
                        if let Sort::Fixed(size) = sort {
                            elements.extend((0..*size).map(|_| Value::Null));
                        }
                    }
                }
                lens.push(elements.len() - before);
            }
            let child = array(&element.0, &elements);
            match data_type(kind) {
                DataType::List(field) => {
                    Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lens), child, nulls))
                }
                DataType::LargeList(field) => {
                    Arc::new(LargeListArray::new(field, OffsetBuffer::from_lengths(lens), child, nulls))
                }
                DataType::FixedSizeList(field, size) => {
                    Arc::new(FixedSizeListArray::new(field, size, child, nulls))
                }
                DataType::Map(field, sorted) => {
                    let entries = child.as_struct().clone();
                    Arc::new(MapArray::new(field, OffsetBuffer::from_lengths(lens), entries, nulls, sorted))
                }
                _ => unreachable!(),
            }
        }
    }
}

/// The tree, and for each leaf its maximum definition and the level from which on it has a slot.
fn tree(
    kind: &Kind,
    nullable: bool,
    level: u16,
    repetition: u16,
    slot: u16,
    leaves: &mut Vec<(u16, u16, u16)>,
) -> Nested {
    let definition = level + u16::from(nullable);
    match kind {
        Kind::Missing => Nested::Missing(DataType::Int32),
        Kind::Int => {
            leaves.push((definition, slot, repetition));
            Nested::Leaf(leaves.len() - 1)
        }
        Kind::Struct(fields) => Nested::Struct {
            data_type: data_type(kind),
            definition,
            nullable,
            children: fields
                .iter()
                .map(|(kind, null)| tree(kind, *null, definition, repetition, slot, leaves))
                .collect(),
        },
        Kind::List(_, element) => Nested::List {
            data_type: data_type(kind),
            definition: definition + 1,
            repetition: repetition + 1,
            nullable,
            child: Box::new(tree(
                &element.0,
                element.1,
                definition + 1,
                repetition + 1,
                definition + 1,
                leaves,
            )),
        },
    }
}

/// Levels and values per leaf, as a writer shreds one value.
fn shred(
    kind: &Kind,
    nullable: bool,
    value: Option<&Value>,
    at: (u16, u16, u16),
    leaf: &mut usize,
    out: &mut [(Vec<u16>, Vec<u16>, Vec<i32>)],
) {
    // Definition reached, repetition of this level, repetition of the record so far.
    let (reached, repetition, depth) = at;
    let value = value.filter(|value| !matches!(value, Value::Null));
    let definition = if value.is_some() { reached + u16::from(nullable) } else { reached };
    match kind {
        Kind::Missing => {}
        Kind::Int => {
            let (definitions, repetitions, values) = &mut out[*leaf];
            *leaf += 1;
            definitions.push(definition);
            repetitions.push(repetition);
            if let Some(Value::Int(value)) = value {
                values.push(*value);
            }
        }
        Kind::Struct(fields) => {
            for (i, (kind, null)) in fields.iter().enumerate() {
                let field = if let Some(Value::Struct(fields)) = value { Some(&fields[i]) } else { None };
                // Below something that is not there, nothing more is defined.
                let null = *null && value.is_some();
                shred(kind, null, field, (definition, repetition, depth), leaf, out);
            }
        }
        Kind::List(_, element) => match value {
            Some(Value::List(list)) if !list.is_empty() => {
                let first = *leaf;
                for (i, value) in list.iter().enumerate() {
                    *leaf = first;
                    let repetition = if i == 0 { repetition } else { depth + 1 };
                    shred(
                        &element.0,
                        element.1,
                        Some(value),
                        (definition + 1, repetition, depth + 1),
                        leaf,
                        out,
                    );
                }
            }
            _ => shred(&element.0, false, None, (definition, repetition, depth + 1), leaf, out),
        },
    }
}

fn batches(kind: &Kind, nullable: bool, values: &[Value]) -> (Nested, Vec<LeafBatch>) {
    let mut leaves = Vec::new();
    let tree = tree(kind, nullable, 0, 0, 0, &mut leaves);
    let mut out = vec![(Vec::new(), Vec::new(), Vec::new()); leaves.len()];
    for value in values {
        shred(kind, nullable, Some(value), (0, 0, 0), &mut 0, &mut out);
    }
    let rows = values.len();
    let batches =
        leaves.iter().zip(out).map(|(&(max, slot, max_repetition), (definition, repetition, values))| {
            let mut values = values.into_iter();
            let slots = definition.iter().filter(|&&level| level >= slot);
            let array: Int32Array =
                slots.map(|&level| if level == max { values.next() } else { None }).collect();
            assert!(values.next().is_none());
            let repetition = if max_repetition == 0 { Vec::new() } else { repetition };
            let levels = Some(LevelBatch { definition, repetition });
            LeafBatch { rows, array: Arc::new(array), levels }
        });
    let batches = batches.collect();
    (tree, batches)
}

#[test]
fn records_come_back() {
    for seed in 0..400 {
        let mut rng = Rng(seed);
        let (kind, nullable) = rng.field(4);
        let values: Vec<Value> = (0..rng.below(60)).map(|_| rng.value(&kind, nullable)).collect();
        let (tree, batches) = batches(&kind, nullable, &values);
        if batches.is_empty() {
            continue;
        }
        let read = assemble(&tree, &batches).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{kind:?}"));
        read.to_data().validate_full().unwrap();
        let expected = array(&kind, &values);
        assert_eq!(read.data_type(), expected.data_type());
        assert!(read.as_ref() == expected.as_ref(), "seed {seed}: {kind:?}\n{read:?}\n{expected:?}");
        let shaped = assemble_shaped(&tree, &shaped(&tree, &batches).unwrap()).unwrap();
        assert!(shaped.as_ref() == expected.as_ref(), "seed {seed}: {kind:?}\n{shaped:?}\n{expected:?}");
    }
}

fn shaped(tree: &Nested, batches: &[LeafBatch]) -> Result<Vec<ShapedLeaf>, Error> {
    let leaf = |(at, batch)| ShapedLeaf::new(&tree.nodes(at).unwrap(), batch);
    batches.iter().enumerate().map(leaf).collect()
}

#[test]
fn lies_are_errors_or_arrays() {
    let mut errors = 0;
    for seed in 0..4000 {
        let mut rng = Rng(seed);
        let (kind, nullable) = rng.field(3);
        let values: Vec<Value> = (0..1 + rng.below(12)).map(|_| rng.value(&kind, nullable)).collect();
        let (tree, mut batches) = batches(&kind, nullable, &values);
        if batches.is_empty() {
            continue;
        }
        let leaf = rng.below(batches.len() as u64) as usize;
        let batch = &mut batches[leaf];
        let levels = batch.levels.as_mut().unwrap();
        let place = rng.below(levels.definition.len().max(1) as u64) as usize;
        match rng.below(6) {
            0 if place < levels.definition.len() => levels.definition[place] = rng.below(6) as u16,
            1 if place < levels.repetition.len() => levels.repetition[place] = rng.below(4) as u16,
            2 => levels.definition.truncate(place),
            3 => {
                levels.definition.truncate(place);
                levels.repetition.truncate(place);
            }
            4 => batch.array = batch.array.slice(0, batch.array.len() / 2),
            _ => batch.levels = None,
        }
        let by_shapes = shaped(&tree, &batches).and_then(|leaves| assemble_shaped(&tree, &leaves));
        let by_levels = assemble(&tree, &batches);
        match (&by_levels, &by_shapes) {
            (Ok(levels), Ok(shapes)) => assert!(levels.as_ref() == shapes.as_ref(), "seed {seed}: {kind:?}"),
            (_, Ok(array)) => array.to_data().validate_full().unwrap(),
            _ => {}
        }
        match by_levels {
            Ok(array) => array.to_data().validate_full().unwrap(),
            Err(Error::InvalidInput(_)) => errors += 1,
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
    assert!(errors > 1000, "{errors}");
}

#[test]
fn leaves_of_a_struct_in_a_list_that_disagree() {
    let kind =
        Kind::List(Sort::List, Box::new((Kind::Struct(vec![(Kind::Int, false), (Kind::Int, false)]), false)));
    let pair = |n| Value::Struct(vec![Value::Int(n), Value::Int(n)]);
    let values = [Value::List(vec![pair(1), pair(2)]), Value::List(vec![pair(3)])];
    let (tree, mut batches) = batches(&kind, false, &values);
    let read = assemble(&tree, &batches).unwrap();
    assert_eq!(read.as_list::<i32>().value_offsets(), [0, 2, 3]);
    // As many elements, but in other lists.
    batches[1].levels.as_mut().unwrap().repetition = vec![0, 0, 1];
    assert!(assemble(&tree, &batches).is_err());
}

#[test]
fn a_flat_leaf_is_itself() {
    let array: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3]));
    let batch = LeafBatch { rows: 3, array: array.clone(), levels: None };
    let read = assemble(&Nested::Leaf(0), &[batch]).unwrap();
    assert_eq!(read.as_primitive::<Int32Type>(), array.as_primitive::<Int32Type>());
}
