"""Rows for an export come off the lake a few days at a time, in order, and never all at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake import days, frames, tables
from lake.days import Day
from lake.groups import grouped, unit_of
from lake.layout import Shelf
from lake.manifest import Entry
from lake.parts import TYPES, stamps
from meta.columns import BAR_COLUMNS, TS
from meta.datasets import DATASETS
from meta.errors import Refused
from meta.timeframes import HOUR, MINUTE, Timeframe, day_start
from reports.exports.between import Between
from reports.exports.columns import Taken

CHUNK = 32  # days in memory at once
TRAILING = {"day_base_volume": "volume", "day_notional_volume": "quote_volume"}
LEARNT = ("features", "labels", "weights")

Read = tuple[Shelf, date, Entry]


@dataclass(frozen=True)
class Piece:
    """Some rows, and the days that were read for them."""

    rows: pa.Table
    read: list[Read]


def of_bars(shelf: Shelf, tf: Timeframe, between: Between, wanted: Sequence[Taken]) -> Iterator[Piece]:
    """Bars of `tf` made of the shelf's, a day at a time, with these columns. Raises Tampered."""
    inputs = list(dict.fromkeys(["ts", *(name for one in wanted for name in one.of)]))
    sums = _Trailing(shelf) if {one.name for one in wanted} & set(TRAILING) else None
    for chunk in _chunks(between.days(shelf.days_on_disk())):
        for day in _committed(shelf, chunk):
            read: list[Read] = [(shelf, day.day, day.entry)]
            bars = _complete(day.table(inputs), inputs)
            if sums is not None:
                bars = sums.added(day.day, bars, read)
            if "funding_ts" in inputs:
                bars = bars.append_column("next_funding_time", next_funding(bars))
            longer = bars if tf == shelf.tf else grouped(bars, day.day, shelf.tf, tf)
            yield Piece(_taken(_within(_opened(longer, tf), between), wanted), read)


def of_days(shelf: Shelf, between: Between) -> Iterator[Piece]:
    """A shelf's own columns, the bar's open before them. Raises Refused for days of two schemas, Tampered."""
    schema = None
    for chunk in _chunks(between.days(shelf.days_on_disk())):
        for day in _committed(shelf, chunk):
            schema = schema or day.entry.schema
            if day.entry.schema != schema:
                raise Refused(f"{shelf} has days of two schemas; run `{days.command(shelf)}` first")
            yield Piece(_within(_opened(day.table(), shelf.tf), between), [(shelf, day.day, day.entry)])


def of_training(shelf: Shelf, between: Between) -> Iterator[Piece]:
    """Features, labels, weights and folds of the same bars, for the shelf's symbol and timeframe.

    Raises NotReady where one is missing, Refused for days of two schemas and for folds of other labels, Tampered.
    """
    rows = tables.fold_rows(shelf.root, shelf.tf)
    features, labels, weights = (shelf.sibling(DATASETS[name]) for name in LEARNT)
    both = set(features.days_on_disk()) & set(labels.days_on_disk())
    for chunk in _chunks(between.days(sorted(both))):
        whole = tables.training(shelf.root, shelf.tf, [shelf.symbol], chunk[0], chunk[-1], rows)
        read = [(one, day, known) for one in (features, labels, weights) for day, known in _entries(one, chunk)]
        yield Piece(_within(_opened(whole, shelf.tf), between), read)


def next_funding(bars: pa.Table) -> pa.Array:
    """When is the settlement after the one each bar's rate comes from? Null where that or the interval is unknown."""
    hours = bars.column("funding_interval_hours").cast(pa.float64()).to_numpy()
    known = pc.and_(bars.column("funding_ts").is_valid(), bars.column("funding_interval_hours").is_valid()).to_numpy()
    settled = bars.column("funding_ts").cast(pa.int64()).fill_null(0).to_numpy()
    due = settled // MINUTE * MINUTE + np.where(known, hours, 0) * HOUR  # a stamp is milliseconds late at times
    return pa.array(due.astype(np.int64), pa.int64(), mask=~known).cast(TYPES[TS])


def trailing(yesterday: np.ndarray, today: np.ndarray) -> np.ndarray:
    """What do the 24 hours up to each of today's bars add up to? NaN where one of their bars is missing.

    yesterday, today : (n,) float64, a day's grid each. Today so far, and what came yesterday after the same hour:
    nothing is subtracted, so that what has left the window has left the sum. Where whole numbers can hold them, they
    are added as they are printed: a day's own sum is then its daily bar's.
    """
    both = np.concatenate([yesterday, today])
    unit = unit_of(both[np.isfinite(both)])
    if unit is not None:
        yesterday, today = np.rint(yesterday * unit), np.rint(today * unit)
    rest = np.append(np.cumsum(yesterday[::-1])[::-1][1:], 0.0)
    return (rest + np.cumsum(today)) / (unit or 1.0)


class _Trailing:
    """The trailing sums of day after day; each day's flows are kept for the next."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.day: date | None = None
        self.flows: dict[str, np.ndarray] = {}

    def added(self, day: date, bars: pa.Table, read: list[Read]) -> pa.Table:
        """The day's bars with their sums; a day before that had to be read is added to `read`."""
        before = day - timedelta(days=1)
        if self.day != before:
            known = days.read(self.shelf, before)
            read += [(self.shelf, before, known.entry)] if known else []
            self.flows = self._laid(before, known.table(["ts", *TRAILING.values()]) if known else None)
        flows, at = self._laid(day, bars), self._at(day, bars)
        for name, of in TRAILING.items():
            cells = trailing(self.flows[of], flows[of])[at]
            bars = bars.append_column(name, pa.array(cells, pa.float64(), mask=np.isnan(cells)))
        self.day, self.flows = day, flows
        return bars

    def _laid(self, day: date, bars: pa.Table | None) -> dict[str, np.ndarray]:
        grids = {of: np.full(self.shelf.tf.per_day, np.nan) for of in TRAILING.values()}
        for of in set(TRAILING.values()) & set(bars.column_names if bars is not None else ()):
            grids[of][self._at(day, bars)] = bars.column(of).cast(pa.float64()).to_numpy()  # type: ignore[union-attr]
        return grids

    def _at(self, day: date, bars: pa.Table) -> np.ndarray:
        return (stamps(bars).to_numpy() - day_start(day)) // self.shelf.tf.ms - 1


def _chunks(known: Sequence[date]) -> Iterator[Sequence[date]]:
    return (known[i : i + CHUNK] for i in range(0, len(known), CHUNK))


def _committed(shelf: Shelf, wanted: Sequence[date]) -> list[Day]:
    return [day for day in frames.read_all(shelf, wanted) if day is not None]


def _entries(shelf: Shelf, wanted: Iterable[date]) -> Iterator[tuple[date, Entry]]:
    found = ((day, days.entry(shelf, day)) for day in wanted)
    return ((day, entry) for day, entry in found if entry is not None)


def _complete(bars: pa.Table, names: Iterable[str]) -> pa.Table:
    """The bars with every column of these, null where parts of an older schema have none."""
    for name in set(names) - set(bars.column_names):
        bars = bars.append_column(name, pa.nulls(bars.num_rows, TYPES[BAR_COLUMNS[name].type]))
    return bars


def _opened(rows: pa.Table, tf: Timeframe) -> pa.Table:
    """The rows with the bar's open as `time`, before everything else."""
    opens = pc.subtract(stamps(rows), tf.ms).cast(TYPES[TS])
    return rows.add_column(0, pa.field("time", TYPES[TS]), opens)


def _within(rows: pa.Table, between: Between) -> pa.Table:
    opens = rows.column("time").cast(pa.int64())
    return rows.filter(pc.and_(pc.greater_equal(opens, between.start), pc.less(opens, between.end)))


def _taken(rows: pa.Table, wanted: Sequence[Taken]) -> pa.Table:
    """These columns under their names in the export."""
    names = set(rows.column_names)
    found = {}
    for one in wanted:
        name = one.name if one.name in ("time", "ts", "next_funding_time", *TRAILING) else next(iter(one.of), "")
        kind = TYPES[one.column.type]
        found[one.name] = rows.column(name).cast(kind) if name in names else pa.nulls(rows.num_rows, kind)
    return pa.table(found)
