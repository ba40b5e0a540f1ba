"""The same checks judge rows wherever they come from: a lake's days, or a frame somebody has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake import log, offenders
from lake.checks import Check, Finding
from lake.days import Day
from lake.layout import Shelf
from lake.parts import schema_of
from meta.columns import BARS, PRICES
from meta.timeframes import DAY, Timeframe, utc

SCHEMA = schema_of(BARS)
NAN = Check("nan", "prices that are null or NaN", "== 0")
EMPTY = Check("bars", "bars there are", "> 0")
GAPS = Check("gap_ratio", "bars that are not there, of those expected", "< 0.005", "== 0", "ratio")


def keys(found: Sequence[Day], shelf: Shelf) -> list[Finding]:
    """Are the keys of these days unique, ascending, on the grid, and each in its own day's folder?"""
    tables = [day.table(["symbol", "ts"]) for day in found]
    folders = [pa.array([day.day] * one.num_rows, pa.date32()) for day, one in zip(found, tables, strict=True)]
    table = pa.concat_tables(one.append_column("day", folder) for one, folder in zip(tables, folders, strict=True))
    return keys_of(table, shelf.tf, shelf.symbol)


def keys_of(table: pa.Table, tf: Timeframe, symbol: str) -> list[Finding]:
    """The same of a table of symbol, ts and day."""
    numbered = table.append_column("row", pa.array(np.arange(table.num_rows)))
    return offenders.asked("keys", {"keys": numbered}, tf_ms=tf.ms, symbol=symbol)


def of_schema(table: pa.Table) -> pa.Table:
    """The same bars with every column of P1: one that is not there is null throughout, and so is what is no number."""
    columns = []
    for wanted in SCHEMA:
        if wanted.name not in table.column_names:
            columns.append(pa.nulls(table.num_rows, wanted.type))
            continue
        column = table.column(wanted.name).cast(wanted.type)
        if pa.types.is_floating(wanted.type):  # SQL takes NaN for the largest number
            column = pc.if_else(pc.is_finite(column), column, None)
        columns.append(column)
    return pa.table(columns, schema=SCHEMA)


def bars(table: pa.Table, tf: Timeframe, only: str | None = None) -> list[Finding]:
    """What do the SQL checks of bars, or one of them, find in a table of P1's columns?"""
    opened = table.column("ts").cast(pa.int64()).to_numpy() - tf.ms
    days = pa.array((opened // DAY).astype(np.int32), pa.int32()).cast(pa.date32())
    return offenders.asked("bars", {"bars": table.append_column("day", days)}, only, tf_ms=tf.ms)


def features(table: pa.Table, tf: Timeframe) -> list[Finding]:
    """What do the SQL checks of features find in a table of them?"""
    return offenders.asked("features", {"features": table}, tf_ms=tf.ms)


def rewritten(shelf: Shelf) -> list[Finding]:
    """What do the SQL checks find in the log of this shelf?"""
    return of_log(log.of(shelf))


def of_log(lines: Iterable[log.Line]) -> list[Finding]:
    """The same of these lines."""
    told = [(line.time, line.day, line.old, line.new) for line in lines]
    columns = list(zip(*told, strict=True)) if told else [(), (), (), ()]
    table = pa.table({name: pa.array(column, pa.string()) for name, column in
                      zip(("time", "day", "old", "new"), columns, strict=True)})  # fmt: skip
    return offenders.asked("log", {"log": table})


def nan(table: pa.Table) -> Finding:
    """Does every bar have its four prices?"""
    lacking = {name: int(nothing(table.column(name)).sum()) for name in PRICES}
    worst = [name for name, n in lacking.items() if n]
    return NAN.found(sum(lacking.values()), f"in {', '.join(worst)}" if worst else "")


def nothing(column: pa.ChunkedArray) -> np.ndarray:
    """At which rows does a column hold no value? (n,) bool."""
    if pa.types.is_floating(column.type):
        return ~np.isfinite(column.to_numpy())
    return pc.is_null(column).to_numpy()


def gaps(at: np.ndarray, first: int, n: int, tf: Timeframe) -> Finding:
    """How many of the n bars from position `first` on are not among these positions (ts_ms // tf_ms)?"""
    absent = np.ones(n, bool)
    at = at - first
    absent[at[(at >= 0) & (at < n)]] = False
    edges = np.flatnonzero(np.diff(np.concatenate(([0], absent.view(np.int8), [0]))))
    begins, ends = edges[::2], edges[1::2]
    note = ""
    if len(begins):
        i = int(np.argmax(ends - begins))
        longest = f"the longest {ends[i] - begins[i]} bars from {utc(int(first + begins[i]) * tf.ms)}"
        note = f"{int(absent.sum()):,} of {n:,} bars in {len(begins)} gaps, {longest}"
    return GAPS.found(float(absent.mean()), note)
