"""A small lake of hourly bars, features and labels, and ways to plant in it what no commit would let through."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from lake import days, notes, parts
from lake.layout import MANIFEST, SUCCESS, Shelf
from lake.manifest import Provenance, digest, written
from lake.span import Span
from meta.columns import BARS
from meta.timeframes import day_start
from tests import plausible
from tests.lakes import DAY, a_shelf, the_days

N = 34  # days: 30 of warm-up, 4 with features
LAST = DAY + timedelta(days=N - 1)
SOURCE = "binance: klines"
Change = Callable[[pa.Table], pa.Table]


def put(shelf: Shelf, day: date, table: pa.Table, source: str = SOURCE) -> None:
    """Make this the day, with a manifest that fits it, whatever it holds."""
    folder, data = shelf.day_folder(day), parts.encoded(table)
    old = days.entry(shelf, day)
    said = Provenance(old.source, old.inputs, old.code) if old else Provenance(source, digest(b""), digest(b"code"))
    folder.mkdir(parents=True, exist_ok=True)
    new = parts.entry_of(table, data, shelf.part_name(day), said)
    (folder / new.file).write_bytes(data)
    (folder / MANIFEST).write_bytes(written([new]))
    (folder / SUCCESS).touch()


def bars_lake(root: Path, n: int = N, tf: str = "1h", source: str = SOURCE) -> Shelf:
    """Whole bars of `n` days from DAY on: every column but the stamps, none missing."""
    shelf = a_shelf(root, tf)
    per_day = shelf.tf.per_day
    every = plausible.columns(n * per_day, shelf.tf.ms, day_start(DAY))
    found = {name: column for name, column in every.items() if not name.endswith("_ts")}
    for i, day in enumerate(the_days(n)):
        at = slice(i * per_day, (i + 1) * per_day)
        put(shelf, day, _table(shelf, day, {name: column[at] for name, column in found.items()}), source)
    offered = {column.name: True if column.name in found else "not made up" for column in BARS[2:]}
    notes.write(shelf, notes.OFFERED, {"source": source, "columns": offered})
    return shelf


def _table(shelf: Shelf, day: date, values: dict[str, np.ndarray]) -> pa.Table:
    n = shelf.tf.per_day
    ts = day_start(day) + shelf.tf.ms * np.arange(1, n + 1, dtype=np.int64)
    columns = []
    for column in BARS:
        kind = parts.TYPES[column.type]
        if column.name == "symbol":
            columns.append(pa.array([shelf.symbol] * n))
        elif column.name == "ts":
            columns.append(pa.array(ts).cast(kind))
        elif column.name in values:
            columns.append(pa.array(values[column.name]).cast(kind, safe=False))
        else:
            columns.append(pa.nulls(n, kind))
    return pa.table(columns, schema=parts.schema_of(BARS))


def whole_lake(root: Path) -> Shelf:
    """Bars, features and labels; returns the shelf of the bars."""
    from meta.datasets import DATASETS
    from p2_features import build as p2
    from p2_features.choice import Asked
    from p3_labels import build as p3
    from p3_labels.rules import rules

    bars = bars_lake(root)
    features, labels = bars.sibling(DATASETS["features"]), bars.sibling(DATASETS["labels"])
    p2.build(features, bars, Span(), Asked())
    p3.build(p3.Work(labels, features, bars, rules()), Span())
    return bars


def changed(shelf: Shelf, change: Change, *wanted: date) -> None:
    """Change what these days hold; the last one if none is named."""
    for day in wanted or (max(days.committed(shelf)),):
        put(shelf, day, change(days.need(shelf, day).table()))


def removed(shelf: Shelf, day: date) -> None:
    """Take a day away."""
    shutil.rmtree(shelf.day_folder(day))


def cells(name: str, value: object, *rows: int) -> Change:
    """Put this value into some rows of a column (None: null); all of them if none is named."""

    def change(table: pa.Table) -> pa.Table:
        kind = table.schema.field(name).type
        values = table.column(name).to_pylist()
        for row in rows or range(len(values)):
            values[row] = value
        return table.set_column(table.column_names.index(name), name, pa.array(values, kind))

    return change


def rows(*order: int) -> Change:
    """Keep these rows, in this order."""
    return lambda table: table.take(pa.array(order, pa.int64()))


def without(*dropped: int) -> Change:
    """Drop these rows."""
    return lambda table: table.take(pa.array([i for i in range(table.num_rows) if i not in dropped], pa.int64()))
