"""Which value of a metric holds at a bar? The newest that was known, unless it is too old; never one that is filled."""

from __future__ import annotations

import numpy as np

from reports.universe.features import Family


def past_newest(value: np.ndarray, stamp: np.ndarray, ts: np.ndarray, family: Family) -> tuple[np.ndarray, np.ndarray]:
    """Which value, of which instant, holds at each bar?

    value, stamp : (n,) float64, what each bar's own row says and the instant it describes (UTC ms), NaN where it says
    nothing. ts : (n,) int64, the bars' closes, ascending: what a row says was known at its close. A bar takes the
    newest row's at or before it, not older than the family's tolerance at the close. A value without an instant is of
    its own bar's close.
    Returns (n,) float64 twice, NaN where nothing holds.
    """
    told = np.isfinite(value)
    newest = np.maximum.accumulate(np.where(told, np.arange(len(ts)), -1)) if len(ts) else np.zeros(0, np.int64)
    row = np.maximum(newest, 0)
    instant = np.where(np.isfinite(stamp), stamp, ts)
    holds = (newest >= 0) & (ts - instant[row] <= family.tolerance_ms)
    return np.where(holds, value[row], np.nan), np.where(holds, instant[row], np.nan)
