//! Parquet pages decoded on the device, against the values that they were made of.

mod encode;
mod fused;
mod hostile;
mod lists;

use std::sync::Arc;

use arrow::array::{Array, ArrayData, ArrayRef, BinaryArray, StringArray, make_array};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use pilaster::device::ShaderMode;
use pilaster_kernels::parquet::gpu::{Decode, DecodeError, Segment};
use pilaster_kernels::parquet::{
    DataPage, DictionaryPage, Encoding, Leaf, LeafBatch, LevelBatch, Levels, Physical,
};
use pilaster_shaders::Shader;
use pilaster_tests::runner::check;
use pilaster_tests::strategies::{Choices, Random, choices};
use proptest::strategy::Strategy;

use super::backends::Gpu;

/// A column chunk and what is in it.
#[derive(Clone)]
pub struct Case {
    pub leaf: Leaf,
    pub segments: Vec<Segment>,
    /// Values of slots, as integers of which the low bytes are stored, or the strings' numbers.
    slots: Vec<Option<i128>>,
    levels: LevelBatch,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{:?}, {} slots", self.leaf, self.slots.len())?;
        for segment in &self.segments {
            writeln!(f, "  dictionary of {:?}", segment.dictionary.as_ref().map(|page| page.len))?;
            for page in &segment.pages {
                let show = |levels: &Levels| match levels {
                    Levels::None => String::new(),
                    Levels::Hybrid(bytes) => format!("{:?}", &bytes[..bytes.len().min(20)]),
                    Levels::BitPacked(_) => "old".into(),
                };
                let (definition, values) =
                    (show(&page.definition), &page.values[..page.values.len().min(20)]);
                writeln!(f, "    {} levels, {:?}: {definition} {values:?}", page.levels, page.encoding)?;
            }
        }
        Ok(())
    }
}

/// A physical type, the Arrow type it is read as, and the bytes of the latter.
fn types() -> Vec<(Physical, DataType, usize)> {
    use DataType as T;
    use Physical as P;
    vec![
        (P::Int32, T::Int32, 4),
        (P::Int64, T::Int64, 8),
        (P::Boolean, T::Boolean, 0),
        (P::ByteArray, T::Utf8, 0),
        (P::ByteArray, T::BinaryView, 0),
        (P::Float, T::Float32, 4),
        (P::Double, T::Float64, 8),
        (P::Int32, T::Int8, 1),
        (P::Int32, T::UInt16, 2),
        (P::Int32, T::Date32, 4),
        (P::Int32, T::Decimal64(9, 2), 8),
        (P::Int64, T::UInt64, 8),
        (P::Int64, T::Timestamp(TimeUnit::Microsecond, None), 8),
        (P::Int64, T::Decimal64(15, 2), 8),
        (P::Int64, T::Decimal128(18, 2), 16),
        (P::FixedLenByteArray(2), T::Float16, 2),
        (P::FixedLenByteArray(16), T::FixedSizeBinary(16), 16),
        (P::FixedLenByteArray(4), T::FixedSizeBinary(4), 4),
        (P::FixedLenByteArray(3), T::Decimal32(6, 1), 4),
        (P::FixedLenByteArray(7), T::Decimal128(16, 3), 16),
        (P::FixedLenByteArray(16), T::Decimal128(38, 3), 16),
    ]
}

fn stored_bytes(physical: Physical) -> usize {
    match physical {
        Physical::Int32 | Physical::Float => 4,
        Physical::Int64 | Physical::Double => 8,
        Physical::FixedLenByteArray(bytes) => bytes,
        _ => 1,
    }
}

fn encodings(physical: Physical) -> &'static [Encoding] {
    use Encoding::{ByteStreamSplit, DeltaBinaryPacked, Dictionary, Plain, Rle};
    match physical {
        Physical::Boolean => &[Plain, Rle],
        Physical::ByteArray => &[Dictionary],
        Physical::Int32 | Physical::Int64 => &[Plain, Dictionary, DeltaBinaryPacked, ByteStreamSplit],
        _ => &[Plain, Dictionary, ByteStreamSplit],
    }
}

fn any_case(most_levels: usize) -> impl Strategy<Value = Case> {
    choices(60).prop_map(move |mut choices| case(&mut choices, most_levels))
}

fn case(choices: &mut Choices, most_levels: usize) -> Case {
    let (physical, data_type, _) = choices.one_of(&types()).clone();
    let max_definition = choices.pick(4) as u16;
    let nested = max_definition > 0 && choices.pick(3) == 2;
    let leaf = Leaf {
        physical,
        data_type,
        max_definition,
        max_repetition: if nested { 1 + choices.pick(3) as u16 } else { 0 },
        slot_definition: if nested { 1 + choices.pick(max_definition.into()) as u16 } else { 0 },
        with_levels: choices.pick(2) == 1,
    };
    let mut writer = Writer {
        leaf,
        stored: stored_bytes(physical),
        null_percent: [0, 3, 50, 100][choices.pick(4)],
        spread: choices.pick(4),
        random: Random::new(choices.seed()),
        slots: Vec::new(),
        levels: LevelBatch::default(),
    };
    let segments = (0..1 + choices.pick(3)).map(|_| writer.segment(choices, most_levels)).collect();
    Case { leaf: writer.leaf, segments, slots: writer.slots, levels: writer.levels }
}

/// String number `number`.
fn text(number: i128) -> Vec<u8> {
    format!("{}{number}", "ab".repeat(number.unsigned_abs() as usize % 9)).into_bytes()
}

struct Writer {
    leaf: Leaf,
    stored: usize,
    null_percent: u64,
    spread: usize,
    random: Random,
    slots: Vec<Option<i128>>,
    levels: LevelBatch,
}

impl Writer {
    /// A value of as many bytes as are stored.
    fn value(&mut self) -> i128 {
        let random = &mut self.random;
        let bits = match self.leaf.physical {
            Physical::Boolean => 1,
            Physical::ByteArray => return random.below(40).into(),
            _ => self.stored as u32 * 8,
        };
        let wide = match self.spread {
            0 => i128::from(random.below(100)),
            1 => 1000 + i128::from(random.below(4)) * i128::from(random.percent(5)),
            2 => i128::from(random.bits() as i64) >> 30,
            _ => random.wide(),
        };
        match bits {
            1 => wide & 1,
            bits => wide << (128 - bits) >> (128 - bits),
        }
    }

    fn bytes(&self, value: i128) -> Vec<u8> {
        let mut bytes = value.to_le_bytes()[..self.stored].to_vec();
        let decimal = matches!(
            self.leaf.data_type,
            DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..)
        );
        if decimal && matches!(self.leaf.physical, Physical::FixedLenByteArray(_)) {
            bytes.reverse();
        }
        bytes
    }

    fn segment(&mut self, choices: &mut Choices, most_levels: usize) -> Segment {
        let distinct = [1, 3, 200, 3000][choices.pick(4)];
        let values: Vec<i128> = match self.leaf.physical {
            Physical::ByteArray => (0..40).collect(),
            _ => (0..1 + self.random.below(distinct)).map(|_| self.value()).collect(),
        };
        let plain = match self.leaf.physical {
            Physical::ByteArray => {
                encode::plain_strings(&values.iter().map(|value| text(*value)).collect::<Vec<_>>())
            }
            _ => values.iter().flat_map(|value| self.bytes(*value)).collect(),
        };
        let pages = (0..choices.pick(4)).map(|_| self.page(choices, most_levels, &values)).collect();
        // Not at the start of an allocation, and with something behind: positions are the buffer's.
        let plain = Buffer::from_vec([&[7; 3], plain.as_slice(), &[9; 5]].concat());
        let len = plain.len() - 8;
        let values = plain.slice_with_length(3, len);
        let dictionary = DictionaryPage { len: 0, values, offset: 4 };
        let len = match self.leaf.physical {
            Physical::ByteArray => 40,
            _ => len / self.stored,
        };
        Segment { dictionary: Some(DictionaryPage { len, ..dictionary }), pages }
    }

    /// A level: the largest unless something is missing.
    fn definition(&mut self) -> u32 {
        let most = u64::from(self.leaf.max_definition);
        if most > 0 && self.random.percent(self.null_percent) {
            self.random.below(most) as u32
        } else {
            most as u32
        }
    }

    fn page(&mut self, choices: &mut Choices, most_levels: usize, dictionary: &[i128]) -> DataPage {
        let encoding = *choices.one_of(encodings(self.leaf.physical));
        let count = match choices.pick(5) {
            4 => most_levels,
            3 => 0,
            _ => 1 + self.random.below(most_levels as u64 / 3) as usize,
        };
        let definition: Vec<u32> = (0..count).map(|_| self.definition()).collect();
        let most = u64::from(self.leaf.max_repetition) + 1;
        let repetition: Vec<u32> =
            (0..count).map(|level| if level == 0 { 0 } else { self.random.below(most) as u32 }).collect();
        let mut values = Vec::new();
        for level in &definition {
            if *level < u32::from(self.leaf.slot_definition) {
                continue;
            }
            let there = *level == u32::from(self.leaf.max_definition);
            let value = match encoding {
                Encoding::Dictionary => dictionary[self.random.below(dictionary.len() as u64) as usize],
                _ => self.value(),
            };
            values.extend(there.then_some(value));
            self.slots.push(there.then_some(value));
        }
        self.levels.definition.extend(definition.iter().map(|level| *level as u16));
        self.levels.repetition.extend(repetition.iter().map(|level| *level as u16));
        let bytes = self.encoded(encoding, &values, dictionary);
        let old = choices.pick(8) == 7;
        let (max_definition, max_repetition) = (self.leaf.max_definition, self.leaf.max_repetition);
        DataPage {
            levels: count,
            nulls: None,
            repetition: self.page_levels(&repetition, max_repetition, old),
            definition: self.page_levels(&definition, max_definition, old),
            encoding,
            values: Buffer::from_vec([&[1], bytes.as_slice()].concat()).slice(1),
            offset: 1000 + self.slots.len() as u64,
        }
    }

    fn page_levels(&mut self, levels: &[u32], most: u16, old: bool) -> Levels {
        let width = encode::width_of(most.into());
        match (most, old) {
            (0, _) => Levels::None,
            (_, true) => Levels::BitPacked(Buffer::from_vec(encode::bit_packed(levels, width))),
            _ => Levels::Hybrid(Buffer::from_vec(encode::hybrid(levels, width, &mut self.random))),
        }
    }

    fn encoded(&mut self, encoding: Encoding, values: &[i128], dictionary: &[i128]) -> Vec<u8> {
        let flags = || values.iter().map(|value| *value != 0);
        match (encoding, self.leaf.physical) {
            (Encoding::Plain, Physical::Boolean) => encode::booleans(flags()),
            (Encoding::Rle, _) => {
                let bits: Vec<u32> = flags().map(u32::from).collect();
                let runs = encode::hybrid(&bits, 1, &mut self.random);
                [&(runs.len() as u32).to_le_bytes()[..], &runs].concat()
            }
            (Encoding::Dictionary, _) => {
                let index = |value: &i128| dictionary.iter().position(|entry| entry == value).unwrap() as u32;
                let indices: Vec<u32> = values.iter().map(index).collect();
                let width = encode::width_of(dictionary.len() as u64 - 1) + self.random.below(3) as u32;
                [&[width as u8][..], &encode::hybrid(&indices, width, &mut self.random)].concat()
            }
            (Encoding::DeltaBinaryPacked, _) => {
                let values: Vec<i64> = values.iter().map(|value| *value as i64).collect();
                encode::deltas(&values, self.stored as u32 * 8, &mut self.random)
            }
            (Encoding::ByteStreamSplit, _) => {
                let values: Vec<Vec<u8>> = values.iter().map(|value| self.bytes(*value)).collect();
                encode::streams(&values, self.stored)
            }
            _ => values.iter().flat_map(|value| self.bytes(*value)).collect(),
        }
    }
}

impl Case {
    fn expected(&self) -> ArrayRef {
        let data_type = &self.leaf.data_type;
        let there = || self.slots.iter().map(Option::is_some);
        if self.leaf.physical == Physical::ByteArray {
            let values = || self.slots.iter().map(|slot| slot.map(text));
            let array: ArrayRef = match data_type {
                DataType::Utf8 => {
                    let strings = values().map(|value| value.map(|value| String::from_utf8(value).unwrap()));
                    Arc::new(strings.collect::<StringArray>())
                }
                _ => Arc::new(values().collect::<BinaryArray>()),
            };
            return cast(&array, data_type).unwrap();
        }
        let bytes = types().iter().find(|(_, of, _)| of == data_type).unwrap().2;
        let buffer = match bytes {
            0 => {
                let bits = self.slots.iter().map(|slot| *slot == Some(1));
                bits.collect::<BooleanBuffer>().into_inner()
            }
            bytes => {
                let values = self.slots.iter().map(|slot| slot.unwrap_or(0).to_le_bytes());
                Buffer::from_vec(values.flat_map(|value| value[..bytes].to_vec()).collect::<Vec<u8>>())
            }
        };
        let nulls = NullBuffer::from_iter(there());
        let data = ArrayData::builder(data_type.clone()).len(self.slots.len()).add_buffer(buffer);
        make_array(data.nulls(Some(nulls)).align_buffers(true).build().unwrap())
    }
}

fn decoded(gpu: &Gpu, case: &Case) -> Result<LeafBatch, DecodeError> {
    let decode = Decode::new(&case.leaf, &case.segments, gpu.tier())?;
    decode.finish(&gpu.run(&decode.program()?)?)
}

fn judge(case: &Case, got: &LeafBatch) -> Result<(), String> {
    let expected = case.expected();
    let array = match got.array.data_type() {
        DataType::Dictionary(..) => {
            cast(&got.array, &case.leaf.data_type).map_err(|error| error.to_string())?
        }
        _ => Arc::clone(&got.array),
    };
    if array.len() != expected.len() {
        return Err(format!("{} slots, expected {}", array.len(), expected.len()));
    }
    if array.to_data() != expected.to_data() {
        let differs = |row: &usize| array.slice(*row, 1).to_data() != expected.slice(*row, 1).to_data();
        let row = (0..array.len()).find(differs);
        let show = |array: &ArrayRef| row.map(|row| format!("{:?}", array.slice(row, 1)));
        return Err(format!(
            "slot {row:?} of {}: {:?}, expected {:?}",
            array.len(),
            show(&array),
            show(&expected)
        ));
    }
    let rows = case.levels.repetition.iter().filter(|level| **level == 0).count();
    if got.rows != rows {
        return Err(format!("{} rows, expected {rows}", got.rows));
    }
    let mut levels = case.leaf.with_levels.then(|| case.levels.clone());
    if let Some(levels) = levels.as_mut().filter(|_| case.leaf.max_repetition == 0) {
        levels.repetition.clear();
    }
    if got.levels == levels { Ok(()) } else { Err("levels differ".into()) }
}

fn agrees(gpu: &Gpu, case: &Case) -> Result<(), String> {
    judge(case, &decoded(gpu, case).map_err(|error| error.to_string())?)
}

#[test]
fn random_pages_on_gpu() {
    let Some(gpu) = Gpu::open("random_pages_on_gpu", ShaderMode::Checked) else { return };
    check("random pages, GPU", 300, &any_case(3000), |case| agrees(&gpu, case));
}

#[test]
fn random_pages_on_gpu_unchecked() {
    let Some(gpu) = Gpu::open("random_pages_on_gpu_unchecked", ShaderMode::Trusted) else { return };
    check("random pages, GPU, trusted", 100, &any_case(700), |case| agrees(&gpu, case));
}

/// Each type with each of its encodings, so that none is left to chance; longer than a block of each scan.
#[test]
fn every_type_and_encoding_on_gpu() {
    let Some(gpu) = Gpu::open("every_type_and_encoding_on_gpu", ShaderMode::Checked) else { return };
    for (at, (physical, ..)) in types().into_iter().enumerate() {
        for encoding in 0..encodings(physical).len() {
            for (max_definition, null_percent) in [(0, 0), (1, 0), (1, 2)] {
                // The decisions in the order in which `case` takes them.
                let page = [encoding as u32, 4, 0];
                let mut numbers = vec![at as u32, max_definition];
                numbers.extend(if max_definition > 0 { vec![0] } else { vec![] });
                numbers.extend([1, null_percent, 3, 77, 0, 2, 2]);
                numbers.extend([page, page].concat());
                let case = case(&mut Choices::new(numbers), 5000);
                assert_eq!(case.segments[0].pages.len(), 2);
                assert_eq!(case.segments[0].pages[0].encoding, encodings(physical)[encoding]);
                assert_eq!(case.levels.definition.len(), 10_000);
                assert_eq!(agrees(&gpu, &case), Ok(()), "{:?}", case.leaf);
            }
        }
    }
}

/// A stage, and how its shader is spoiled.
type Plant = (&'static str, fn(&Shader) -> Shader);

/// Planted errors, one for each stage that makes values: each must be noticed.
#[test]
fn errors_in_the_shaders_are_noticed() {
    let test = "errors_in_the_shaders_are_noticed";
    let plants: [Plant; 5] = [
        ("place", |shader| {
            spoiled(shader, "let code = place_from_runs(index);", "let code = place_from_runs(index) ^ 1u;")
        }),
        ("levels", |shader| spoiled(shader, "u32(level == maximum) << i", "u32(level >= 1u) << i")),
        ("slots", |shader| spoiled(shader, "let shift = position & 31u;", "let shift = position & 15u;")),
        ("delta", |shader| spoiled(shader, "let base = i64_add(of_page, before);", "let base = before;")),
        ("expand", |shader| spoiled(shader, "low | (high << 16u)", "low | (low << 16u)")),
    ];
    for (stage, plant) in plants {
        let Some(mut gpu) = Gpu::open(test, ShaderMode::Checked) else { return };
        let mut found = 0;
        for seed in 0..200 {
            let mut random = Random::new(seed);
            let numbers = (0..60).map(|_| random.bits() as u32).collect();
            let case = case(&mut Choices::new(numbers), 2500);
            gpu.sabotage = None;
            assert_eq!(agrees(&gpu, &case), Ok(()), "without the error");
            gpu.sabotage = Some(plant);
            found += usize::from(agrees(&gpu, &case).is_err());
            if found > 2 {
                break;
            }
        }
        assert!(found > 2, "an error in {stage} is not noticed");
    }
}

fn spoiled(shader: &Shader, text: &str, other: &str) -> Shader {
    let mut shader = shader.clone();
    if shader.wgsl.contains(text) {
        shader.wgsl = shader.wgsl.replace(text, other);
        shader.id ^= 0x0ff0_b702;
    }
    shader
}
