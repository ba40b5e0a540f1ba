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
    status = np.empty(m, np.int8)
    entry, width, upper, lower = np.empty(m), np.empty(m), np.empty(m), np.empty(m)
    for i in range(m):
        at = np.uint64(events[i])
        entry[i], width[i] = close[at], unit[at]
    nearer = min(k_up, k_down) * 1e4
    for i in range(status.size):  # nothing is looked up here, so that it is vector code
        upper[i] = entry[i] + k_up * width[i]
        lower[i] = entry[i] - k_down * width[i]
        code = NARROW if nearer * width[i] < min_barrier_bp * entry[i] else LABELLED
        status[i] = code if width[i] > 0.0 else NO_ATR
    return status, entry, width, upper, lower


@njit(cache=True, nogil=True)
def after_stamps(
    first: int, step_ms: int, events: NDArray[np.int64], held: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """When was each event entered, and when did its path end? (ts, t1), (m,) int64 UTC ms each.

    first: grid number of position 0. events: (m,) positions. held: (m,) grid steps.
    """
    ts, t1 = np.empty(events.size, np.int64), np.empty(events.size, np.int64)
    for i in range(ts.size):
        ts[i] = (first + events[i]) * step_ms
        t1[i] = ts[i] + held[i] * step_ms
    return ts, t1
