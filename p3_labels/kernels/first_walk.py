"""The path after one bar, read bar by bar until it touches a barrier, times out or breaks off."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

UP, DOWN, TIMEOUT, TIE = 0, 1, 2, 3
LABELLED, UNRESOLVED, GAP, WAITS = 0, 1, 2, 3
WAIT, STOP, NEAREST = 0, 1, 2
BRIDGED = 3  # so many missing bars in a row are stepped over


@njit(cache=True, nogil=True)
def _tie(open_: float, close: float, upper: float, lower: float, policy: int) -> tuple[int, float]:
    if policy == WAIT:
        return 0, close
    if policy == NEAREST and upper - open_ < open_ - lower:
        return 1, upper
    return -1, lower


@njit(cache=True, nogil=True)
def touch_of(
    open_: float, high: float, low: float, close: float, upper: float, lower: float, tie: int
) -> tuple[int, int, float, bool]:
    """What does one bar do to two barriers? (outcome, label, exit, by its open); TIMEOUT when it reaches neither."""
    if open_ >= upper:
        return UP, 1, open_, True
    if open_ <= lower:
        return DOWN, -1, open_, True
    if high >= upper and low <= lower:
        label, price = _tie(open_, close, upper, lower, tie)
        return TIE, label, price, False
    if high >= upper:
        return UP, 1, upper, False
    if low <= lower:
        return DOWN, -1, lower, False
    return TIMEOUT, 0, close, False


@njit(cache=True, nogil=True)
def first_walk(
    open_: Floats,
    high: Floats,
    low: Floats,
    close: Floats,
    open_tape: Flags,
    t: int,
    upper: float,
    lower: float,
    horizon: int,
    tie: int,
) -> tuple[int, int, int, int, float, float, float, bool]:
    """What comes of the path t+1 … t+horizon? (status, outcome, label, held, exit, highest, lowest, path_gap).

    Arrays as first_touch takes them; highest and lowest in quote currency, the entry included.
    """
    highest = lowest = close[t]
    price = np.nan
    missing = 0
    path_gap = False
    for held in range(1, horizon + 1):
        s = t + held
        if s >= close.size or not open_tape[s]:
            return UNRESOLVED, 0, 0, 0, np.nan, np.nan, np.nan, False
        if np.isnan(close[s]):
            missing += 1
            path_gap = True
            if missing > BRIDGED:
                return GAP, 0, 0, 0, np.nan, np.nan, np.nan, False
            continue
        missing = 0
        outcome, label, price, by_open = touch_of(open_[s], high[s], low[s], close[s], upper, lower, tie)
        highest = max(highest, open_[s] if by_open else high[s])
        lowest = min(lowest, open_[s] if by_open else low[s])
        if outcome != TIMEOUT:
            return LABELLED, outcome, label, held, price, highest, lowest, path_gap
    if np.isnan(price):
        return GAP, 0, 0, 0, np.nan, np.nan, np.nan, False
    return LABELLED, TIMEOUT, 0, horizon, price, highest, lowest, path_gap
