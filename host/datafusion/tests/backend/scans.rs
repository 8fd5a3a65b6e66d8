//! Scans of folders, of other stores, and what EXPLAIN ANALYZE says of pruning.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::prelude::{ParquetReadOptions, SessionContext};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutPayload};

use crate::fixture;

const ROWS: i64 = 4_000;

fn part(rows: std::ops::Range<i64>) -> RecordBatch {
    let id: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.clone()));
    let name: ArrayRef =
        Arc::new(StringArray::from_iter(rows.map(|row| (row % 7 > 0).then(|| format!("name {}", row % 13)))));
    RecordBatch::try_from_iter_with_nullable([("id", id, false), ("name", name, true)]).unwrap()
}

fn bytes(batch: &RecordBatch) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(500))
        .set_data_page_row_count_limit(100)
        .set_write_batch_size(100)
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

const PARTS: [(&str, std::ops::Range<i64>); 3] = [
    ("year=2023/place=north%20east", 0..1000),
    ("year=2023/place=south", 1000..2500),
    ("year=2024/place=south", 2500..ROWS),
];

fn partitions() -> Vec<(String, DataType)> {
    vec![("year".into(), DataType::Int32), ("place".into(), DataType::Utf8)]
}

const QUERIES: [&str; 8] = [
    "SELECT count(*), sum(id) FROM parts",
    "SELECT year, place, count(*), min(name) FROM parts GROUP BY year, place ORDER BY year, place",
    "SELECT place, id FROM parts WHERE year = 2024 AND id % 500 = 3 ORDER BY id",
    "SELECT id FROM parts WHERE (year = 2023 AND id < 3) OR (year = 2024 AND id > 3997) ORDER BY id",
    "SELECT count(*), sum(id) FROM parts WHERE place = 'north east'",
    "SELECT sum(id + year) FROM parts WHERE place LIKE 'so%' OR name IS NULL",
    "SELECT place FROM parts WHERE id = 1700 ORDER BY place",
    "SELECT name, year FROM parts WHERE year = 1999 ORDER BY name",
];

async fn same(stock: &SessionContext, ours: &SessionContext, handed: bool) {
    for sql in QUERIES {
        let (expected, _) = fixture::run(stock, sql).await.unwrap();
        let (found, plan) = fixture::run(ours, sql).await.unwrap();
        assert_eq!(fixture::rows(&found, true), fixture::rows(&expected, true), "{sql}");
        // A plan without any file is DataFusion's.
        let empty = sql.contains("1999");
        assert!(!handed || empty || fixture::nodes(&plan) > 0, "{sql} was not handed over");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partition_columns_are_scanned() {
    let folder = fixture::data();
    let root = folder.path().join("parts");
    for (name, rows) in PARTS {
        std::fs::create_dir_all(root.join(name)).unwrap();
        std::fs::write(root.join(name).join("part 1.parquet"), bytes(&part(rows))).unwrap();
    }
    let stock = fixture::stock(folder.path()).await;
    for settings in [&[("backend", "cpu")][..], &[("backend", "cpu"), ("pruning", "none")]] {
        let ours = fixture::pilaster(folder.path(), pilaster::SessionConfig::default(), settings).await;
        for context in [&stock, &ours] {
            context.deregister_table("parts").unwrap();
            let options = ParquetReadOptions::default().table_partition_cols(partitions());
            context.register_parquet("parts", root.to_str().unwrap(), options).await.unwrap();
        }
        same(&stock, &ours, true).await;
        let (rows, _) = fixture::run(&ours, &format!("EXPLAIN {}", QUERIES[1])).await.unwrap();
        let plan = fixture::rows(&rows, true).join("\n");
        assert!(!plan.contains("DataSourceExec"), "{plan}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn files_of_another_store_are_scanned() {
    let folder = fixture::data();
    let store = Arc::new(InMemory::new());
    for (name, rows) in PARTS {
        let path = Path::parse(format!("parts/{name}/part.parquet")).unwrap();
        store.put(&path, PutPayload::from(bytes(&part(rows)))).await.unwrap();
    }
    let stock = fixture::stock(folder.path()).await;
    let ours =
        fixture::pilaster(folder.path(), pilaster::SessionConfig::default(), &[("backend", "cpu")]).await;
    for context in [&stock, &ours] {
        let url = ObjectStoreUrl::parse("mem://bucket").unwrap();
        context.register_object_store(url.as_ref(), Arc::clone(&store) as _);
        let options = ParquetReadOptions::default().table_partition_cols(partitions());
        context.register_parquet("parts", "mem://bucket/parts/", options).await.unwrap();
    }
    same(&stock, &ours, true).await;
    // Gone after planning: an error that names it, and no hang.
    let frame = ours.sql(QUERIES[1]).await.unwrap();
    let task = Arc::new(frame.task_ctx());
    let plan = frame.create_physical_plan().await.unwrap();
    for (name, _) in PARTS {
        store.delete(&Path::parse(format!("parts/{name}/part.parquet")).unwrap()).await.unwrap();
    }
    let error = datafusion::physical_plan::collect(plan, task).await.unwrap_err().to_string();
    assert!(error.contains("mem://bucket/parts/year=2023"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projection_of_columns_is_part_of_the_scan() {
    let folder = fixture::data();
    let ours =
        fixture::pilaster(folder.path(), pilaster::SessionConfig::default(), &[("backend", "cpu")]).await;
    let sql = "EXPLAIN SELECT flag, sum(price) FROM fact GROUP BY flag";
    let (rows, _) = fixture::run(&ours, sql).await.unwrap();
    let plan = fixture::rows(&rows, true).join("\n");
    assert!(plan.contains("[price, flag]") && !plan.contains("Project"), "{plan}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_count_what_each_step_spares_and_settings_switch_steps_off() {
    let folder = fixture::data();
    std::fs::write(folder.path().join("sorted.parquet"), bytes(&part(0..ROWS))).unwrap();
    let sql = "SELECT count(*), min(name) FROM sorted WHERE id BETWEEN 1610 AND 1620";
    let mut answers = Vec::new();
    for (pruning, groups, pages) in [("all", 7, 8), ("pages", 7, 8), ("statistics", 7, 0), ("none", 0, 0)] {
        let settings = [("backend", "cpu"), ("pruning", pruning)];
        let ours = fixture::pilaster(folder.path(), pilaster::SessionConfig::default(), &settings).await;
        let path = folder.path().join("sorted.parquet");
        let options = ParquetReadOptions::default();
        ours.register_parquet("sorted", path.to_str().unwrap(), options).await.unwrap();
        let (rows, plan) = fixture::run(&ours, sql).await.unwrap();
        answers.push(fixture::rows(&rows, true));
        let details = fixture::scan_details(&plan);
        let count =
            |name: &str| details.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        assert_eq!(count("row_groups").as_deref(), Some("8"), "{details:?}");
        assert_eq!(count("pruned"), Some(groups.to_string()), "{pruning}: {details:?}");
        let by_pages = count("pruned_by_pages").unwrap_or_default();
        assert_eq!(by_pages.contains(&format!("{pages} pages")), pages > 0, "{pruning}: {details:?}");
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    let ours = fixture::pilaster(folder.path(), pilaster::SessionConfig::default(), &[]).await;
    let error = ours.sql("SET pilaster.pruning = 'guessing'").await.unwrap_err().to_string();
    assert!(error.contains("guessing"), "{error}");
}
