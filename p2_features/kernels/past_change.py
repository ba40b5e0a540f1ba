"""The log change over a number of bars."""

from __future__ import annotations

import numpy as np

from p2_features.kernels.compiled import kernel
from p2_features.kernels.scalar import ln_ratio


@kernel
def past_change(x: np.ndarray, bars: int) -> np.ndarray:
    """By how much did x change over the last `bars` bars, in logs?

    x: (n,) float64 on the grid, NaN or infinite is missing. Returns (n,) float64, ln(x[t] / x[t - bars]); NaN where
    either bar is missing or not > 0, and for the first `bars` positions. Formula: FORMULAS, ret_5m, ret_1h, ret_4h.
    """
    out = np.full(x.size, np.nan)
    for t in range(bars, x.size):
        out[t] = ln_ratio(x[t], x[t - bars])
    return out
