//! Good files, damaged: right batches or a typed error, in bounded time and memory.

use std::time::{Duration, Instant};

use pilaster_kernels::Error;
use pilaster_tests::hostile::{BUDGET_BYTES, file, pages, seeds};
use pilaster_tests::runner;
use pilaster_tests::strategies::parquet::{HandmadeFile, ParquetFile};
use pilaster_tests::strategies::{Choices, choices};
use proptest::prelude::*;

use super::allocated::peak;

/// What reading may take beyond the budget: batches that were handed out, footers, the work of the comparison.
const SLACK_BYTES: u64 = 64 << 20;
/// Far more than any of these files needs, on a busy machine too.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// A way to damage a file.
#[derive(Debug, Clone)]
enum Damage {
    /// One bit.
    Flip { at: usize, bit: u8 },
    /// Bytes of one value.
    Fill { at: usize, length: usize, value: u8 },
    /// A stretch copied over another: headers and pages where they do not belong.
    Splice { from: usize, to: usize, length: usize },
    /// A stretch left out, so that everything behind it is elsewhere.
    Remove { at: usize, length: usize },
    /// The end left out.
    Truncate { at: usize },
}

impl Damage {
    /// Somewhere in a file whose footer begins at `footer`. Half of all damage is to headers and footers: most bytes of a
    /// file are values, where a flipped bit is just another value.
    fn choose(length: usize, footer: usize, choices: &mut Choices) -> Self {
        let at = match choices.pick(3) {
            0 => choices.pick(length),
            1 => footer + choices.pick(length - footer),
            // Chunks begin with a page header.
            _ => (4 + choices.pick(40)).min(length - 1),
        };
        match choices.pick(8) {
            0..=3 => Damage::Flip { at, bit: choices.pick(8) as u8 },
            4 => {
                let value = *choices.one_of(&[0, 0xff, 0x7f, 0x80]);
                Damage::Fill { at, length: 1 + choices.pick(9), value }
            }
            5 => Damage::Splice { from: choices.pick(length), to: at, length: 1 + choices.pick(200) },
            6 => Damage::Remove { at: choices.pick(footer), length: 1 + choices.pick(100) },
            _ => Damage::Truncate { at },
        }
    }

    fn apply(&self, bytes: &mut Vec<u8>) {
        let whole = bytes.len();
        let end = |start: usize, length: usize| (start + length).min(whole);
        match *self {
            Damage::Flip { at, bit } => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            }
            Damage::Fill { at, length, value } => bytes[at.min(whole)..end(at, length)].fill(value),
            Damage::Splice { from, to, length } => {
                let length = length.min(whole.saturating_sub(from)).min(whole.saturating_sub(to));
                if length > 0 {
                    bytes.copy_within(from..from + length, to);
                }
            }
            Damage::Remove { at, length } => drop(bytes.drain(at.min(whole)..end(at, length))),
            Damage::Truncate { at } => bytes.truncate(at),
        }
    }
}

/// A good file and what is done to it.
#[derive(Clone)]
pub struct Case {
    good: Vec<u8>,
    damages: Vec<Vec<Damage>>,
    made: String,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}damaged by one of {:?}", self.made, self.damages)
    }
}

impl Case {
    pub fn choose(handmade: bool, choices: &mut Choices) -> Self {
        let mut later = choices.split();
        let (good, made) = if handmade {
            let file = HandmadeFile::choose(choices, |_| {});
            (file.bytes.to_vec(), format!("{file:?}"))
        } else {
            let file = ParquetFile::choose(choices);
            (file.bytes.to_vec(), format!("{file:?}"))
        };
        let footer = good.len() - footer_bytes(&good);
        let damage = |later: &mut Choices| {
            (0..=later.pick(3)).map(|_| Damage::choose(good.len(), footer, later)).collect()
        };
        let damages = (0..12).map(|_| damage(&mut later)).collect();
        Case { good, damages, made }
    }

    /// The file, damaged in each of the ways.
    pub fn damaged(&self) -> Vec<Vec<u8>> {
        let damage = |damages: &Vec<Damage>| {
            let mut bytes = self.good.clone();
            damages.iter().for_each(|damage| damage.apply(&mut bytes));
            bytes
        };
        self.damages.iter().map(damage).collect()
    }
}

fn footer_bytes(file: &[u8]) -> usize {
    let length: [u8; 4] = file[file.len() - 8..file.len() - 4].try_into().unwrap();
    u32::from_le_bytes(length) as usize + 8
}

/// Reads one file, however damaged.
fn survives(bytes: &[u8]) -> Result<Result<usize, Error>, String> {
    let begun = Instant::now();
    let (outcome, peak) = peak(|| file(bytes));
    if begun.elapsed() > TIME_LIMIT {
        return Err(format!("it took {:?}", begun.elapsed()));
    }
    if peak > BUDGET_BYTES + SLACK_BYTES {
        return Err(format!("{peak} bytes were held at one time, {outcome:?}"));
    }
    Ok(outcome)
}

fn all_survive(case: &Case) -> Result<(), String> {
    for (damage, bytes) in case.damages.iter().zip(case.damaged()) {
        survives(&bytes).map_err(|reason| format!("{damage:?}: {reason}"))?.ok();
    }
    Ok(())
}

#[test]
fn damaged_files_of_the_parquet_crate() {
    let cases = choices(200).prop_map(|mut choices| Case::choose(false, &mut choices));
    runner::check("damaged_files_of_the_parquet_crate", 60, &cases, all_survive);
}

#[test]
fn damaged_files_made_by_hand() {
    let cases = choices(160).prop_map(|mut choices| Case::choose(true, &mut choices));
    runner::check("damaged_files_made_by_hand", 100, &cases, all_survive);
}

/// A file that ends anywhere before its end is corrupt, whatever it holds.
#[test]
fn truncated_files_are_corrupt() {
    let cases = choices(60).prop_map(|mut choices| {
        let file = HandmadeFile::choose(&mut choices, |_| {});
        (file, choices.split())
    });
    runner::check("truncated_files_are_corrupt", 30, &cases, |(file, choices)| {
        let mut choices = choices.clone();
        for _ in 0..20 {
            let at = choices.pick(file.bytes.len());
            match survives(&file.bytes[..at])? {
                Err(Error::CorruptFile { .. }) => {}
                other => return Err(format!("cut at {at}: {other:?}")),
            }
        }
        Ok(())
    });
}

/// Good pages, damaged, through the leaf reader: an array that keeps Arrow's rules, or a typed error.
#[test]
fn damaged_pages() {
    let seeds = seeds::pages();
    let cases = choices(60).prop_map(move |mut choices| {
        let (name, good) = choices.one_of(&seeds).clone();
        let damage = |choices: &mut Choices| {
            let count = 1 + choices.pick(3);
            (0..count).map(|_| Damage::choose(good.len(), good.len() / 2, choices)).collect::<Vec<_>>()
        };
        let damages: Vec<Vec<Damage>> = (0..6).map(|_| damage(&mut choices)).collect();
        (name, good, damages)
    });
    runner::check("damaged_pages", 400, &cases, |(_, good, damages)| {
        for damage in damages {
            let mut bytes = good.clone();
            damage.iter().for_each(|damage| damage.apply(&mut bytes));
            let begun = Instant::now();
            let (_, peak) = peak(|| pages(&bytes));
            if begun.elapsed() > TIME_LIMIT {
                return Err(format!("{damage:?}: it took {:?}", begun.elapsed()));
            }
            if peak > BUDGET_BYTES {
                return Err(format!("{damage:?}: {peak} bytes were held at one time"));
            }
        }
        Ok(())
    });
}
