"""Days come off the shelf as one table, or as columns on the regular grid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake import days
from lake.layout import Shelf
from lake.manifest import Entry
from lake.progress import counted
from meta.errors import Tampered
from meta.timeframes import Timeframe, day_start, days_between

READERS = 4  # hashing and decoding leave the interpreter free


@dataclass(frozen=True)
class Grid:
    """Columns on every grid position of whole days, first to last.

    first : absolute position (ts_ms // tf_ms) of element 0, the first bar of the first day
    columns : name -> (n,) float64, NaN where the lake says nothing or the bar is absent
    present : (n,) bool, a bar is there
    committed : (n,) bool, the position's day is committed
    entries : day -> manifest entry, None where the day is not committed
    """

    tf: Timeframe
    first: int
    columns: dict[str, np.ndarray]
    present: np.ndarray
    committed: np.ndarray
    entries: dict[date, Entry | None]

    def __len__(self) -> int:
        return len(self.present)

    def ts(self, at: slice = slice(None)) -> np.ndarray:
        """Close of every position, or of these: (n,) int64, UTC ms."""
        return (self.first + np.arange(*at.indices(len(self)), dtype=np.int64)) * self.tf.ms

    def day(self, day: date) -> slice:
        """Which elements are this day's?"""
        start = first_position(day, self.tf) - self.first
        return slice(start, start + self.tf.per_day)


def first_position(day: date, tf: Timeframe) -> int:
    """At which absolute grid position (ts_ms // tf_ms) closes the first bar of this day?"""
    return day_start(day) // tf.ms + 1


def read_all(shelf: Shelf, wanted: Sequence[date]) -> list[days.Day | None]:
    """What do these days hold? Each verified; None where a day is not committed. Raises Tampered."""
    if len(wanted) < 8:
        return [days.read(shelf, day) for day in wanted]
    with ThreadPoolExecutor(READERS) as pool:
        found = pool.map(lambda day: days.read(shelf, day), wanted)
        return list(counted(found, len(wanted), f"days of {shelf.dataset.name} read"))


def table(found: Iterable[days.Day], columns: list[str] | None = None) -> pa.Table | None:
    """What do these days hold together? None for no day at all."""
    with ThreadPoolExecutor(READERS) as pool:
        tables = list(pool.map(lambda day: day.table(columns), found))
    return pa.concat_tables(tables, promote_options="default") if tables else None


def _are_ours(whole: pa.Table, at: np.ndarray, n: int, shelf: Shelf) -> None:
    """Are these rows of this shelf's symbol, and within the days asked for? A copied folder says otherwise."""
    names = set(pc.unique(whole.column("symbol")).to_pylist())
    if names - {shelf.symbol} or (len(at) and not (at.min() >= 0 and at.max() < n)):
        raise Tampered(
            f"{shelf}: its parts hold rows of {', '.join(sorted(names))} or of other days; were they copied here?"
        )


def grid(shelf: Shelf, start: date, end: date, columns: Sequence[str]) -> Grid:
    """What do the days from start to end (inclusive) hold, on the regular grid?

    Every part is verified as it is read. A column the parts do not have is NaN throughout. Raises Tampered.
    """
    wanted = days_between(start, end)
    found = read_all(shelf, wanted)
    first, n = first_position(start, shelf.tf), len(wanted) * shelf.tf.per_day
    out = {name: np.full(n, np.nan) for name in columns}
    present = np.zeros(n, bool)
    whole = table([day for day in found if day is not None], ["symbol", "ts", *columns])
    if whole is not None:
        at = whole.column("ts").cast(pa.int64()).to_numpy() // shelf.tf.ms - first
        _are_ours(whole, at, n, shelf)
        present[at] = True
        for name in set(columns) & set(whole.column_names):
            out[name][at] = whole.column(name).cast(pa.float64()).to_numpy()
    committed = np.repeat([day is not None for day in found], shelf.tf.per_day)
    entries = {day: known.entry if known else None for day, known in zip(wanted, found, strict=True)}
    return Grid(shelf.tf, first, out, present, committed, entries)
