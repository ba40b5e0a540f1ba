"""Where do the barriers stand that a path may touch?"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from p3_labels.kernels.first_walk import LABELLED

Floats = NDArray[np.float64]

NO_ATR, NARROW = 4, 5  # beside first_walk's codes: there is no unit, or the barriers are too near


@njit(cache=True, nogil=True)
def first_barriers(
    close: Floats, unit: Floats, events: NDArray[np.int64], k_up: float, k_down: float, min_barrier_bp: float
) -> tuple[NDArray[np.int8], Floats, Floats, Floats, Floats]:
    """Where are the entry and the two barriers of each event, and are there any?

    close, unit: (n,) float64, quote currency; NaN = absent bar, unit not known. events: (m,) int64 positions.
    Returns (status, entry, unit, upper, lower), (m,) each: status int8 LABELLED (which is yet to be seen), NO_ATR or
    NARROW, the rest float64, quote currency: entry + k_up·unit and entry − k_down·unit.
    """
    m = events.size
    status = np.zeros(m, np.int8)
    entry, width, upper, lower = np.empty(m), np.empty(m), np.empty(m), np.empty(m)
    nearer = min(k_up, k_down) * 1e4
    for i in range(m):
        price, reach = close[events[i]], unit[events[i]]
        entry[i] = price
        width[i] = reach
        upper[i] = price + k_up * reach
        lower[i] = price - k_down * reach
        if not reach > 0.0:
            status[i] = NO_ATR
        elif nearer * reach < min_barrier_bp * price:
            status[i] = NARROW
        else:
            status[i] = LABELLED
    return status, entry, width, upper, lower
