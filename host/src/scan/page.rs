//! Pages of a column chunk: found, checked, decompressed.
//!
//! ```text
//! Chunk::new    walks all page headers, in our own bounded reading of Thrift; nothing is decompressed
//!    |
//! ChunkPages    page by page: checksum, decompression into pooled buffers, levels cut off     -> kernels::parquet
//! ```

mod chunk;
pub(in crate::scan) mod header;
mod levels;
mod pool;
mod source;
pub(in crate::scan) mod thrift;

pub(crate) use self::chunk::Chunk;
pub(crate) use self::pool::{Pool, held};
pub(crate) use self::source::ChunkPages;

#[cfg(test)]
mod tests;
