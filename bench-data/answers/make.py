"""Computes the stored answers with DuckDB over Parquet files that `pilaster gen` (or the crate's generator) made.

    pip install duckdb
    python make.py SCALE FOLDER      # e.g. 0.1 DATA/tpch-0.1; once per scale

Writes answers/tpch/sfSCALE/qNN.csv (header `name:TYPE`, an empty field is null) and src/answers/stored.rs.
Answers longer than LIMIT_BYTES are left out: the repository stays small.
"""

import csv
import pathlib
import sys

import duckdb

LIMIT_BYTES = 16 * 1024
HERE = pathlib.Path(__file__).resolve().parent
TABLES = ["region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem"]


def answer(connection, number, folder):
    sql = (HERE.parent / "queries" / "tpch" / f"{number:02}.sql").read_text()
    relation = connection.sql(sql)
    target = folder / f"q{number:02}.csv"
    with target.open("w", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(f"{name}:{kind}" for name, kind in zip(relation.columns, relation.types))
        for row in relation.fetchall():
            writer.writerow("" if value is None else repr(value) if isinstance(value, float) else value for value in row)
    if target.stat().st_size > LIMIT_BYTES:
        print(f"q{number:02}: {target.stat().st_size} bytes, left out")
        target.unlink()


def write_index():
    lines = ["// Written by answers/make.py.\n", "#[rustfmt::skip]\nstatic STORED: &[Stored] = &[\n"]
    for path in sorted((HERE / "tpch").glob("sf*/q*.csv")):
        scale = float(path.parent.name.removeprefix("sf"))
        query = int(path.stem.removeprefix("q"))
        text = f'include_str!("../../answers/tpch/{path.parent.name}/{path.name}")'
        lines.append(f'    Stored {{ suite: "tpch", scale: {scale!r}, query: {query}, text: {text} }},\n')
    lines.append("];\n")
    (HERE.parent / "src" / "answers" / "stored.rs").write_text("".join(lines))


def main(scale, data):
    connection = duckdb.connect()
    for table in TABLES:
        connection.sql(f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{data}/{table}.parquet')")
    folder = HERE / "tpch" / f"sf{scale}"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, 23):
        answer(connection, number, folder)
    write_index()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
