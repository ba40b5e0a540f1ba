"""Small lakes to export from: days of 1h or finer bars whose cells a test may set."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lake import commit, parts
from lake.ending import status
from lake.layout import Shelf
from lake.manifest import Provenance, digest
from meta.columns import BAR_COLUMNS, BARS, TS
from meta.timeframes import HOUR, Timeframe, day_start
from reports.cli import commands
from tests import lakes

REAL = Provenance("binance: klines, funding (last settled, venue)", digest(b""), digest(b"code"))
Cells = Mapping[str, Sequence[Any]]


def bars_of(day: date, tf: Timeframe, symbol: str = "BTCUSDT", cells: Cells | None = None) -> pa.Table:
    """A day's bars: noise, funding settled every 8 hours, and these cells in place of it."""
    table = lakes.a_day(day, tf, symbol, columns=BARS)
    ts = parts.stamps(table).to_pylist()
    settled = [(stamp - 60_000) // (8 * HOUR) * 8 * HOUR + 7 for stamp in ts]  # 7 ms late, as venues are
    given = {"funding_ts": settled, "funding_interval_hours": [8.0] * len(ts), **(cells or {})}
    for name, values in given.items():
        at = table.column_names.index(name)
        kind = pa.int64() if BAR_COLUMNS[name].type == TS else table.schema.field(at).type
        table = table.set_column(at, table.schema.field(at), pa.array(values, kind).cast(table.schema.field(at).type))
    return table


def kept(shelf: Shelf, tables: Mapping[date, pa.Table], source: Provenance = REAL) -> Shelf:
    """The same shelf with these days committed."""
    with commit.writing(shelf) as writer:
        for day, table in tables.items():
            writer.stage(day, table, source)
        writer.publish()
    return shelf


def a_lake(root: Path, days: int = 3, tf: str = "1h", symbol: str = "BTCUSDT") -> Shelf:
    """A shelf of so many days from lakes.DAY on."""
    shelf = lakes.a_shelf(root, tf, symbol)
    return kept(shelf, {day: bars_of(day, shelf.tf, symbol) for day in lakes.the_days(days)})


def run(root: Path, out: Path, *words: str) -> int:
    """`python -m reports export …` over this lake, into this folder."""
    return status(commands, "reports", ["export", *words, "--lake", str(root), "--output", str(out)])


def page_of(out: Path, kind: str = "") -> dict[str, Any]:
    """The one page of this kind there."""
    (path,) = out.glob(f"{kind}*.json")
    return json.loads(path.read_text(encoding="utf-8"))


def table_of(out: Path, kind: str = "") -> pa.Table:
    """The one Parquet file of this kind there."""
    (path,) = out.glob(f"{kind}*.parquet")
    return pq.read_table(path)


def opens_of(table: pa.Table) -> list[int]:
    """The rows' opens in hours from the beginning of lakes.DAY."""
    return [(ms - day_start(lakes.DAY)) // HOUR for ms in table.column("time").cast(pa.int64()).to_pylist()]
