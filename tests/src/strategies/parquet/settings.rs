//! Settings of the `parquet` crate's writer.

use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{BrotliLevel, Compression, Encoding, GzipLevel, Type as PhysicalType, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnDescriptor;

use crate::strategies::Choices;

/// How a file is written.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Data pages of version 2.
    pub version_2: bool,
    /// Rows of a row group.
    pub row_group_rows: usize,
    /// Rows of a page.
    pub page_rows: usize,
    /// Bytes of a page, roughly.
    pub page_bytes: usize,
    /// Rows that the writer looks at between its decisions.
    pub write_batch: usize,
    /// Rows of each batch that it is given.
    pub batch_rows: usize,
    /// For each leaf: codec, whether a dictionary is tried, the encoding where it is not or is given up, a Bloom filter.
    pub leaves: Vec<LeafSettings>,
    /// Bytes at which a dictionary is given up.
    pub dictionary_bytes: usize,
    /// Statistics.
    pub statistics: EnabledStatistics,
    /// Bytes to which statistics are cut.
    pub truncate: Option<usize>,
    /// Statistics in page headers.
    pub header_statistics: bool,
    /// No offset index.
    pub no_offset_index: bool,
    /// Only types that Parquet has.
    pub coerce_types: bool,
    /// No Arrow schema in the footer.
    pub without_arrow_schema: bool,
}

/// How a leaf is written.
#[derive(Debug, Clone)]
pub struct LeafSettings {
    /// Codec.
    pub codec: Compression,
    /// Whether a dictionary is tried.
    pub dictionary: bool,
    /// The encoding where it is not, or is given up.
    pub encoding: Option<Encoding>,
    /// Whether it has a Bloom filter.
    pub bloom: bool,
}

/// Every codec, at its cheapest.
#[must_use]
pub fn codecs() -> [Compression; 7] {
    [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::ZSTD(ZstdLevel::default()),
        Compression::LZ4_RAW,
        Compression::LZ4,
        Compression::GZIP(GzipLevel::try_new(1).expect("a level")),
        Compression::BROTLI(BrotliLevel::try_new(1).expect("a level")),
    ]
}

/// Encodings, other than dictionaries, that the type may have.
#[must_use]
pub fn encodings(physical: PhysicalType) -> &'static [Encoding] {
    match physical {
        PhysicalType::BOOLEAN => &[Encoding::PLAIN, Encoding::RLE],
        PhysicalType::INT32 | PhysicalType::INT64 => {
            &[Encoding::PLAIN, Encoding::DELTA_BINARY_PACKED, Encoding::BYTE_STREAM_SPLIT]
        }
        PhysicalType::INT96 => &[Encoding::PLAIN],
        PhysicalType::FLOAT | PhysicalType::DOUBLE => &[Encoding::PLAIN, Encoding::BYTE_STREAM_SPLIT],
        PhysicalType::BYTE_ARRAY => {
            &[Encoding::PLAIN, Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY]
        }
        PhysicalType::FIXED_LEN_BYTE_ARRAY => {
            &[Encoding::PLAIN, Encoding::DELTA_BYTE_ARRAY, Encoding::BYTE_STREAM_SPLIT]
        }
    }
}

/// Those of the schema's first leaf.
///
/// # Panics
/// For a schema that Parquet cannot hold.
#[must_use]
pub fn encodings_of(schema: &SchemaRef) -> &'static [Encoding] {
    encodings(leaves(schema)[0].physical_type())
}

impl Settings {
    /// Any for a table of this schema and number of rows.
    ///
    /// # Panics
    /// For a schema that Parquet cannot hold.
    #[must_use]
    pub fn choose(schema: &SchemaRef, rows: usize, choices: &mut Choices) -> Self {
        let version_2 = choices.pick(2) == 1;
        let group = [rows, rows.div_ceil(2), rows.div_ceil(7), 1, 17];
        let row_group_rows = (*choices.one_of(&group)).max(1);
        // Hundreds of row groups or pages of one row show nothing that some tens do not, and take long.
        let row_group_rows = row_group_rows.max(rows / 40);
        let page_rows = (*choices.one_of(&[20_000, 1, 3, 50, 333])).max(rows / 60);
        let leaves = leaves(schema);
        Settings {
            version_2,
            row_group_rows,
            page_rows,
            page_bytes: *choices.one_of(&[1 << 20, 100, 1000, 8000]),
            write_batch: *choices.one_of(&[1024, 1, 7, 100]),
            batch_rows: *choices.one_of(&[4096, 100, 33]),
            leaves: leaves.iter().map(|leaf| LeafSettings::choose(leaf, choices)).collect(),
            dictionary_bytes: *choices.one_of(&[1 << 20, 1, 100, 1000]),
            statistics: *choices.one_of(&[
                EnabledStatistics::Page,
                EnabledStatistics::Chunk,
                EnabledStatistics::None,
            ]),
            truncate: *choices.one_of(&[Some(64), None, Some(1), Some(5)]),
            header_statistics: choices.rarely(3),
            no_offset_index: choices.rarely(4),
            coerce_types: choices.rarely(4),
            without_arrow_schema: choices.rarely(4),
        }
    }

    /// As the writer takes them.
    #[must_use]
    pub fn properties(&self, schema: &SchemaRef) -> WriterProperties {
        let version = if self.version_2 { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 };
        let mut builder = WriterProperties::builder()
            .set_writer_version(version)
            .set_max_row_group_row_count(Some(self.row_group_rows))
            .set_data_page_row_count_limit(self.page_rows)
            .set_data_page_size_limit(self.page_bytes)
            .set_write_batch_size(self.write_batch)
            .set_dictionary_page_size_limit(self.dictionary_bytes)
            .set_statistics_enabled(self.statistics)
            .set_statistics_truncate_length(self.truncate)
            .set_column_index_truncate_length(self.truncate)
            .set_write_page_header_statistics(self.header_statistics)
            .set_offset_index_disabled(self.no_offset_index && self.statistics != EnabledStatistics::Page)
            .set_coerce_types(self.coerce_types);
        for (column, leaf) in leaves(schema).iter().zip(&self.leaves) {
            let path = column.path();
            builder = builder
                .set_column_compression(path.clone(), leaf.codec)
                .set_column_dictionary_enabled(path.clone(), leaf.dictionary)
                .set_column_bloom_filter_enabled(path.clone(), leaf.bloom);
            if let Some(encoding) = leaf.encoding {
                builder = builder.set_column_encoding(path.clone(), encoding);
            }
        }
        builder.build()
    }
}

impl LeafSettings {
    fn choose(leaf: &ColumnDescriptor, choices: &mut Choices) -> Self {
        let codec = *choices.one_of(&codecs());
        let dictionary = choices.pick(2) == 0;
        let encodings = encodings(leaf.physical_type());
        let encoding = choices.pick(encodings.len() + 1).checked_sub(1).map(|at| encodings[at]);
        LeafSettings { codec, dictionary, encoding, bloom: choices.rarely(4) }
    }
}

fn leaves(schema: &SchemaRef) -> Vec<parquet::schema::types::ColumnDescPtr> {
    let converted = ArrowSchemaConverter::new().convert(schema).expect("a schema for Parquet");
    converted.columns().to_vec()
}
