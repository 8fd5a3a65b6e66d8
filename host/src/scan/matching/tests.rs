use super::*;

fn schema(fields: &[(&str, DataType, Option<i32>)]) -> Schema {
    let field = |(name, data_type, id): &(&str, DataType, Option<i32>)| {
        let metadata = id.map(|id| (PARQUET_FIELD_ID_META_KEY.to_string(), id.to_string()));
        Field::new(*name, data_type.clone(), true).with_metadata(metadata.into_iter().collect())
    };
    Schema::new(fields.iter().map(field).collect::<Vec<_>>())
}

fn matched(file: &Schema, table: &Schema) -> Result<Vec<Option<usize>>> {
    Ok(origins("f", file, table, &[])?.iter().map(Origin::root).collect())
}

#[test]
fn names_match_in_any_order_and_ids_come_first() {
    use DataType::{Int32, Int64};
    let file = schema(&[("a", Int32, Some(1)), ("b", Int32, Some(2)), ("c", Int32, None)]);
    let by_name = schema(&[("c", Int32, None), ("x", Int32, None), ("a", Int64, None)]);
    assert_eq!(matched(&file, &by_name).unwrap(), [Some(2), None, Some(0)]);
    // Renamed and swapped; a name whose id is another's does not match; without an id the name does.
    let by_id = schema(&[
        ("b", Int32, Some(1)),
        ("renamed", Int32, Some(2)),
        ("a", Int32, Some(7)),
        ("c", Int32, None),
    ]);
    assert_eq!(matched(&file, &by_id).unwrap(), [Some(0), Some(1), None, Some(2)]);
    // A file without ids is matched by name.
    let plain = schema(&[("b", Int32, None), ("c", Int32, None)]);
    assert_eq!(matched(&plain, &by_id).unwrap(), [Some(0), None, None, Some(1)]);
}

#[test]
fn names_that_occur_twice_are_matched_by_place_or_refused() {
    use DataType::Int32;
    let twice = schema(&[("a", Int32, None), ("a", Int32, None), ("b", Int32, None)]);
    assert_eq!(matched(&twice, &twice).unwrap(), [Some(0), Some(1), Some(2)]);
    assert_eq!(matched(&twice, &schema(&[("b", Int32, None)])).unwrap(), [Some(2)]);
    assert!(matches!(matched(&twice, &schema(&[("a", Int32, None)])), Err(Error::InvalidInput(_))));
    let ids = schema(&[("a", Int32, Some(1)), ("b", Int32, Some(1))]);
    assert!(matches!(matched(&ids, &schema(&[("a", Int32, Some(1))])), Err(Error::InvalidInput(_))));
}

#[test]
fn only_types_that_lose_nothing_widen() {
    use DataType as D;
    let list = |item: DataType| D::List(Arc::new(Field::new("item", item, true)));
    let zoned = |unit| D::Timestamp(unit, Some("UTC".into()));
    let wide = [
        (D::Int8, D::Int64),
        (D::Int32, D::Int64),
        (D::UInt32, D::Int64),
        (D::UInt8, D::UInt16),
        (D::Float32, D::Float64),
        (D::Decimal128(9, 2), D::Decimal128(18, 2)),
        (D::Decimal128(38, 2), D::Decimal256(40, 2)),
        (D::Utf8, D::Utf8View),
        (D::Binary, D::BinaryView),
        (D::Timestamp(TimeUnit::Millisecond, None), D::Timestamp(TimeUnit::Nanosecond, None)),
        (list(D::Int32), list(D::Int64)),
    ];
    for (narrow, wider) in wide {
        assert!(widens(&narrow, &wider), "{narrow} to {wider}");
        assert!(widens(&narrow, &narrow));
        let symmetric = is_text(&narrow) || is_binary(&narrow);
        assert_eq!(widens(&wider, &narrow), symmetric, "{wider} to {narrow}");
    }
    for (found, wanted) in [
        (D::Int64, D::UInt64),
        (D::UInt64, D::Int64),
        (D::Int32, D::Float64),
        (D::Int32, D::Utf8),
        (D::Utf8, D::Binary),
        (D::Decimal128(9, 2), D::Decimal128(18, 3)),
        (D::Decimal128(9, 0), D::Int64),
        (D::Date32, D::Timestamp(TimeUnit::Second, None)),
        (zoned(TimeUnit::Second), D::Timestamp(TimeUnit::Second, None)),
        (D::Int32, list(D::Int32)),
    ] {
        assert!(!widens(&found, &wanted), "{found} to {wanted}");
    }
}

#[test]
fn partition_values_stand_for_the_column() {
    let file = schema(&[("a", DataType::Int32, None), ("year", DataType::Int64, None)]);
    let table = schema(&[
        ("a", DataType::Int32, None),
        ("year", DataType::Int32, None),
        ("s", DataType::Utf8View, None),
    ]);
    let partition = [("year".to_string(), Scalar::from(2020i64)), ("s".to_string(), Scalar::utf8("x"))];
    let found = origins("f", &file, &table, &partition).unwrap();
    assert_eq!(found[0], Origin::Root(0));
    assert_eq!(found[1], Origin::Constant(Scalar::from(2020i32)));
    let year = found[1].array(table.field(1), 3).unwrap();
    assert_eq!((year.len(), year.data_type()), (3, &DataType::Int32));
    let text = found[2].array(table.field(2), 2).unwrap();
    assert_eq!(text.data_type(), &DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)));
    let big = [("year".to_string(), Scalar::from(i64::MAX))];
    assert!(matches!(origins("f", &file, &table, &big), Err(Error::InvalidInput(_))));
    let other = [("month".to_string(), Scalar::from(1i64))];
    assert!(matches!(origins("f", &file, &table, &other), Err(Error::InvalidInput(_))));
}
