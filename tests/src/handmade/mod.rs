//! Parquet files put together by hand, page by page: what the `parquet` crate's writer does not write.
//!
//! | module | makes |
//! | --- | --- |
//! | [`encode`] | levels and values in every encoding, deprecated ones included |
//! | [`thrift`] | page headers |
//! | this | files of pages; the footer is the `parquet` crate's |
//!
//! Nothing here is fast, and nothing is shared with the readers under test.

pub mod encode;
pub mod thrift;

use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, ParquetMetaDataBuilder, ParquetMetaDataWriter, RowGroupMetaData,
};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::SchemaDescriptor;

use self::thrift::Struct;

/// A page, its bytes not compressed yet.
#[derive(Debug, Clone)]
pub enum Page {
    /// Plain values.
    Dictionary {
        /// As the header says: `PLAIN`, or the deprecated `PLAIN_DICTIONARY`.
        encoding: Encoding,
        /// Values.
        len: usize,
        /// Their bytes.
        body: Vec<u8>,
    },
    /// Version 1: levels with their lengths and values together.
    V1 {
        /// Levels.
        levels: usize,
        /// Of the repetition levels.
        repetition: Encoding,
        /// Of the definition levels.
        definition: Encoding,
        /// Of the values.
        encoding: Encoding,
        /// Levels and values.
        body: Vec<u8>,
    },
    /// Version 2: levels apart and never compressed.
    V2 {
        /// Levels.
        levels: usize,
        /// Nulls and empty lists among them.
        nulls: usize,
        /// Records that begin in it.
        rows: usize,
        /// Repetition levels.
        repetition: Vec<u8>,
        /// Definition levels.
        definition: Vec<u8>,
        /// Of the values.
        encoding: Encoding,
        /// The values.
        values: Vec<u8>,
        /// Whether the values are compressed by the chunk's codec.
        compressed: bool,
    },
    /// An index page, which readers pass over.
    Index {
        /// Whatever it holds.
        body: Vec<u8>,
    },
}

/// A column chunk.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// Snappy, or none.
    pub codec: Compression,
    /// Levels of all pages.
    pub levels: usize,
    /// In order.
    pub pages: Vec<Page>,
    /// Whether the footer names the dictionary page; old writers point to it as if it was a data page.
    pub names_dictionary: bool,
}

/// A row group.
#[derive(Debug, Clone)]
pub struct Group {
    /// Rows.
    pub rows: usize,
    /// One for each leaf.
    pub chunks: Vec<Chunk>,
}

/// The file of a message type such as `message m { optional int96 t; }`.
///
/// # Panics
/// For a message that is none, or chunks that do not fit it.
#[must_use]
pub fn file(message: &str, groups: &[Group]) -> Bytes {
    let message = Arc::new(parse_message_type(message).expect("a message type"));
    let schema = Arc::new(SchemaDescriptor::new(message));
    let mut bytes = b"PAR1".to_vec();
    let mut row_groups = Vec::new();
    for (ordinal, group) in groups.iter().enumerate() {
        let columns = group.chunks.iter().zip(schema.columns());
        let columns: Vec<ColumnChunkMetaData> = columns
            .map(|(chunk, column)| {
                let builder = ColumnChunkMetaData::builder(Arc::clone(column));
                append(chunk, builder, &mut bytes)
            })
            .collect();
        let size = columns.iter().map(ColumnChunkMetaData::uncompressed_size).sum();
        let row_group = RowGroupMetaData::builder(Arc::clone(&schema))
            .set_num_rows(group.rows as i64)
            .set_total_byte_size(size)
            .set_ordinal(ordinal as i16)
            .set_column_metadata(columns);
        row_groups.push(row_group.build().expect("one chunk for each leaf"));
    }
    let rows = groups.iter().map(|group| group.rows as i64).sum();
    let created_by = Some("by hand version 1.0.0".to_string());
    let facts = FileMetaData::new(1, rows, created_by, None, schema, None);
    let metadata = ParquetMetaDataBuilder::new(facts).set_row_groups(row_groups).build();
    let start = bytes.len();
    let mut footer = Vec::new();
    ParquetMetaDataWriter::new(&mut footer, &metadata).finish().expect("a footer");
    assert!(start > 4 || groups.is_empty());
    // The writer's own footer length and magic follow its Thrift.
    bytes.extend_from_slice(&footer);
    bytes.into()
}

fn append(
    chunk: &Chunk,
    builder: parquet::file::metadata::ColumnChunkMetaDataBuilder,
    bytes: &mut Vec<u8>,
) -> ColumnChunkMetaData {
    let start = bytes.len();
    let mut plain = 0;
    let mut first_data = None;
    let mut encodings = Vec::new();
    for page in &chunk.pages {
        let at = bytes.len();
        plain += append_page(page, chunk.codec, bytes);
        match page {
            Page::V1 { encoding, .. } | Page::V2 { encoding, .. } => {
                first_data.get_or_insert(at);
                encodings.push(*encoding);
            }
            Page::Dictionary { encoding, .. } => encodings.push(*encoding),
            Page::Index { .. } => {}
        }
    }
    let dictionary = matches!(chunk.pages.first(), Some(Page::Dictionary { .. }));
    let named = dictionary && chunk.names_dictionary;
    let data_page = if named { first_data.unwrap_or(bytes.len()) } else { start };
    builder
        .set_encodings(encodings)
        .set_compression(chunk.codec)
        .set_num_values(chunk.levels as i64)
        .set_total_compressed_size((bytes.len() - start) as i64)
        .set_total_uncompressed_size(plain as i64)
        .set_dictionary_page_offset(named.then_some(start as i64))
        .set_data_page_offset(data_page as i64)
        .build()
        .expect("a column chunk")
}

/// Appends a page; its bytes before compression, header included.
fn append_page(page: &Page, codec: Compression, bytes: &mut Vec<u8>) -> usize {
    let encode = |body: &[u8]| if codec == Compression::SNAPPY { snappy(body) } else { body.to_vec() };
    let (kind, plain, body, facts) = match page {
        Page::V1 { levels, repetition, definition, encoding, body } => {
            let facts = Struct::default()
                .i32(1, *levels as i32)
                .i32(2, number(*encoding))
                .i32(3, number(*definition))
                .i32(4, number(*repetition));
            (0, body.len(), encode(body), (5, facts))
        }
        Page::Index { body } => (1, body.len(), encode(body), (6, Struct::default())),
        Page::Dictionary { encoding, len, body } => {
            let facts = Struct::default().i32(1, *len as i32).i32(2, number(*encoding));
            (2, body.len(), encode(body), (7, facts))
        }
        Page::V2 { levels, nulls, rows, repetition, definition, encoding, values, compressed } => {
            let facts = Struct::default()
                .i32(1, *levels as i32)
                .i32(2, *nulls as i32)
                .i32(3, *rows as i32)
                .i32(4, number(*encoding))
                .i32(5, definition.len() as i32)
                .i32(6, repetition.len() as i32)
                .bool(7, *compressed);
            let values_out = if *compressed { encode(values) } else { values.clone() };
            let body = [&repetition[..], definition, &values_out].concat();
            let plain = repetition.len() + definition.len() + values.len();
            (3, plain, body, (8, facts))
        }
    };
    let header = Struct::default()
        .i32(1, kind)
        .i32(2, plain as i32)
        .i32(3, body.len() as i32)
        .inner(facts.0, facts.1)
        // A field of a later version of the format.
        .text(90, "from the future")
        .end();
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(&body);
    header.len() + plain
}

fn number(encoding: Encoding) -> i32 {
    #[expect(deprecated, reason = "files have it")]
    match encoding {
        Encoding::PLAIN => 0,
        Encoding::PLAIN_DICTIONARY => 2,
        Encoding::RLE => 3,
        Encoding::BIT_PACKED => 4,
        Encoding::DELTA_BINARY_PACKED => 5,
        Encoding::DELTA_LENGTH_BYTE_ARRAY => 6,
        Encoding::DELTA_BYTE_ARRAY => 7,
        Encoding::RLE_DICTIONARY => 8,
        Encoding::BYTE_STREAM_SPLIT => 9,
    }
}

/// Snappy without any compression: literals of up to 60 bytes.
fn snappy(body: &[u8]) -> Vec<u8> {
    let mut out = thrift::varint(body.len() as u64);
    for literal in body.chunks(60) {
        out.push((literal.len() as u8 - 1) << 2);
        out.extend_from_slice(literal);
    }
    out
}
