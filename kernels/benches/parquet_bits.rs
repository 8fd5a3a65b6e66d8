//! The primitives of the Parquet decoders, in blocks of 1024 values as the decoders call them, from the caches.
//!
//! Throughput is bytes of output (a level's or index's word, a slot, a bit of a bitmap); every result is checked before it
//! is timed. Data is random, from seeds.

#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

use std::hint::black_box;

use arrow::buffer::{BooleanBuffer, Buffer};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pilaster_kernels::parquet::delta::Delta;
use pilaster_kernels::parquet::hybrid::Hybrid;
use pilaster_kernels::parquet::levels::{self, LevelReader, level_width};
use pilaster_kernels::parquet::spread::spread;
use pilaster_kernels::parquet::{Levels, bits, split};
use pilaster_kernels::simd::bitmap::Bitmap;

/// Values of an input: packed, they stay in a second-level cache.
const VALUES: usize = 64 * 1024;

/// Values of a call.
const BLOCK: usize = 1024;

fn noise(seed: u64, len: usize) -> Vec<u64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state ^ state >> 29
    };
    (0..len).map(|_| next()).collect()
}

fn random(len: usize, width: u32) -> Vec<u64> {
    noise(u64::from(width) + 7, len).iter().map(|&v| if width == 0 { 0 } else { v >> (64 - width) }).collect()
}

fn pack(values: &[u64], width: u32) -> Vec<u8> {
    let mut packed = vec![0; bits::packed_len(values.len(), width).unwrap()];
    for (i, value) in values.iter().enumerate() {
        for b in 0..width as usize {
            let bit = i * width as usize + b;
            packed[bit / 8] |= ((value >> b & 1) as u8) << (bit % 8);
        }
    }
    packed
}

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Runs of packed values of at most 504, as the usual writers cut them, and each `repeat`-th stretch of 504 a repeated value.
fn hybrid(values: &mut [u64], width: u32, repeat: usize) -> Buffer {
    let mut bytes = vec![];
    for (i, chunk) in values.chunks_mut(504).enumerate() {
        if repeat > 0 && i % repeat == 0 {
            let value = chunk[0];
            chunk.fill(value);
            varint(&mut bytes, (chunk.len() as u64) << 1);
            bytes.extend_from_slice(&value.to_le_bytes()[..width.div_ceil(8) as usize]);
        } else {
            varint(&mut bytes, (chunk.len().div_ceil(8) as u64) << 1 | 1);
            let mut padded = chunk.to_vec();
            padded.resize(chunk.len().next_multiple_of(8), 0);
            bytes.extend(pack(&padded, width));
        }
    }
    Buffer::from_vec(bytes)
}

/// Blocks of 128 values in 4 miniblocks (32 bits) or 256 in 4.
fn delta(values: &[i64], block: usize) -> Buffer {
    let mut bytes = vec![];
    let zigzag = |value: i64| ((value << 1) ^ (value >> 63)) as u64;
    for value in [block as u64, 4, values.len() as u64, zigzag(values[0])] {
        varint(&mut bytes, value);
    }
    let deltas: Vec<i64> = values.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    for chunk in deltas.chunks(block) {
        let min = *chunk.iter().min().unwrap();
        varint(&mut bytes, zigzag(min));
        let mut above: Vec<u64> = chunk.iter().map(|&delta| delta.wrapping_sub(min) as u64).collect();
        above.resize(block, 0);
        let widths: Vec<u32> = above
            .chunks(block / 4)
            .map(|mini| 64 - mini.iter().fold(0, |all, value| all | value).leading_zeros())
            .collect();
        bytes.extend(widths.iter().map(|&width| width as u8));
        for (mini, &width) in above.chunks(block / 4).zip(&widths) {
            bytes.extend(pack(mini, width));
        }
    }
    Buffer::from_vec(bytes)
}

fn run(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: impl Into<String>,
    case: impl std::fmt::Display,
    bytes: usize,
    mut f: impl FnMut(),
) {
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function(BenchmarkId::new(name, case), |b| b.iter(&mut f));
}

fn unpack(c: &mut Criterion) {
    let mut group = c.benchmark_group("unpack");
    for width in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 17, 20, 21, 24, 25, 26, 27, 28, 29, 30, 31, 32] {
        let values = random(VALUES, width);
        let packed = pack(&values, width);
        let block = packed.len() / (VALUES / BLOCK);
        let mut out = vec![0u32; BLOCK];
        bits::unpack_u32(&packed, width, &mut out).unwrap();
        assert!(out.iter().zip(&values).all(|(&a, &b)| u64::from(a) == b));
        run(&mut group, "u32", width, VALUES * 4, || {
            for packed in packed.chunks_exact(block) {
                bits::unpack_u32(black_box(packed), width, black_box(&mut out)).unwrap();
            }
        });
    }
    for width in [1, 2, 3, 4, 8, 11, 16] {
        let values = random(VALUES, width);
        let packed = pack(&values, width);
        let block = packed.len() / (VALUES / BLOCK);
        let mut out = vec![0u16; BLOCK];
        bits::unpack_u16(&packed, width, &mut out).unwrap();
        assert!(out.iter().zip(&values).all(|(&a, &b)| u64::from(a) == b));
        run(&mut group, "u16", width, VALUES * 2, || {
            for packed in packed.chunks_exact(block) {
                bits::unpack_u16(black_box(packed), width, black_box(&mut out)).unwrap();
            }
        });
    }
    for width in [1, 7, 13, 24, 33, 47, 57, 59, 63, 64] {
        let values = random(VALUES, width);
        let packed = pack(&values, width);
        let block = packed.len() / (VALUES / BLOCK);
        let mut out = vec![0u64; BLOCK];
        bits::unpack_u64(&packed, width, &mut out).unwrap();
        assert_eq!(out, values[..BLOCK]);
        run(&mut group, "u64", width, VALUES * 8, || {
            for packed in packed.chunks_exact(block) {
                bits::unpack_u64(black_box(packed), width, black_box(&mut out)).unwrap();
            }
        });
    }
}

fn hybrids(c: &mut Criterion) {
    let mut group = c.benchmark_group("hybrid");
    for (width, repeat) in [(1, 0), (5, 0), (10, 0), (17, 0), (10, 2), (10, 1)] {
        let mut values = random(VALUES, width);
        let bytes = hybrid(&mut values, width, repeat);
        let mut out = vec![0u32; VALUES];
        let read = |out: &mut [u32]| {
            let mut hybrid = Hybrid::new(bytes.clone(), width, VALUES).unwrap();
            out.chunks_mut(BLOCK).for_each(|out| hybrid.read_u32(out).unwrap());
        };
        read(&mut out);
        assert!(out.iter().zip(&values).all(|(&a, &b)| u64::from(a) == b));
        let case = format!("width {width}, {}", ["packed", "repeated", "half repeated"][repeat]);
        run(&mut group, "u32", case, VALUES * 4, || read(black_box(&mut out)));
    }
}

fn deltas(c: &mut Criterion) {
    let mut group = c.benchmark_group("delta");
    for width in [0, 1, 5, 8, 13, 20, 32, 45, 60] {
        let values: Vec<i64> = random(VALUES, width)
            .iter()
            .scan(-3i64, |value, &delta| {
                *value = value.wrapping_add(delta as i64 - 9);
                Some(*value)
            })
            .collect();
        let bytes = delta(&values, 256);
        let mut out = vec![0i64; VALUES];
        let read = |out: &mut [i64]| {
            let mut delta = Delta::new(bytes.clone()).unwrap();
            out.chunks_mut(BLOCK).for_each(|out| delta.read_i64(out).unwrap());
        };
        read(&mut out);
        assert_eq!(out, values);
        run(&mut group, "i64", width, VALUES * 8, || read(black_box(&mut out)));
        let mut appended = Vec::with_capacity(VALUES);
        let append = |out: &mut Vec<u64>| {
            out.clear();
            let mut delta = Delta::new(bytes.clone()).unwrap();
            (0..VALUES).step_by(BLOCK).for_each(|_| delta.append_u64(BLOCK, out).unwrap());
        };
        append(&mut appended);
        assert!(appended.iter().zip(&values).all(|(&a, &b)| a as i64 == b));
        run(&mut group, "u64 appended", width, VALUES * 8, || append(black_box(&mut appended)));
        if width > 28 {
            continue;
        }
        let bytes = delta(&values, 128);
        let mut out = vec![0i32; VALUES];
        let read = |out: &mut [i32]| {
            let mut delta = Delta::new(bytes.clone()).unwrap();
            out.chunks_mut(BLOCK).for_each(|out| delta.read_i32(out).unwrap());
        };
        read(&mut out);
        assert!(out.iter().zip(&values).all(|(&a, &b)| a == b as i32));
        run(&mut group, "i32", width, VALUES * 4, || read(black_box(&mut out)));
        let mut appended = Vec::with_capacity(VALUES);
        let append = |out: &mut Vec<u32>| {
            out.clear();
            let mut delta = Delta::new(bytes.clone()).unwrap();
            (0..VALUES).step_by(BLOCK).for_each(|_| delta.append_u32(BLOCK, out).unwrap());
        };
        append(&mut appended);
        assert!(appended.iter().zip(&values).all(|(&a, &b)| a == b as u32));
        run(&mut group, "u32 appended", width, VALUES * 4, || append(black_box(&mut appended)));
    }
}

fn splits(c: &mut Criterion) {
    let mut group = c.benchmark_group("byte_stream_split");
    fn case<const N: usize>(group: &mut BenchmarkGroup<'_, WallTime>) {
        // Not at distances of a power of two, at which all streams compete for the same lines of the cache.
        let stream = VALUES + 200;
        let bytes: Vec<u8> = noise(5, stream * N).iter().map(|&v| (v >> 40) as u8).collect();
        let mut out = vec![[0; N]; BLOCK];
        split::byte_stream_split(&bytes, 100, &mut out).unwrap();
        for (i, value) in out.iter().enumerate() {
            assert!((0..N).all(|k| value[k] == bytes[k * stream + 100 + i]));
        }
        run(group, "bytes", N, VALUES * N, || {
            for first in (0..VALUES).step_by(BLOCK) {
                split::byte_stream_split(black_box(&bytes), first, black_box(&mut out)).unwrap();
            }
        });
    }
    case::<2>(&mut group);
    case::<4>(&mut group);
    case::<7>(&mut group);
    case::<8>(&mut group);
    case::<12>(&mut group);
    case::<16>(&mut group);
}

/// Nulls by thousandths: alone, or in stretches of 100 slots.
fn validity(nulls: u64, stretch: usize) -> BooleanBuffer {
    let noise = noise(9, VALUES / stretch + 1);
    BooleanBuffer::collect_bool(VALUES, |i| (noise[i / stretch] >> 33) % 1000 >= nulls)
}

const NULLS: [(u64, usize); 7] = [(0, 1), (10, 1), (100, 1), (500, 1), (900, 1), (1000, 1), (500, 100)];

fn name(nulls: u64, stretch: usize) -> String {
    let percent = nulls as f64 / 10.0;
    if stretch > 1 { format!("{percent} % null in stretches") } else { format!("{percent} % null") }
}

fn spreads(c: &mut Criterion) {
    let mut group = c.benchmark_group("spread");
    macro_rules! case {
        ($type:ty) => {
            for (nulls, stretch) in NULLS {
                let validity = validity(nulls, stretch);
                let blocks: Vec<BooleanBuffer> =
                    (0..VALUES).step_by(BLOCK).map(|at| validity.slice(at, BLOCK)).collect();
                let dense: Vec<$type> = noise(1, VALUES).into_iter().map(|v| v as $type).collect();
                let mut out = vec![<$type>::default(); BLOCK];
                spread(&dense, &blocks[0], &mut out).unwrap();
                let mut next = dense.iter();
                assert!(out.iter().zip(&blocks[0]).all(|(&slot, valid)| match valid {
                    true => slot == *next.next().unwrap(),
                    false => slot == 0,
                }));
                run(&mut group, stringify!($type), name(nulls, stretch), VALUES * size_of::<$type>(), || {
                    let mut dense = &dense[..];
                    for block in &blocks {
                        let used = spread(black_box(dense), black_box(block), black_box(&mut out)).unwrap();
                        dense = &dense[used..];
                    }
                });
            }
        };
    }
    case!(u16);
    case!(u32);
    case!(u64);
    case!(u128);
}

fn level(c: &mut Criterion) {
    let mut group = c.benchmark_group("levels");
    for max in [1u16, 3] {
        for (nulls, stretch) in NULLS {
            let validity = validity(nulls, stretch);
            let lower = noise(2, VALUES);
            let mut levels: Vec<u64> = validity
                .iter()
                .zip(&lower)
                .map(|(v, l)| if v { max.into() } else { l % u64::from(max) })
                .collect();
            // A whole stretch of nulls or of values is a repeated level, as writers do.
            let bytes = match nulls {
                0 | 1000 => {
                    levels.fill(if nulls == 0 { max.into() } else { 0 });
                    let mut bytes = vec![];
                    varint(&mut bytes, (VALUES as u64) << 1);
                    bytes.push(levels[0] as u8);
                    Buffer::from_vec(bytes)
                }
                _ => hybrid(&mut levels, level_width(max), 0),
            };
            let source = Levels::Hybrid(bytes);
            let read = |bits: &mut Bitmap| {
                let mut reader = LevelReader::new(&source, max, VALUES).unwrap();
                (0..VALUES).step_by(BLOCK).map(|_| reader.read_validity(BLOCK, bits).unwrap()).sum::<usize>()
            };
            let mut bits = Bitmap::default();
            let valid = read(&mut bits);
            assert_eq!(valid, levels.iter().filter(|&&level| level == u64::from(max)).count());
            let read_bits = bits.finish();
            assert!(read_bits.iter().zip(&levels).all(|(valid, &level)| valid == (level == u64::from(max))));
            let mut bits = Bitmap::default();
            run(&mut group, format!("validity of 0..={max}"), name(nulls, stretch), VALUES / 8, || {
                bits.clear();
                black_box(read(&mut bits));
            });
        }
    }
    let values: Vec<u16> = random(VALUES, 2).iter().map(|&level| level as u16).collect();
    let mut bits = Bitmap::default();
    let counted = levels::slots(&values, 3, 1, &mut bits);
    let expected: Vec<bool> = values.iter().filter(|&&level| level > 0).map(|&level| level == 3).collect();
    assert!(bits.finish().iter().eq(expected.iter().copied()));
    assert_eq!(counted.slots, expected.len());
    run(&mut group, "slots", "a quarter empty", VALUES / 8, || {
        bits.clear();
        for levels in values.chunks(BLOCK) {
            black_box(levels::slots(black_box(levels), 3, 1, &mut bits));
        }
    });
}

criterion_group!(benches, unpack, hybrids, deltas, splits, spreads, level);
criterion_main!(benches);
