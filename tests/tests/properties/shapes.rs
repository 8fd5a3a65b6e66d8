//! A bounded catalogue of shapes for the GPU: a pipeline costs up to seconds the first time, so that data varies more
//! than code.

use arrow::datatypes::{DataType, TimeUnit};
use pilaster_kernels::aggregate::{Aggregate, AggregateFunction as F, AggregateSpec, FloatSum};
use pilaster_kernels::expr::like::LikePattern;
use pilaster_kernels::expr::{
    ArithmeticOp as A, CastMode, CompareOp as C, Expr, OverflowMode, Rounding, Scalar,
};
use pilaster_tests::strategies::{
    Batches, Choices, ColumnRecipe, Nulls, Physical, Spread, avg, choices, count, count_rows, extreme, sizes,
    sum,
};
use proptest::strategy::Strategy;

use super::aggregation;
use super::expressions::Case;

/// Columns of every shape's input.
pub fn types() -> Vec<DataType> {
    use DataType as T;
    vec![
        T::Int64,
        T::Int32,
        T::Boolean,
        T::Decimal128(15, 2),
        T::Utf8,
        T::Float64,
        T::Date32,
        T::UInt8,
        T::Decimal128(38, 6),
        T::Timestamp(TimeUnit::Microsecond, None),
        T::UInt64,
        T::Float32,
    ]
}

fn col(at: usize) -> Expr {
    Expr::column(at, types()[at].clone())
}

fn lit(value: impl Into<Scalar>) -> Expr {
    Expr::literal(value)
}

fn compare(op: C, left: Expr, right: Expr) -> Expr {
    Expr::compare(op, left, right).expect("well typed")
}

fn arithmetic(op: A, left: Expr, right: Expr, data_type: DataType) -> Expr {
    let (overflow, rounding) = (OverflowMode::Checked, Rounding::HalfAwayFromZero);
    Expr::arithmetic(op, left, right, data_type, overflow, rounding).expect("well typed")
}

fn decimal(unscaled: i128, precision: u8, scale: i8) -> Expr {
    lit(Scalar::decimal128(unscaled, precision, scale).expect("fits"))
}

fn case(when: Expr, then: Expr, otherwise: Expr) -> Expr {
    Expr::case(vec![(when, then)], Some(otherwise)).expect("well typed")
}

fn like(pattern: &str, negated: bool) -> Expr {
    let pattern = LikePattern::new(pattern, Some('\\'), false).expect("a pattern");
    Expr::like(col(4), pattern, negated).expect("a string")
}

fn cast(input: Expr, to: DataType, mode: CastMode) -> Expr {
    Expr::cast(input, to, mode).expect("a cast")
}

/// `price * (1 - discount)` of TPC-H, over one decimal column each.
fn discounted(price: Expr, discount: Expr) -> Expr {
    let rest = arithmetic(A::Subtract, decimal(100, 15, 2), discount, DataType::Decimal128(16, 2));
    arithmetic(A::Multiply, price, rest, DataType::Decimal128(32, 4))
}

/// Predicates and lists of values that one shader computes together.
fn expression_shapes() -> Vec<(Option<Expr>, Vec<Expr>)> {
    use DataType as T;
    let wrap = |op, left, right, data_type| {
        Expr::arithmetic(op, left, right, data_type, OverflowMode::Wrap, Rounding::default())
            .expect("well typed")
    };
    let both = |a, b| Expr::and(a, b).expect("boolean");
    let either = |a, b| Expr::or(a, b).expect("boolean");
    let not = |a| Expr::not(a).expect("boolean");
    let zero = || lit(0i64);
    vec![
        (None, vec![col(0), col(1), col(2), col(3), col(4), col(5)]),
        (None, vec![col(6), col(7), col(8), col(9), col(10), col(11)]),
        (
            Some(both(
                compare(C::GtEq, col(6), lit(Scalar::date32(-50))),
                both(compare(C::Lt, col(3), decimal(2400, 15, 2)), not(Expr::is_null(col(0)))),
            )),
            vec![discounted(col(3), col(3)), col(4)],
        ),
        (
            None,
            vec![
                compare(C::Lt, col(0), lit(3i64)),
                compare(C::IsDistinctFrom, col(1), lit(1i32)),
                compare(C::GtEq, col(3), decimal(150, 15, 2)),
                compare(C::Eq, col(4), lit("a")),
                compare(C::Gt, col(5), lit(0.5f64)),
                compare(C::LtEq, col(11), lit(f32::NAN)),
            ],
        ),
        (
            None,
            vec![
                both(col(2), compare(C::NotEq, col(7), lit(2u8))),
                either(col(2), compare(C::Gt, col(10), lit(1u64 << 63))),
                not(either(col(2), Expr::is_not_null(col(8)))),
                like("%a%", false),
                like("_b%", true),
            ],
        ),
        (None, vec![arithmetic(A::Add, col(0), col(0), T::Int64)]),
        (
            None,
            vec![
                arithmetic(A::Multiply, col(0), lit(3i64), T::Int64),
                arithmetic(A::Subtract, col(1), lit(7i32), T::Int32),
            ],
        ),
        (
            None,
            vec![
                wrap(A::Add, col(0), col(0), T::Int64),
                wrap(A::Multiply, col(1), col(1), T::Int32),
                wrap(A::Subtract, col(7), lit(3u8), T::UInt8),
                wrap(A::Multiply, col(10), col(10), T::UInt64),
            ],
        ),
        (None, vec![arithmetic(A::Divide, lit(1_000_000i64), col(0), T::Int64)]),
        (
            Some(compare(C::NotEq, col(0), zero())),
            vec![
                arithmetic(A::Divide, lit(-1_000_000i64), col(0), T::Int64),
                arithmetic(A::Remainder, lit(-77i64), col(0), T::Int64),
            ],
        ),
        (
            None,
            vec![case(
                compare(C::Eq, col(0), zero()),
                zero(),
                arithmetic(A::Remainder, lit(i64::MIN + 1), col(0), T::Int64),
            )],
        ),
        (
            None,
            vec![
                arithmetic(A::Multiply, col(3), col(3), T::Decimal128(30, 4)),
                arithmetic(A::Add, col(3), col(8), T::Decimal128(38, 6)),
            ],
        ),
        (None, vec![arithmetic(A::Divide, col(3), decimal(700, 15, 2), T::Decimal128(25, 6))]),
        (None, vec![arithmetic(A::Multiply, col(8), decimal(15, 15, 2), T::Decimal128(38, 6))]),
        (
            None,
            vec![
                cast(col(0), T::Int32, CastMode::Try),
                cast(col(3), T::Int64, CastMode::Try),
                cast(col(1), T::Decimal128(12, 3), CastMode::Try),
                cast(col(9), T::Date32, CastMode::Try),
                cast(col(2), T::Int32, CastMode::Try),
                cast(col(8), T::Decimal128(15, 2), CastMode::Try),
            ],
        ),
        (None, vec![cast(col(0), T::Int32, CastMode::Strict)]),
        (
            None,
            vec![
                Expr::in_list(col(1), vec![1i32.into(), 3i32.into(), (-7i32).into()], false).expect("ints"),
                Expr::in_list(col(0), vec![1i64.into(), Scalar::null(T::Int64)], true).expect("ints"),
                Expr::in_list(col(4), vec!["a".into(), "ab".into(), "".into()], false).expect("strings"),
                Expr::between(col(6), lit(Scalar::date32(-3)), lit(Scalar::date32(40)), false)
                    .expect("dates"),
            ],
        ),
        (
            None,
            vec![
                case(col(2), col(0), lit(Scalar::null(T::Int64))),
                case(like("a%", false), discounted(col(3), decimal(7, 15, 2)), decimal(0, 32, 4)),
                case(compare(C::Lt, col(5), lit(0.0f64)), col(5), lit(-0.0f64)),
            ],
        ),
        (
            None,
            vec![
                arithmetic(A::Add, col(6), col(1), T::Date32),
                Expr::negate(col(1), OverflowMode::Checked).expect("signed"),
            ],
        ),
        (
            None,
            vec![arithmetic(
                A::Multiply,
                arithmetic(A::Add, col(5), lit(0.1f64), T::Float64),
                col(5),
                T::Float64,
            )],
        ),
    ]
}

/// How data lies: few combinations, since each is another shader.
fn recipes(choices: &mut Choices) -> Vec<ColumnRecipe> {
    let spread = *choices.one_of(&[Spread::Small, Spread::Tiny, Spread::Wide, Spread::Extreme]);
    let nulls = *choices.one_of(&[Nulls::Absent, Nulls::Percent(20)]);
    let offset = *choices.one_of(&[0, 5]);
    let column = |data_type: DataType| ColumnRecipe {
        physical: match &data_type {
            DataType::Utf8 if offset > 0 => Physical::Dictionary(DataType::Int32),
            DataType::Decimal128(..) if offset > 0 => Physical::Narrow,
            _ => Physical::Plain,
        },
        data_type,
        spread,
        nulls,
        offset,
        seed: choices.seed(),
    };
    types().into_iter().map(column).collect()
}

fn input(most_rows: usize, choices: &mut Choices) -> Batches {
    let recipes = recipes(choices);
    let sizes = sizes(most_rows);
    let rows: Vec<usize> = (0..1 + choices.pick(3)).map(|_| *choices.one_of(&sizes)).collect();
    Batches::new(recipes, &rows)
}

/// Cases over the catalogue.
pub fn expressions(most_rows: usize) -> impl Strategy<Value = Case> {
    let shapes = expression_shapes();
    choices(40).prop_map(move |mut choices| {
        let (predicate, exprs) = choices.one_of(&shapes).clone();
        Case { input: input(most_rows, &mut choices), predicate, exprs }
    })
}

fn spec(predicate: Option<Expr>, keys: Vec<Expr>, aggregates: Vec<Aggregate>) -> AggregateSpec {
    AggregateSpec { predicate, keys, aggregates, float_sum: FloatSum::Fast }
}

fn aggregate_shapes() -> Vec<AggregateSpec> {
    let moment = |function, at| Aggregate::new(function, vec![col(at)], DataType::Float64);
    let filtered = |aggregate: Aggregate, filter: Expr| Aggregate { filter: Some(filter), ..aggregate };
    let early = || compare(C::LtEq, col(6), lit(Scalar::date32(60)));
    let min = |at| extreme(F::Min, col(at));
    let max = |at| extreme(F::Max, col(at));
    vec![
        spec(None, vec![], vec![count_rows(), sum(col(0)), min(1), max(3)]),
        spec(Some(early()), vec![], vec![sum(discounted(col(3), col(3))), count(col(4))]),
        spec(None, vec![], vec![sum(col(5)), avg(col(11)), min(5), max(11)]),
        spec(None, vec![], vec![min(8), max(8), sum(col(8)), avg(col(3))]),
        spec(None, vec![], vec![min(4), max(4), min(2), max(10), sum(col(10))]),
        spec(
            Some(early()),
            vec![col(4), col(2)],
            vec![sum(col(3)), sum(discounted(col(3), col(3))), avg(col(3)), avg(col(1)), count_rows()],
        ),
        spec(None, vec![col(7)], vec![count_rows(), sum(col(1)), min(9), max(6)]),
        spec(None, vec![col(1)], vec![count_rows(), sum(col(0)), max(0)]),
        spec(None, vec![col(0), col(4)], vec![count(col(3)), avg(col(5)), min(4)]),
        spec(None, vec![col(5)], vec![count_rows(), sum(col(7))]),
        AggregateSpec {
            float_sum: FloatSum::Reproducible,
            ..spec(
                None,
                vec![col(1)],
                vec![moment(F::Variance { sample: true }, 5), moment(F::Stddev { sample: false }, 11)],
            )
        },
        spec(None, vec![col(8), col(11)], vec![count_rows(), max(8)]),
        spec(None, vec![col(9), col(6), col(2)], vec![]),
        spec(
            None,
            vec![col(2)],
            vec![
                filtered(count_rows(), early()),
                filtered(sum(col(0)), col(2)),
                filtered(avg(col(1)), Expr::is_null(col(4))),
            ],
        ),
    ]
}

/// Aggregations over the catalogue.
pub fn aggregations(most_rows: usize) -> impl Strategy<Value = aggregation::Case> {
    let shapes = aggregate_shapes();
    choices(40).prop_map(move |mut choices| {
        let spec = choices.one_of(&shapes).clone();
        aggregation::Case { input: input(most_rows, &mut choices), spec }
    })
}
