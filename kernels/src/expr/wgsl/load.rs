//! Loads of packed columns, and of tables in `parameters` that are packed like columns.

use std::sync::Arc;

use super::Class;
use super::integer::FULL;
use super::writer::{Mask, Operand, Writer, class_of, i128_text};
use crate::error::{Error, Result};
use crate::expr::range::Range;
use crate::gpu::column::{ColumnLayout, DeviceColumns, Dictionary, Storage};
use arrow::datatypes::DataType;

/// Where a packed column lies, as expressions.
struct Place<'t> {
    array: &'t str,
    validity: String,
    values: String,
    row: &'t str,
}

impl Writer<'_> {
    /// Column `index` at `row`; loaded once however often it is asked for.
    pub(super) fn column(&mut self, index: usize) -> Result<Operand> {
        if let Some(operand) = self.load_once(index) {
            return Ok(operand);
        }
        let slot = self.used.iter().position(|&used| used == index);
        let (Some(slot), Some(layout)) = (slot, self.columns.layouts.get(index)) else {
            return Err(Error::invalid(format!("no column {index}")));
        };
        let position = self.positions_start() + 2 * slot;
        let place = Place {
            array: "columns",
            validity: format!("parameters[{position}]"),
            values: format!("parameters[{}]", position + 1),
            row: "row",
        };
        let range = self.columns.ranges.get(index).copied().flatten();
        let dictionary = self.columns.dictionaries.get(index).cloned().flatten();
        let operand = self.load(&place, layout, range, dictionary);
        self.remember_load(index, operand.clone());
        Ok(operand)
    }

    /// Row `row` (an expression) of the one column of `table`, whose words become constants.
    pub(super) fn table(&mut self, table: &DeviceColumns, row: &str) -> Result<Operand> {
        let [batch] = table.batches.as_slice() else {
            return Err(Error::invalid("a table of no rows"));
        };
        let [validity, values] = batch.positions[0];
        // Where the table lies depends on the sizes of other tables: that is data too.
        let base = (self.next_constant() + 2) as u32;
        let position = self.constant(&[base + validity, base + values]);
        let mut bytes = vec![0; batch.bytes as usize];
        for (offset, piece) in &batch.pieces {
            bytes[*offset as usize..][..piece.len()].copy_from_slice(piece);
        }
        let words: Vec<u32> = bytes.chunks_exact(4).map(bytemuck::pod_read_unaligned).collect();
        self.constant(&words);
        let place = Place {
            array: "parameters",
            validity: format!("parameters[{position}]"),
            values: format!("parameters[{}]", position + 1),
            row,
        };
        Ok(self.load(&place, &table.layouts[0], table.ranges[0], table.dictionaries[0].clone()))
    }

    fn load(
        &mut self,
        place: &Place<'_>,
        layout: &ColumnLayout,
        range: Option<(i128, i128)>,
        dictionary: Option<Arc<Dictionary>>,
    ) -> Operand {
        let Place { array, validity, values, row } = place;
        let valid: Mask = layout.nullable.then(|| {
            self.bind(format_args!("((({array}[{validity} + ({row} >> 5u)]) >> ({row} & 31u)) & 1u) != 0u"))
        });
        let base = self.bind(values);
        if layout.storage == Storage::Bit {
            // The packer stores nulls as zero: a null Boolean is not true.
            let value =
                self.bind(format_args!("((({array}[{base} + ({row} >> 5u)]) >> ({row} & 31u)) & 1u) != 0u"));
            return Operand::boolean(value, valid);
        }
        match layout.data_type {
            DataType::Float32 => {
                let value = self.bind(format_args!("{array}[{base} + {row}]"));
                return Operand::new(Class::F32, value, valid);
            }
            DataType::Float64 => {
                let at = self.bind(format_args!("{base} + 2u * {row}"));
                let value = self.bind(format_args!("vec2<u32>({array}[{at}], {array}[{at} + 1u])"));
                return Operand::new(Class::F64, value, valid);
            }
            _ => {}
        }
        let range = range.map_or_else(|| storage_range(layout), |(min, max)| Range { min, max });
        // A null is stored as zero, which the class must hold as well; its range need not.
        let class = class_of(range.union(&Range::of(0)));
        if dictionary.is_some() {
            let text = self.narrow_load(place, &base, layout, true);
            let value = self.bind(text);
            return Operand { range, dictionary, ..Operand::new(Class::Code, value, valid) };
        }
        let (loaded, text) = match layout.storage {
            Storage::Bit | Storage::Byte | Storage::Half => {
                (Class::I32, self.narrow_load(place, &base, layout, false))
            }
            Storage::Word if layout.signed || class == Class::I32 => {
                (Class::I32, format!("bitcast<i32>({array}[{base} + {row}])"))
            }
            Storage::Word => (Class::I64, format!("i64_from_words({array}[{base} + {row}], 0u)")),
            Storage::Double => {
                let at = self.bind(format_args!("{base} + 2u * {row}"));
                let (low, high) = (format!("{array}[{at}]"), format!("{array}[{at} + 1u]"));
                match layout.signed || class != Class::I128 {
                    true => (Class::I64, format!("i64_from_words({low}, {high})")),
                    false => (Class::I128, i128_text([low, high, "0u".into(), "0u".into()])),
                }
            }
            Storage::Quad => {
                let at = self.bind(format_args!("{base} + 4u * {row}"));
                let word = |word: u32| format!("{array}[{at} + {word}u]");
                (Class::I128, i128_text([word(0), word(1), word(2), word(3)]))
            }
        };
        let value = self.bind(text);
        self.narrowed(Operand::integer(loaded, value, valid, range))
    }

    /// A value of 8 or 16 bits, or a whole word, as a `u32` code or as an `i32`.
    fn narrow_load(&mut self, place: &Place<'_>, base: &str, layout: &ColumnLayout, code: bool) -> String {
        let Place { array, row, .. } = place;
        let (word, bits) = match layout.storage {
            Storage::Byte => (format!("{array}[{base} + ({row} >> 2u)]"), format!("({row} & 3u) * 8u, 8u")),
            Storage::Half => (format!("{array}[{base} + ({row} >> 1u)]"), format!("({row} & 1u) * 16u, 16u")),
            _ => (format!("{array}[{base} + {row}]"), "0u, 32u".to_string()),
        };
        match (code, layout.signed) {
            (true, _) => format!("extractBits({word}, {bits})"),
            (false, true) => format!("extractBits(bitcast<i32>({word}), {bits})"),
            (false, false) => format!("bitcast<i32>(extractBits({word}, {bits}))"),
        }
    }
}

/// What a storage can hold.
fn storage_range(layout: &ColumnLayout) -> Range {
    match (layout.storage, layout.signed) {
        (Storage::Quad, _) => FULL,
        (storage, false) => Range { min: 0, max: (1 << storage.bits()) - 1 },
        (storage, true) => Range { min: -(1 << (storage.bits() - 1)), max: (1 << (storage.bits() - 1)) - 1 },
    }
}
