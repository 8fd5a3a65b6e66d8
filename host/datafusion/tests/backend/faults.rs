//! What fails must fail alone: the next query on the same session is right.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

use futures::StreamExt as _;

use crate::fixture;

const Q: &str = "SELECT flag, sum(price), count(*) FROM fact GROUP BY flag ORDER BY flag";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_of_values_leave_the_session_usable() {
    let folder = fixture::data();
    let stock = fixture::stock(folder.path()).await;
    let ours =
        fixture::pilaster(folder.path(), pilaster::SessionConfig::default(), &[("backend", "cpu")]).await;
    let error = fixture::run(&ours, "SELECT sum(big / (small - small)) FROM fact").await.unwrap_err();
    assert!(error.to_string().to_lowercase().contains("divi"), "{error}");
    let expected = fixture::rows(&fixture::run(&stock, Q).await.unwrap().0, true);
    assert_eq!(fixture::rows(&fixture::run(&ours, Q).await.unwrap().0, true), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_budget_spills_or_is_an_error() {
    let folder = fixture::data();
    let base = pilaster::SessionConfig { host_memory_limit_bytes: 1 << 20, ..Default::default() };
    let ours = fixture::pilaster(folder.path(), base, &[("backend", "cpu")]).await;
    let error =
        fixture::run(&ours, "SELECT id, big, price, name FROM fact ORDER BY big, id").await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("out of host memory"), "{text}");
    // Groups that do not fit go to disk.
    let grouped = "SELECT id, name, sum(big), min(price), max(name) FROM fact GROUP BY id, name";
    let stock = fixture::stock(folder.path()).await;
    let expected = fixture::rows(&fixture::run(&stock, grouped).await.unwrap().0, false);
    assert_eq!(fixture::rows(&fixture::run(&ours, grouped).await.unwrap().0, false), expected);
    assert!(fixture::run(&ours, "SELECT count(*) FROM dim WHERE key > 0").await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_stream_cancels_and_the_next_query_is_right() {
    let folder = fixture::data();
    let ours =
        fixture::pilaster(folder.path(), pilaster::SessionConfig::default(), &[("backend", "cpu")]).await;
    for _ in 0..10 {
        let frame = ours.sql("SELECT * FROM fact WHERE id >= 0").await.unwrap();
        let mut stream = frame.execute_stream().await.unwrap();
        assert!(stream.next().await.unwrap().unwrap().num_rows() > 0);
        drop(stream);
    }
    let (rows, _) = fixture::run(&ours, "SELECT count(*) FROM fact WHERE id >= 0").await.unwrap();
    assert!(fixture::rows(&rows, true).join("").contains(&fixture::ROWS.to_string()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_page_is_a_typed_error() {
    let folder = fixture::data();
    let ours =
        fixture::pilaster(folder.path(), pilaster::SessionConfig::default(), &[("backend", "cpu")]).await;
    let path = folder.path().join("fact.parquet");
    // The first page header of the file, right behind the magic: everything of the first column chunk hangs on it.
    let mut file = std::fs::File::options().read(true).write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(4)).unwrap();
    let mut page = [0u8; 64];
    file.read_exact(&mut page).unwrap();
    file.seek(SeekFrom::Start(4)).unwrap();
    file.write_all(&page.map(|byte| !byte)).unwrap();
    drop(file);
    let sql = "SELECT sum(id) FROM fact WHERE id >= 0";
    let error = fixture::run(&ours, sql).await.unwrap_err();
    assert!(error.to_string().contains("corrupt file"), "{error}");
    assert!(fixture::run(&ours, "SELECT count(*) FROM dim WHERE key > 0").await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_cut_short_after_it_was_registered_is_an_error() {
    let folder = fixture::data();
    let ours =
        fixture::pilaster(folder.path(), pilaster::SessionConfig::default(), &[("backend", "cpu")]).await;
    let path = folder.path().join("fact.parquet");
    let whole = std::fs::read(&path).unwrap();
    // An empty file DataFusion leaves out of the listing.
    for length in [3, 8, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(
            fixture::run(&ours, "SELECT sum(id) FROM fact WHERE id >= 0").await.is_err(),
            "{length} bytes"
        );
    }
    std::fs::write(&path, &whole).unwrap();
    let stock = fixture::stock(folder.path()).await;
    let expected = fixture::rows(&fixture::run(&stock, Q).await.unwrap().0, true);
    assert_eq!(fixture::rows(&fixture::run(&ours, Q).await.unwrap().0, true), expected);
}
