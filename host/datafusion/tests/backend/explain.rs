//! EXPLAIN, EXPLAIN ANALYZE and SET.

use crate::fixture;

const Q: &str = "SELECT flag, sum(price) FROM fact WHERE small > 0 GROUP BY flag ORDER BY flag";

async fn text(context: &datafusion::prelude::SessionContext, sql: &str) -> String {
    let (batches, _) = fixture::run(context, sql).await.unwrap();
    fixture::rows(&batches, true).join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_shows_our_node_with_its_placement() {
    let folder = fixture::data();
    let ours =
        fixture::pilaster(folder.path(), pilaster::SessionConfig::default(), &[("backend", "cpu")]).await;
    let plan = text(&ours, &format!("EXPLAIN {Q}")).await;
    assert!(plan.contains("PilasterExec: backend=cpu"), "{plan}");
    for operator in ["LEFT Aggregate", "LEFT Scan"] {
        assert!(plan.contains(operator), "no {operator} in {plan}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_analyze_counts_what_ran_where() {
    let folder = fixture::data();
    let ours =
        fixture::pilaster(folder.path(), pilaster::SessionConfig::default(), &[("backend", "cpu")]).await;
    let plan = text(&ours, &format!("EXPLAIN ANALYZE {Q}")).await;
    for metric in ["output_rows=4", "taken=0", "fell_back=0"] {
        assert!(plan.contains(metric), "no {metric} in {plan}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn set_changes_the_backend_of_the_next_query() {
    let folder = fixture::data();
    let ours = fixture::pilaster(folder.path(), pilaster::SessionConfig::default(), &[]).await;
    ours.sql("SET pilaster.backend = 'cpu'").await.unwrap().collect().await.unwrap();
    assert!(text(&ours, &format!("EXPLAIN {Q}")).await.contains("backend=cpu"));
    ours.sql("SET pilaster.backend = 'gpu'").await.unwrap().collect().await.unwrap();
    assert!(text(&ours, &format!("EXPLAIN {Q}")).await.contains("backend=gpu"));
    let error = ours.sql("SET pilaster.backend = 'tpu'").await.unwrap_err().to_string();
    assert!(error.contains("tpu"), "{error}");
    assert!(text(&ours, &format!("EXPLAIN {Q}")).await.contains("backend=gpu"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_without_a_kernel_is_named() {
    let folder = fixture::data();
    let sql = "SELECT sum(price) FROM fact WHERE upper(flag) = 'A'";
    let lenient =
        fixture::pilaster(folder.path(), pilaster::SessionConfig::default(), &[("backend", "gpu")]).await;
    let plan = text(&lenient, &format!("EXPLAIN ANALYZE {sql}")).await;
    assert!(plan.contains("upper") && (plan.contains("LEFT") || plan.contains("FELL BACK")), "{plan}");
    let settings = [("backend", "gpu"), ("strict", "true")];
    let strict = fixture::pilaster(folder.path(), pilaster::SessionConfig::default(), &settings).await;
    let error = fixture::run(&strict, sql).await.unwrap_err().to_string();
    assert!(error.contains("upper") || error.contains("adapter"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strict_names_an_operator_that_stays_with_datafusion() {
    let folder = fixture::data();
    let settings = [("backend", "cpu"), ("strict", "true")];
    let strict = fixture::pilaster(folder.path(), pilaster::SessionConfig::default(), &settings).await;
    let error =
        fixture::run(&strict, "SELECT id, row_number() OVER (ORDER BY id) FROM fact").await.unwrap_err();
    assert!(error.to_string().contains("Window"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sort_above_a_projection_is_handed_over_whole() {
    let folder = fixture::data();
    let ours =
        fixture::pilaster(folder.path(), pilaster::SessionConfig::default(), &[("backend", "cpu")]).await;
    let sql = "SELECT flag AS f, sum(price) AS total FROM fact GROUP BY flag ORDER BY f DESC";
    let plan = text(&ours, &format!("EXPLAIN {sql}")).await;
    assert!(!plan.contains("SortPreservingMergeExec"), "{plan}");
    assert!(plan.contains("LEFT Sort"), "{plan}");
}
