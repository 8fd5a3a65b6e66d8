//! Columns of every type, in every layout that an operator may meet.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryArray, BinaryViewArray, BooleanArray, DictionaryArray,
    Float32Array, Float64Array, LargeBinaryArray, LargeStringArray, PrimitiveArray, StringArray,
    StringViewArray,
};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::{self as types, ArrowDictionaryKeyType, DataType, TimeUnit};

use super::{Choices, Random};

/// How far the values of a column spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// 0 to 3.
    Tiny,
    /// -100 to 100.
    Small,
    /// Any magnitude, small ones as likely as large ones.
    Wide,
    /// Mostly the ends of the type, and their neighbours.
    Extreme,
    /// One value.
    Constant,
}

/// Which rows are null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nulls {
    /// None, and no validity buffer.
    Absent,
    /// None, with a validity buffer.
    Unused,
    /// This many percent.
    Percent(u8),
    /// All.
    All,
}

/// How the values lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Physical {
    /// As the logical type says.
    Plain,
    /// A decimal in a narrower machine type, where its precision allows.
    Narrow,
    /// A dictionary with keys of this type.
    Dictionary(DataType),
}

/// A column to be built: deterministic, small, readable when a test fails.
#[derive(Debug, Clone)]
pub struct ColumnRecipe {
    /// Logical type.
    pub data_type: DataType,
    /// Layout.
    pub physical: Physical,
    /// Values.
    pub spread: Spread,
    /// Nulls.
    pub nulls: Nulls,
    /// Rows before the slice.
    pub offset: usize,
    /// Of the values.
    pub seed: u64,
}

/// Every type in use. Small indices are the simplest.
#[must_use]
pub fn all_types() -> Vec<DataType> {
    use DataType as T;
    vec![
        T::Int64,
        T::Int32,
        T::Boolean,
        T::Decimal128(15, 2),
        T::Utf8,
        T::Float64,
        T::Date32,
        T::Int8,
        T::Int16,
        T::UInt8,
        T::UInt16,
        T::UInt32,
        T::UInt64,
        T::Float32,
        T::Decimal32(9, 2),
        T::Decimal64(18, 4),
        T::Decimal128(38, 6),
        T::Decimal128(7, 3),
        T::Date64,
        T::Timestamp(TimeUnit::Second, None),
        T::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        T::Timestamp(TimeUnit::Nanosecond, None),
        T::LargeUtf8,
        T::Utf8View,
        T::Binary,
        T::LargeBinary,
        T::BinaryView,
    ]
}

impl ColumnRecipe {
    /// A column of `data_type` in its usual layout, sliced by three rows.
    #[must_use]
    pub fn plain(data_type: DataType, spread: Spread, nulls: Nulls, seed: u64) -> Self {
        ColumnRecipe { data_type, physical: Physical::Plain, spread, nulls, offset: 3, seed }
    }

    /// A column of `data_type`.
    pub fn choose(data_type: &DataType, choices: &mut Choices) -> Self {
        let spreads = [Spread::Tiny, Spread::Small, Spread::Wide, Spread::Extreme, Spread::Constant];
        let nulls = [Nulls::Absent, Nulls::Percent(20), Nulls::Percent(60), Nulls::Unused, Nulls::All];
        let keys = [DataType::Int32, DataType::Int8, DataType::UInt16, DataType::Int64];
        let physical = match choices.pick(3) {
            0 => Physical::Plain,
            _ if matches!(data_type, DataType::Decimal128(..) | DataType::Decimal64(..)) => Physical::Narrow,
            1 if is_bytes(data_type) => Physical::Dictionary(DataType::Int32),
            _ if is_bytes(data_type) => Physical::Dictionary(choices.one_of(&keys).clone()),
            _ => Physical::Plain,
        };
        ColumnRecipe {
            data_type: data_type.clone(),
            physical,
            spread: *choices.one_of(&spreads),
            // All-null columns are rarer than the others.
            nulls: if choices.rarely(12) { Nulls::All } else { *choices.one_of(&nulls[..4]) },
            offset: *choices.one_of(&[0, 0, 1, 7, 33]),
            seed: choices.seed(),
        }
    }
}

fn is_bytes(data_type: &DataType) -> bool {
    use DataType as T;
    matches!(data_type, T::Utf8 | T::LargeUtf8 | T::Utf8View | T::Binary | T::LargeBinary | T::BinaryView)
}

/// The column that a recipe describes: `rows` rows, a slice of a longer array where it has an offset.
///
/// # Panics
/// On a type that is not in [`all_types`].
#[must_use]
pub fn build(recipe: &ColumnRecipe, rows: usize) -> ArrayRef {
    let before = recipe.offset;
    let after = before / 2;
    let total = before + rows + after;
    let mut random = Random::new(recipe.seed);
    let validity = validity(recipe.nulls, total, &mut random);
    let array = match &recipe.physical {
        Physical::Dictionary(key) => dictionary(recipe, key, total, validity, &mut random),
        _ => plain(recipe, total, validity, &mut random),
    };
    if before + after == 0 { array } else { array.slice(before, rows) }
}

fn validity(nulls: Nulls, rows: usize, random: &mut Random) -> Option<NullBuffer> {
    let bits: BooleanBuffer = match nulls {
        Nulls::Absent => return None,
        Nulls::Unused => BooleanBuffer::new_set(rows),
        Nulls::All => BooleanBuffer::new_unset(rows),
        Nulls::Percent(percent) => (0..rows).map(|_| !random.percent(percent.into())).collect(),
    };
    Some(NullBuffer::new(bits))
}

fn plain(recipe: &ColumnRecipe, rows: usize, nulls: Option<NullBuffer>, random: &mut Random) -> ArrayRef {
    use DataType as T;
    let spread = recipe.spread;
    match &recipe.data_type {
        T::Boolean => {
            let bits: BooleanBuffer =
                (0..rows).map(|_| spread != Spread::Constant && random.percent(50)).collect();
            Arc::new(BooleanArray::new(bits, nulls))
        }
        T::Float32 => {
            let values: Vec<f32> = (0..rows).map(|_| float(spread, random) as f32).collect();
            Arc::new(Float32Array::new(values.into(), nulls))
        }
        T::Float64 => {
            let values: Vec<f64> = (0..rows).map(|_| float(spread, random)).collect();
            Arc::new(Float64Array::new(values.into(), nulls))
        }
        data_type if is_bytes(data_type) => bytes(spread, data_type, rows, nulls, random),
        _ => integers(recipe, rows, nulls, random),
    }
}

/// Floats of every kind; the extreme ones include both zeros, infinities, NaNs of several bits and subnormals.
pub(super) fn float(spread: Spread, random: &mut Random) -> f64 {
    const EDGES: [f64; 14] = [
        0.0,
        -0.0,
        1.0,
        -1.5,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        5e-324,
        -5e-324,
        f32::MAX as f64,
        9_007_199_254_740_993.0,
    ];
    match spread {
        Spread::Tiny => random.below(4) as f64,
        Spread::Small => (random.below(20_001) as f64 - 10_000.0) / 100.0,
        Spread::Wide => {
            let exponent = random.below(160) as i32 - 80;
            (random.bits() as i64 as f64 / 2f64.powi(63)) * 2f64.powi(exponent)
        }
        Spread::Extreme if random.percent(10) => f64::from_bits(0xfff8_0000_0000_0001),
        Spread::Extreme => EDGES[random.below(EDGES.len() as u64) as usize],
        Spread::Constant => 0.5,
    }
}

fn text(spread: Spread, random: &mut Random) -> String {
    const ALPHABET: [&str; 8] = ["a", "b", "A", "%", "_", "\u{f6}", "\u{65e5}", "z"];
    const EDGES: [&str; 6] = ["", "\0", "a\0", "\u{10ffff}", "abcdefghijkl", "abcdefghijklm"];
    let length = match spread {
        Spread::Constant => return "constant".into(),
        Spread::Tiny => return ["", "a", "b", "ab"][random.below(4) as usize].into(),
        Spread::Extreme if random.percent(60) => return EDGES[random.below(6) as usize].into(),
        Spread::Small => random.below(4),
        Spread::Wide | Spread::Extreme => random.below(40),
    };
    (0..length).map(|_| ALPHABET[random.below(8) as usize]).collect()
}

fn bytes(
    spread: Spread,
    data_type: &DataType,
    rows: usize,
    nulls: Option<NullBuffer>,
    random: &mut Random,
) -> ArrayRef {
    use DataType as T;
    // Under a null lies a string too: an array made of options would have nothing there.
    let texts: Vec<String> = (0..rows).map(|_| text(spread, random)).collect();
    let raw: Vec<Vec<u8>> = texts.iter().map(|text| garble(text, random)).collect();
    let slices = || raw.iter().map(Vec::as_slice);
    match data_type {
        T::Utf8 => {
            let (offsets, values, _) = StringArray::from_iter_values(&texts).into_parts();
            Arc::new(StringArray::new(offsets, values, nulls))
        }
        T::LargeUtf8 => {
            let (offsets, values, _) = LargeStringArray::from_iter_values(&texts).into_parts();
            Arc::new(LargeStringArray::new(offsets, values, nulls))
        }
        T::Utf8View => {
            let (views, buffers, _) = StringViewArray::from_iter_values(&texts).into_parts();
            Arc::new(StringViewArray::new(views, buffers, nulls))
        }
        T::Binary => {
            let (offsets, values, _) = BinaryArray::from_iter_values(slices()).into_parts();
            Arc::new(BinaryArray::new(offsets, values, nulls))
        }
        T::LargeBinary => {
            let (offsets, values, _) = LargeBinaryArray::from_iter_values(slices()).into_parts();
            Arc::new(LargeBinaryArray::new(offsets, values, nulls))
        }
        _ => {
            let (views, buffers, _) = BinaryViewArray::from_iter_values(slices()).into_parts();
            Arc::new(BinaryViewArray::new(views, buffers, nulls))
        }
    }
}

/// Binaries need not be text.
fn garble(text: &str, random: &mut Random) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    if random.percent(20) {
        bytes.push(0xff);
    }
    bytes
}

/// Limits of an integer-like type, and of its machine type.
pub(super) fn bounds(data_type: &DataType) -> (i128, i128) {
    use DataType as T;
    let signed = |bits: u32| (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1);
    match data_type {
        T::Int8 => signed(8),
        T::Int16 => signed(16),
        T::Int32 | T::Date32 => signed(32),
        T::UInt8 => (0, u8::MAX.into()),
        T::UInt16 => (0, u16::MAX.into()),
        T::UInt32 => (0, u32::MAX.into()),
        T::UInt64 => (0, u64::MAX.into()),
        T::Decimal32(p, _) | T::Decimal64(p, _) | T::Decimal128(p, _) => {
            let most = 10i128.pow(u32::from(*p)) - 1;
            (-most, most)
        }
        _ => signed(64),
    }
}

pub(super) fn integer(spread: Spread, (low, high): (i128, i128), random: &mut Random) -> i128 {
    let value = match spread {
        Spread::Constant => 42,
        Spread::Tiny => random.below(4) as i128,
        Spread::Small => random.below(201) as i128 - 100,
        Spread::Wide => random.wide() >> random.below(128),
        Spread::Extreme => match random.below(6) {
            0 => low,
            1 => high,
            2 => low + random.below(3) as i128,
            3 => high - random.below(3) as i128,
            4 => random.below(3) as i128 - 1,
            _ => random.wide() >> random.below(128),
        },
    };
    match (low..=high).contains(&value) {
        true => value,
        false if low == 0 => value.rem_euclid(high + 1),
        false => value % high,
    }
}

fn integers(recipe: &ColumnRecipe, rows: usize, nulls: Option<NullBuffer>, random: &mut Random) -> ArrayRef {
    use DataType as T;
    let limits = bounds(&recipe.data_type);
    let physical = match (&recipe.data_type, &recipe.physical) {
        (T::Decimal128(p, s), Physical::Narrow) if *p > 9 => T::Decimal64(*p.min(&18), *s),
        (T::Decimal128(p, s) | T::Decimal64(p, s), Physical::Narrow) => T::Decimal32(*p.min(&9), *s),
        (other, _) => other.clone(),
    };
    // The narrow machine type keeps only what it can hold.
    let machine = bounds(&physical);
    let limits = (limits.0.max(machine.0), limits.1.min(machine.1));
    let values: Vec<i128> = (0..rows)
        .map(|row| match &nulls {
            // Garbage: whatever the machine type holds.
            Some(nulls) if nulls.is_null(row) => random.wide(),
            _ => integer(recipe.spread, limits, random),
        })
        .collect();
    macro_rules! primitive {
        ($($pattern:pat => $arrow:ident),* $(,)?) => {
            match &physical {
                $($pattern => primitive::<types::$arrow>(&values, nulls, &physical, |v| v as _),)*
                other => panic!("no column of type {other}"),
            }
        };
    }
    primitive!(
        T::Int8 => Int8Type, T::Int16 => Int16Type, T::Int32 => Int32Type, T::Int64 => Int64Type,
        T::UInt8 => UInt8Type, T::UInt16 => UInt16Type, T::UInt32 => UInt32Type, T::UInt64 => UInt64Type,
        T::Decimal32(..) => Decimal32Type, T::Decimal64(..) => Decimal64Type, T::Decimal128(..) => Decimal128Type,
        T::Date32 => Date32Type, T::Date64 => Date64Type,
        T::Timestamp(TimeUnit::Second, _) => TimestampSecondType,
        T::Timestamp(TimeUnit::Millisecond, _) => TimestampMillisecondType,
        T::Timestamp(TimeUnit::Microsecond, _) => TimestampMicrosecondType,
        T::Timestamp(TimeUnit::Nanosecond, _) => TimestampNanosecondType,
    )
}

fn primitive<T: ArrowPrimitiveType>(
    values: &[i128],
    nulls: Option<NullBuffer>,
    data_type: &DataType,
    native: impl Fn(i128) -> T::Native,
) -> ArrayRef {
    let values: ScalarBuffer<T::Native> = values.iter().map(|&value| native(value)).collect();
    Arc::new(PrimitiveArray::<T>::new(values, nulls).with_data_type(data_type.clone()))
}

/// A dictionary whose values repeat, include some that no key points to, and whose keys under nulls point nowhere.
fn dictionary(
    recipe: &ColumnRecipe,
    key: &DataType,
    rows: usize,
    nulls: Option<NullBuffer>,
    random: &mut Random,
) -> ArrayRef {
    let distinct = 1 + random.below(if recipe.spread == Spread::Wide { 60 } else { 9 }) as usize;
    // A dictionary may hold a null, which its keys then point to.
    let holds_null = nulls.is_some() && random.percent(25);
    let value_nulls = holds_null.then(|| {
        let bits: BooleanBuffer = (0..distinct).map(|at| at != distinct / 2).collect();
        NullBuffer::new(bits)
    });
    let values = plain(recipe, distinct, value_nulls, random);
    let keys: Vec<i64> = (0..rows)
        .map(|row| match &nulls {
            Some(nulls) if nulls.is_null(row) => random.below(120) as i64,
            _ => random.below(distinct as u64) as i64,
        })
        .collect();
    match key {
        DataType::Int8 => keyed::<types::Int8Type>(&keys, nulls, values, |key| key as i8),
        DataType::UInt16 => keyed::<types::UInt16Type>(&keys, nulls, values, |key| key as u16),
        DataType::Int64 => keyed::<types::Int64Type>(&keys, nulls, values, |key| key),
        _ => keyed::<types::Int32Type>(&keys, nulls, values, |key| key as i32),
    }
}

fn keyed<K: ArrowDictionaryKeyType>(
    keys: &[i64],
    nulls: Option<NullBuffer>,
    values: ArrayRef,
    native: impl Fn(i64) -> K::Native,
) -> ArrayRef {
    let keys: ScalarBuffer<K::Native> = keys.iter().map(|&key| native(key)).collect();
    let keys = PrimitiveArray::<K>::new(keys, nulls);
    Arc::new(DictionaryArray::<K>::try_new(keys, values).expect("keys that count point into the dictionary"))
}
