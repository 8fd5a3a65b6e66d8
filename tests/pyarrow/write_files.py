"""Parquet files of random schemas, data and settings by pyarrow, each beside an Arrow IPC file with what it holds.

usage: write_files.py SEED COUNT FOLDER

Writes FOLDER/NNN.parquet, FOLDER/NNN.arrow and FOLDER/NNN.txt (how it was made). The same seed gives the same files.
"""

import decimal
import pathlib
import random
import sys

import pyarrow as pa
import pyarrow.parquet as pq

# As many digits as the widest decimal has.
decimal.getcontext().prec = 80

INTEGERS = {
    pa.int8(): (-(2**7), 2**7 - 1),
    pa.int16(): (-(2**15), 2**15 - 1),
    pa.int32(): (-(2**31), 2**31 - 1),
    pa.int64(): (-(2**63), 2**63 - 1),
    pa.uint8(): (0, 2**8 - 1),
    pa.uint16(): (0, 2**16 - 1),
    pa.uint32(): (0, 2**32 - 1),
    pa.uint64(): (0, 2**64 - 1),
    pa.date32(): (-100_000, 100_000),
    pa.time32("s"): (0, 86_399),
    pa.time32("ms"): (0, 86_399_999),
    pa.time64("us"): (0, 86_399_999_999),
    pa.time64("ns"): (0, 86_399_999_999_999),
    # Within what nanoseconds since 1970 hold: INT96 is read as those.
    pa.timestamp("s"): (-(2**32), 2**32),
    pa.timestamp("ms"): (-(2**42), 2**42),
    pa.timestamp("us", tz="UTC"): (-(2**52), 2**52),
    pa.timestamp("ns"): (-(2**62), 2**62),
    pa.duration("us"): (-(2**60), 2**60),
}
TEXTS = [pa.string(), pa.large_string(), pa.string_view()]
BINARIES = [pa.binary(), pa.large_binary(), pa.binary_view()]
DECIMALS = [
    pa.decimal32(7, 2),
    pa.decimal64(15, 3),
    pa.decimal128(1, 0),
    pa.decimal128(9, 2),
    pa.decimal128(18, 4),
    pa.decimal128(27, 5),
    pa.decimal128(38, 0),
    pa.decimal256(40, 3),
    pa.decimal256(76, 10),
]
FLOATS = [pa.float16(), pa.float32(), pa.float64()]
FIXED = [pa.binary(1), pa.binary(7), pa.binary(16)]
DICTIONARIES = [pa.dictionary(pa.int32(), pa.string()), pa.dictionary(pa.int8(), pa.large_string())]
LEAVES = [*INTEGERS, pa.bool_(), *TEXTS, *BINARIES, *DECIMALS, *FLOATS, *FIXED, *DICTIONARIES]
# pyarrow 26 slices no views and reads past empty dictionaries below lists and structs.
INNER = [*INTEGERS, pa.bool_(), *TEXTS[:2], *BINARIES[:2], *DECIMALS, *FLOATS, *FIXED]
WORDS = ["", "a", "the same beginning of many ", "ö", "日本", "😀", "z" * 40]


class Maker:
    """Makes one file."""

    def __init__(self, rng):
        self.rng = rng
        self.nulls = rng.choice([0, 0, 2, 50, 95, 100])
        self.lie = rng.choice(["random", "pool", "runs", "sorted"])
        self.magnitude = rng.choice([2, 8, 16, 64])
        self.version = rng.choice(["1.0", "2.4", "2.6", "2.6"])

    def data_type(self, depth, inside=False):
        rng = self.rng
        if depth == 0:
            return rng.choice(INNER if inside else LEAVES)
        kind = rng.randrange(6)
        if kind < 2:
            return pa.list_(self.field("element", depth - 1))
        if kind == 2:
            return pa.large_list(self.field("element", depth - 1))
        if kind == 3:
            return pa.list_(self.field("element", depth - 1), rng.randint(1, 3))
        if kind == 4:
            count = rng.randint(1, 3)
            return pa.struct([self.field(f"f{at}", depth - 1 if at == 0 else 0) for at in range(count)])
        return pa.map_(rng.choice([pa.string(), pa.int32()]), self.field("value", depth - 1))

    def field(self, name, depth):
        inside = name[0] != "c"
        return pa.field(name, self.data_type(depth, inside), nullable=self.rng.random() < 0.8)

    def integer(self, low, high):
        value = self.rng.getrandbits(self.rng.randint(1, self.magnitude))
        if low < 0 and self.rng.random() < 0.5:
            value = -value
        return min(max(value, low), high) if self.rng.random() < 0.95 else self.rng.choice([low, high])

    def leaf(self, data_type):
        rng = self.rng
        if data_type == pa.timestamp("ns") and self.version != "2.6":
            # Those versions have no nanoseconds.
            return self.integer(-(2**50), 2**50) * 1000
        if data_type in INTEGERS:
            return self.integer(*INTEGERS[data_type])
        if pa.types.is_boolean(data_type):
            return rng.random() < 0.5
        if pa.types.is_floating(data_type):
            return rng.choice([0.0, -0.0, 1.5, float("inf"), 65504.0, rng.randint(-999, 999) / 8])
        if pa.types.is_decimal(data_type):
            most = 10**data_type.precision - 1
            return decimal.Decimal(self.integer(-most, most)).scaleb(-data_type.scale)
        if pa.types.is_fixed_size_binary(data_type):
            return rng.randbytes(data_type.byte_width)
        if pa.types.is_dictionary(data_type):
            return rng.choice(WORDS)
        if data_type in TEXTS:
            return "".join(rng.choice(WORDS) for _ in range(rng.randrange(4)))
        return rng.randbytes(rng.randrange(30))

    def values(self, count, one, key=None):
        """Values of one leaf, in the order that this file has."""
        rng = self.rng
        if self.lie == "pool":
            pool = [one() for _ in range(rng.randint(1, 30))]
            return [rng.choice(pool) for _ in range(count)]
        if self.lie == "runs":
            values = []
            while len(values) < count:
                values += [one()] * rng.randint(1, 100)
            return values[:count]
        values = [one() for _ in range(count)]
        return sorted(values, key=key) if self.lie == "sorted" else values

    def column(self, field, rows, depth=0):
        """Python values of a field."""
        data_type = field.type
        # Nothing but nulls at every level would leave nothing below the first.
        nulls = self.nulls if depth == 0 or self.nulls < 100 else 50
        missing = [field.nullable and self.rng.randrange(100) < nulls for _ in range(rows)]
        if pa.types.is_struct(data_type):
            names = [child.name for child in data_type]
            columns = [self.column(child, rows, depth + 1) for child in data_type]
            values = [dict(zip(names, row)) for row in zip(*columns)]
        elif pa.types.is_map(data_type):
            lengths = self.lengths(rows)
            keys = self.column(data_type.key_field, sum(lengths), depth + 1)
            items = self.column(data_type.item_field, sum(lengths), depth + 1)
            values = cut(list(zip(keys, items)), lengths)
        elif pa.types.is_fixed_size_list(data_type):
            lengths = [data_type.list_size] * rows
            values = cut(self.column(data_type.value_field, sum(lengths), depth + 1), lengths)
        elif pa.types.is_list(data_type) or pa.types.is_large_list(data_type):
            lengths = self.lengths(rows)
            values = cut(self.column(data_type.value_field, sum(lengths), depth + 1), lengths)
        else:
            values = self.values(rows, lambda: self.leaf(data_type))
        return [None if gone else value for gone, value in zip(missing, values)]

    def lengths(self, rows):
        return [self.rng.choice([0, 0, 1, 2, 3, 3, 12 if self.rng.random() < 0.1 else 1]) for _ in range(rows)]

    def table(self):
        rng = self.rng
        rows = rng.choice([1, 2, 9, 100, 333, 1025])
        fields = []
        for at in range(rng.randint(1, 4)):
            depth = 0 if rng.random() < 0.5 else rng.randint(1, 3)
            fields.append(self.field(f"c{at}", depth))
        schema = pa.schema(fields)
        arrays = [pa.array(self.column(field, rows), field.type) for field in fields]
        return pa.Table.from_arrays(arrays, schema=schema)

    def settings(self, table):
        rng = self.rng
        settings = {
            "version": self.version,
            "compression": rng.choice(["NONE", "SNAPPY", "GZIP", "BROTLI", "LZ4", "ZSTD"]),
            "data_page_version": rng.choice(["1.0", "2.0"]),
            "data_page_size": rng.choice([None, 100, 1000]),
            "write_batch_size": rng.choice([None, 1, 64]),
            "write_statistics": rng.random() < 0.8,
            "write_page_index": rng.random() < 0.5,
            "write_page_checksum": rng.random() < 0.5,
            "store_schema": rng.random() < 0.7,
            "use_compliant_nested_type": rng.random() < 0.7,
            "store_decimal_as_integer": rng.random() < 0.5,
            "use_deprecated_int96_timestamps": rng.random() < 0.3,
            "max_rows_per_page": rng.choice([None, 1, 50]),
        }
        how = rng.randrange(4)
        if how == 0:
            settings["dictionary_pagesize_limit"] = rng.choice([None, 1, 200])
        elif how == 1:
            settings.update(use_dictionary=False)
        elif how == 2:
            settings.update(use_dictionary=False, column_encoding=self.encodings(table, settings))
        settings = {name: value for name, value in settings.items() if value is not None}
        return settings, rng.choice([None, 1, 17, 300])

    def encodings(self, table, settings):
        """An encoding for each leaf, valid for the physical type that a file of these settings has."""
        sink = pa.BufferOutputStream()
        pq.write_table(table.slice(0, 0), sink, **settings)
        schema = pq.ParquetFile(sink.getvalue()).schema
        byte_split = ["BYTE_STREAM_SPLIT"]
        valid = {
            "INT32": ["DELTA_BINARY_PACKED", *byte_split],
            "INT64": ["DELTA_BINARY_PACKED", *byte_split],
            "FLOAT": byte_split,
            "DOUBLE": byte_split,
            "BYTE_ARRAY": ["DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"],
            "FIXED_LEN_BYTE_ARRAY": ["DELTA_BYTE_ARRAY", *byte_split],
        }
        columns = [schema.column(at) for at in range(len(schema))]
        return {
            column.path: self.rng.choice(["PLAIN", *valid.get(column.physical_type, [])]) for column in columns
        }


def cut(values, lengths):
    lists, start = [], 0
    for length in lengths:
        lists.append(values[start : start + length])
        start += length
    return lists


def main():
    seed, count, folder = int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3])
    for number in range(count):
        maker = Maker(random.Random(f"{seed} {number}"))
        table = maker.table()
        settings, row_group_rows = maker.settings(table)
        stem = folder / f"{number:03}"
        note = f"{table.schema}\nrows {table.num_rows}, of a group {row_group_rows}\nnulls {maker.nulls}%, {maker.lie}\n{settings}\n"
        stem.with_suffix(".txt").write_text(note, encoding="utf-8")
        pq.write_table(table, stem.with_suffix(".parquet"), row_group_size=row_group_rows, **settings)
        with pa.OSFile(str(stem.with_suffix(".arrow")), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table.combine_chunks())


if __name__ == "__main__":
    main()
