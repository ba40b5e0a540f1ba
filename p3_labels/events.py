"""Which bars are asked what happened next: every one, those a filter picks, or those of a file of one's own."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from meta.errors import Usage
from meta.timeframes import DAY, Timeframe, day_start, utc
from p3_labels.barriers import Bars, cusum_events

Ints = NDArray[np.int64]
Sides = NDArray[np.int8]

CUSUM = 0.01  # log return, where --events cusum names none
DAYS_BACK = 3  # a day's CUSUM starts so many days before it; `barriers.cusum_events` has the same default


@dataclass(frozen=True)
class Own:
    """One symbol's events of a file. ts: (m,) int64 UTC ms, rising; side: (m,) int8, +1 or −1, or None."""

    ts: Ints
    side: Sides | None

    def of(self, day: date) -> Own:
        """Which of them are bars of this day?"""
        start = day_start(day)
        at = slice(*np.searchsorted(self.ts, [start, start + DAY], side="right"))
        return Own(self.ts[at], None if self.side is None else self.side[at])

    def digest(self) -> str:
        """Which digest stands for them?"""
        side = b"" if self.side is None else b"side" + self.side.tobytes()
        return hashlib.sha256(self.ts.astype("<i8").tobytes() + side).hexdigest()


@dataclass(frozen=True)
class Events:
    """Every bar (neither of the two), those that pass a CUSUM of `threshold` (log return), or a file's `table`."""

    threshold: float | None = None
    table: pa.Table | None = None

    @property
    def sided(self) -> bool:
        """Does each event come with a side, so that labels say whether that side was right?"""
        return self.table is not None and "side" in self.table.column_names

    def rules(self) -> dict[str, object]:
        """What of this choice is a rule? A file's events are an input instead, day by day."""
        if self.table is not None:
            return {"events": "file", "sided": self.sided}
        return {} if self.threshold is None else {"events": f"cusum:{self.threshold!r}", "days_back": DAYS_BACK}

    def cell(self, digest: str) -> str:
        """How does a label day's source cell tell of it?"""
        if digest:
            return f", events of a file {digest}"
        return "" if self.threshold is None else f", events cusum:{self.threshold!r}"

    def own(self, symbol: str, tf: Timeframe) -> Own | None:
        """Which events of this symbol does the file hold, if there is one? Raises Usage for those that are no bar's."""
        if self.table is None:
            return None
        table = self.table
        if "symbol" in table.column_names:
            table = table.filter(pc.equal(table.column("symbol"), symbol))
        ts = table.column("ts").to_numpy()
        order = np.argsort(ts, kind="stable")
        ts = ts[order]
        side = table.column("side").to_numpy()[order] if self.sided else None
        off = np.flatnonzero(ts % tf.ms != 0)
        twice = np.flatnonzero(ts[1:] == ts[:-1])
        if off.size:
            raise Usage(f"--events: no {tf} bar closes at {utc(int(ts[off[0]]))}; give ts as bars have it, their close")
        if twice.size:
            raise Usage(f"--events: {symbol} has two events at {utc(int(ts[twice[0]]))}; give each bar one")
        return Own(ts, side)

    def picks(self, bars: Bars, position: Ints) -> NDArray[np.bool_]:
        """Which of these positions of the bars pass the filter? (m,) bool; all of them where there is none."""
        if self.threshold is None:
            return np.ones(position.size, bool)
        return np.isin(position, cusum_events(bars, self.threshold, DAYS_BACK))


def events(text: str) -> Events:
    """Which events does `every`, `cusum`, `cusum:0.01` or the name of a file mean? Raises Usage."""
    if text == "every":
        return Events()
    name, _, number = text.partition(":")
    if name == "cusum":
        return Events(threshold=_threshold(number) if number else CUSUM)
    return Events(table=_read(Path(text)))


def _threshold(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise Usage(f"--events cusum:{text} samples nothing; give a log return above 0, such as cusum:{CUSUM}")
    return found


def _read(path: Path) -> pa.Table:
    """The file's ts as int64 UTC ms, its side and symbol where it has them."""
    if not path.is_file():
        raise Usage(f"--events {str(path)!r} is no file; give every, cusum, cusum:THRESHOLD, or a Parquet or CSV file")
    try:
        table = _table(path)
        names = set(table.column_names)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise Usage(f"--events {path}: {' '.join(str(error).split())[:200]}; give a Parquet or CSV file") from None
    if "ts" not in names:
        raise Usage(f"--events {path} has no column ts; give ts, the bar's close, and side where there is one")
    columns = {"ts": _stamps(table.column("ts"), path)}
    if "side" in names:
        columns["side"] = _sides(table.column("side"), path)
    if "symbol" in names:
        columns["symbol"] = table.column("symbol").cast(pa.string())
    return pa.table(columns)


def _table(path: Path) -> pa.Table:
    if path.suffix == ".csv":
        from pyarrow import csv

        return csv.read_csv(path)
    from pyarrow import parquet

    return parquet.read_table(path)


def _stamps(ts: pa.ChunkedArray, path: Path) -> pa.ChunkedArray:
    try:
        if ts.null_count:
            raise pa.ArrowInvalid("it has empty cells")
        if pa.types.is_integer(ts.type):
            return ts.cast(pa.int64())
        if pa.types.is_string(ts.type):
            return pa.chunked_array([[_instant(text) for text in ts.to_pylist()]], pa.int64())
        return ts.cast(pa.timestamp("ms")).cast(pa.int64())
    except (pa.ArrowException, ValueError) as error:
        fact = " ".join(str(error).split())
        raise Usage(f"--events {path}: ts is no instant ({fact}); write UTC milliseconds or 2025-06-01T12:05") from None


def _instant(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _sides(side: pa.ChunkedArray, path: Path) -> pa.ChunkedArray:
    try:
        found = side.cast(pa.int8())
    except pa.ArrowException:
        found = None
    if found is None or found.null_count or (not pc.all(pc.equal(pc.abs(found), 1)).as_py() and len(found)):
        raise Usage(f"--events {path}: side is +1 (long) or -1 (short), in every row; mend the file")
    return found
