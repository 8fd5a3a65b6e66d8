//! The kinds of columns.

use arrow::array::ArrayRef;
use parquet::basic::Encoding;

use super::values::{self, Random};

/// How a kind's values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// A dictionary page, and indices into it.
    Dictionary,
    /// Without a dictionary, in this encoding.
    Encoded(Encoding),
}

/// That many values, without nulls.
type Values = fn(&mut Random, usize) -> ArrayRef;

/// A kind of column.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Its name: layout or null density, then type.
    pub name: &'static str,
    /// How it is written.
    pub layout: Layout,
    /// Nulls in a hundred rows; none where the file says that there are none.
    pub null_percent: Option<u32>,
    /// Rows of it for each row asked for, as one over this: lists have fewer rows than elements.
    pub(super) rows_per: usize,
    /// Its values.
    pub(super) values: Values,
}

/// The kind of that name.
#[must_use]
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

impl Kind {
    /// Whether its values are packed into fewer bits, so that decoding is more than copying.
    #[must_use]
    pub fn packed(&self) -> bool {
        !matches!(
            self.layout,
            Layout::Encoded(Encoding::PLAIN | Encoding::DELTA_LENGTH_BYTE_ARRAY | Encoding::DELTA_BYTE_ARRAY)
        )
    }

    /// So many values of it.
    pub(super) fn array(&self, random: &mut Random, rows: usize) -> ArrayRef {
        let values = (self.values)(random, rows);
        match self.null_percent {
            None | Some(0) => values,
            Some(percent) => values::with_nulls(random, percent, &values),
        }
    }

    const fn required(name: &'static str, layout: Layout, values: Values) -> Self {
        Kind { name, layout, null_percent: None, rows_per: 1, values }
    }

    const fn nullable(name: &'static str, layout: Layout, null_percent: u32, values: Values) -> Self {
        Kind { name, layout, null_percent: Some(null_percent), rows_per: 1, values }
    }
}

const fn encoded(encoding: Encoding) -> Layout {
    Layout::Encoded(encoding)
}

const PLAIN: Layout = encoded(Encoding::PLAIN);
const DELTA: Layout = encoded(Encoding::DELTA_BINARY_PACKED);
const SPLIT: Layout = encoded(Encoding::BYTE_STREAM_SPLIT);
const DICTIONARY: Layout = Layout::Dictionary;

/// All kinds.
pub const KINDS: &[Kind] = &[
    Kind::required("plain_i32", PLAIN, values::small_i32),
    Kind::required("plain_i64", PLAIN, values::small_i64),
    Kind::required("plain_f64", PLAIN, values::rounded_f64),
    Kind::required("plain_bool", PLAIN, values::booleans),
    Kind::required("plain_decimal64", PLAIN, values::prices_of_15),
    Kind::required("flba_decimal128", PLAIN, values::prices_of_38),
    Kind::required("plain_str", PLAIN, values::letters),
    Kind::required("plain_strview", PLAIN, values::letter_views),
    Kind::required("dict_i32", DICTIONARY, values::few_i32),
    Kind::required("dict_i64", DICTIONARY, values::few_i64),
    Kind::required("dict_i64_runs", DICTIONARY, values::runs_i64),
    Kind::required("dict_decimal64", DICTIONARY, values::few_prices),
    Kind::required("dict_str", DICTIONARY, values::categories),
    Kind::required("dict_strview", DICTIONARY, values::category_views),
    Kind::required("rle_bool", encoded(Encoding::RLE), values::stretches),
    Kind::required("delta_i32", DELTA, values::small_i32),
    Kind::required("delta_i64", DELTA, values::rising_i64),
    Kind::required("split_f32", SPLIT, values::rounded_f32),
    Kind::required("split_f64", SPLIT, values::rounded_f64),
    Kind::required("deltalen_str", encoded(Encoding::DELTA_LENGTH_BYTE_ARRAY), values::letters),
    Kind::required("deltabytes_str", encoded(Encoding::DELTA_BYTE_ARRAY), values::paths),
    Kind::nullable("nulls0_i64", PLAIN, 0, values::small_i64),
    Kind::nullable("nulls1_i64", PLAIN, 1, values::small_i64),
    Kind::nullable("nulls20_i64", PLAIN, 20, values::small_i64),
    Kind::nullable("nulls90_i64", PLAIN, 90, values::small_i64),
    Kind::nullable("nulls20_dict_i64", DICTIONARY, 20, values::few_i64),
    Kind::nullable("nulls20_dict_str", DICTIONARY, 20, values::categories),
    Kind::nullable("nulls20_delta_i64", DELTA, 20, values::rising_i64),
    Kind { rows_per: 4, ..Kind::nullable("list_i64", PLAIN, 5, values::lists) },
];
