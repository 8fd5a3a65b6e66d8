//! Plans: what is built, what is refused, how it reads.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use pilaster::aggregate::{Aggregate, AggregateFunction, Fraction, OrderKey, Regression};
use pilaster::expr::{CompareOp, Expr};
use pilaster::plan::{MemorySource, Plan};
use pilaster::sort::SortKey;
use pilaster::{Error, Result};

fn input() -> Plan {
    let schema = Schema::new(vec![
        Field::new("a", DataType::Int64, false),
        Field::new("s", DataType::Utf8, true),
        Field::new("d", DataType::Decimal128(12, 2), true),
    ]);
    Plan::input(Arc::new(MemorySource::with_partitions(Arc::new(schema), vec![]).unwrap()))
}

fn a() -> Expr {
    Expr::column(0, DataType::Int64)
}

fn positive() -> Expr {
    Expr::compare(CompareOp::Gt, a(), Expr::literal(0i64)).unwrap()
}

fn sum(input: Option<Expr>, data_type: DataType) -> Aggregate {
    Aggregate::new(AggregateFunction::Sum, input.into_iter().collect(), data_type)
}

fn refused(plan: Result<Plan>) -> String {
    match plan {
        Err(Error::InvalidInput(what)) => what,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn schemas_follow_the_operators() {
    let plan = input()
        .filter(positive())
        .unwrap()
        .project(vec![("n".into(), a()), ("t".into(), Expr::is_null(Expr::column(1, DataType::Utf8)))])
        .unwrap();
    let expected =
        [Field::new("n", DataType::Int64, false), Field::new("t", DataType::Boolean, false)].map(Arc::new);
    assert_eq!(plan.schema().fields().as_ref(), expected);

    let grouped = input()
        .aggregate(
            vec![("k".into(), Expr::column(1, DataType::Utf8))],
            vec![("total".into(), sum(Some(a()), DataType::Int64))],
        )
        .unwrap();
    let expected =
        [Field::new("k", DataType::Utf8, true), Field::new("total", DataType::Int64, true)].map(Arc::new);
    assert_eq!(grouped.schema().fields().as_ref(), expected);
}

#[test]
fn what_does_not_fit_is_refused_when_it_is_built() {
    assert!(refused(input().filter(a())).contains("Boolean"));
    assert!(refused(input().filter(Expr::column(9, DataType::Boolean))).contains("column 9"));
    let wrong = Expr::is_null(Expr::column(0, DataType::Utf8));
    assert!(refused(input().filter(wrong)).contains("column a is Int64"));
    let key = SortKey { column: 3, descending: false, nulls_first: false };
    assert!(refused(input().sort(vec![key], None)).contains("sort key 3"));
    assert!(refused(Plan::union(vec![])).contains("no inputs"));
    let narrow = input().project(vec![("a".into(), a())]).unwrap();
    assert!(refused(Plan::union(vec![input(), narrow])).contains("columns"));
    let to_text = sum(Some(a()), DataType::Utf8);
    assert!(refused(input().aggregate(vec![], vec![("x".into(), to_text)])).contains("sum of Int64"));
    let of_nothing = sum(None, DataType::Int64);
    assert!(refused(input().aggregate(vec![], vec![("x".into(), of_nothing)])).contains("nothing"));
}

/// Nested values are no keys and no operands: whoever asks keeps the aggregation, instead of failing while it runs.
#[test]
fn nested_keys_and_operands_are_unsupported() {
    use AggregateFunction as F;
    let item = Arc::new(Field::new("item", DataType::Int64, true));
    let entry =
        DataType::Struct(vec![Field::new("key", DataType::Utf8, false), item.as_ref().clone()].into());
    let functions = [
        F::Count,
        F::Sum,
        F::Avg,
        F::Min,
        F::Max,
        F::First { ignore_nulls: false },
        F::Last { ignore_nulls: true },
        F::AnyValue,
        F::ArrayAgg { ignore_nulls: false },
        F::StringAgg { separator: ",".into() },
        F::BoolAnd,
        F::BoolOr,
        F::BitAnd,
        F::BitOr,
        F::BitXor,
        F::PercentileCont(Fraction::HALF),
        F::PercentileDisc(Fraction::HALF),
        F::Mode,
        F::ApproxDistinct,
        F::ApproxPercentile(Fraction::HALF),
        F::Variance { sample: true },
        F::Stddev { sample: true },
        F::Covariance { sample: true },
        F::Correlation,
        F::Regression(Regression::Slope),
    ];
    for nested in [
        DataType::List(Arc::clone(&item)),
        DataType::LargeList(Arc::clone(&item)),
        DataType::FixedSizeList(item, 2),
        DataType::Map(Arc::new(Field::new("entries", entry.clone(), false)), false),
        entry,
    ] {
        let schema =
            Schema::new(vec![Field::new("n", nested.clone(), true), Field::new("a", DataType::Int64, true)]);
        let input = || {
            Plan::input(Arc::new(MemorySource::with_partitions(Arc::new(schema.clone()), vec![]).unwrap()))
        };
        let column = || Expr::column(0, nested.clone());
        let number = || Expr::column(1, DataType::Int64);
        let unsupported = |plan: Result<Plan>, what: &dyn std::fmt::Display| {
            assert!(matches!(plan, Err(Error::Unsupported { .. })), "{what} of {nested}: {plan:?}");
        };
        unsupported(input().aggregate(vec![("k".into(), column())], vec![]), &"a key");
        let ordered = Aggregate {
            order_by: vec![OrderKey { expr: column(), descending: false, nulls_first: false }],
            ..Aggregate::new(F::First { ignore_nulls: false }, vec![number()], DataType::Int64)
        };
        unsupported(input().aggregate(vec![], vec![("x".into(), ordered)]), &"an order");
        for function in &functions {
            for distinct in [false, true] {
                let mut operands = vec![column()];
                operands.extend((function.operands().0 == 2).then(number));
                for result in [
                    nested.clone(),
                    DataType::Int64,
                    DataType::Float64,
                    DataType::new_list(nested.clone(), true),
                ] {
                    let aggregate = Aggregate::new(function.clone(), operands.clone(), result);
                    let aggregate = Aggregate { distinct, ..aggregate };
                    unsupported(input().aggregate(vec![], vec![("x".into(), aggregate)]), function);
                }
            }
        }
    }
}

#[test]
fn another_schema_of_the_same_logical_types_is_taken() {
    let codes = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let engines = Arc::new(Schema::new(vec![
        Field::new("x", DataType::Int64, true),
        Field::new("y", codes, true),
        Field::new("z", DataType::Decimal64(12, 2), true),
    ]));
    let plan = input().with_schema(Arc::clone(&engines)).unwrap();
    assert_eq!(plan.schema(), &engines);
    let other_scale = Schema::new(vec![
        Field::new("x", DataType::Int64, true),
        Field::new("y", DataType::Utf8View, true),
        Field::new("z", DataType::Decimal128(12, 3), true),
    ]);
    assert!(refused(input().with_schema(Arc::new(other_scale))).contains("Decimal128"));
}

#[test]
fn depth_is_bounded() {
    let mut plan = input();
    for _ in 0..10_000 {
        match plan.limit(1, None) {
            Ok(deeper) => plan = deeper,
            Err(error) => {
                assert!(error.to_string().contains("levels"), "{error}");
                return;
            }
        }
    }
    panic!("a plan of 10,000 levels was taken");
}

#[test]
fn a_plan_reads_top_down() {
    let key = SortKey { column: 1, descending: true, nulls_first: false };
    let plan = input()
        .filter(positive())
        .unwrap()
        .aggregate(
            vec![("k".into(), Expr::column(1, DataType::Utf8))],
            vec![("total".into(), sum(Some(a()), DataType::Int64))],
        )
        .unwrap()
        .sort(vec![key], Some(3))
        .unwrap();
    let expected = "\
TopK: [total desc nulls last] fetch=3
  Aggregate: keys=[#1] aggregates=[sum(#0)]
    Filter: (#0 > 0)
      Input: [a, s, d] partitions=1";
    assert_eq!(plan.to_string(), expected);
}
