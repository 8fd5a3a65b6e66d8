//! Small good inputs of every kind, from which fuzzing begins.

use parquet::basic::Encoding as Named;
use pilaster_kernels::parquet::Encoding;

use super::Recording;
use crate::handmade::encode;
use crate::strategies::parquet::{HandmadeFile, Oddities, ParquetFile, Shape, encodings, kinds};
use crate::strategies::{Choices, Random};

/// A name and the bytes.
pub type Seed = (String, Vec<u8>);

/// Files of each type that the format has, made by hand, and some by the `parquet` crate's writer for its codecs, indexes
/// and filters.
#[must_use]
pub fn files() -> Vec<Seed> {
    let shapes = [Shape::Optional, Shape::List, Shape::Required, Shape::TwoLevels, Shape::Repeated];
    let mut seeds = Vec::new();
    for (at, kind) in kinds().into_iter().enumerate() {
        let oddities = Oddities {
            version_2: at % 2 == 1,
            bit_packed_levels: at % 8 == 0,
            plain_dictionary: at % 3 == 0,
            dictionaries: at % 4,
            unnamed_dictionary: at % 5 == 0,
            empty_pages: at % 3 == 1,
            index_pages: at % 4 == 3,
            cut_records: at % 4 == 0,
            some_uncompressed: at % 3 == 2,
            overlong_decimals: at % 2 == 0,
        };
        // Snappy or none, one row group, nine or 64 rows.
        let numbers = vec![at as u32, 0, 2 + at as u32 % 2, 0, 2, 7 * at as u32];
        let file = HandmadeFile::of(kind, shapes[at % shapes.len()], oddities, &mut Choices::new(numbers));
        seeds.push((format!("by-hand-{at:02}"), file.bytes.to_vec()));
    }
    for at in 0..14u32 {
        let mut random = Random::new(at.into());
        let numbers = (0..80).map(|_| random.bits() as u32).collect();
        let file = ParquetFile::choose(&mut Choices::new(numbers));
        if file.bytes.len() < 6000 {
            seeds.push((format!("written-{at:02}"), file.bytes.to_vec()));
        }
    }
    seeds
}

/// Pages of every physical type in every encoding that it may have.
#[must_use]
pub fn pages() -> Vec<Seed> {
    use parquet::basic::Type as P;
    let physicals = [
        (0, P::INT32, 4),
        (1, P::INT64, 8),
        (2, P::BYTE_ARRAY, 0),
        (3, P::BOOLEAN, 1),
        (4, P::FLOAT, 4),
        (5, P::DOUBLE, 8),
        (6, P::INT96, 12),
        (7, P::FIXED_LEN_BYTE_ARRAY, 5),
    ];
    let mut random = Random::new(1);
    let mut seeds = Vec::new();
    for (number, physical, width) in physicals {
        let value = |random: &mut Random| -> Vec<u8> {
            match physical {
                P::BOOLEAN => vec![random.below(2) as u8],
                P::BYTE_ARRAY => (0..random.below(20)).map(|_| b'a' + random.below(3) as u8).collect(),
                _ => (0..width).map(|_| random.bits() as u8).collect(),
            }
        };
        let values: Vec<Vec<u8>> = (0..12).map(|_| value(&mut random)).collect();
        let slices: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let plain = match physical {
            P::BOOLEAN => encode::plain_booleans(&slices),
            P::BYTE_ARRAY => encode::plain_byte_arrays(&slices),
            _ => slices.concat(),
        };
        for &encoding in encodings(physical) {
            let body = match encoding {
                Named::RLE => {
                    let bits: Vec<u32> = values.iter().map(|value| value[0].into()).collect();
                    let hybrid = encode::hybrid(&bits, 1, &mut random);
                    [&(hybrid.len() as u32).to_le_bytes()[..], &hybrid].concat()
                }
                Named::DELTA_BINARY_PACKED => {
                    let number = |bytes: &&[u8]| {
                        let mut wide = [0; 8];
                        wide[..bytes.len()].copy_from_slice(bytes);
                        i64::from_le_bytes(wide)
                    };
                    let numbers: Vec<i64> = slices.iter().map(number).collect();
                    encode::delta(&numbers, width == 4, &mut random)
                }
                Named::DELTA_LENGTH_BYTE_ARRAY => encode::delta_lengths(&slices, &mut random),
                Named::DELTA_BYTE_ARRAY => encode::delta_byte_arrays(&slices, &mut random),
                Named::BYTE_STREAM_SPLIT => encode::byte_stream_split(&slices),
                _ => plain.clone(),
            };
            let name = format!("{physical}-{encoding}").to_lowercase();
            seeds.extend(shapes(&name, number, encoding, &body, &mut random));
        }
        if physical != P::BOOLEAN {
            let indices: Vec<u32> = (0..12).map(|_| random.below(12) as u32).collect();
            let indices = encode::indices(&indices, 12, &mut random);
            let recording = Recording::new(number, WIDTH, 0, 0, 0, 1)
                .page(0, 0, 12, [&[], &[], &plain])
                .page(1 | 2 << 2, position(Encoding::Dictionary), 12, [&[], &[], &indices]);
            seeds.push((format!("{physical}-dictionary").to_lowercase(), recording.bytes()));
        }
    }
    seeds
}

/// Five bytes, for values of a fixed length.
const WIDTH: u8 = 4;

fn position(encoding: Encoding) -> u8 {
    super::pages::ENCODINGS.iter().position(|known| *known == encoding).expect("all are listed") as u8
}

/// Twelve values flat, among nulls, and in lists.
fn shapes(name: &str, physical: u8, encoding: Named, body: &[u8], random: &mut Random) -> Vec<Seed> {
    let encoding = position(match encoding {
        Named::RLE => Encoding::Rle,
        Named::DELTA_BINARY_PACKED => Encoding::DeltaBinaryPacked,
        Named::DELTA_LENGTH_BYTE_ARRAY => Encoding::DeltaLengthByteArray,
        Named::DELTA_BYTE_ARRAY => Encoding::DeltaByteArray,
        Named::BYTE_STREAM_SPLIT => Encoding::ByteStreamSplit,
        _ => Encoding::Plain,
    });
    let kind = 1 | 2 << 2;
    let definitions = [1, 1, 0, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1];
    let optional = encode::hybrid(&definitions, 1, random);
    let repetitions = [0, 1, 1, 0, 0, 1, 0, 0, 1, 1, 1, 1, 0, 1, 1];
    let definitions = [3, 3, 2, 3, 0, 3, 1, 3, 3, 3, 3, 3, 3, 3, 3];
    let (repetition, definition) =
        (encode::hybrid(&repetitions, 1, random), encode::hybrid(&definitions, 2, random));
    let flat = Recording::new(physical, WIDTH, 0, 0, 0, 1).page(kind, encoding, 12, [&[], &[], body]);
    let nulls = Recording::new(physical, WIDTH, 0, 1, 0, 2).page(kind, encoding, 15, [&[], &optional, body]);
    let lists = Recording::new(physical, WIDTH, 0, 3, 1, 3).page(
        kind,
        encoding,
        15,
        [&repetition, &definition, body],
    );
    vec![
        (format!("{name}-flat"), flat.bytes()),
        (format!("{name}-nulls"), nulls.bytes()),
        (format!("{name}-lists"), lists.bytes()),
    ]
}
