use super::*;

fn found(keys: &[(&str, Option<&str>)]) -> Found {
    let keys = keys.iter().map(|(key, value)| (key.to_string(), value.map(str::to_owned))).collect();
    Found { path: "f.parquet".into(), keys }
}

#[test]
fn folders_are_decoded() {
    let some = |key: &str, value: &str| Some((key.to_owned(), Some(value.to_owned())));
    assert_eq!(key("year=2024"), some("year", "2024"));
    assert_eq!(key("a%20b=x%2Fy%3dz=1"), some("a b", "x/y=z=1"));
    assert_eq!(key("city=Z%C3%BCrich"), some("city", "Zürich"));
    // No escape, a cut one, one that gives no UTF-8.
    assert_eq!(key("k=100%"), some("k", "100%"));
    assert_eq!(key("k=%2"), some("k", "%2"));
    assert_eq!(key("k=%+1"), some("k", "%+1"));
    assert_eq!(key("k=%ff"), some("k", "%ff"));
    assert_eq!(key("k="), some("k", ""));
    assert_eq!(key("k=__HIVE_DEFAULT_PARTITION__"), Some(("k".to_owned(), None)));
    assert_eq!((key("plain"), key("=x")), (None, None));
}

#[test]
fn all_values_decide_the_type() {
    let of = |values: &[Option<&str>]| {
        let files: Vec<Found> = values.iter().map(|value| found(&[("k", *value)])).collect();
        inferred("k", &files)
    };
    assert_eq!(of(&[Some("1"), None, Some("-20")]), DataType::Int64);
    assert_eq!(of(&[Some("2024-02-29"), Some("1999-12-31")]), DataType::Date32);
    for text in ["2023-02-29", "007", "+1", "1.5", "", "2024-1-1", "99999999999999999999"] {
        assert_eq!(of(&[Some(text)]), DataType::Utf8, "{text}");
    }
    assert_eq!(of(&[Some("1"), Some("2024-01-01")]), DataType::Utf8);
    assert_eq!(of(&[None]), DataType::Utf8);
}

#[test]
fn keys_become_columns() {
    let file =
        Schema::new(vec![Field::new("a", DataType::Int32, false), Field::new("y", DataType::Int32, false)]);
    let files = [found(&[("y", Some("1"))]), found(&[("y", Some("2")), ("m", Some("x"))])];
    let table = with_keys(&file, &files);
    let expected = Schema::new(vec![
        Field::new("a", DataType::Int32, false),
        Field::new("y", DataType::Int32, true),
        Field::new("m", DataType::Utf8, true),
    ]);
    assert_eq!(table, expected);
    let constants = constants(&files[1], &table).unwrap();
    assert_eq!(constants, [("y".into(), Scalar::from(2i32)), ("m".into(), Scalar::utf8("x"))]);
    let wrong = super::constants(&found(&[("y", Some("x"))]), &table);
    assert!(matches!(wrong, Err(Error::InvalidInput(_))));
}
