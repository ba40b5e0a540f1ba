"""The share of the past that lies below a bar."""

from __future__ import annotations

import math

import numpy as np

from p2_features.kernels.compiled import kernel


@kernel
def percentile_from(below: int, equal: int, count: int) -> float:
    """Which percentile has `below` smaller and `equal` equal values among `count`?"""
    return (below + 0.5 * equal) / count


@kernel
def past_percentile(x: np.ndarray, window: int, least: int) -> np.ndarray:
    """Which share of the `window` bars before each bar lies below it, ties counted half?

    x: (n,) float64 on the grid, NaN or infinite is missing. Returns (n,) float64 in 0 … 1 over the finite x in
    t-W … t-1; NaN where x is missing or fewer than `least` of them are finite. -0.0 equals 0.0. Formula: FORMULAS,
    Percentile.
    """
    if window < 1:
        raise ValueError("past_percentile: window must be 1 or more")
    out = np.full(x.size, np.nan)
    for t in range(x.size):
        if not abs(x[t]) < math.inf:
            continue
        below, equal, count = 0, 0, 0
        for i in range(max(t - window, 0), t):
            if abs(x[i]) < math.inf:
                count += 1
                below += x[i] < x[t]
                equal += x[i] == x[t]
        if count >= max(least, 1):
            out[t] = percentile_from(below, equal, count)
    return out
