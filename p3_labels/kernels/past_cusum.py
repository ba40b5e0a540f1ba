"""At which bars has price moved far enough since the last event to ask again?"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def past_cusum_by_day(
    close: NDArray[np.float64], threshold: float, bars_per_day: int, day_offset: int, days_back: int
) -> NDArray[np.bool_]:
    """At which bars does the symmetric CUSUM of log returns exceed the threshold?

    close: (n,) float64, quote currency; NaN = absent bar (passed over: the next return spans the gap).
    threshold: log return. Position 0 is number `day_offset` of its day, a day has bars_per_day positions.
    Returns (n,) bool. Up and down sums each start at 0 and go back to it at their own event. Every day runs its own
    filter from `days_back` days before, so its events do not depend on where the array begins before that.
    Source: López de Prado, Advances in Financial Machine Learning, 2.5.2.1.
    """
    out = np.zeros(close.size, np.bool_)
    first = 0
    while first < close.size:
        day = (first + day_offset) // bars_per_day
        stop = min((day + 1) * bars_per_day - day_offset, close.size)
        before = np.nan
        rise = fall = 0.0
        for t in range(max((day - days_back) * bars_per_day - day_offset, 0), stop):
            if np.isnan(close[t]):
                continue
            step = math.log(close[t] / before) if not np.isnan(before) else 0.0
            before = close[t]
            rise = max(0.0, rise + step)
            fall = min(0.0, fall + step)
            event = rise > threshold or fall < -threshold
            if rise > threshold:
                rise = 0.0
            if fall < -threshold:
                fall = 0.0
            if t >= first:
                out[t] = event
        first = stop
    return out
