"""How much do venues restate, and what does it do to features? Counted over the revisions of one symbol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from lake import catalog, frames, layout
from lake.asof import FIRST, place_of
from lake.layout import Shelf
from meta.datasets import DATASETS
from meta.timeframes import Timeframe

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

AGES = ("within_1h", "within_1d", "within_7d", "later")  # after the bar's close, each without those before
COUNTED = """
WITH aged AS (
    SELECT *, last_seen - ts AS age, abs(new - old) / nullif(abs(old), 0) AS moved
    FROM revisions WHERE tf = $tf AND symbol = $symbol AND day BETWEEN $first AND $last
)
SELECT "column", count(*) AS n, count(DISTINCT ts) AS bars,
       count(*) FILTER (age <= INTERVAL 1 HOUR),
       count(*) FILTER (age > INTERVAL 1 HOUR AND age <= INTERVAL 1 DAY),
       count(*) FILTER (age > INTERVAL 1 DAY AND age <= INTERVAL 7 DAY),
       count(*) FILTER (age > INTERVAL 7 DAY),
       median(moved), max(moved)
FROM aged GROUP BY "column" ORDER BY n DESC, "column"
"""
Row = dict[str, str | int | float | None]


def by_column(connection: DuckDBPyConnection, tf: Timeframe, symbol: str, first: date, last: date) -> list[Row]:
    """How many values of each column were restated, how long after the bar's close, and by how much of what they were?

    connection : one that sees the lake's views.
    """
    asked = {"tf": tf.name, "symbol": symbol, "first": first, "last": last}
    names = ("column", "values", "bars", *AGES, "median_move", "largest_move")
    return [dict(zip(names, row, strict=True)) for row in connection.execute(COUNTED, asked).fetchall()]


def of_shelf(bars: Shelf, first: date, last: date) -> list[Row]:
    """The same of these bars, by a look of its own."""
    with catalog.opened(bars.root, [bars], asked="revisions") as connection:
        return by_column(connection, bars.tf, bars.symbol, first, last)


def drift(root: Path, tf: Timeframe, symbol: str, some: Sequence[date]) -> list[Row]:
    """How far do features of first values differ from those that stand there, over the rows both have?

    apart : share of rows whose values differ; typical, largest : of those, |difference| in standard deviations of the
    feature. Nothing where no features were built with --as-of first-seen.
    """
    here, there = (layout.shelf(where, DATASETS["features"], tf, symbol) for where in (root, place_of(root, FIRST)))
    final, first = (_table(place, some) for place in (here, there))
    if final is None or first is None:
        return []
    _, i, j = np.intersect1d(*(t.column("ts").cast(pa.int64()).to_numpy() for t in (final, first)), return_indices=True)
    names = [name for name in final.column_names if name in first.column_names and name not in ("symbol", "ts")]
    return [_apart(name, final.column(name).to_numpy()[i], first.column(name).to_numpy()[j]) for name in names]


def _table(place: Shelf, some: Sequence[date]) -> pa.Table | None:
    wanted = sorted(set(some) & set(place.days_on_disk()))
    return frames.table(day for day in frames.read_all(place, wanted) if day is not None)


def _apart(name: str, final: np.ndarray, first: np.ndarray) -> Row:
    final, first = final.astype(float), first.astype(float)
    differ = np.abs(final - first)
    apart, spread = differ > 0, float(final.std()) if len(final) else 0.0
    sizes: Mapping[str, float | None] = {"typical": None, "largest": None}
    if apart.any() and spread > 0:
        sizes = {"typical": float(np.median(differ[apart])) / spread, "largest": float(differ.max()) / spread}
    return {"feature": name, "rows": len(final), "apart": float(apart.mean()) if len(final) else 0.0, **sizes}
