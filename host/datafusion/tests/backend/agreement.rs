//! The same rows, types and errors with Pilaster as without.

use crate::fixture;

/// Queries that Pilaster takes in whole or in part, with whether they promise an order.
const QUERIES: &[(&str, bool)] = &[
    ("SELECT count(*) FROM fact WHERE id >= 0", false),
    (
        "SELECT count(*), count(small), sum(small), min(big), max(big), avg(big) FROM fact WHERE small > 0",
        false,
    ),
    (
        "SELECT sum(price * rate) FROM fact WHERE day >= DATE '1992-06-01' AND rate BETWEEN 0.03 AND 0.05 AND small < 2",
        false,
    ),
    (
        "SELECT flag, good, sum(price), avg(price), sum(price * (1 - rate)), count(*) FROM fact GROUP BY flag, good ORDER BY flag, good",
        true,
    ),
    (
        "SELECT flag, count(*) FROM fact WHERE day <= DATE '1997-01-01' GROUP BY flag ORDER BY flag DESC NULLS LAST",
        true,
    ),
    ("SELECT name, sum(big), min(price), max(day) FROM fact GROUP BY name", false),
    ("SELECT small, name, count(*) FROM fact WHERE name LIKE '%1_' GROUP BY small, name", false),
    (
        "SELECT id, big + 1, price * 2, -small FROM fact WHERE name IN ('name 1', 'name 22') OR big IS NULL",
        false,
    ),
    ("SELECT id FROM fact WHERE NOT good AND (small = 1 OR small IS NULL)", false),
    (
        "SELECT id, CASE WHEN small > 0 THEN 'up' WHEN small < 0 THEN 'down' END AS way FROM fact WHERE id < 100 ORDER BY id",
        true,
    ),
    (
        "SELECT CAST(price AS DECIMAL(10, 1)), CAST(small AS BIGINT), CAST(big AS DOUBLE) FROM fact WHERE id < 500",
        false,
    ),
    ("SELECT flag, min(name), max(name), min(ratio), max(ratio) FROM fact GROUP BY flag", false),
    ("SELECT sum(ratio), avg(ratio) FROM fact", false),
    ("SELECT day, price FROM fact WHERE ratio > 120 ORDER BY price DESC NULLS FIRST, id LIMIT 17", true),
    ("SELECT big FROM fact ORDER BY big NULLS FIRST, id", true),
    ("SELECT sum(small) FILTER (WHERE good), count(*) FILTER (WHERE price < 0) FROM fact", false),
    ("SELECT * FROM fact WHERE id = 12345", false),
    ("SELECT count(*) FROM fact WHERE id < 0", false),
    ("SELECT flag, sum(price) FROM fact WHERE id < 0 GROUP BY flag", false),
    ("SELECT sum(small), avg(price), min(day), max(name) FROM fact WHERE id < 0", false),
    // An operator in the middle that stays with DataFusion.
    (
        "SELECT label, sum(price), count(*) FROM fact JOIN dim ON small = key GROUP BY label ORDER BY label",
        true,
    ),
    (
        "SELECT label, max(big) FROM (SELECT small, big FROM fact WHERE big > 5) JOIN dim ON small = key GROUP BY label",
        false,
    ),
    // Functions that we have no kernel for.
    ("SELECT upper(flag), sum(abs(small)) FROM fact WHERE length(name) > 6 GROUP BY upper(flag)", false),
    ("SELECT id, row_number() OVER (ORDER BY id) FROM fact WHERE small = 2 ORDER BY id", true),
    ("SELECT flag, count(DISTINCT small) FROM fact GROUP BY flag", false),
    ("SELECT small FROM fact WHERE id < 50 UNION ALL SELECT key FROM dim WHERE key > 0", false),
    ("SELECT DISTINCT flag, good FROM fact", false),
    ("SELECT big % 7, big / 3 FROM fact WHERE big <> 0", false),
    ("SELECT id FROM fact WHERE price > (SELECT avg(price) FROM fact)", false),
    ("SELECT sum(big) FROM fact HAVING count(*) > 5", false),
    ("SELECT id FROM fact WHERE name >= 'name 49' ORDER BY id LIMIT 7", true),
];

async fn agree(settings: &[(&str, &str)]) {
    let folder = fixture::data();
    let stock = fixture::stock(folder.path()).await;
    let ours = fixture::pilaster(folder.path(), pilaster::SessionConfig::default(), settings).await;
    for (sql, ordered) in QUERIES {
        let (expected, _) = fixture::run(&stock, sql).await.unwrap();
        let (actual, plan) = fixture::run(&ours, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert!(fixture::nodes(&plan) > 0, "nothing of {sql} was handed over");
        let (expected_rows, actual_rows) =
            (fixture::rows(&expected, *ordered), fixture::rows(&actual, *ordered));
        assert_eq!(expected_rows, actual_rows, "{sql}");
        if let (Some(expected), Some(actual)) = (expected.first(), actual.first()) {
            assert_eq!(expected.schema(), actual.schema(), "{sql}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn cpu() {
    agree(&[("backend", "cpu")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn cpu_on_one_worker_and_one_thread() {
    agree(&[("backend", "cpu"), ("threads", "1")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn gpu_or_its_fallback() {
    agree(&[("backend", "gpu")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn disabled_leaves_plans_alone() {
    let folder = fixture::data();
    let ours =
        fixture::pilaster(folder.path(), pilaster::SessionConfig::default(), &[("enabled", "false")]).await;
    let (_, plan) = fixture::run(&ours, QUERIES[1].0).await.unwrap();
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
    let sql = QUERIES[21].0;
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
