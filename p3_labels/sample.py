"""A few labels, to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from lake import days
from lake.layout import Shelf
from lake.manifest import Entry
from meta.errors import NotReady
from meta.timeframes import utc


def sampled(labels: Shelf, known: Mapping[date, Entry], n: int, seed: int) -> list[dict[str, Any]]:
    """Which `n` labels of these days does this seed draw? In the order of time; only the days drawn from are read.

    Raises NotReady where there is none, Tampered.
    """
    rows = np.array([entry.rows for entry in known.values()], dtype=np.int64)
    if not rows.sum():
        raise NotReady(f"{labels} has no label there; run `{days.command(labels)}`")
    drawn = np.sort(np.random.default_rng(seed).choice(rows.sum(), min(n, int(rows.sum())), replace=False))
    ends = np.cumsum(rows)
    found = []
    for i, day in enumerate(known):
        inside = drawn[(drawn >= ends[i] - rows[i]) & (drawn < ends[i])] - (ends[i] - rows[i])
        if len(inside):
            found += _plain(days.need(labels, day).table().take(pa.array(inside)))
    return found


def _plain(table: pa.Table) -> list[dict[str, Any]]:
    for i, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            stamps = [utc(ms) for ms in table.column(i).cast(pa.int64()).to_pylist()]
            table = table.set_column(i, field.name, pa.array(stamps, pa.string()))
    return table.to_pylist()


def lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """How are labels shown to people? Prices as they are, returns in basis points."""
    table: list[tuple[str, ...]] = [
        ("ts", "outcome", "label", "held", "lower", "entry", "upper", "exit", "ret bp", "mfe bp", "mae bp", "")
    ]
    for row in rows:
        prices = [f"{row[name]:.8g}" for name in ("lower", "entry", "upper", "exit")]
        bp = [f"{row[name] * 1e4:+.1f}" for name in ("ret", "mfe", "mae")]
        ts = str(row["ts"])[:16].replace("T", " ")
        told = [ts, str(row["outcome"]), f"{row['label']:+d}" if row["label"] else "0", str(row["bars_held"])]
        table.append((*told, *prices, *bp, "gap bridged" if row["path_gap"] else ""))
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    return ["  ".join(_cell(i, cell, widths[i]) for i, cell in enumerate(row)).rstrip() for row in table]


def _cell(i: int, cell: str, width: int) -> str:
    return cell.ljust(width) if i < 2 else cell.rjust(width)
