//! Arrays of any type.

use std::sync::Arc;

use arrow::array::{
    ArrayData, ArrayRef, BooleanArray, DictionaryArray, FixedSizeListArray, LargeListArray, ListArray,
    MapArray, NullArray, PrimitiveArray, StructArray, make_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};
use arrow::datatypes::{self as arrow_types, ArrowDictionaryKeyType, ArrowPrimitiveType, DataType, Field};

use crate::strategies::columns::{bounds, float, integer};
use crate::strategies::{Choices, Random, Spread};

/// How many are null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Density {
    /// None.
    None,
    /// 2 of 100.
    Few,
    /// Every second.
    Half,
    /// 19 of 20.
    Most,
    /// All.
    All,
    /// Long stretches of nulls and of values.
    Stretches,
}

/// How values follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Each for itself.
    Random,
    /// From a small pool, so that dictionaries are worth it.
    Pool,
    /// In runs.
    Runs,
    /// Ascending.
    Sorted,
}

/// What the values of a column are like, at all its depths.
#[derive(Debug, Clone)]
pub struct ValueRecipe {
    /// Nulls of every nullable level.
    pub nulls: Density,
    /// Order.
    pub lie: Lie,
    /// Magnitudes.
    pub spread: Spread,
    /// Of strings, at most.
    pub most_bytes: usize,
    /// Elements of a list, at most.
    pub most_elements: usize,
    /// Of the values.
    pub seed: u64,
}

impl ValueRecipe {
    /// Any.
    pub fn choose(choices: &mut Choices) -> Self {
        let nulls =
            [Density::None, Density::Few, Density::Half, Density::Stretches, Density::Most, Density::All];
        let lies = [Lie::Random, Lie::Pool, Lie::Runs, Lie::Sorted];
        let spreads = [Spread::Small, Spread::Tiny, Spread::Wide, Spread::Extreme, Spread::Constant];
        ValueRecipe {
            nulls: *choices.one_of(&nulls),
            lie: *choices.one_of(&lies),
            spread: *choices.one_of(&spreads),
            most_bytes: *choices.one_of(&[8, 3, 13, 40, 0, 1000]),
            most_elements: *choices.one_of(&[3, 1, 0, 6, 40]),
            seed: choices.seed(),
        }
    }
}

/// `rows` values of a field.
///
/// # Panics
/// On a type that files do not have.
#[must_use]
pub fn column(field: &Field, recipe: &ValueRecipe, rows: usize, random: &mut Random) -> ArrayRef {
    let nulls = if field.is_nullable() { validity(recipe.nulls, rows, random) } else { None };
    match field.data_type() {
        DataType::Null => Arc::new(NullArray::new(rows)),
        DataType::List(item) => {
            let (lengths, elements) = lengths(recipe, rows, random);
            let values = column(item, &inner(recipe), elements, random);
            Arc::new(ListArray::new(Arc::clone(item), OffsetBuffer::from_lengths(lengths), values, nulls))
        }
        DataType::LargeList(item) => {
            let (lengths, elements) = lengths(recipe, rows, random);
            let values = column(item, &inner(recipe), elements, random);
            Arc::new(LargeListArray::new(
                Arc::clone(item),
                OffsetBuffer::from_lengths(lengths),
                values,
                nulls,
            ))
        }
        DataType::FixedSizeList(item, size) => {
            let values = column(item, &inner(recipe), rows * *size as usize, random);
            Arc::new(FixedSizeListArray::new(Arc::clone(item), *size, values, nulls))
        }
        DataType::Struct(children) => {
            let columns = children.iter().map(|child| column(child, recipe, rows, random)).collect();
            Arc::new(StructArray::new(children.clone(), columns, nulls))
        }
        DataType::Map(entries, sorted) => {
            let (lengths, elements) = lengths(recipe, rows, random);
            let entries_recipe = ValueRecipe { nulls: recipe.nulls, ..inner(recipe) };
            let DataType::Struct(children) = entries.data_type() else { panic!("entries are structs") };
            let columns =
                children.iter().map(|child| column(child, &entries_recipe, elements, random)).collect();
            let pairs = StructArray::new(children.clone(), columns, None);
            let offsets = OffsetBuffer::from_lengths(lengths);
            Arc::new(MapArray::new(Arc::clone(entries), offsets, pairs, nulls, *sorted))
        }
        data_type => leaf(data_type, recipe, rows, nulls, random),
    }
}

/// Inside of a list: lists stay short, so that their product does.
fn inner(recipe: &ValueRecipe) -> ValueRecipe {
    // All nulls at all levels would leave nothing below the first.
    let nulls = if recipe.nulls == Density::All { Density::Half } else { recipe.nulls };
    ValueRecipe { most_elements: recipe.most_elements.min(3), nulls, ..recipe.clone() }
}

/// Lengths of lists (under a null there may be elements too), and their sum.
fn lengths(recipe: &ValueRecipe, rows: usize, random: &mut Random) -> (Vec<usize>, usize) {
    // Long lists are few.
    let usual = recipe.most_elements.min(3) as u64;
    let length = |_| match random.below(30) {
        0..=5 => 0,
        6 => random.below(recipe.most_elements as u64 + 1) as usize,
        _ => random.below(usual + 1) as usize,
    };
    let lengths: Vec<usize> = (0..rows).map(length).collect();
    let sum = lengths.iter().sum();
    (lengths, sum)
}

fn validity(nulls: Density, rows: usize, random: &mut Random) -> Option<NullBuffer> {
    let percent = match nulls {
        Density::None => return None,
        Density::Few => 2,
        Density::Half => 50,
        Density::Most => 95,
        Density::All => 100,
        Density::Stretches => return Some(NullBuffer::new(stretches(rows, random))),
    };
    let bits: BooleanBuffer = (0..rows).map(|_| !random.percent(percent)).collect();
    Some(NullBuffer::new(bits))
}

fn stretches(rows: usize, random: &mut Random) -> BooleanBuffer {
    let mut left = 0;
    let mut valid = random.percent(50);
    let bit = |_| {
        if left == 0 {
            left = 1 + random.below(150);
            valid = !valid;
        }
        left -= 1;
        valid
    };
    (0..rows).map(bit).collect()
}

/// Values one after another, in the recipe's order.
fn values<T: Clone>(
    recipe: &ValueRecipe,
    rows: usize,
    random: &mut Random,
    order: impl Fn(&T, &T) -> std::cmp::Ordering,
    mut one: impl FnMut(&mut Random) -> T,
) -> Vec<T> {
    match recipe.lie {
        Lie::Random => (0..rows).map(|_| one(random)).collect(),
        Lie::Sorted => {
            let mut values: Vec<T> = (0..rows).map(|_| one(random)).collect();
            values.sort_by(order);
            values
        }
        Lie::Pool => {
            let pool: Vec<T> = (0..1 + random.below(40)).map(|_| one(random)).collect();
            (0..rows).map(|_| pool[random.below(pool.len() as u64) as usize].clone()).collect()
        }
        Lie::Runs => {
            let mut values = Vec::with_capacity(rows);
            while values.len() < rows {
                let length = 1 + random.below(120) as usize;
                let value = one(random);
                values.extend(std::iter::repeat_n(value, length.min(rows - values.len())));
            }
            values
        }
    }
}

fn leaf(
    data_type: &DataType,
    recipe: &ValueRecipe,
    rows: usize,
    nulls: Option<NullBuffer>,
    random: &mut Random,
) -> ArrayRef {
    use DataType as T;
    match data_type {
        T::Boolean => {
            let bits = values(recipe, rows, random, bool::cmp, |random| {
                recipe.spread != Spread::Constant && random.percent(50)
            });
            Arc::new(BooleanArray::new(bits.into(), nulls))
        }
        T::Dictionary(key, value) => dictionary(key, value, recipe, rows, nulls, random),
        T::Utf8 | T::LargeUtf8 | T::Utf8View | T::Binary | T::LargeBinary | T::BinaryView => {
            let text = matches!(data_type, T::Utf8 | T::LargeUtf8 | T::Utf8View);
            let bytes =
                values(recipe, rows, random, Vec::cmp, |random| string(recipe.most_bytes, text, random));
            strings(data_type, &bytes, nulls)
        }
        T::FixedSizeBinary(size) => {
            let size = *size as usize;
            let bytes: Vec<Vec<u8>> = values(recipe, rows, random, Vec::cmp, |random| {
                // A shared beginning, as identifiers have it.
                let fresh = if random.percent(50) { size.min(3) } else { size };
                (0..size).map(|at| if at + fresh < size { 7 } else { random.bits() as u8 }).collect()
            });
            from_bytes(data_type, bytes.concat(), rows, nulls)
        }
        _ => fixed_width(data_type, recipe, rows, nulls, random),
    }
}

fn fixed_width(
    data_type: &DataType,
    recipe: &ValueRecipe,
    rows: usize,
    nulls: Option<NullBuffer>,
    random: &mut Random,
) -> ArrayRef {
    use DataType as T;
    type Half = <arrow_types::Float16Type as ArrowPrimitiveType>::Native;
    let spread = recipe.spread;
    let bytes: Vec<u8> = match data_type {
        T::Float16 | T::Float32 | T::Float64 => {
            let floats = values(recipe, rows, random, f64::total_cmp, |random| float(spread, random));
            let bytes = floats.iter().map(|&value| match data_type {
                T::Float16 => Half::from_f64(value).to_bits().to_le_bytes().to_vec(),
                T::Float32 => (value as f32).to_le_bytes().to_vec(),
                _ => value.to_le_bytes().to_vec(),
            });
            bytes.flatten().collect()
        }
        T::Decimal256(precision, _) => {
            let wide =
                values(recipe, rows, random, arrow_types::i256::cmp, |random| decimal256(*precision, random));
            wide.into_iter().flat_map(arrow_types::i256::to_le_bytes).collect()
        }
        _ => {
            let limits = limits(data_type);
            let width = data_type.primitive_width().expect("a primitive type");
            let integers = values(recipe, rows, random, i128::cmp, |random| integer(spread, limits, random));
            integers.iter().flat_map(|value| value.to_le_bytes()[..width].to_vec()).collect()
        }
    };
    from_bytes(data_type, bytes, rows, nulls)
}

/// Of any magnitude below 10 to the power of the precision.
fn decimal256(precision: u8, random: &mut Random) -> arrow_types::i256 {
    let bits = (u32::from(precision) * 3321 / 1000).max(1);
    let shift = 255 - random.below(u64::from(bits)) as u32;
    let value = arrow_types::i256::from_parts(random.wide().cast_unsigned(), random.wide());
    value >> (shift as u8)
}

/// Times are of the day.
fn limits(data_type: &DataType) -> (i128, i128) {
    use arrow_types::TimeUnit as U;
    match data_type {
        DataType::Time32(U::Second) => (0, 86_399),
        DataType::Time32(_) => (0, 86_399_999),
        DataType::Time64(U::Microsecond) => (0, 86_399_999_999),
        DataType::Time64(_) => (0, 86_399_999_999_999),
        DataType::Interval(arrow_types::IntervalUnit::YearMonth) => (i32::MIN.into(), i32::MAX.into()),
        other => bounds(other),
    }
}

fn from_bytes(data_type: &DataType, bytes: Vec<u8>, rows: usize, nulls: Option<NullBuffer>) -> ArrayRef {
    // Aligned for every native type.
    let buffer = Buffer::from_vec(bytes);
    let data = ArrayData::builder(data_type.clone()).len(rows).add_buffer(buffer).nulls(nulls);
    make_array(data.align_buffers(true).build().expect("values of their width"))
}

/// Lengths from nothing to the most, a shared prefix in half of them, and not only ASCII where it is text.
fn string(most: usize, text: bool, random: &mut Random) -> Vec<u8> {
    const ALPHABET: [&str; 8] = ["a", "b", "Z", "%", "\0", "\u{f6}", "\u{65e5}", "\u{1f600}"];
    // Long ones are few.
    let most = if most > 40 && !random.percent(10) { 20 } else { most };
    let length = random.below(most as u64 + 1) as usize;
    let mut bytes = Vec::with_capacity(length + 4);
    if random.percent(50) {
        bytes.extend_from_slice(&b"the same beginning of many a string, "[..length.min(37)]);
    }
    while bytes.len() < length {
        if text {
            bytes.extend_from_slice(ALPHABET[random.below(8) as usize].as_bytes());
        } else {
            bytes.push(random.bits() as u8);
        }
    }
    bytes
}

fn strings(data_type: &DataType, bytes: &[Vec<u8>], nulls: Option<NullBuffer>) -> ArrayRef {
    let binary = arrow::array::LargeBinaryArray::from_iter_values(bytes);
    let (offsets, values, _) = binary.into_parts();
    let binary = arrow::array::LargeBinaryArray::new(offsets, values, nulls);
    arrow::compute::cast(&binary, data_type).expect("valid text")
}

fn dictionary(
    key: &DataType,
    value: &DataType,
    recipe: &ValueRecipe,
    rows: usize,
    nulls: Option<NullBuffer>,
    random: &mut Random,
) -> ArrayRef {
    let distinct = 1 + random.below(100) as usize;
    let values_recipe = ValueRecipe { lie: Lie::Random, ..recipe.clone() };
    let dictionary = leaf(value, &values_recipe, distinct, None, random);
    let keys = values(recipe, rows, random, u64::cmp, |random| random.below(distinct as u64));
    macro_rules! keyed {
        ($($variant:ident => $arrow:ident),*) => {
            match key {
                $(DataType::$variant => {
                    keyed::<arrow_types::$arrow>(keys.iter().map(|&key| key as _), nulls, dictionary)
                })*
                other => panic!("no dictionary keys of type {other}"),
            }
        };
    }
    keyed!(Int16 => Int16Type, Int32 => Int32Type, Int64 => Int64Type, UInt8 => UInt8Type)
}

fn keyed<K: ArrowDictionaryKeyType>(
    keys: impl Iterator<Item = K::Native>,
    nulls: Option<NullBuffer>,
    values: ArrayRef,
) -> ArrayRef {
    let keys = PrimitiveArray::<K>::new(keys.collect(), nulls);
    Arc::new(DictionaryArray::<K>::try_new(keys, values).expect("keys point into the dictionary"))
}
