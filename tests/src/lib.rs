//! References, generated inputs and comparisons: what the property tests in `tests/properties` are made of.
//!
//! | module | is |
//! | --- | --- |
//! | [`mod@reference`] | every operator again, row by row, in exact arithmetic; shares no code with the kernels |
//! | [`strategies`] | proptest strategies: columns of all types and layouts, expressions, aggregations, sort keys |
//! | [`compare`] | rows as lists or multisets, exact or within a stated bound; errors by kind; types |
//! | [`handmade`] | Parquet files that no writer at hand makes |
//! | [`hostile`] | bytes that nobody vouches for, through the scan and through the page decoder |
//! | [`devices`] | one device per profile, shared by all tests of a binary |
//! | [`skips`] | what did not run, and why, counted at the end of a run |
//!
//! Settings come from the environment: `PILASTER_TEST_PROFILE` (`baseline`, `subgroups`, `full`), `PILASTER_TEST_GPU`
//! (`required`), `PILASTER_TEST_CASES` (percent of the usual number of cases), `PILASTER_TEST_SEED`,
//! `PILASTER_TEST_SKIPS` (a file).

#![expect(clippy::panic, reason = "only tests use this crate: a surprise ends the test")]

pub mod compare;
pub mod datum;
pub mod devices;
pub mod handmade;
pub mod hostile;
pub mod reference;
pub mod runner;
pub mod skips;
pub mod strategies;

pub use datum::Datum;
