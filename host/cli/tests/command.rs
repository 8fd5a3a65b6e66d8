//! The command as a user runs it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::json;

fn pilaster(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pilaster")).args(arguments).output().expect("the command starts")
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn generate(folder: &Path) {
    stdout(&pilaster(&["gen", "tpch", "--scale", "0.01", "--out", folder.to_str().expect("UTF-8")]));
}

#[test]
fn generated_data_answers_sql_in_every_format() {
    let folder = tempfile::tempdir().expect("a folder");
    generate(folder.path());
    let table = format!("t={}", folder.path().join("lineitem.parquet").display());
    let sql = "SELECT l_returnflag, count(*) AS n FROM t WHERE l_quantity < 10 GROUP BY l_returnflag ORDER BY l_returnflag";
    let csv = stdout(&pilaster(&["sql", "-t", &table, "--backend", "cpu", "--format", "csv", sql]));
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "l_returnflag,n");
    assert_eq!(lines.len(), 4, "{csv}");
    let json = stdout(&pilaster(&["sql", "-t", &table, "--backend", "cpu", "--format", "json", sql]));
    let first: serde_json::Value = serde_json::from_str(json.lines().next().expect("a row")).expect("JSON");
    assert_eq!(format!("{},{}", first["l_returnflag"].as_str().expect("text"), first["n"]), lines[1]);
    let commented = format!("-- A comment first.\n{sql}");
    assert_eq!(
        stdout(&pilaster(&["sql", "-t", &table, "--backend", "cpu", "--format", "csv", &commented])),
        csv
    );
    let drawn = stdout(&pilaster(&["sql", "-t", &table, "--backend", "cpu", sql]));
    assert!(drawn.contains("| A "), "{drawn}");
}

#[test]
fn explain_and_analyze_show_the_placement() {
    let folder = tempfile::tempdir().expect("a folder");
    generate(folder.path());
    let table = format!("t={}", folder.path().join("lineitem.parquet").display());
    let sql = "SELECT sum(l_extendedprice) FROM t WHERE l_quantity < 10";
    let plan = stdout(&pilaster(&["sql", "-t", &table, "--backend", "cpu", "--explain", sql]));
    assert!(plan.contains("PilasterExec: backend=cpu"), "{plan}");
    let report = stdout(&pilaster(&["sql", "-t", &table, "--backend", "cpu", "--analyze", sql]));
    assert!(report.contains("LEFT") && report.contains("1 rows in"), "{report}");
}

#[test]
fn failures_are_messages_on_stderr_and_an_exit_code() {
    let unknown = pilaster(&["sql", "SELECT * FROM nowhere"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(unknown.stdout.is_empty());
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("nowhere"));
    let missing = pilaster(&["sql", "-t", "t=/no/such/file.parquet", "SELECT 1"]);
    assert_eq!(missing.status.code(), Some(1));
    assert_eq!(pilaster(&["sql", "--format", "xml", "SELECT 1"]).status.code(), Some(2));
    assert_eq!(pilaster(&["bench", "tpch", "--queries", "99", "--scale", "0.01"]).status.code(), Some(1));
}

#[test]
fn devices_lists_adapters_as_json() {
    let listed = stdout(&pilaster(&["devices", "--json"]));
    let parsed: serde_json::Value = serde_json::from_str(&listed).expect("JSON");
    assert!(parsed.is_array());
}

#[test]
fn bench_checks_answers_and_writes_records() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let file = folder.path().join("records.jsonl");
    let (data, file) = (data.to_str().expect("UTF-8"), file.to_str().expect("UTF-8"));
    let table = stdout(&pilaster(&[
        "bench",
        "tpch",
        "--scale",
        "0.01",
        "--reps",
        "1",
        "--threads",
        "2",
        "--backend",
        "cpu",
        "--data",
        data,
        "--json",
        file,
    ]));
    // All queries of TPC-H, by DataFusion and by us.
    assert_eq!(table.matches(" ok ").count(), 2 * 22, "{table}");
    let records = std::fs::read_to_string(file).expect("records");
    assert_eq!(records.lines().count(), 2 * 22);
    for line in records.lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(record["answer"], "ok");
        assert!(record["median_s"].as_f64().is_some_and(|seconds| seconds > 0.0));
    }
}

#[test]
fn bench_aggregate_sweeps_groups_and_writes_records() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("records.jsonl");
    let mut arguments =
        vec!["bench", "micro", "--suite", "aggregate", "--against", "datafusion", "--threads", "2"];
    arguments.extend(["--rows", "5000", "--reps", "2", "--json", file.to_str().expect("UTF-8")]);
    let table = stdout(&pilaster(&arguments));
    assert!(table.contains("neighbours differ") && table.contains("geometric mean"), "{table}");
    let records = std::fs::read_to_string(file).expect("records");
    let records: Vec<serde_json::Value> =
        records.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    // 1, 2, 4, ... 4096 groups of both kinds of whole numbers, on two engines, and a few of each other kind.
    let swept = records.iter().filter(|record| record["key"] == "i64" || record["key"] == "i64_dense");
    assert_eq!(swept.count(), 2 * 2 * 13);
    assert_eq!(records.len(), 2 * 2 * 13 + 2 * 10);
    assert!(records.iter().all(|record| record["ns_per_row"].as_f64().is_some_and(|time| time > 0.0)));
}

/// Messages to a worker, and its answers.
fn worker(messages: &[serde_json::Value]) -> Vec<serde_json::Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pilaster"));
    command.arg("worker").env("BENCH_THREADS", "2").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    let mut input = child.stdin.take().expect("a pipe");
    for message in messages {
        writeln!(input, "{message}").expect("the worker reads");
    }
    drop(input);
    let text = stdout(&child.wait_with_output().expect("it ends"));
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn a_worker_answers_line_by_line_over_files_and_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    generate(folder.path());
    let file = folder.path().join("lineitem.parquet");
    let load = |mode: &str| json!({"op": "load", "tables": {"t": file}, "mode": mode});
    let run = |sql: &str| json!({"op": "run", "sql": sql, "group": "g", "query": "q", "check": true});
    let grouped = "select l_returnflag, count(*) as n, sum(l_quantity) as s from t group by l_returnflag";
    let mut messages = vec![json!({"op": "suite", "suite": "micro", "sf": "1"})];
    for mode in ["scan", "mem"] {
        messages.extend([load(mode), run(grouped)]);
    }
    let window = "select sum(n) as s from (select row_number() over (order by l_orderkey) as n from t) w";
    messages.extend([run(window), json!({"op": "run", "sql": null, "group": "g", "query": "q", "check": 0})]);
    messages.extend([run("select nothing from t"), json!({"op": "drop", "tables": ["t"]}), run(grouped)]);
    let answers = worker(&messages);
    assert_eq!(answers.len(), 1 + messages.len());
    assert!(answers[0]["version"].is_string());
    let (scan, memory) = (&answers[3], &answers[5]);
    assert_eq!((scan["ok"].as_i64(), scan["rows"].as_i64()), (Some(1), Some(3)), "{scan}");
    assert_eq!(scan["sum"], memory["sum"], "{memory}");
    assert!(scan["s"].as_f64().is_some_and(|seconds| seconds > 0.0));
    assert_eq!((answers[6]["ok"].as_i64(), answers[6]["unsupported"].as_bool()), (Some(0), Some(true)));
    assert_eq!((answers[7]["ok"].as_i64(), answers[7]["unsupported"].as_bool()), (Some(0), Some(true)));
    assert_eq!((answers[8]["ok"].as_i64(), answers[8]["unsupported"].as_bool()), (Some(0), Some(false)));
    assert_eq!(answers[9]["ok"], 1);
    assert_eq!(answers[10]["ok"], 0);
}

#[test]
fn bench_h2o_checks_all_questions_and_writes_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, answers) = (folder.path().join("data"), folder.path().join("answers"));
    let path = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let mut arguments: Vec<String> =
        ["bench", "h2o", "--rows", "2e4", "--reps", "1", "--threads", "2", "--backend", "cpu"]
            .map(Into::into)
            .into();
    arguments.extend(["--data".into(), path(&data), "--answers".into(), path(&answers)]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let table = stdout(&pilaster(&arguments));
    assert_eq!(table.matches(" ok ").count(), 20, "{table}");
    assert_eq!(std::fs::read_dir(&answers).expect("answers").count(), 10);
}

#[test]
fn bench_float_sums_finds_one_bit_pattern() {
    let mut arguments = vec!["bench", "micro", "--suite", "float-sums", "--rows", "3000", "--reps", "1"];
    arguments.extend(["--threads", "2", "--groups", "1,1000"]);
    let text = stdout(&pilaster(&arguments));
    assert!(text.contains("reproducible gives 1 bit pattern(s)"), "{text}");
    assert_eq!(text.matches("cpu").count(), 2, "{text}");
}
