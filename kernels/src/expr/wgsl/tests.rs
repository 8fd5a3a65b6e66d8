//! Generated text composes and validates on every tier; what runs and what does not is as documented.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int32Array, Int64Array,
    StringArray, UInt64Array,
};
use arrow::datatypes::{DataType, TimeUnit};
use pilaster_shaders::{Request, Root, Shader, Tier, shader};

use super::*;
use crate::expr::like::LikePattern;
use crate::expr::{ArithmeticOp, CastMode, CompareOp, OverflowMode, Rounding, Scalar, Value};
use crate::gpu::column::pack;

const MONEY: DataType = DataType::Decimal128(15, 2);

fn tiers() -> [Tier; 3] {
    [
        Tier::BASELINE,
        Tier { subgroups: true, ..Tier::BASELINE },
        Tier { subgroups: true, int64: true, float64: true, ..Tier::BASELINE },
    ]
}

/// One batch of every kind of column, with nulls; integers span their types where `extreme`.
fn input(extreme: bool) -> (DeviceColumns, Vec<DataType>) {
    let wide = if extreme { i64::MAX } else { 1_000 };
    let money = if extreme { 10i128.pow(15) - 1 } else { 1_000_000 };
    let huge = if extreme { 10i128.pow(38) - 1 } else { 10i128.pow(30) };
    let batch: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from(vec![Some(if extreme { i32::MIN } else { -5 }), None, Some(7)])),
        Arc::new(Int64Array::from(vec![Some(-wide), Some(wide), None])),
        Arc::new(Decimal128Array::from(vec![money, 0, 1]).with_precision_and_scale(15, 2).unwrap()),
        Arc::new(Decimal128Array::from(vec![huge, -huge, 1]).with_precision_and_scale(38, 4).unwrap()),
        Arc::new(Date32Array::from(vec![Some(0), Some(20_000), None])),
        Arc::new(StringArray::from(vec![Some("a"), None, Some("bc")])),
        Arc::new(StringArray::from(vec!["x", "a", "bc"])),
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        Arc::new(Float64Array::from(vec![Some(1.5), None, Some(f64::NAN)])),
        Arc::new(Float32Array::from(vec![1.5, -0.0, f32::INFINITY])),
        Arc::new(UInt64Array::from(vec![if extreme { u64::MAX } else { 9 }, 0, 1])),
    ];
    let types: Vec<DataType> = batch.iter().map(|array| array.data_type().clone()).collect();
    let used: Vec<usize> = (0..types.len()).collect();
    (pack(&[&batch], &types, &used, 1 << 20).unwrap(), types)
}

/// Column numbers of [`input`].
mod at {
    pub const INT32: usize = 0;
    pub const INT64: usize = 1;
    pub const MONEY: usize = 2;
    pub const HUGE: usize = 3;
    pub const DATE: usize = 4;
    pub const TEXT: usize = 5;
    pub const OTHER_TEXT: usize = 6;
    pub const BOOLEAN: usize = 7;
    pub const FLOAT64: usize = 8;
    pub const FLOAT32: usize = 9;
    pub const UINT64: usize = 10;
}

fn column(index: usize) -> Expr {
    Expr::column(index, input(false).1[index].clone())
}

fn literal(data_type: DataType, value: i128) -> Expr {
    Expr::literal(Scalar::new(data_type, Value::Integer(value)).unwrap())
}

fn compare(op: CompareOp, left: Expr, right: Expr) -> Expr {
    Expr::compare(op, left, right).unwrap()
}

fn arithmetic(op: ArithmeticOp, left: Expr, right: Expr, data_type: DataType) -> Expr {
    let rounding = Rounding::HalfAwayFromZero;
    Expr::arithmetic(op, left, right, data_type, OverflowMode::Checked, rounding).unwrap()
}

fn cast(input: Expr, to: DataType) -> Expr {
    Expr::cast(input, to, CastMode::Strict).unwrap()
}

/// Expressions that run on every tier.
fn portable() -> Vec<Expr> {
    use ArithmeticOp::{Add, Divide, Multiply, Remainder, Subtract};
    use DataType::{Boolean, Date32, Decimal128, Int8, Int32, Int64, UInt64};
    let one_less = |discount| arithmetic(Subtract, literal(MONEY, 100), discount, Decimal128(16, 2));
    let discounted = arithmetic(Multiply, column(at::MONEY), one_less(column(at::MONEY)), Decimal128(31, 4));
    let mut exprs = vec![
        discounted.clone(),
        arithmetic(Multiply, discounted, one_less(column(at::MONEY)), Decimal128(38, 6)),
        arithmetic(Divide, column(at::MONEY), column(at::HUGE), Decimal128(38, 6)),
        arithmetic(Remainder, column(at::HUGE), column(at::MONEY), Decimal128(38, 4)),
        arithmetic(Add, column(at::HUGE), column(at::HUGE), Decimal128(38, 4)),
        arithmetic(Multiply, column(at::HUGE), column(at::HUGE), Decimal128(38, 8)),
        arithmetic(Add, column(at::DATE), column(at::INT32), Date32),
        arithmetic(Subtract, column(at::DATE), column(at::DATE), Int32),
        arithmetic(Add, column(at::UINT64), column(at::UINT64), UInt64),
        cast(column(at::INT64), Int8),
        cast(column(at::INT64), Decimal128(20, 3)),
        cast(column(at::HUGE), Decimal128(20, 1)),
        cast(column(at::HUGE), Int64),
        cast(column(at::BOOLEAN), Int32),
        cast(column(at::INT32), Boolean),
        cast(column(at::DATE), DataType::Timestamp(TimeUnit::Nanosecond, None)),
        cast(cast(column(at::DATE), DataType::Timestamp(TimeUnit::Second, None)), Date32),
        Expr::cast(column(at::INT64), Int8, CastMode::Try).unwrap(),
        Expr::negate(column(at::INT64), OverflowMode::Checked).unwrap(),
        Expr::negate(column(at::HUGE), OverflowMode::Checked).unwrap(),
        Expr::negate(column(at::FLOAT64), OverflowMode::Checked).unwrap(),
        Expr::is_null(column(at::INT32)),
        Expr::is_not_null(column(at::FLOAT32)),
        Expr::in_list(column(at::INT32), vec![Scalar::from(1i32), Scalar::from(2i32)], false).unwrap(),
        Expr::in_list(column(at::INT64), vec![Scalar::from(1i64), Scalar::null(Int64)], true).unwrap(),
        Expr::in_list(column(at::FLOAT64), vec![Scalar::from(1.0), Scalar::from(f64::NAN)], false).unwrap(),
        Expr::in_list(column(at::FLOAT32), vec![Scalar::from(-0.0f32)], false).unwrap(),
        Expr::in_list(column(at::BOOLEAN), vec![Scalar::from(true)], false).unwrap(),
        compare(CompareOp::Lt, column(at::TEXT), column(at::OTHER_TEXT)),
        compare(CompareOp::IsDistinctFrom, column(at::TEXT), column(at::OTHER_TEXT)),
        compare(CompareOp::Eq, column(at::FLOAT32), Expr::literal(1.5f32)),
        compare(CompareOp::GtEq, column(at::FLOAT64), Expr::literal(1.5f64)),
        compare(CompareOp::LtEq, column(at::BOOLEAN), Expr::literal(true)),
        compare(CompareOp::NotEq, column(at::HUGE), literal(Decimal128(38, 4), 10i128.pow(37))),
        compare(CompareOp::IsNotDistinctFrom, column(at::INT64), column(at::INT64)),
        compare(CompareOp::GtEq, column(at::TEXT), Expr::literal("b")),
        Expr::like(column(at::TEXT), LikePattern::new("a%", None, false).unwrap(), false).unwrap(),
        Expr::in_list(column(at::OTHER_TEXT), vec![Scalar::utf8("x")], false).unwrap(),
        Expr::case(vec![(Expr::is_null(column(at::TEXT)), Expr::literal("none"))], Some(column(at::TEXT)))
            .unwrap(),
        Expr::in_list(column(at::INT32), vec![], true).unwrap(),
        column(at::TEXT),
        column(at::BOOLEAN),
        column(at::FLOAT64),
        Expr::literal(Scalar::utf8("constant")),
        Expr::literal(Scalar::null(Int64)),
    ];
    let positive = compare(CompareOp::Gt, column(at::INT32), literal(Int32, 0));
    let quotient = arithmetic(Divide, literal(Int32, 100), column(at::INT32), Int32);
    let large = compare(CompareOp::Gt, quotient.clone(), literal(Int32, 3));
    exprs.push(Expr::and(positive.clone(), large.clone()).unwrap());
    exprs.push(Expr::or(Expr::not(positive.clone()).unwrap(), large).unwrap());
    exprs.push(Expr::case(vec![(positive.clone(), quotient)], None).unwrap());
    exprs.push(
        Expr::case(
            vec![
                (positive.clone(), column(at::TEXT)),
                (column(at::BOOLEAN), Expr::literal(Scalar::utf8("q"))),
            ],
            Some(column(at::OTHER_TEXT)),
        )
        .unwrap(),
    );
    exprs.push(Expr::case(vec![(positive, column(at::INT64))], Some(literal(Int64, 1 << 40))).unwrap());
    for op in [Add, Subtract, Multiply, Divide, Remainder] {
        for (index, data_type) in [(at::INT32, Int32), (at::INT64, Int64), (at::UINT64, UInt64)] {
            exprs.push(arithmetic(op, column(index), column(index), data_type.clone()));
            let wrapping = Expr::arithmetic(
                op,
                column(index),
                column(index),
                data_type,
                OverflowMode::Wrap,
                Rounding::Truncate,
            );
            exprs.push(wrapping.unwrap());
        }
    }
    exprs
}

/// A stage around generated text that uses every value.
fn compose(generated: &GeneratedExprs, tier: &Tier) -> Arc<Shader> {
    let words: String = generated
        .values
        .iter()
        .flat_map(|value| value.words_wgsl())
        .enumerate()
        .map(|(slot, word)| format!("    sink[{slot}] = {word};\n"))
        .collect();
    let text = format!(
        "{}@group(0) @binding(3) var<storage, read_write> sink: array<u32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
    if (id.x >= parameters[0]) {{ return; }}
    evaluate(id.x);
    if (keep) {{
{words}    }}
}}
",
        generated.wgsl
    );
    let request =
        Request { label: "test/expr", root: Root::Generated(&text), slots: &[], constants: &[], tier };
    shader(&request).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn generate_one(expr: &Expr, columns: &DeviceColumns, tier: &Tier) -> Result<GeneratedExprs> {
    let values = [ValueRequest { expr: Some(expr), filter: None }];
    generate(&ExprRequest { predicate: None, values: &values, columns, tier, stage_words: 0 })
}

#[test]
fn every_expression_validates_on_every_tier() {
    for extreme in [false, true] {
        let columns = input(extreme).0;
        for tier in tiers() {
            let exprs = portable();
            for expr in &exprs {
                generate_one(expr, &columns, &tier).unwrap_or_else(|error| panic!("{expr}: {error}"));
            }
            // Few shaders of many expressions: composing is what takes time.
            for some in exprs.chunks(25) {
                let values: Vec<ValueRequest<'_>> =
                    some.iter().map(|expr| ValueRequest { expr: Some(expr), filter: None }).collect();
                let request = ExprRequest {
                    predicate: None,
                    values: &values,
                    columns: &columns,
                    tier: &tier,
                    stage_words: 0,
                };
                let shader = compose(&generate(&request).unwrap(), &tier);
                assert!(tier.int64 || !shader.needs.int64);
            }
        }
    }
}

#[test]
fn predicate_filters_and_values_validate_together() {
    let columns = input(true).0;
    let exprs = portable();
    let predicate = compare(CompareOp::Lt, column(at::DATE), Expr::literal(Scalar::date32(9_000)));
    let filter = Expr::is_not_null(column(at::BOOLEAN));
    let mut values: Vec<ValueRequest<'_>> =
        exprs.iter().map(|expr| ValueRequest { expr: Some(expr), filter: Some(&filter) }).collect();
    values.extend(exprs.iter().take(4).map(|expr| ValueRequest { expr: Some(expr), filter: None }));
    values.push(ValueRequest { expr: None, filter: Some(&filter) });
    values.push(ValueRequest { expr: None, filter: None });
    for tier in tiers() {
        let request = ExprRequest {
            predicate: Some(&predicate),
            values: &values,
            columns: &columns,
            tier: &tier,
            stage_words: 5,
        };
        let generated = generate(&request).unwrap();
        assert_eq!(generated.values.len(), values.len());
        compose(&generated, &tier);
        let parameters = generated.parameters(&columns.batches[0], 0, &[1, 2, 3, 4, 5]).unwrap();
        assert_eq!(parameters[..7], [3, 0, 1, 2, 3, 4, 5]);
        assert!(generated.parameters(&columns.batches[0], 0, &[]).is_err());
    }
}

#[test]
fn ranges_decide_classes_and_checks() {
    let tier = Tier::BASELINE;
    let product = arithmetic(ArithmeticOp::Multiply, column(at::INT64), column(at::INT64), DataType::Int64);
    let small = generate_one(&product, &input(false).0, &tier).unwrap();
    assert_eq!(small.values[0].class, Class::I32);
    assert_eq!(small.values[0].range, Some((-1_000_000, 1_000_000)));
    assert!(small.errors.is_empty(), "proved safe");
    let large = generate_one(&product, &input(true).0, &tier).unwrap();
    assert_eq!(large.values[0].class, Class::I64);
    assert_eq!(large.errors.len(), 1);
    let error = large.check_status(&[1, 0, 0, 0, 0, 0, 0, 0]).unwrap_err();
    assert!(matches!(error, Error::ArithmeticOverflow { .. }));
    assert!(large.check_status(&[0; STATUS_WORDS]).is_ok());
}

#[test]
fn literals_are_data() {
    let columns = input(false).0;
    let text = |days: i32| {
        let expr = compare(CompareOp::Lt, column(at::DATE), Expr::literal(Scalar::date32(days)));
        generate_one(&expr, &columns, &Tier::BASELINE).unwrap().wgsl
    };
    assert_eq!(text(100), text(19_999));
    let in_list = |items: Vec<i32>| {
        let items = items.into_iter().map(Scalar::from).collect();
        let expr = Expr::in_list(column(at::INT32), items, false).unwrap();
        generate_one(&expr, &columns, &Tier::BASELINE).unwrap().wgsl
    };
    assert_eq!(in_list(vec![1]), in_list(vec![5, 6, 7]));
}

#[test]
fn refusals_name_the_operator() {
    let sum = arithmetic(ArithmeticOp::Add, column(at::FLOAT64), column(at::FLOAT64), DataType::Float64);
    let error = supports(&sum, &Tier::BASELINE).unwrap_err().to_string();
    assert_eq!(error, "Float64 + is not supported on gpu");
    assert!(supports(&sum, &tiers()[2]).is_ok());
    compose(&generate_one(&sum, &input(false).0, &tiers()[2]).unwrap(), &tiers()[2]);
    let quotient =
        arithmetic(ArithmeticOp::Divide, column(at::FLOAT64), column(at::FLOAT64), DataType::Float64);
    assert!(supports(&quotient, &tiers()[2]).is_err());
    let cast = cast(column(at::FLOAT64), DataType::Int32);
    let error = supports(&cast, &Tier::BASELINE).unwrap_err().to_string();
    assert_eq!(error, "a cast from Float64 to Int32 is not supported on gpu");
    let mut deep = column(at::BOOLEAN);
    for _ in 0..300 {
        deep = Expr::not(deep).unwrap();
    }
    assert!(matches!(supports(&deep, &Tier::BASELINE), Err(Error::Unsupported { .. })));
    let like = Expr::like(column(at::TEXT), LikePattern::new("a%", None, false).unwrap(), false).unwrap();
    assert!(supports(&like, &Tier::BASELINE).is_ok());
}
