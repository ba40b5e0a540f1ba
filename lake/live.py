"""The bars of days that are not committed yet: one file a symbol, whole at every instant, and in no view."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lake import disk, regular
from lake.layout import Shelf
from lake.settings import shown
from meta.errors import PerplakeError, Tampered

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

FOLDER = "live"


def path(shelf: Shelf) -> Path:
    """Where is this symbol's file?"""
    return shelf.root / FOLDER / shelf.tf.name / f"{shelf.symbol}.parquet"


def read(shelf: Shelf) -> pa.Table | None:
    """Which bars does it hold, ts ascending? None where there is no file. Raises Tampered where it is no such file."""
    from lake import parts

    where = path(shelf)
    try:
        data = regular.read(where)
    except FileNotFoundError:
        return None
    heal = f"{shown(where)} is not what `follow` wrote; remove it, its bars come again with the next one"
    try:
        table = parts.decoded(data, shown(where))
        names = set(table.column("symbol").to_pylist())
        ts = parts.stamps(table).to_numpy()
    except (PerplakeError, KeyError, ValueError):  # no file, no such columns, or a name that is no text
        raise Tampered(heal) from None
    if names - {shelf.symbol} or (ts % shelf.tf.ms).any() or (ts[1:] <= ts[:-1]).any():
        raise Tampered(heal)
    return table


def grid(shelf: Shelf, columns: Sequence[str]) -> tuple[np.ndarray, int] | None:
    """The same bars on the regular grid: (n, columns) float64, NaN is missing, and the absolute position of row 0.

    None where there is no bar. A column the file does not have is NaN throughout. Raises Tampered.
    """
    import numpy as np
    import pyarrow as pa

    from lake import parts

    table = read(shelf)
    if table is None or not table.num_rows:
        return None
    at = parts.stamps(table).to_numpy() // shelf.tf.ms
    rows = np.full((int(at[-1] - at[0]) + 1, len(columns)), np.nan)
    for j, name in enumerate(columns):
        if name in table.column_names:
            rows[at - at[0], j] = table.column(name).cast(pa.float64()).to_numpy()
    return rows, int(at[0])


def write(shelf: Shelf, table: pa.Table) -> None:
    """Put these bars in the place of what the file held."""
    from lake import parts

    where = path(shelf)
    disk.make_folders(where.parent)
    disk.write_over(where, parts.encoded(table))


def clean(shelf: Shelf) -> None:
    """Remove what a killed writer left beside the file. The caller holds the right to follow."""
    where = path(shelf)
    for left in where.parent.glob(f".{where.name}.*.tmp"):
        disk.unlink(left)
