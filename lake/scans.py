"""Some columns of many symbols in a second: one derived file a symbol, believed while its manifests are those there."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa

from lake import layout, mapped, parts, tables
from lake.layout import MANIFEST, SUCCESS, Shelf
from lake.tables import KEYS, When
from meta.datasets import dataset
from meta.errors import NotReady, Usage
from meta.symbols import symbol as checked_symbol
from meta.timeframes import day_start, timeframe

FOLDER = "scans"


def scan(
    symbols: str | Sequence[str],
    columns: str | Sequence[str],
    tf: str = "5m",
    start: When = None,
    end: When = None,
    lake: str | Path | None = None,
    as_: str = "polars",
    *,
    of: str = "bars",
) -> Any:
    """What do these columns of these symbols say, one row a bar, by symbol and ts?

    The rows `load` gives of each symbol, without the columns not asked for; symbol is categorical. A column that a
    symbol has not is null. The first scan of a symbol verifies its days and keeps them as one file below `.lake`; later
    ones read that file while it is of the manifests that stand there, byte for byte.
    Raises NotReady where a symbol has no committed day in that range, Usage, Tampered.
    """
    names, wanted = ([x] if isinstance(x, str) else list(x) for x in (symbols, columns))
    shelves = [(dataset(of), timeframe(tf), checked_symbol(name)) for name in sorted(set(names))]
    if not shelves or not wanted:
        raise Usage("scan: no symbol or no column is named; name one of each or more")
    wanted = [name for name in dict.fromkeys(wanted) if name not in KEYS]
    first, last = tables.span(start, end)
    with tables.still(lake, None) as root, ThreadPoolExecutor(os.cpu_count()) as pool:
        places = [layout.shelf(root, *key) for key in shelves]
        rows = functools.partial(_rows, columns=wanted, first=first, last=last)
        # This thread alone reads manifests, for which it needs the interpreter; the others decode without it.
        found = list(pool.map(rows, places, map(manifests, places)))
    table = pa.concat_tables(found, promote_options="default")
    for name in wanted:
        if name not in table.column_names:
            raise Usage(f"scan: none of these symbols has a column {name}; see the data dictionary")
    symbol = _named([name for _, _, name in shelves], [one.num_rows for one in found])
    table = table.select(["ts", *wanted]).add_column(0, "symbol", symbol)
    return tables.turned(table, as_)


def _named(names: Sequence[str], rows: Sequence[int]) -> pa.DictionaryArray:
    """Each name as often as it has rows."""
    import numpy as np

    return pa.DictionaryArray.from_arrays(np.repeat(np.arange(len(names), dtype=np.int32), rows), list(names))


def _rows(shelf: Shelf, mark: str, columns: Sequence[str], first: date | None, last: date | None) -> pa.Table:
    """The rows of one symbol, whose manifests are as marked, from the first day to the last: ts and known columns."""
    table = mapped.read(place(shelf), mark, ("ts", *columns))
    if table is None:
        whole = tables.whole(shelf, None, None).drop_columns("symbol")
        with contextlib.suppress(OSError):  # a lake that may not be written is read all the same
            mapped.write(place(shelf), mark, whole)
        table = whole.select([name for name in whole.column_names if name == "ts" or name in columns])
    ts = parts.stamps(table).to_numpy()
    low = 0 if first is None else int(ts.searchsorted(day_start(first), "right"))
    high = len(ts) if last is None else int(ts.searchsorted(day_start(last) + 86_400_000, "right"))
    if low >= high:
        raise NotReady(f"{shelf} has no bar in that range; choose another")
    return table.slice(low, high - low)


def place(shelf: Shelf) -> Path:
    """Where is a symbol's derived file?"""
    return shelf.root / ".lake" / FOLDER / shelf.dataset.folder / shelf.tf.name / f"{shelf.symbol}.arrow"


def manifests(shelf: Shelf) -> str:
    """The digest of all manifests of the committed days and of their places, as they are on disk now."""
    seen, base = sha256(), str(shelf.folder)
    for name in layout.day_folders(base):
        try:
            os.stat(f"{base}/{name}/{SUCCESS}")  # noqa: PTH116  a path for each would take as long as all the rest
            fd = os.open(f"{base}/{name}/{MANIFEST}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            continue
        try:
            seen.update(name.encode() + os.read(fd, 1 << 16))
        finally:
            os.close(fd)
    return seen.hexdigest()
