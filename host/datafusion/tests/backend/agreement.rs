//! The same rows, types and errors with Pilaster as without.

use crate::fixture;

/// Queries that Pilaster takes in whole or in part.
const QUERIES: &str = include_str!("../sql/agreement.sql");

/// One statement each, without comments.
fn queries() -> Vec<String> {
    let lines = QUERIES.lines().filter(|line| !line.starts_with("--"));
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    text.split(';')
        .map(|statement| statement.trim().to_string())
        .filter(|statement| !statement.is_empty())
        .collect()
}

/// Sorted last of all, so that the order of its rows is promised.
fn is_ordered(sql: &str) -> bool {
    sql.rfind("ORDER BY").is_some_and(|at| !sql[at..].contains(')'))
}

/// Compares all queries; how many of them the GPU took a part of.
async fn agree(settings: &[(&str, &str)]) -> usize {
    let folder = fixture::data();
    let stock = fixture::stock(folder.path()).await;
    let ours = fixture::pilaster(folder.path(), pilaster::SessionConfig::default(), settings).await;
    let queries = queries();
    assert!(queries.len() >= 25, "the file of queries was not read");
    let mut on_gpu = 0;
    for sql in &queries {
        let ordered = is_ordered(sql);
        let (expected, _) = fixture::run(&stock, sql).await.unwrap();
        let (actual, plan) = fixture::run(&ours, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert!(fixture::nodes(&plan) > 0, "nothing of {sql} was handed over");
        let (expected_rows, actual_rows) =
            (fixture::rows(&expected, ordered), fixture::rows(&actual, ordered));
        assert_eq!(expected_rows, actual_rows, "{sql}");
        if let (Some(expected), Some(actual)) = (expected.first(), actual.first()) {
            assert_eq!(expected.schema(), actual.schema(), "{sql}");
        }
        on_gpu += usize::from(fixture::taken(&plan) > 0);
    }
    on_gpu
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn cpu() {
    assert_eq!(agree(&[("backend", "cpu")]).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn cpu_on_one_worker_and_one_thread() {
    assert_eq!(agree(&[("backend", "cpu"), ("threads", "1")]).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn gpu() {
    let on_gpu = agree(&[("backend", "gpu")]).await;
    if pilaster::device::adapters().is_empty() {
        fixture::skip("backend::agreement::gpu", "no adapter: compared on the CPU");
    } else {
        assert!(on_gpu >= 20, "the GPU took a part of {on_gpu} queries only");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn disabled_leaves_plans_alone() {
    let folder = fixture::data();
    let ours =
        fixture::pilaster(folder.path(), pilaster::SessionConfig::default(), &[("enabled", "false")]).await;
    let (_, plan) = fixture::run(&ours, &queries()[1]).await.unwrap();
    assert_eq!(fixture::nodes(&plan), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn many_queries_at_once_on_one_session() {
    let folder = fixture::data();
    let ours = fixture::pilaster(
        folder.path(),
        pilaster::SessionConfig::default(),
        &[("backend", "cpu"), ("threads", "2")],
    )
    .await;
    let sql = "SELECT label, max(big) FROM (SELECT small, big FROM fact WHERE big > 5) JOIN dim ON small = key GROUP BY label";
    let (expected, _) = fixture::run(&ours, sql).await.unwrap();
    let tasks: Vec<_> = (0..12)
        .map(|_| {
            let ours = ours.clone();
            tokio::spawn(async move { fixture::run(&ours, sql).await.unwrap().0 })
        })
        .collect();
    for task in tasks {
        assert_eq!(fixture::rows(&task.await.unwrap(), false), fixture::rows(&expected, false));
    }
}
