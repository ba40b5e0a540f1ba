"""The same values make the same bytes; a table that is no day of its shelf is refused."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lake import parts
from lake.manifest import Provenance, digest
from meta.columns import BARS, LABELS, Column
from meta.errors import Refused, Tampered
from meta.timeframes import timeframe
from tests import lakes

PROJECT = Path(__file__).resolve().parent.parent
H1 = timeframe("1h")

# The bytes of lakes.a_day() with every column of BARS. They change with pyarrow's writer, and then VERSION in
# meta/datasets.py must go up.
GOLDEN = "93f7ac18b61d1f1af43e310dd54cdf99a3599a62f8c6d20a93d60a51ec746b96"


def whole(seed: int = 0) -> pa.Table:
    return lakes.a_day(seed=seed, columns=BARS)


def test_the_bytes_of_a_day_are_the_ones_on_record() -> None:
    assert digest(parts.encoded(whole())) == GOLDEN, (
        f"a part's bytes changed (pyarrow {pa.__version__}; requirements.txt pins the one they were recorded with): "
        "raise VERSION in meta/datasets.py and record the new digest here"
    )


def test_every_process_and_thread_count_makes_the_same_bytes() -> None:
    code = (
        "import sys, hashlib, pyarrow as pa\nfrom tests import lakes\nfrom lake import parts\n"
        "from meta.columns import BARS\npa.set_cpu_count(int(sys.argv[1])); pa.set_io_thread_count(int(sys.argv[1]))\n"
        "print(hashlib.sha256(parts.encoded(lakes.a_day(columns=BARS))).hexdigest())"
    )
    made = {digest(parts.encoded(whole()))}
    for threads, seed in (("1", "0"), ("4", "1")):
        run = [sys.executable, "-c", code, threads]
        environment = {"PYTHONPATH": str(PROJECT), "PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"}
        made.add(
            subprocess.run(run, env=environment, cwd=PROJECT, capture_output=True, text=True, check=True).stdout.strip()
        )
    assert len(made) == 1


def _chunked(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table.slice(0, 5), table.slice(5, 1), table.slice(6)])


def _sliced(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table, table]).combine_chunks().slice(table.num_rows)


def _other_values_under_nulls(table: pa.Table) -> pa.Table:
    for name in ("close", "oi_now"):
        column = table.column(name).combine_chunks()
        values = np.asarray(column.fill_null(123.0))
        table = table.set_column(
            table.column_names.index(name), name, pa.array(values, mask=np.asarray(column.is_null()))
        )
    return table


SAME: dict[str, Callable[[pa.Table], pa.Table]] = {
    "in chunks": _chunked,
    "a slice of more": _sliced,
    "other values under the nulls": _other_values_under_nulls,
    "with metadata": lambda table: table.replace_schema_metadata({"written": "just now"}),
    "with metadata on a column": lambda table: table.cast(
        pa.schema([field.with_metadata({"id": "7"}) for field in table.schema])
    ),
    "columns that promise no nulls": lambda table: table.cast(
        pa.schema([field if field.name == "oi_now" else field.with_nullable(False) for field in table.schema])
    ),
    "read back": lambda table: parts.decoded(parts.encoded(table), "here"),
}


@pytest.mark.parametrize("how", SAME)
def test_the_same_values_make_the_same_bytes(how: str) -> None:
    table = lakes.a_day()
    holes = pa.array([None if i % 5 == 0 else float(i) for i in range(table.num_rows)], pa.float64())
    table = table.set_column(table.column_names.index("oi_now"), "oi_now", holes)
    assert parts.encoded(SAME[how](table)) == parts.encoded(table)


@pytest.mark.parametrize("columns", [BARS, LABELS], ids=["bars", "labels"])
@pytest.mark.parametrize("rows", [None, 1, 0])
def test_a_day_is_read_back_as_it_was(columns: tuple[Column, ...], rows: int | None) -> None:
    table = lakes.a_day(rows=rows, columns=columns)
    back = parts.decoded(parts.encoded(table), "here")
    assert back.equals(table) and back.schema.equals(table.schema)
    assert parts.decoded(parts.encoded(table), "here", ["ts"]).column_names == ["ts"]
    keys, schema = parts.keys_of(parts.encoded(table), "here")
    assert keys.equals(table.select(["symbol", "ts"])) and schema.equals(table.schema)


def test_bytes_that_are_no_parquet_are_tampered() -> None:
    data = parts.encoded(whole())
    for wrong in (b"", b"PAR1", bytes(400), data[:-9], data[9:], b"PAR1" + data[200:]):
        with pytest.raises(Tampered, match="here"):
            parts.decoded(wrong, "here")
        with pytest.raises(Tampered, match="here"):
            parts.keys_of(wrong, "here")


def test_the_manifest_tells_rows_span_and_keys() -> None:
    table = lakes.a_day()
    data = parts.encoded(table)
    entry = parts.entry_of(table, data, "part", lakes.SOURCE)
    assert (entry.rows, entry.bytes, entry.sha256) == (24, len(data), hashlib.sha256(data).hexdigest())
    assert (entry.min_ts, entry.max_ts) == ("2025-05-01T01:00:00.000Z", "2025-05-02T00:00:00.000Z")
    keys = np.arange(1, 25, dtype="<i8") * 3_600_000 + 1_746_057_600_000
    assert entry.keys == hashlib.sha256(keys.tobytes()).hexdigest()
    empty = lakes.a_day(rows=0)
    entry = parts.entry_of(empty, parts.encoded(empty), "part", lakes.SOURCE)
    assert (entry.rows, entry.min_ts, entry.max_ts, entry.keys) == (0, "", "", digest(b""))


HEX = digest(b"")


@pytest.mark.parametrize(
    "provenance",
    [
        Provenance("a\tb", HEX, HEX),
        Provenance("a\nb", HEX, HEX),
        Provenance("\udcff", HEX, HEX),
        Provenance("sim", "", HEX),
        Provenance("sim", HEX, "v1"),
        Provenance("sim", HEX.upper() + "A", HEX),
    ],
)
def test_provenance_that_no_manifest_could_hold_is_refused(provenance: Provenance) -> None:
    table = lakes.a_day()
    with pytest.raises(Refused):
        parts.entry_of(table, parts.encoded(table), "part", provenance)


def _with_ts(change: Callable[[np.ndarray], np.ndarray]) -> pa.Table:
    table = lakes.a_day()
    ts = change(parts.stamps(table).to_numpy().copy())
    return table.set_column(1, "ts", pa.array(ts, pa.int64()).cast(pa.timestamp("ms", "UTC")))


def _put(at: int, by: int) -> Callable[[np.ndarray], np.ndarray]:
    def change(ts: np.ndarray) -> np.ndarray:
        ts[at] += by
        return ts

    return change


NOT_A_DAY = {
    "a bar closing at the day's start": _with_ts(lambda ts: ts - H1.ms),
    "a bar closing after the day's end": _with_ts(lambda ts: ts + H1.ms),
    "off the grid by a millisecond": _with_ts(_put(3, 1)),
    "a stamp twice": _with_ts(_put(3, H1.ms)),
    "not ascending": _with_ts(lambda ts: ts[::-1]),
    "seconds for milliseconds": _with_ts(lambda ts: ts // 1000),
    "another day": lakes.a_day(lakes.DAY + timedelta(days=1)),
    "another symbol": lakes.a_day(symbol="ETHUSDT"),
    "one row of another symbol": pa.concat_tables([lakes.a_day(symbol="ETHUSDT").slice(0, 1), lakes.a_day().slice(1)]),
    "no symbol": lakes.a_day().set_column(0, "symbol", pa.nulls(24, pa.string())),
    "no stamp": lakes.a_day().set_column(1, "ts", pa.nulls(24, pa.timestamp("ms", "UTC"))),
    "microseconds": lakes.a_day().set_column(1, "ts", lakes.a_day().column("ts").cast(pa.timestamp("us", "UTC"))),
}


@pytest.mark.parametrize("what", NOT_A_DAY)
def test_a_table_that_is_no_day_of_its_shelf_is_refused(what: str) -> None:
    with pytest.raises(Refused, match="1h BTCUSDT 2025-05-01"):
        parts.belongs(NOT_A_DAY[what], lakes.DAY, H1, "BTCUSDT")


@pytest.mark.parametrize("rows", [None, 1, 0])
def test_a_day_of_its_shelf_belongs(rows: int | None) -> None:
    parts.belongs(lakes.a_day(rows=rows), lakes.DAY, H1, "BTCUSDT")


def test_a_part_whose_columns_are_called_by_no_text_is_no_part() -> None:
    data = parts.encoded(whole())
    harmed = b"quote_\xecolume".join(data.rsplit(b"quote_volume", data.count(b"quote_volume")))
    assert harmed != data
    with pytest.raises(Tampered, match="here is not Parquet"):
        parts.decoded(harmed, "here")
    with pytest.raises(Tampered, match="here is not Parquet"):
        parts.keys_of(harmed, "here")
