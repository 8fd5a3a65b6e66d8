//! Writers of pages, as plain as can be.

use arrow::buffer::Buffer;

use super::{Rng, Value};
use crate::parquet::{DataPage, DictionaryPage, Encoding, Levels, Physical};

pub fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn zigzag(value: i64, out: &mut Vec<u8>) {
    varint((value << 1 ^ value >> 63) as u64, out);
}

pub fn pack(values: &[u64], width: usize) -> Vec<u8> {
    let mut out = vec![0; (values.len() * width).div_ceil(8)];
    for (i, value) in values.iter().enumerate() {
        for bit in 0..width {
            let place = i * width + bit;
            out[place / 8] |= ((value >> bit & 1) as u8) << (place % 8);
        }
    }
    out
}

/// Runs and groups at random.
pub fn hybrid(values: &[u64], width: usize, rng: &mut Rng) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < values.len() {
        let run = values[at..].iter().take_while(|&&value| value == values[at]).count();
        if run >= 8 || (run > 1 && rng.chance(20)) || rng.chance(5) {
            varint((run as u64) << 1, &mut out);
            out.extend_from_slice(&values[at].to_le_bytes()[..width.div_ceil(8)]);
            at += run;
            continue;
        }
        let groups = 1 + rng.below(20);
        let mut group = values[at..values.len().min(at + groups * 8)].to_vec();
        at += group.len();
        group.resize(group.len().next_multiple_of(8), 0);
        varint((group.len() as u64 / 8) << 1 | 1, &mut out);
        out.extend(pack(&group, width));
    }
    out
}

pub fn delta(values: &[i64], bits: u32) -> Vec<u8> {
    let mut out = Vec::new();
    varint(128, &mut out);
    varint(4, &mut out);
    varint(values.len() as u64, &mut out);
    zigzag(values.first().copied().unwrap_or(0), &mut out);
    let deltas: Vec<i64> = values
        .windows(2)
        .map(|pair| match bits {
            32 => i64::from((pair[1] as i32).wrapping_sub(pair[0] as i32)),
            _ => pair[1].wrapping_sub(pair[0]),
        })
        .collect();
    for block in deltas.chunks(128) {
        let min = *block.iter().min().unwrap();
        zigzag(min, &mut out);
        let packed: Vec<u64> = block.iter().map(|delta| delta.wrapping_sub(min) as u64).collect();
        let mut widths = [0; 4];
        for (width, mini) in widths.iter_mut().zip(packed.chunks(32)) {
            *width = 64 - mini.iter().fold(0, |all, value| all | value).leading_zeros() as u8;
        }
        out.extend(widths);
        for (width, mini) in widths.iter().zip(packed.chunks(32)) {
            let mut mini = mini.to_vec();
            mini.resize(32, 0);
            out.extend(pack(&mini, *width as usize));
        }
    }
    out
}

fn lengths(values: impl Iterator<Item = usize>) -> Vec<u8> {
    delta(&values.map(|length| length as i64).collect::<Vec<_>>(), 32)
}

fn delta_length(values: &[Value]) -> Vec<u8> {
    let mut out = lengths(values.iter().map(Vec::len));
    out.extend(values.concat());
    out
}

fn delta_bytes(values: &[Value]) -> Vec<u8> {
    let mut prefixes = vec![0];
    prefixes.extend(
        values
            .windows(2)
            .map(|pair| pair[0].iter().zip(&pair[1]).take_while(|(left, right)| left == right).count()),
    );
    prefixes.truncate(values.len());
    let suffixes: Vec<Value> =
        values.iter().zip(&prefixes).map(|(value, &prefix)| value[prefix..].to_vec()).collect();
    let mut out = lengths(prefixes.into_iter());
    out.extend(delta_length(&suffixes));
    out
}

pub fn plain(physical: Physical, values: &[Value]) -> Vec<u8> {
    match physical {
        Physical::Boolean => pack(&values.iter().map(|value| u64::from(value[0])).collect::<Vec<_>>(), 1),
        Physical::ByteArray => values
            .iter()
            .flat_map(|value| [(value.len() as u32).to_le_bytes().to_vec(), value.clone()].concat())
            .collect(),
        _ => values.concat(),
    }
}

/// The values of a data page; indices for [`Encoding::Dictionary`] are given as such.
pub fn values(physical: Physical, encoding: Encoding, values: &[Value], rng: &mut Rng) -> Vec<u8> {
    match encoding {
        Encoding::Plain => plain(physical, values),
        Encoding::Dictionary => unreachable!("indices"),
        Encoding::Rle => {
            let bits: Vec<u64> = values.iter().map(|value| u64::from(value[0])).collect();
            let runs = hybrid(&bits, 1, rng);
            [(runs.len() as u32).to_le_bytes().to_vec(), runs].concat()
        }
        Encoding::DeltaBinaryPacked => {
            let integers = values.iter().map(|value| match physical {
                Physical::Int32 => i64::from(i32::from_le_bytes(value[..].try_into().unwrap())),
                _ => i64::from_le_bytes(value[..].try_into().unwrap()),
            });
            delta(&integers.collect::<Vec<_>>(), if physical == Physical::Int32 { 32 } else { 64 })
        }
        Encoding::DeltaLengthByteArray => delta_length(values),
        Encoding::DeltaByteArray => delta_bytes(values),
        Encoding::ByteStreamSplit => {
            let width = values.first().map_or(0, Vec::len);
            (0..width).flat_map(|byte| values.iter().map(move |value| value[byte])).collect()
        }
    }
}

/// The indices of values in a dictionary, behind their width.
pub fn indices(indices: &[u64], rng: &mut Rng) -> Vec<u8> {
    let width = 64 - indices.iter().max().unwrap_or(&0).leading_zeros() as usize + rng.below(2);
    [vec![width as u8], hybrid(indices, width, rng)].concat()
}

pub fn levels(levels: &[u16], max: u16, rng: &mut Rng) -> Levels {
    if max == 0 {
        return Levels::None;
    }
    let width = 16 - max.leading_zeros() as usize;
    if rng.chance(10) {
        let mut out = vec![0u8; (levels.len() * width).div_ceil(8)];
        for (i, level) in levels.iter().enumerate() {
            for bit in 0..width {
                let place = i * width + bit;
                out[place / 8] |= ((level >> (width - 1 - bit) & 1) as u8) << (7 - place % 8);
            }
        }
        return Levels::BitPacked(Buffer::from_vec(out));
    }
    let levels: Vec<u64> = levels.iter().map(|&level| u64::from(level)).collect();
    Levels::Hybrid(Buffer::from_vec(hybrid(&levels, width, rng)))
}

/// A buffer whose bytes lie at a random place of memory.
pub fn buffer(bytes: &[u8], rng: &mut Rng) -> Buffer {
    let shift = rng.below(9);
    let shifted: Vec<u8> = std::iter::repeat_n(0, shift).chain(bytes.iter().copied()).collect();
    Buffer::from_slice_ref(&shifted).slice(shift)
}

pub fn dictionary_page(physical: Physical, entries: &[Value], rng: &mut Rng) -> DictionaryPage {
    DictionaryPage { len: entries.len(), values: buffer(&plain(physical, entries), rng), offset: 4 }
}

pub fn data_page(
    definition: Levels,
    repetition: Levels,
    levels: usize,
    encoding: Encoding,
    values: &[u8],
    rng: &mut Rng,
) -> DataPage {
    DataPage {
        levels,
        nulls: None,
        repetition,
        definition,
        encoding,
        values: buffer(values, rng),
        offset: 1000,
    }
}
