"""The last present value, carried over a short gap."""

from __future__ import annotations

import math

import numpy as np

from p2_features.kernels.compiled import kernel


@kernel
def past_carried(x: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """What was the last known value, if it is at most `most` bars old?

    x: (n,) float64 on the grid, NaN or infinite is missing. Returns (filled, imputed): filled (n,) float64 is x, or
    the last present x where x is missing and that one is at most `most` bars older, else NaN; imputed (n,) bool is
    true where it was filled so. Formula: FORMULAS, Imputation.
    """
    filled = np.full(x.size, np.nan)
    imputed = np.zeros(x.size, np.bool_)
    last = -1
    for t in range(x.size):
        if abs(x[t]) < math.inf:
            filled[t] = x[t]
            last = t
        elif last >= 0 and t - last <= most:
            filled[t] = x[last]
            imputed[t] = True
    return filled, imputed
