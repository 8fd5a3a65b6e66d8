//! A root column of a file as what the decoders want: its leaves, and the tree that they are put together by.
//!
//! The `parquet` crate maps the file's schema to Arrow; here its tree of groups and the Arrow type are walked in step,
//! to find the levels at which lists, structs and values begin. Lists come in three shapes:
//! ```text
//! LIST group { repeated group { element } }       the element may be null
//! LIST group { repeated element }                 two levels: the repeated field is the element (old writers)
//! repeated element                                no list group at all: never null
//! ```
//! A group of one field under a `LIST` is the element itself only where its name says so (`array`, `NAME_tuple`), it
//! has no annotation and its field is not repeated: the rules of the format, as the `parquet` crate reads them.

use arrow::datatypes::{DataType, Field, Fields};
use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as PhysicalType};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor, Type};
use pilaster_kernels::parquet::{Leaf, Nested, Physical};

/// What to decode of a root column and how it is put together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    /// Leaves, with their positions in the file, in order.
    pub(crate) leaves: Vec<(usize, Leaf)>,
    /// By index into `leaves`.
    pub(crate) tree: Nested,
}

impl Column {
    /// Of the root column `node` of Arrow type `data_type`, whose leaves begin at `first`. `None` where the two do not
    /// agree.
    pub(crate) fn new(
        schema: &SchemaDescriptor,
        node: &Type,
        data_type: &DataType,
        first: usize,
    ) -> Option<Self> {
        let mut walk = Walk { schema, first, leaves: Vec::new() };
        let tree = walk.field(node, data_type, Levels::default())?;
        let mut leaves = walk.leaves;
        if !matches!(tree, Nested::Leaf(_)) {
            leaves.iter_mut().for_each(|(_, leaf)| leaf.with_levels = true);
        }
        Some(Column { leaves, tree })
    }

    /// The only leaf of a column that is not nested, and its position.
    pub(crate) fn flat(&mut self) -> Option<(&usize, &mut Leaf)> {
        match (&self.tree, self.leaves.as_mut_slice()) {
            (Nested::Leaf(_), [(position, leaf)]) => Some((position, leaf)),
            _ => None,
        }
    }
}

/// Levels above a node.
#[derive(Debug, Clone, Copy, Default)]
struct Levels {
    definition: u16,
    repetition: u16,
    /// Definition level of an element of the innermost repeated node.
    slot: u16,
}

impl Levels {
    fn nullable(self, nullable: bool) -> Self {
        Levels { definition: self.definition + u16::from(nullable), ..self }
    }

    fn repeated(self) -> Self {
        let definition = self.definition + 1;
        Levels { definition, repetition: self.repetition + 1, slot: definition }
    }
}

struct Walk<'a> {
    schema: &'a SchemaDescriptor,
    first: usize,
    leaves: Vec<(usize, Leaf)>,
}

impl Walk<'_> {
    /// A field with its own repetition.
    fn field(&mut self, node: &Type, data_type: &DataType, above: Levels) -> Option<Nested> {
        match repetition(node) {
            Repetition::REPEATED => self.repeated(node, data_type, above, false),
            other => self.single(node, data_type, above, other == Repetition::OPTIONAL),
        }
    }

    /// A field that is not repeated, or one element of a field that is.
    fn single(&mut self, node: &Type, data_type: &DataType, above: Levels, nullable: bool) -> Option<Nested> {
        if node.is_primitive() {
            return self.leaf(data_type, above.nullable(nullable));
        }
        match (node.get_basic_info().converted_type(), data_type) {
            (_, DataType::Struct(fields)) => self.group(node, data_type, fields, above, nullable),
            (ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE, DataType::Map(entries, _)) => {
                self.map(node, data_type, entries, above, nullable)
            }
            (
                ConvertedType::LIST | ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE,
                DataType::List(_)
                | DataType::LargeList(_)
                | DataType::FixedSizeList(..)
                | DataType::ListView(_)
                | DataType::LargeListView(_),
            ) => self.list(node, data_type, above, nullable),
            _ => None,
        }
    }

    fn leaf(&mut self, data_type: &DataType, at: Levels) -> Option<Nested> {
        let index = self.leaves.len();
        let position = self.first + index;
        let descriptor = (position < self.schema.num_columns()).then(|| self.schema.column(position))?;
        let agree = (u16::try_from(descriptor.max_def_level()), u16::try_from(descriptor.max_rep_level()))
            == (Ok(at.definition), Ok(at.repetition));
        let leaf = Leaf {
            physical: physical(&descriptor)?,
            data_type: decoded(data_type),
            max_definition: at.definition,
            max_repetition: at.repetition,
            slot_definition: at.slot,
            with_levels: false,
        };
        self.leaves.push((position, leaf));
        agree.then_some(Nested::Leaf(index))
    }

    fn group(
        &mut self,
        node: &Type,
        data_type: &DataType,
        fields: &Fields,
        above: Levels,
        nullable: bool,
    ) -> Option<Nested> {
        let at = above.nullable(nullable);
        // Groups without any leaf have no column, and Arrow does not know them.
        let nodes: Vec<_> = node.get_fields().iter().filter(|node| has_leaves(node)).collect();
        if nodes.len() != fields.len() {
            return None;
        }
        let children =
            nodes.into_iter().zip(fields).map(|(node, field)| self.field(node, field.data_type(), at));
        let children = children.collect::<Option<Vec<_>>>()?;
        Some(Nested::Struct { data_type: decoded(data_type), definition: at.definition, nullable, children })
    }

    /// A `LIST` group: the repeated field within is the element, or holds it.
    fn list(&mut self, node: &Type, data_type: &DataType, above: Levels, nullable: bool) -> Option<Nested> {
        let [repeated] = node.get_fields() else { return None };
        let above = above.nullable(nullable);
        if repeated.is_primitive() || is_element(node, repeated) {
            return self.repeated(repeated, data_type, above, nullable);
        }
        let [item] = repeated.get_fields() else { return None };
        let at = above.repeated();
        let child = self.field(item, element(data_type)?.data_type(), at)?;
        Some(list_of(data_type, at, nullable, child))
    }

    /// A repeated node as a list of itself.
    fn repeated(
        &mut self,
        node: &Type,
        data_type: &DataType,
        above: Levels,
        nullable: bool,
    ) -> Option<Nested> {
        let at = above.repeated();
        let element = element(data_type)?.data_type();
        // A repeated group is a struct, whatever its annotation.
        let child = match element {
            DataType::Struct(fields) => self.group(node, element, fields, at, false)?,
            other => self.single(node, other, at, false)?,
        };
        Some(list_of(data_type, at, nullable, child))
    }

    fn map(
        &mut self,
        node: &Type,
        data_type: &DataType,
        entries: &Field,
        above: Levels,
        nullable: bool,
    ) -> Option<Nested> {
        let [repeated] = node.get_fields() else { return None };
        let DataType::Struct(fields) = entries.data_type() else { return None };
        let at = above.nullable(nullable).repeated();
        let child = self.group(repeated, entries.data_type(), fields, at, false)?;
        Some(list_of(data_type, at, nullable, child))
    }
}

fn list_of(data_type: &DataType, at: Levels, nullable: bool, child: Nested) -> Nested {
    Nested::List {
        data_type: decoded(data_type),
        definition: at.definition,
        repetition: at.repetition,
        nullable,
        child: Box::new(child),
    }
}

fn repetition(node: &Type) -> Repetition {
    let info = node.get_basic_info();
    if info.has_repetition() { info.repetition() } else { Repetition::REQUIRED }
}

/// Whether the repeated group under a `LIST` is the element itself.
fn is_element(list: &Type, repeated: &Type) -> bool {
    let fields = repeated.get_fields();
    if fields.len() != 1 {
        return true;
    }
    let named = repeated.name() == "array" || repeated.name() == format!("{}_tuple", list.name());
    let info = repeated.get_basic_info();
    let annotated = match info.logical_type_ref() {
        Some(logical) => *logical == LogicalType::List,
        None => info.converted_type() == ConvertedType::LIST,
    };
    let holds_repeated = repetition(&fields[0]) == Repetition::REPEATED;
    named && !annotated && !holds_repeated
}

fn has_leaves(node: &Type) -> bool {
    node.is_primitive() || node.get_fields().iter().any(|field| has_leaves(field))
}

fn element(data_type: &DataType) -> Option<&Field> {
    match data_type {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::ListView(field)
        | DataType::LargeListView(field) => Some(field),
        _ => None,
    }
}

/// How a leaf is stored; none where its length is negative.
pub(super) fn physical(descriptor: &ColumnDescriptor) -> Option<Physical> {
    Some(match descriptor.physical_type() {
        PhysicalType::BOOLEAN => Physical::Boolean,
        PhysicalType::INT32 => Physical::Int32,
        PhysicalType::INT64 => Physical::Int64,
        PhysicalType::INT96 => Physical::Int96,
        PhysicalType::FLOAT => Physical::Float,
        PhysicalType::DOUBLE => Physical::Double,
        PhysicalType::BYTE_ARRAY => Physical::ByteArray,
        PhysicalType::FIXED_LEN_BYTE_ARRAY => {
            Physical::FixedLenByteArray(usize::try_from(descriptor.type_length()).ok()?)
        }
    })
}

/// The type that decoding makes of a column that Arrow calls `data_type`: dictionaries and views of lists, which only
/// Arrow knows, are made of their plain kinds afterwards.
pub(crate) fn decoded(data_type: &DataType) -> DataType {
    let field = |field: &Field| field.clone().with_data_type(decoded(field.data_type())).into();
    match data_type {
        DataType::Dictionary(_, values) => decoded(values),
        DataType::List(item) | DataType::ListView(item) => DataType::List(field(item)),
        DataType::LargeList(item) | DataType::LargeListView(item) => DataType::LargeList(field(item)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(field(item), *size),
        DataType::Map(entries, sorted) => DataType::Map(field(entries), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|inner| field(inner)).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
