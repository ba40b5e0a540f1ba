"""A symbol's bars as an export has them: metrics as of each bar, longer bars of whole groups, absent ones absent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from lake import days, frames
from lake.groups import grouped
from lake.layout import Shelf
from lake.parts import stamps
from meta.errors import Tampered
from meta.timeframes import DAY, day_start
from reports.universe.asof import past_newest
from reports.universe.features import FAMILIES, KLINES, LOOKBACK_DAYS, Choice

ABSENT = "absent"


@dataclass(frozen=True)
class Bars:
    """One symbol's day: (T,) arrays on the day's grid.

    present : bool. values : feature -> float64, NaN where there is none. planes : kind -> int64, UTC ms, 0 where none.
    """

    present: np.ndarray
    values: dict[str, np.ndarray]
    planes: dict[str, np.ndarray]


@dataclass
class Read:
    """What was read of one symbol: its days with bars, the sha256 of each part looked at, and which are damaged."""

    days: dict[date, Bars] = field(default_factory=dict)
    parts: dict[date, str] = field(default_factory=dict)
    damaged: dict[date, str] = field(default_factory=dict)


def read(shelf: Shelf, wanted: Sequence[date], choice: Choice) -> Read:
    """What does the lake hold of these (ascending) days? Days that are not committed, or without bars, are left out."""
    found = Read()
    known = list(_days(shelf, wanted, choice, found))
    whole = frames.table(known)
    if whole is None or not whole.num_rows:
        return found
    table, ts = _chosen(whole, choice), stamps(whole).to_numpy()
    for day in wanted:
        first, last = np.searchsorted(ts, (day_start(day), day_start(day) + DAY), side="right")
        bars = table.slice(first, last - first)
        if choice.export != choice.source and bars.num_rows:
            bars = grouped(bars, day, choice.source, choice.export)
        if bars.num_rows:
            found.days[day] = _laid(bars, day, choice)
    return found


def _days(shelf: Shelf, wanted: Sequence[date], choice: Choice, found: Read) -> Iterator[days.Day]:
    """The committed days, and for metrics those before that a value may come from; damaged ones are noted."""
    back = range(LOOKBACK_DAYS + 1 if choice.metrics else 1)
    asked = sorted({day - timedelta(days=i) for day in wanted for i in back})
    try:
        read = dict(zip(asked, frames.read_all(shelf, asked), strict=True))
    except Tampered:
        read = {day: _one(shelf, day, found) for day in asked}
    for day, known in read.items():
        found.parts[day] = known.entry.sha256 if known else ABSENT
        if known is not None:
            yield known


def _one(shelf: Shelf, day: date, found: Read) -> days.Day | None:
    try:
        return days.read(shelf, day)
    except Tampered as error:
        found.damaged[day] = str(error)
        return None


def _chosen(whole: pa.Table, choice: Choice) -> pa.Table:
    """The columns an export is made of, metrics as of each bar, under the names of their features' planes."""
    ts = stamps(whole).to_numpy()
    columns = {"symbol": whole.column("symbol"), "ts": whole.column("ts")}
    for name in {name for name in KLINES.values() if name} if choice.klines else ():
        columns[name] = whole.column(name)
    for family in FAMILIES if choice.metrics else ():
        stamp = _numbers(whole, family.stamp)
        for i, (feature, name) in enumerate(family.columns.items()):
            value, instant = past_newest(_numbers(whole, name), stamp, ts, family)
            columns[feature] = pa.array(value, pa.float64(), mask=np.isnan(value))
            if not i:
                columns[family.kind + "_at"] = pa.array(instant, pa.float64(), mask=np.isnan(instant))
    return pa.table(columns)


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    column = table.column(name)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    return column.cast(pa.float64()).to_numpy()


def _laid(bars: pa.Table, day: date, choice: Choice) -> Bars:
    """These rows on the day's grid."""
    tf = choice.export
    ts = stamps(bars).to_numpy()
    at = (ts - day_start(day)) // tf.ms - 1
    present = np.zeros(tf.per_day, bool)
    present[at] = True

    def on_grid(values: np.ndarray, nothing: float, kind: type) -> np.ndarray:
        out: np.ndarray = np.full(tf.per_day, nothing, kind)
        out[at] = values
        return out

    values = {name: on_grid(column, np.nan, np.float64) for name, column in _features(bars, choice).items()}
    planes = {"open": on_grid(ts - tf.ms, 0, np.int64), "close": on_grid(ts - 1, 0, np.int64)}
    for family in FAMILIES if choice.metrics else ():
        planes[family.kind] = on_grid(np.nan_to_num(_numbers(bars, family.kind + "_at")), 0, np.int64)
    return Bars(present, values, planes)


def _features(bars: pa.Table, choice: Choice) -> Mapping[str, np.ndarray]:
    found = {name: _numbers(bars, column) for name, column in KLINES.items() if column} if choice.klines else {}
    if choice.klines:
        found["tsvol"] = found["vol"] - found["tbvol"]
    found |= {name: _numbers(bars, name) for name in choice.required}
    return {name: found[name] for name in choice.features}
