"""Bars with the unit their barriers stand in, in one line of Python."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lake import frames, layout, tables
from lake.parts import stamps
from meta.columns import PRICES
from meta.datasets import DATASETS
from meta.symbols import symbol as checked_symbol
from meta.timeframes import day_of, timeframe
from p3_labels.barriers import Barriers, Bars, barrier_unit


def load(
    symbol: str,
    tf: str = "5m",
    start: tables.When = None,
    end: tables.When = None,
    lake: str | Path | None = None,
    as_: str = "polars",
    *,
    atr: int = 14,
    as_of: str | None = None,
) -> Any:
    """What does the lake hold of one symbol's bars, and how far does a bar reach on average?

    The bars of `lake.load`, and `atr`: Wilder's average true range over `atr` bars, quote currency, the same as the
    labels' column, null where not yet known. as_of : as `lake.load` has it. Raises NotReady, Usage, Tampered.
    """
    settings = Barriers(atr_window=atr).check()
    named, checked, span = timeframe(tf), checked_symbol(symbol), tables.span(start, end)
    with tables.still(lake, as_of, [checked]) as root:
        shelf = layout.shelf(root, DATASETS["bars"], named, checked)
        bars = tables.whole(shelf, *span)
        ts = stamps(bars).to_numpy()
        if ts.size:
            first = day_of(int(ts[0]) - named.ms) - timedelta(days=settings.days_back(named.ms))
            grid = frames.grid(shelf, first, day_of(int(ts[-1]) - named.ms), PRICES)
    reach = _unit(grid, settings)[ts // named.ms - grid.first] if ts.size else np.zeros(0)
    return tables.turned(bars.append_column("atr", pa.array(reach, from_pandas=True)), as_)


def _unit(grid: frames.Grid, settings: Barriers) -> np.ndarray:
    o, h, low, c = (grid.columns[name] for name in PRICES)
    return barrier_unit(Bars(grid.first, grid.tf.ms, o, h, low, c, grid.committed), settings)
