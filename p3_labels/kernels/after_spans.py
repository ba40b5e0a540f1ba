"""How crowded with other labels is the span a label looks at after its bar?"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@njit(cache=True, nogil=True)
def after_concurrency(start: Ints, end: Ints, n: int) -> Ints:
    """How many labels' spans (start, end] hold each grid position?

    start, end: (m,) int64 grid positions, end ≥ start. Returns (n,) int64.
    """
    out = np.zeros(n + 2, np.int64)
    for i in range(start.size):
        out[start[i] + 1] += 1
        out[end[i] + 1] -= 1
    for s in range(1, n):
        out[s] += out[s - 1]
    return out[:n]


@njit(cache=True, nogil=True)
def after_uniqueness(close: Floats, concurrency: Ints, start: Ints, end: Ints) -> tuple[Floats, Floats]:
    """How much of its span, and of the return over it, is each label's own?

    close: (n,) float64, quote currency; NaN = absent bar. concurrency: (n,) int64. start, end: (m,) int64 positions.
    Returns (uniqueness, w_return), (m,) float64 each: the mean of 1/c over the present bars of (start, end], and
    |Σ r/c| over them, r the log return from the previous present close. NaN where no bar is present.
    Every span is summed by itself: differences of running sums would carry the build's first day in their bits.
    Source: López de Prado, Advances in Financial Machine Learning, 4.4 and 4.10.
    """
    steps = np.full(close.size, np.nan)
    before = np.nan
    for s in range(close.size):
        if not np.isnan(close[s]):
            steps[s] = math.log(close[s] / before)
            before = close[s]
    uniqueness = np.full(start.size, np.nan)
    attributed = np.full(start.size, np.nan)
    for i in range(start.size):
        present = 0
        share = earned = 0.0
        for s in range(start[i] + 1, end[i] + 1):
            if not np.isnan(close[s]):
                present += 1
                share += 1.0 / concurrency[s]
                earned += steps[s] / concurrency[s]
        if present:
            uniqueness[i] = share / present
            attributed[i] = abs(earned)
    return uniqueness, attributed
