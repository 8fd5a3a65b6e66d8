//! Aggregations in SQL: every function that we have a kernel for is handed over, gives DataFusion's rows, or differs as
//! the backend's docs say.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Accumulator, Volatility, create_udaf};

use crate::fixture;

/// Each of these is handed over whole.
const TAKEN: &str = include_str!("../sql/aggregates.sql");

fn statements(text: &str) -> Vec<String> {
    let lines: String =
        text.lines().filter(|line| !line.starts_with("--")).flat_map(|line| [line, "\n"]).collect();
    let statements = lines.split(';').map(|statement| statement.trim().to_owned());
    statements.filter(|statement| !statement.is_empty()).collect()
}

async fn plan_of(context: &datafusion::prelude::SessionContext, sql: &str) -> String {
    let (batches, _) = fixture::run(context, &format!("EXPLAIN {sql}")).await.unwrap();
    fixture::rows(&batches, true).join("\n")
}

async fn agree(settings: &[(&str, &str)]) {
    let folder = fixture::data();
    let stock = fixture::stock(folder.path()).await;
    let ours = fixture::pilaster(folder.path(), pilaster::SessionConfig::default(), settings).await;
    let mut failures = Vec::new();
    for sql in statements(TAKEN) {
        let plan = plan_of(&ours, &sql).await;
        if plan.contains("AggregateExec") || plan.contains("LEFT to DataFusion") {
            failures.push(format!("{sql}\nis not taken: {plan}"));
        }
        let (expected, _) = fixture::run(&stock, &sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        match fixture::run(&ours, &sql).await {
            Ok((actual, _)) => {
                failures.extend(difference(&expected, &actual).map(|what| format!("{sql}\n{what}")))
            }
            Err(error) => failures.push(format!("{sql}\n{error}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Where two results differ first.
fn difference(expected: &[RecordBatch], actual: &[RecordBatch]) -> Option<String> {
    let (expected_rows, actual_rows) = (fixture::rows(expected, false), fixture::rows(actual, false));
    let differing = expected_rows.iter().zip(&actual_rows).find(|(expected, actual)| expected != actual);
    if let Some((expected, actual)) = differing {
        return Some(format!("gives {actual}\n  not {expected}"));
    }
    if expected_rows.len() != actual_rows.len() {
        return Some(format!("gives {} rows, not {}", actual_rows.len(), expected_rows.len()));
    }
    let schemas = expected.first().zip(actual.first());
    let (expected, actual) = schemas.map(|(expected, actual)| (expected.schema(), actual.schema()))?;
    (expected != actual).then(|| format!("has the schema {actual:?}\n  not {expected:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_are_handed_over_and_agree() {
    agree(&[("backend", "cpu")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_agree_on_one_thread_with_reproducible_sums() {
    agree(&[("backend", "cpu"), ("threads", "1"), ("float_sum", "reproducible")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grouping_sets_agree_where_the_device_groups() {
    if pilaster::device::adapters().is_empty() {
        return fixture::skip(
            "backend::aggregates::grouping_sets_agree_where_the_device_groups",
            "no adapter",
        );
    }
    let folder = fixture::data();
    let stock = fixture::stock(folder.path()).await;
    let settings = [("backend", "gpu")];
    let ours = fixture::pilaster(folder.path(), pilaster::SessionConfig::default(), &settings).await;
    let sql = "SELECT flag, small, grouping(flag, small), sum(big), count(*), min(day) FROM fact GROUP BY CUBE(flag, small)";
    let (expected, _) = fixture::run(&stock, sql).await.unwrap();
    let (actual, plan) = fixture::run(&ours, sql).await.unwrap();
    assert!(fixture::taken(&plan) > 0, "the device took nothing");
    assert_eq!(fixture::rows(&expected, false), fixture::rows(&actual, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_no_kernel_is_left_with_its_name() {
    let folder = fixture::data();
    let settings = [("backend", "cpu")];
    let ours = fixture::pilaster(folder.path(), pilaster::SessionConfig::default(), &settings).await;
    for (sql, name) in [
        ("SELECT flag, nth_value(small, 2 ORDER BY id) FROM fact GROUP BY flag", "nth_value"),
        (
            "SELECT sum(n) FROM (SELECT approx_percentile_cont_with_weight(small, 0.5) WITHIN GROUP (ORDER BY big) AS n FROM fact GROUP BY flag)",
            "approx_percentile_cont_with_weight",
        ),
    ] {
        let (rows, _) = match fixture::run(&ours, &format!("EXPLAIN {sql}")).await {
            Ok(rows) => rows,
            // Statements that this version of DataFusion does not plan say nothing of us.
            Err(_) => continue,
        };
        let plan = fixture::rows(&rows, true).join("\n");
        assert!(plan.contains("AggregateExec"), "{name} was taken: {plan}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn float_sums_are_a_setting() {
    let folder = fixture::data();
    let ours = fixture::pilaster(folder.path(), pilaster::SessionConfig::default(), &[]).await;
    ours.sql("SET pilaster.float_sum = 'reproducible'").await.unwrap().collect().await.unwrap();
    let error = ours.sql("SET pilaster.float_sum = 'exact'").await.unwrap_err().to_string();
    assert!(error.contains("exact") && error.contains("reproducible"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn estimates_are_near() {
    let folder = fixture::data();
    let settings = [("backend", "cpu")];
    let ours = fixture::pilaster(folder.path(), pilaster::SessionConfig::default(), &settings).await;
    let sql = "SELECT approx_distinct(id), approx_distinct(name), approx_median(id), \
        approx_percentile_cont(0.9) WITHIN GROUP (ORDER BY id), \
        approx_percentile_cont(0.9) WITHIN GROUP (ORDER BY id DESC) FROM fact";
    let plan = plan_of(&ours, sql).await;
    assert!(!plan.contains("AggregateExec"), "{plan}");
    let (batches, _) = fixture::run(&ours, sql).await.unwrap();
    for (column, exact) in [20_000.0, 500.0, 10_000.0, 18_000.0, 2_000.0].into_iter().enumerate() {
        let column = cast(batches[0].column(column), &DataType::Float64).unwrap();
        let estimate = column.as_primitive::<Float64Type>().value(0);
        assert!((estimate - exact).abs() <= 0.05 * exact, "{estimate} for {exact}");
    }
}

/// A user's aggregate.
#[derive(Debug)]
struct FortyTwo;

impl Accumulator for FortyTwo {
    fn update_batch(&mut self, _values: &[ArrayRef]) -> datafusion::error::Result<()> {
        Ok(())
    }

    fn evaluate(&mut self) -> datafusion::error::Result<ScalarValue> {
        Ok(ScalarValue::Int64(Some(42)))
    }

    fn size(&self) -> usize {
        0
    }

    fn state(&mut self) -> datafusion::error::Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Int64(Some(42))])
    }

    fn merge_batch(&mut self, _states: &[ArrayRef]) -> datafusion::error::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_of_a_user_is_not_taken_for_the_built_in_one_of_its_name() {
    let folder = fixture::data();
    let settings = [("backend", "cpu")];
    let ours = fixture::pilaster(folder.path(), pilaster::SessionConfig::default(), &settings).await;
    for name in ["median", "bit_and", "sum"] {
        let integers = || vec![DataType::Int64];
        let result = Arc::new(DataType::Int64);
        let make = Arc::new(|_: datafusion::logical_expr::function::AccumulatorArgs<'_>| {
            Ok(Box::new(FortyTwo) as Box<dyn Accumulator>)
        });
        ours.register_udaf(create_udaf(
            name,
            integers(),
            result,
            Volatility::Immutable,
            make,
            Arc::new(integers()),
        ));
        let (batches, _) = fixture::run(&ours, &format!("SELECT {name}(id) AS x FROM fact")).await.unwrap();
        assert_eq!(fixture::rows(&batches, false), ["| 42 |", "| x  |"], "{name}");
    }
}
