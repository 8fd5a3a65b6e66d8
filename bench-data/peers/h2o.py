"""Holds the answers of `pilaster bench h2o --answers FOLDER` to DuckDB's over the same file.

    pip install duckdb
    pilaster bench h2o --rows 1e7 --data DATA --answers ANSWERS
    python h2o.py DATA/G1_1e7_1e2_0_0.parquet ANSWERS

Rows are paired in the order of their exact columns, then of their floats. Exact columns must be equal, floats within 1e-9
of the larger magnitude, or 1e-12. Exits with 1 where a question differs.
"""

import pathlib
import sys

import duckdb

QUERIES = pathlib.Path(__file__).resolve().parent.parent / "queries" / "h2o"
FLOATS = ("DOUBLE", "FLOAT")
CORRELATION = 9


def describe(connection, table):
    return [(name, kind) for name, kind, *_ in connection.execute(f"DESCRIBE {table}").fetchall()]


def differing(connection, number, answer):
    """How many rows differ; none, or a reason, where that cannot be said."""
    sql = (QUERIES / f"{number:02}.sql").read_text()
    connection.execute(f"CREATE OR REPLACE TEMP TABLE theirs AS {sql}")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE ours AS SELECT * FROM read_parquet('{answer}')")
    ours, theirs = describe(connection, "ours"), describe(connection, "theirs")
    if len(ours) != len(theirs):
        return f"{len(ours)} columns, expected {len(theirs)}"
    counts = [connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0] for table in ("ours", "theirs")]
    if counts[0] != counts[1]:
        return f"{counts[0]} rows, expected {counts[1]}"
    is_float = [kind in FLOATS for _, kind in theirs]
    ordered = sorted(range(len(theirs)), key=lambda column: is_float[column])

    def numbered(table, columns):
        names = [f'"{columns[column][0]}"' for column in range(len(columns))]
        renamed = ", ".join(f"{name} AS c{column}" for column, name in enumerate(names))
        order = ", ".join(names[column] for column in ordered)
        return f"SELECT {renamed}, row_number() OVER (ORDER BY {order}) AS place FROM {table}"

    def differs(column):
        one, other = f"o.c{column}", f"t.c{column}"
        if not is_float[column]:
            return f"{one} IS DISTINCT FROM {other}"
        # DuckDB's correlation is NaN where a side does not vary; SQL's, and ours, is null.
        undefined = f" OR ({one} IS NULL AND isnan({other}))" if number == CORRELATION else ""
        near = f"abs({one} - {other}) <= greatest(1e-12, 1e-9 * greatest(abs({one}), abs({other})))"
        return f"NOT (coalesce({near}, {one} IS NOT DISTINCT FROM {other}){undefined})"

    wrong = " OR ".join(differs(column) for column in range(len(theirs)))
    query = f"SELECT count(*) FROM ({numbered('ours', ours)}) o JOIN ({numbered('theirs', theirs)}) t USING (place) WHERE {wrong}"
    return connection.execute(query).fetchall()[0][0]


def main(data, answers):
    connection = duckdb.connect()
    connection.execute(f"CREATE VIEW x AS SELECT * FROM read_parquet('{data}')")
    failed = False
    for number in range(1, 11):
        answer = pathlib.Path(answers) / f"q{number:02}.parquet"
        if not answer.is_file():
            print(f"question {number}: no answer in {answers}")
            failed = True
            continue
        found = differing(connection, number, answer)
        print(f"question {number}: {'ok' if found == 0 else f'WRONG: {found} differ' if isinstance(found, int) else f'WRONG: {found}'}")
        failed |= found != 0
    sys.exit(failed)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
