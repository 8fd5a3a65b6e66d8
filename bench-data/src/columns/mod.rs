//! Columns of one encoding each, for measuring decoders: a file per kind and codec.
//!
//! ```no_run
//! use pilaster_bench_data::columns::{self, Codec, Options};
//!
//! let kind = columns::kind("dict_i64").expect("one of KINDS");
//! let file = columns::generate(kind, Codec::Snappy, &Options::default(), "columns".as_ref())?;
//! assert_eq!(file.rows, 10_000_000);
//! # Ok::<(), columns::GenerateError>(())
//! ```
//! A file holds one column `x`. Its bytes depend on the kind, the codec and the options only: each row group's values come
//! from the seed, the kind's name and the row group's number.

mod kinds;
mod values;
mod write;

pub use kinds::{KINDS, Kind, Layout, kind};
pub use write::{Codec, ColumnFile, GenerateError, Options, UnknownCodec, generate};

#[cfg(test)]
mod tests;
