//! Any list of key columns as machine words: types are dispatched once, here; above there are only words.
//!
//! | form | for | property |
//! | --- | --- | --- |
//! | [`order_words`] | sort, top-k, window, on the CPU and the GPU | unsigned lexicographic order of rows = SQL order |
//! | [`RowKeyEncoder`] | merging sorted runs | bytes of rows in SQL order, across batches |
//! | [`KeyEncoder`] | grouping, joining, distinct | words equal = keys equal, across batches |
//! | [`RowHasher`] | partitioning | hashes equal where keys are equal, across batches and threads |
//!
//! All ordered types are keys: booleans, integers, floats (one NaN, one zero), decimals of all widths, dates and times,
//! strings and binaries of all layouts, dictionaries over any of these, Null. Nested types and intervals of several
//! components are [`crate::Error::Unsupported`].

pub(crate) mod decode;
pub mod equality;
pub mod float;
pub mod groups;
pub(crate) mod hash;
pub(crate) mod interner;
pub mod lanes;
pub mod order;
mod row_hash;
pub mod rows;
mod table;

pub use equality::KeyEncoder;
pub use groups::GroupIndex;
pub use order::{KeyWords, order_words};
pub use row_hash::RowHasher;
pub use rows::{RowKeyEncoder, RowKeys};
