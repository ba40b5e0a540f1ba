"""What makes one table of bars of another: every cell that differs, and the way back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.parts import stamps
from meta.columns import KEYS

BAR = "bar"  # stands under `column` where a whole bar came (old is null) or went (new is null)
NAMES = tuple(column.name for column in KEYS)
STAMP = pa.timestamp("ms", "UTC")
SCHEMA = pa.schema([("ts", STAMP), ("column", pa.string()), ("old", pa.float64()), ("new", pa.float64())])
Values = tuple[np.ndarray, np.ndarray]  # (n,) float64, and (n,) bool: a value is said there
Cells = tuple[np.ndarray, Values, Values]  # (n,) int64, closes, UTC ms; what was said there, and is
NO_CELLS: Cells = (np.zeros(0, np.int64), (np.zeros(0), np.zeros(0, bool)), (np.zeros(0), np.zeros(0, bool)))


def between(old: pa.Table, new: pa.Table) -> pa.Table:
    """Which cells differ, and how: ts, column, old, new, by bar; null is a value that is not said.

    Compared bit by bit. Of a bar that came only that it came is told, of one that went its values too. Columns that
    only `new` has are no change: nothing was said of them. Whole numbers are below 2^53, stamps are UTC ms.
    """
    before, after = _closes(old), _closes(new)
    both, i, j = np.intersect1d(before, after, assume_unique=True, return_indices=True)
    gone = ~np.isin(before, after)
    came = np.setdiff1d(after, before, assume_unique=True)
    pieces = [_rows(BAR, before[gone], _said(1, gone.sum()), _said(0, gone.sum()))]
    pieces.append(_rows(BAR, came, _said(0, len(came)), _said(1, len(came))))
    for name in old.column_names:
        if name in NAMES:
            continue
        was = _values(old.column(name))
        now = _values(new.column(name)) if name in new.column_names else _said(0, new.num_rows)
        pieces.append(_differing(name, both, _at(was, i), _at(now, j)))
        lost = gone & was[1]
        pieces.append(_rows(name, before[lost], _at(was, lost), _said(0, lost.sum())))
    found = pa.concat_tables(pieces)
    order = np.argsort(_closes(found), kind="stable")  # of one bar: the bar itself, then its columns in their order
    return found.take(pa.array(order))


def undone(new: pa.Table, changes: pa.Table, schema: pa.Schema, symbol: str) -> pa.Table:
    """Which table was it, before these changes, under this schema?"""
    cells = _by_column(changes)
    whole, was, _ = cells.get(BAR, NO_CELLS)
    ts = _closes(new)
    keep = ~np.isin(ts, whole[~was[1]])
    gone = np.setdiff1d(whole[was[1]], ts[keep], assume_unique=True)
    rest = new if keep.all() else new.filter(pa.array(keep))
    closes = np.sort(np.concatenate([ts[keep], gone]))
    at = np.searchsorted(closes, ts[keep])
    arrays = [pa.array([symbol] * len(closes), pa.string()), pa.array(closes, pa.int64()).cast(STAMP)]
    for field in list(schema)[len(NAMES) :]:
        there = field.name in new.column_names
        if there and not len(gone) and field.name not in cells and rest.field(field.name).type == field.type:
            arrays.append(rest.column(field.name).combine_chunks())
            continue
        values, said = _said(0, len(closes))
        if there:
            values[at], said[at] = _values(rest.column(field.name))
        place, old, _ = cells.get(field.name, NO_CELLS)
        row = np.searchsorted(closes, place)
        values[row], said[row] = old
        arrays.append(typed(values, said, field.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def digest(table: pa.Table) -> str:
    """What is the sha256 of all that a table says: names, types, and the bits of every value? Not of how it is laid."""
    found = hashlib.sha256()
    for name in table.column_names:
        found.update(f"{name}\t{table.column(name).type}\n".encode())
        if name == "symbol":
            found.update("\n".join(table.column(name).to_pylist()).encode())
            continue
        values, said = _values(table.column(name))
        found.update(said.tobytes() + np.where(said, values, 0.0).astype("<f8").tobytes())
    return found.hexdigest()


def typed(values: np.ndarray, said: np.ndarray, kind: pa.DataType) -> pa.Array:
    """These numbers as a column of the lake: null where nothing is said."""
    if pa.types.is_floating(kind):
        return pa.array(values, kind, mask=~said)
    whole = np.where(said, values, 0.0).astype(np.int64)
    return pa.array(whole, pa.int64(), mask=~said).cast(kind)


def _differing(name: str, ts: np.ndarray, was: Values, now: Values) -> pa.Table:
    bits = was[0].view(np.int64) != now[0].view(np.int64)  # 0.0 and -0.0 are two, and NaN is itself
    differ = (was[1] != now[1]) | (was[1] & now[1] & bits)
    return _rows(name, ts[differ], _at(was, differ), _at(now, differ))


def _rows(name: str, ts: np.ndarray, old: Values, new: Values) -> pa.Table:
    stamped = pa.array(ts, pa.int64()).cast(STAMP)
    sides = [typed(*side, pa.float64()) for side in (old, new)]
    return pa.Table.from_arrays([stamped, pa.array([name] * len(ts), pa.string()), *sides], schema=SCHEMA)


def _by_column(changes: pa.Table) -> Mapping[str, Cells]:
    names = np.array(changes.column("column").to_pylist(), object)
    ts, old, new = _closes(changes), _values(changes.column("old")), _values(changes.column("new"))
    chosen = {name: np.flatnonzero(names == name) for name in dict.fromkeys(names.tolist())}
    return {name: (ts[at], _at(old, at), _at(new, at)) for name, at in chosen.items()}


def _closes(table: pa.Table) -> np.ndarray:
    return stamps(table).to_numpy().astype(np.int64)


def _values(column: pa.ChunkedArray) -> Values:
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_timestamp(whole.type):
        whole = whole.cast(pa.int64())
    numbers = pc.cast(whole, pa.float64(), safe=False)
    said = pc.is_valid(numbers).to_numpy(zero_copy_only=False)
    return pc.fill_null(numbers, 0.0).to_numpy(zero_copy_only=False).copy(), said.copy()


def _at(values: Values, chosen: np.ndarray) -> Values:
    return values[0][chosen], values[1][chosen]


def _said(how: int, n: int) -> Values:
    """`n` times 1.0, or nothing said."""
    return np.full(n, float(how)), np.full(n, bool(how))
