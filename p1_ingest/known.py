"""Closed bars as they are known so far, and what a newer reading of them changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.parts import stamps
from meta.timeframes import Timeframe, utc
from p1_ingest.bars import SCHEMA, SCHEMA_COLUMNS, as_arrow

NAMES = tuple(field.name for field in SCHEMA_COLUMNS)
CLOSE = NAMES.index("close")
WHOLE = frozenset(field.name for field in SCHEMA_COLUMNS if pa.types.is_integer(field.type))
STAMPED = frozenset(field.name for field in SCHEMA_COLUMNS if pa.types.is_timestamp(field.type))


class Change(NamedTuple):
    """A closed bar says something else than before: its close (UTC ms), the column, the old value and the new.

    NaN is missing; stamps are in UTC ms.
    """

    ts: int
    column: str
    old: float
    new: float


@dataclass(frozen=True)
class Bars:
    """Some bars of one symbol.

    ts : (n,) int64, closes, UTC ms, ascending
    values : (n, columns) float64 in the order of NAMES, NaN where nothing is said, stamps in UTC ms
    """

    ts: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.ts)

    def where(self, chosen: np.ndarray) -> Bars:
        """Those of these bars, (n,) bool."""
        return Bars(self.ts[chosen], self.values[chosen])

    def between(self, start: int, end: int) -> Bars:
        """Those that close after `start` and not after `end`."""
        return self.where((self.ts > start) & (self.ts <= end))

    def table(self, symbol: str) -> pa.Table:
        """The same as the lake keeps bars."""
        keep = np.ones(len(self), bool)
        arrays = [as_arrow(field.type, self.values[:, i], keep) for i, field in enumerate(SCHEMA_COLUMNS)]
        ts = pa.array(self.ts, pa.int64()).cast(SCHEMA.field("ts").type)
        return pa.Table.from_arrays([pa.array([symbol] * len(self), pa.string()), ts, *arrays], schema=SCHEMA)


NO_BARS = Bars(np.zeros(0, np.int64), np.zeros((0, len(NAMES))))


def bars_of(table: pa.Table) -> Bars:
    """Which bars does a table of the lake hold? A column it does not have is missing throughout."""
    values = np.full((table.num_rows, len(NAMES)), np.nan)
    for i, name in enumerate(NAMES):
        if name in table.column_names:
            column = table.column(name)
            column = column.cast(pa.int64()) if name in STAMPED else column
            values[:, i] = pc.cast(column, pa.float64(), safe=False).to_numpy()
    return Bars(stamps(table).to_numpy().astype(np.int64), values)


def joined(found: Sequence[Bars]) -> Bars:
    """These bars, one after the other."""
    every = [NO_BARS, *found]
    return Bars(np.concatenate([bars.ts for bars in every]), np.concatenate([bars.values for bars in every]))


@dataclass(frozen=True)
class Taken:
    """What is known after a reading, the closes of bars that were not known before, and what changed in the others."""

    bars: Bars
    fresh: list[int]
    changes: list[Change]

    @property
    def told(self) -> list[int]:
        """Which bars (closes, ascending) are there to be told of?"""
        return sorted({*self.fresh, *(change.ts for change in self.changes)})


def taken(known: Bars, read: Bars) -> Taken:
    """What is known once this was read as well?

    A bar or value that is not said again stays: an answer that lacks it may be short, and a committed day decides.
    """
    return _compared(known, read, lasting=True)


def decided(known: Bars, final: Bars) -> Taken:
    """The same where what is read is a whole committed day: what it does not say is not there.

    A bar it does not have at all is told of as one without any value.
    """
    return _compared(known, final, lasting=False)


def _compared(known: Bars, read: Bars, lasting: bool) -> Taken:
    ts = np.union1d(known.ts, read.ts)
    old, new = _laid(known, ts), _laid(read, ts)
    values = np.where(np.isnan(new), old, new) if lasting else new
    before = np.isin(ts, known.ts)
    differ = before[:, None] & ~((values == old) | (np.isnan(values) & np.isnan(old)))
    changes = [
        Change(int(ts[i]), NAMES[j], float(old[i, j]), float(values[i, j])) for i, j in np.argwhere(differ).tolist()
    ]
    return Taken(Bars(ts, values), ts[~before].tolist(), changes)


def _laid(bars: Bars, ts: np.ndarray) -> np.ndarray:
    values = np.full((len(ts), len(NAMES)), np.nan)
    values[np.searchsorted(ts, bars.ts)] = bars.values
    return values


def lines(symbol: str, tf: Timeframe, bars: Bars, wanted: Sequence[int]) -> list[bytes]:
    """These bars (by close) as `stream` takes them: a JSON object a line, without what is missing."""
    rows = np.searchsorted(bars.ts, np.array(wanted, np.int64))
    return [_line(symbol, tf, int(bars.ts[i]), bars.values[i]) for i in rows]


def _line(symbol: str, tf: Timeframe, ts: int, values: np.ndarray) -> bytes:
    said = {name: _said(name, value) for name, value in zip(NAMES, values.tolist(), strict=True) if value == value}
    return msgspec.json.encode({"symbol": symbol, "tf": tf.name, "ts": utc(ts), **said}) + b"\n"


def _said(name: str, value: float) -> float | int | str:
    if name in STAMPED:
        return utc(int(value))
    return int(value) if name in WHOLE else value
