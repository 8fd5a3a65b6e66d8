use arrow::datatypes::Schema;
use parquet::arrow::parquet_to_arrow_schema;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::SchemaDescriptor;

use super::*;

/// All root columns of a message.
fn columns(message: &str) -> (Vec<Column>, Schema) {
    let root = parse_message_type(message).unwrap();
    let schema = SchemaDescriptor::new(std::sync::Arc::new(root));
    let arrow = parquet_to_arrow_schema(&schema, None).unwrap();
    let mut first = 0;
    let columns = arrow.fields().iter().map(|field| {
        let column = Column::new(&schema, schema.get_column_root(first), field.data_type(), first);
        let column = column.unwrap_or_else(|| panic!("{}: {}", field.name(), field.data_type()));
        first += column.leaves.len();
        column
    });
    let columns: Vec<_> = columns.collect();
    assert_eq!(first, schema.num_columns());
    (columns, arrow)
}

fn only(message: &str) -> Column {
    let (mut columns, _) = columns(message);
    assert_eq!(columns.len(), 1);
    columns.remove(0)
}

/// The definition and repetition level of each list of a tree and whether it can be null, outermost first.
fn lists(tree: &Nested) -> Vec<(u16, u16, bool)> {
    match tree {
        Nested::List { definition, repetition, nullable, child, .. } => {
            [vec![(*definition, *repetition, *nullable)], lists(child)].concat()
        }
        Nested::Struct { children, .. } => children.iter().flat_map(lists).collect(),
        Nested::Leaf(_) | Nested::Missing(_) => Vec::new(),
    }
}

/// Of the first leaf: maximum definition and repetition, slot definition.
fn levels(column: &Column) -> [u16; 3] {
    let leaf = &column.leaves[0].1;
    [leaf.max_definition, leaf.max_repetition, leaf.slot_definition]
}

#[test]
fn flat_columns_have_one_leaf_and_no_levels_of_their_own() {
    let (columns, _) =
        columns("message m { required int32 a; optional binary b (STRING); optional int96 c; }");
    let leaves: Vec<_> = columns.iter().map(|column| (column.leaves[0].0, levels(column))).collect();
    assert_eq!(leaves, [(0, [0, 0, 0]), (1, [1, 0, 0]), (2, [1, 0, 0])]);
    assert!(columns.iter().all(|column| column.tree == Nested::Leaf(0) && !column.leaves[0].1.with_levels));
}

#[test]
fn lists_of_three_levels_of_two_and_without_a_group() {
    let three =
        only("message m { optional group a (LIST) { repeated group list { optional int32 element; } } }");
    assert_eq!((lists(&three.tree), levels(&three)), (vec![(2, 1, true)], [3, 1, 2]));
    assert!(three.leaves[0].1.with_levels);
    let two = only("message m { optional group a (LIST) { repeated int32 element; } }");
    assert_eq!((lists(&two.tree), levels(&two)), (vec![(2, 1, true)], [2, 1, 2]));
    let none = only("message m { repeated int32 a; }");
    assert_eq!((lists(&none.tree), levels(&none)), (vec![(1, 1, false)], [1, 1, 1]));
    let structs = only("message m { repeated group a { required int32 x; optional int32 y; } }");
    assert_eq!((lists(&structs.tree), structs.leaves.len()), (vec![(1, 1, false)], 2));
    assert_eq!(levels(&structs), [1, 1, 1]);
}

#[test]
fn a_repeated_group_of_one_field_is_the_element_by_its_name() {
    let by_name = |name: &str| {
        let message = format!(
            "message m {{ required group a (LIST) {{ repeated group {name} {{ required int32 x; }} }} }}"
        );
        match only(&message).tree {
            Nested::List { child, .. } => matches!(*child, Nested::Struct { .. }),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(["array", "a_tuple", "b_tuple", "list"].map(by_name), [true, true, false, false]);
    // Two fields are an element whatever the name; an annotated or repeated single field is none.
    let two = only(
        "message m { required group a (LIST) { repeated group list { required int32 x; required int32 y; } } }",
    );
    assert!(matches!(two.tree, Nested::List { child, .. } if matches!(*child, Nested::Struct { .. })));
    let nested = only("message m { required group a (LIST) { repeated group array { repeated int32 x; } } }");
    assert_eq!((lists(&nested.tree), levels(&nested)), (vec![(1, 1, false), (2, 2, false)], [2, 2, 2]));
}

#[test]
fn maps_are_lists_of_entries() {
    let map = only(
        "message m { optional group a (MAP) { repeated group key_value { required binary key (STRING); optional int64 value; } } }",
    );
    assert_eq!((lists(&map.tree), levels(&map)), (vec![(2, 1, true)], [2, 1, 2]));
    assert_eq!(map.leaves[1].1.max_definition, 3);
    let Nested::List { data_type: DataType::Map(..), child, .. } = &map.tree else { panic!("{map:?}") };
    assert!(matches!(child.as_ref(), Nested::Struct { definition: 2, nullable: false, .. }));
    // Without values it is a list of keys.
    let keys =
        only("message m { required group a (MAP) { repeated group key_value { required int32 key; } } }");
    assert!(matches!(&keys.tree, Nested::List { data_type: DataType::List(_), .. }));
}

#[test]
fn depth_adds_up() {
    let deep = only(
        "message m { optional group s { optional group l (LIST) { repeated group list { optional group element {
             required group m (MAP) { repeated group key_value { required int32 key;
                 optional group value (LIST) { repeated group list { optional double element; } } } } } } } } }",
    );
    // s: 1, l: 2 and 3, element: 4, m: 5, value: 6 and 7, its element: 8
    assert_eq!(lists(&deep.tree), [(3, 1, true), (5, 2, false), (7, 3, true)]);
    let [key, value] = [&deep.leaves[0].1, &deep.leaves[1].1];
    assert_eq!((key.max_definition, key.max_repetition, key.slot_definition), (5, 2, 5));
    assert_eq!((value.max_definition, value.max_repetition, value.slot_definition), (8, 3, 7));
}

#[test]
fn types_that_only_arrow_knows_are_decoded_as_their_plain_kinds() {
    use std::sync::Arc;
    let keys = |values: DataType| DataType::Dictionary(Box::new(DataType::Int16), Box::new(values));
    let item = |data_type: DataType| Arc::new(Field::new("item", data_type, true));
    assert_eq!(decoded(&keys(DataType::Utf8)), DataType::Utf8);
    assert_eq!(
        decoded(&DataType::ListView(item(keys(DataType::Int32)))),
        DataType::List(item(DataType::Int32))
    );
    assert_eq!(
        decoded(&DataType::Struct(
            [item(DataType::LargeListView(item(DataType::Utf8View)))].into_iter().collect()
        )),
        DataType::Struct([item(DataType::LargeList(item(DataType::Utf8View)))].into_iter().collect())
    );
}
