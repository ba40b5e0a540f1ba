"""A made-up market as committed days of bars, for tests of P2 and P3 on a real lake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from lake import commit, notes
from lake.layout import Shelf
from lake.manifest import Provenance, digest
from meta.timeframes import timeframe
from p1_ingest.bars import SCHEMA
from tests import p2_bars
from tests.lakes import a_shelf

FIRST = date(2025, 3, 1)
PROVENANCE = Provenance("sim SYNTHETIC: price", digest(b""), digest(b"market"))
OFFERED = dict.fromkeys((*p2_bars.INPUTS, "open", "high", "low", "close"), True)


def columns(days: int, tf: str = "1h", seed: int = 3) -> dict[str, np.ndarray]:
    """So many days of bars on the grid, with holes and missing inputs."""
    found = p2_bars.bars(days * timeframe(tf).per_day, seed)
    sound = (found["high"] >= found["low"]) | np.isnan(found["close"])
    assert sound.all()
    return found


def table(shelf: Shelf, day: date, at: Mapping[str, np.ndarray], first: date) -> pa.Table:
    """The day's rows of these columns, whose element 0 is the first bar of `first`."""
    per_day, i = shelf.tf.per_day, (day - first).days
    here = {name: values[i * per_day : (i + 1) * per_day] for name, values in at.items()}
    present = ~np.isnan(here["close"])
    start = int(np.datetime64(day, "ms").astype(np.int64))
    ts = start + shelf.tf.ms * np.arange(1, per_day + 1, dtype=np.int64)
    arrays = []
    for field in SCHEMA:
        if field.name == "symbol":
            arrays.append(pa.array([shelf.symbol] * int(present.sum()), pa.string()))
        elif field.name == "ts":
            arrays.append(pa.array(ts[present], pa.int64()).cast(field.type))
        elif field.name in here and pa.types.is_floating(field.type):
            values = here[field.name][present]
            arrays.append(pa.array(values, field.type, mask=np.isnan(values)))
        else:
            arrays.append(pa.nulls(int(present.sum()), field.type))
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def commit_bars(
    shelf: Shelf,
    at: Mapping[str, np.ndarray],
    days: Sequence[date],
    first: date = FIRST,
    source: Provenance = PROVENANCE,
) -> None:
    """Commit these days of the market (a rewrite where they are there)."""
    with commit.writing(shelf) as writer:
        writer.stage_all((day, table(shelf, day, at, first), source) for day in days)
        writer.publish()
        notes.write(shelf, notes.OFFERED, {"source": "sim", "columns": OFFERED})


def the_days(n: int, first: date = FIRST) -> list[date]:
    """`n` days in a row."""
    return [first + timedelta(days=i) for i in range(n)]


def bars_shelf(root, tf: str = "1h", symbol: str = "BTCUSDT") -> Shelf:  # type: ignore[no-untyped-def]
    """The bars of a symbol under this root."""
    return a_shelf(root, tf, symbol)
