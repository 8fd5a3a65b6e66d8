//! The primitives on random streams, read in random pieces, on every instruction set; and on damaged ones, which must give
//! an error or values, the same ones everywhere.

use arrow::buffer::Buffer;
use proptest::prelude::*;

use super::delta::Delta;
use super::delta::tests::encode;
use super::hybrid::tests::Writer;
use super::hybrid::{Hybrid, Run};
use super::levels::{LevelReader, level_width};
use super::{Levels, Malformed};
use crate::simd::bitmap::Bitmap;
use crate::simd::level::Level;

/// What is done next with a stream.
#[derive(Debug, Clone, Copy)]
enum Step {
    Read(usize),
    Skip(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let len = || prop_oneof![Just(0usize), 1usize..20, 60usize..70, 1000usize..1050, 1usize..3000];
    proptest::collection::vec(
        prop_oneof![3 => len().prop_map(Step::Read), 1 => len().prop_map(Step::Skip)],
        1..12,
    )
}

/// Runs of values: repeated or packed, with their lengths.
fn runs() -> impl Strategy<Value = Vec<(bool, usize, u64)>> {
    let len = prop_oneof![Just(0usize), 1usize..20, Just(64usize), Just(504usize), 1usize..1500];
    proptest::collection::vec((any::<bool>(), len, any::<u64>()), 0..10)
}

/// A hybrid stream and its values. Packed runs are padded to groups, so that only the last may be of another length.
fn hybrid(runs: &[(bool, usize, u64)], width: u32, top: u32) -> (Vec<u8>, Vec<u32>) {
    let mut writer = Writer::new(width);
    let mut values = vec![];
    for (i, &(packed, len, seed)) in runs.iter().enumerate() {
        let value = |i: u64| {
            let mixed = seed.wrapping_add(i).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            ((mixed ^ mixed >> 31) % (u64::from(top) + 1)) as u32
        };
        if packed {
            let len = if i + 1 == runs.len() { len } else { len.next_multiple_of(8) };
            let run: Vec<u32> = (0..len as u64).map(value).collect();
            writer.packed(&run.iter().map(|&value| value.into()).collect::<Vec<u64>>());
            values.extend(run);
        } else {
            writer.repeat(value(0), len);
            values.extend(std::iter::repeat_n(value(0), len));
        }
    }
    (writer.bytes, values)
}

/// `bytes` as a part of a larger buffer, at a place that is no multiple of anything.
fn sliced(bytes: &[u8], before: usize) -> Buffer {
    let mut all = vec![0xff; before];
    all.extend_from_slice(bytes);
    all.extend([0xff; 3]);
    Buffer::from_vec(all).slice_with_length(before, bytes.len())
}

/// Follows the steps as far as they go.
fn follow<T: Copy + Default>(
    steps: &[Step],
    mut read: impl FnMut(&mut [T]) -> Result<(), Malformed>,
    mut skip: impl FnMut(usize) -> Result<(), Malformed>,
) -> Vec<Result<Vec<T>, Malformed>> {
    // One closure cannot lend its reader to two: the caller keeps it in a cell.
    let mut results = vec![];
    for &step in steps {
        let result = match step {
            Step::Read(len) => {
                let mut out = vec![T::default(); len];
                read(&mut out).map(|()| out)
            }
            Step::Skip(len) => skip(len).map(|()| vec![]),
        };
        let over = result.is_err();
        results.push(result);
        if over {
            break;
        }
    }
    results
}

/// What following the steps over `values` gives: errors where they go past the end.
fn expected<T: Copy>(steps: &[Step], values: &[T]) -> Vec<Option<Vec<T>>> {
    let (mut results, mut at) = (vec![], 0);
    for &step in steps {
        let (len, kept) = match step {
            Step::Read(len) => (len, true),
            Step::Skip(len) => (len, false),
        };
        let Some(part) = values.get(at..at + len) else {
            results.push(None);
            break;
        };
        results.push(Some(if kept { part.to_vec() } else { vec![] }));
        at += len;
    }
    results
}

fn ok<T>(results: Vec<Result<T, Malformed>>) -> Vec<Option<T>> {
    results.into_iter().map(Result::ok).collect()
}

fn read_hybrid(bytes: &Buffer, width: u32, len: usize, steps: &[Step]) -> Vec<Result<Vec<u32>, Malformed>> {
    let hybrid = std::cell::RefCell::new(Hybrid::new(bytes.clone(), width, len).unwrap());
    follow(steps, |out| hybrid.borrow_mut().read_u32(out), |len| hybrid.borrow_mut().skip(len))
}

fn read_delta(bytes: &Buffer, steps: &[Step]) -> Result<Vec<Result<Vec<i64>, Malformed>>, Malformed> {
    let delta = std::cell::RefCell::new(Delta::new(bytes.clone())?);
    Ok(follow(steps, |out| delta.borrow_mut().read_i64(out), |len| delta.borrow_mut().skip(len)))
}

/// The same of every instruction set; gives the scalar one's.
fn same_everywhere<T: PartialEq + std::fmt::Debug>(f: impl Fn() -> T) -> T {
    let scalar = Level::SCALAR.force(&f);
    for level in Level::all() {
        assert_eq!(level.force(&f), scalar, "{level:?}");
    }
    scalar
}

/// Bytes changed, cut or lengthened.
fn damage() -> impl Strategy<Value = (Vec<(proptest::sample::Index, u8)>, Option<proptest::sample::Index>)> {
    let changes = proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4);
    (changes, proptest::option::of(any::<proptest::sample::Index>()))
}

fn damaged(
    mut bytes: Vec<u8>,
    damage: &(Vec<(proptest::sample::Index, u8)>, Option<proptest::sample::Index>),
) -> Vec<u8> {
    if !bytes.is_empty() {
        for (place, byte) in &damage.0 {
            let place = place.index(bytes.len());
            bytes[place] = *byte;
        }
        if let Some(len) = &damage.1 {
            bytes.truncate(len.index(bytes.len()));
        }
    }
    bytes
}

proptest! {
    #[test]
    fn hybrids_in_pieces(width in 0u32..=32, runs in runs(), steps in steps(), before in 0usize..9) {
        let (bytes, values) = hybrid(&runs, width, if width == 0 { 0 } else { u32::MAX >> (32 - width) });
        let bytes = sliced(&bytes, before);
        let read = same_everywhere(|| read_hybrid(&bytes, width, values.len(), &steps));
        prop_assert_eq!(ok(read), expected(&steps, &values));
    }

    #[test]
    fn runs_of_hybrids(width in 0u32..=32, runs in runs(), limit in 1usize..700) {
        let (bytes, values) = hybrid(&runs, width, if width == 0 { 0 } else { u32::MAX >> (32 - width) });
        let mut hybrid = Hybrid::new(Buffer::from_vec(bytes), width, values.len()).unwrap();
        let mut at = 0;
        while let Some(run) = hybrid.next_run(limit).unwrap() {
            prop_assert!(run.len() <= limit && !run.is_empty());
            let expected = &values[at..at + run.len()];
            at += run.len();
            match run {
                Run::Repeat { value, .. } => prop_assert!(expected.iter().all(|&v| v == value)),
                Run::Packed { bytes, first, len } => {
                    prop_assert!(first < 8);
                    let mut out = vec![0; len];
                    super::bits::unpack_u32_from(bytes, first, width, &mut out).unwrap();
                    prop_assert_eq!(&out[..], expected);
                }
            }
        }
        prop_assert_eq!(at, values.len());
    }

    #[test]
    fn damaged_hybrids(width in 0u32..=32, runs in runs(), steps in steps(), damage in damage(), claimed in 0usize..5000) {
        let (bytes, _) = hybrid(&runs, width, if width == 0 { 0 } else { u32::MAX >> (32 - width) });
        let bytes = sliced(&damaged(bytes, &damage), 1);
        same_everywhere(|| read_hybrid(&bytes, width, claimed, &steps));
    }

    #[test]
    fn deltas_in_pieces(
        values in proptest::collection::vec(any::<i64>(), 0..1200),
        spare in 0u32..64,
        shape in proptest::sample::select(vec![(128, 4), (128, 1), (256, 4), (1024, 32), (64, 8)]),
        steps in steps(),
        before in 0usize..9,
    ) {
        let values: Vec<i64> = values.iter().map(|value| value >> spare).collect();
        let bytes = sliced(&encode(&values, shape.0, shape.1), before);
        let read = same_everywhere(|| read_delta(&bytes, &steps)).unwrap();
        prop_assert_eq!(ok(read), expected(&steps, &values));
        // As 32 bits, with differences that wrap.
        let low: Vec<i32> = values.iter().map(|&value| value as i32).collect();
        let read = same_everywhere(|| {
            let delta = std::cell::RefCell::new(Delta::new(bytes.clone()).unwrap());
            follow(&steps, |out| delta.borrow_mut().read_i32(out), |len| delta.borrow_mut().skip(len))
        });
        prop_assert_eq!(ok(read), expected(&steps, &low));
    }

    #[test]
    fn damaged_deltas(
        values in proptest::collection::vec(any::<i64>(), 0..600),
        spare in 0u32..64,
        steps in steps(),
        damage in damage(),
    ) {
        let values: Vec<i64> = values.iter().map(|value| value >> spare).collect();
        let bytes = sliced(&damaged(encode(&values, 128, 4), &damage), 3);
        let read = same_everywhere(|| read_delta(&bytes, &steps));
        prop_assert_eq!(read.is_ok(), Delta::new(bytes.clone()).is_ok_and(|delta| delta.end() <= bytes.len()));
    }

    #[test]
    fn levels_in_pieces(max in prop_oneof![0u16..9, any::<u16>()], runs in runs(), steps in steps(), first in 0usize..9) {
        let (bytes, values) = hybrid(&runs, level_width(max), max.into());
        let levels = Levels::Hybrid(sliced(&bytes, 1));
        let values: Vec<u16> = values.iter().map(|&value| value as u16).collect();
        let read = same_everywhere(|| {
            let reader = std::cell::RefCell::new(LevelReader::new(&levels, max, values.len()).unwrap());
            follow(&steps, |out| reader.borrow_mut().read(out), |len| reader.borrow_mut().skip(len).map(|_| ()))
        });
        prop_assert_eq!(ok(read), expected(&steps, &values));

        let bits = same_everywhere(|| {
            let mut reader = LevelReader::new(&levels, max, values.len()).unwrap();
            let mut bits = Bitmap::default();
            bits.append_n(first, true);
            let mut counted = vec![];
            for &step in &steps {
                match step {
                    Step::Read(len) => counted.push(reader.read_validity(len, &mut bits)),
                    Step::Skip(len) => counted.push(reader.skip(len)),
                }
            }
            (bits.finish(), counted)
        });
        let (mut expected, mut at) = (vec![true; first], 0);
        for (&step, counted) in steps.iter().zip(&bits.1) {
            let (Step::Read(len) | Step::Skip(len)) = step;
            let Some(part) = values.get(at..at + len) else {
                prop_assert!(counted.is_err());
                continue;
            };
            at += len;
            prop_assert_eq!(counted, &Ok(part.iter().filter(|&&level| level == max).count()));
            if let Step::Read(_) = step {
                expected.extend(part.iter().map(|&level| level == max));
            }
        }
        prop_assert!(bits.0.iter().eq(expected));
    }

    #[test]
    fn damaged_levels(max in 0u16..9, runs in runs(), steps in steps(), damage in damage(), claimed in 0usize..5000) {
        let (bytes, _) = hybrid(&runs, level_width(max), max.into());
        let bytes = sliced(&damaged(bytes, &damage), 5);
        for levels in [Levels::Hybrid(bytes.clone()), Levels::BitPacked(bytes)] {
            let read = same_everywhere(|| {
                let reader = LevelReader::new(&levels, max, claimed)?;
                let reader = std::cell::RefCell::new(reader);
                Ok::<_, Malformed>(follow(
                    &steps,
                    |out| reader.borrow_mut().read(out),
                    |len| reader.borrow_mut().skip(len).map(|_| ()),
                ))
            });
            for levels in read.into_iter().flatten().flatten() {
                prop_assert!(levels.iter().all(|&level| level <= max));
            }
        }
    }
}
