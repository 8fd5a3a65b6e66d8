//! What a spec refuses.

use arrow::datatypes::DataType;

use super::*;
use crate::expr::Scalar;

fn spec(join_type: JoinType) -> JoinSpec {
    let key = |data_type| Expr::column(0, data_type);
    JoinSpec {
        join_type,
        left: vec![DataType::Int64],
        right: vec![DataType::Int64, DataType::Utf8],
        keys: vec![JoinKey { left: key(DataType::Int64), right: key(DataType::Int64), nulls_equal: false }],
        residual: None,
        output: vec![OutputColumn::Left(0)],
    }
}

#[test]
fn sound_specs_pass() {
    assert!(spec(JoinType::Inner).check().is_ok());
    let residual = Expr::is_null(Expr::column(2, DataType::Utf8));
    assert!(JoinSpec { residual: Some(residual), ..spec(JoinType::Full) }.check().is_ok());
    let output = vec![OutputColumn::Left(0), OutputColumn::Mark];
    assert!(JoinSpec { output, ..spec(JoinType::LeftMark) }.check().is_ok());
    assert!(JoinSpec { keys: Vec::new(), ..spec(JoinType::Inner) }.check().is_ok());
}

#[test]
fn unsound_specs_do_not() {
    let invalid = |spec: JoinSpec| matches!(spec.check(), Err(Error::InvalidInput(_)));
    let inner = || spec(JoinType::Inner);
    let key = |at, data_type| Expr::column(at, data_type);
    let keys = |left, right| vec![JoinKey { left, right, nulls_equal: false }];
    let int = || key(0, DataType::Int64);
    assert!(invalid(JoinSpec { keys: keys(int(), key(1, DataType::Utf8)), ..inner() }), "types of a key");
    assert!(invalid(JoinSpec { keys: keys(key(1, DataType::Int64), int()), ..inner() }), "column of a key");
    let number = Expr::literal(Scalar::from(1i64));
    assert!(invalid(JoinSpec { residual: Some(number), ..inner() }), "type of the residual");
    let outside = Expr::is_null(key(3, DataType::Int64));
    assert!(invalid(JoinSpec { residual: Some(outside), ..inner() }), "column of the residual");
    for column in [OutputColumn::Left(1), OutputColumn::Right(2), OutputColumn::Mark] {
        assert!(invalid(JoinSpec { output: vec![column], ..inner() }), "{column:?}");
    }
    let output = vec![OutputColumn::Right(0)];
    assert!(invalid(JoinSpec { output, ..spec(JoinType::LeftSemi) }), "a side that is not shown");
}

#[test]
fn not_in_takes_one_plain_key() {
    let unsupported = |spec: JoinSpec| matches!(spec.check(), Err(Error::Unsupported { .. }));
    let not_in = || spec(JoinType::LeftAntiNullAware);
    assert!(not_in().check().is_ok());
    assert!(unsupported(JoinSpec { keys: Vec::new(), ..not_in() }));
    let residual = Expr::is_null(Expr::column(0, DataType::Int64));
    assert!(unsupported(JoinSpec { residual: Some(residual), ..not_in() }));
    let mut equal = not_in();
    equal.keys[0].nulls_equal = true;
    assert!(unsupported(equal));
}
