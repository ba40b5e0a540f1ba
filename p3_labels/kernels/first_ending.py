"""What does the bar that ends a path make of it? Without a branch, so that a loop over many paths is vector code."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from p3_labels.kernels.log_ratio import NEAR, log_ratio, series

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Codes = NDArray[np.int8]

UP, DOWN, TIMEOUT, TIE = 0, 1, 2, 3
WAIT, STOP, NEAREST = 0, 1, 2


@njit(cache=True, nogil=True, error_model="numpy")
def touch_of(
    open_: float, high: float, low: float, close: float, upper: float, lower: float, tie: int
) -> tuple[int, int, float, bool]:
    """What does one bar do to two barriers? (outcome, label, exit, by its open); TIMEOUT when it reaches neither."""
    above, below = open_ >= upper, open_ <= lower
    reached, fell = high >= upper, low <= lower
    by_open = above | below
    up = above | ((not below) & reached & (not fell))
    down = (not above) & (below | (fell & (not reached)))
    both = (not by_open) & reached & fell
    tied = 1 if (tie == NEAREST) & (upper - open_ < open_ - lower) else -1
    tied = 0 if tie == WAIT else tied
    label = 1 if up else -1 if down else tied if both else 0
    outcome = UP if up else DOWN if down else TIE if both else TIMEOUT
    price = open_ if by_open else upper if label > 0 else lower if label < 0 else close
    return outcome, label, price, by_open


@njit(cache=True, nogil=True, error_model="numpy")
def first_endings(
    open_: Floats,
    highest: Floats,
    lowest: Floats,
    upper: Floats,
    lower: Floats,
    tie: int,
    outcome: Codes,
    label: Codes,
    exit_: Floats,
) -> int:
    """How does each path end? Writes outcome, label and exit_, and returns how many paths need first_amended.

    All (m,), float64 in quote currency but for the int8 outcome and label. open_: of the bar that ends the path.
    highest, lowest: of the path; what the touching bar reaches, no bar before it reached.
    """
    amend = 0
    for i in range(outcome.size):
        outcome[i], label[i], exit_[i], by_open = touch_of(
            open_[i], highest[i], lowest[i], np.nan, upper[i], lower[i], tie
        )
        amend += 1 if by_open | (label[i] == 0) else 0
    return amend


@njit(cache=True, nogil=True)
def first_amended(
    open_: Floats,
    high: Floats,
    low: Floats,
    close: Floats,
    events: Ints,
    last: Ints,
    upper: Floats,
    lower: Floats,
    label: Codes,
    exit_: Floats,
    highest: Floats,
    lowest: Floats,
) -> None:
    """What first_endings leaves out: exits at a close, and gap-open exits, whose bar counts by its open alone.

    open_, high, low, close: (n,) bars; events, last: (m,) positions where each path began and ended; the others (m,).
    """
    for i in range(label.size):
        s = last[i]
        if label[i] == 0:
            exit_[i] = close[s]
        elif open_[s] >= upper[i] or open_[s] <= lower[i]:
            top, bottom = max(close[events[i]], open_[s]), min(close[events[i]], open_[s])
            for before in range(events[i] + 1, s):
                if not np.isnan(close[before]):
                    top, bottom = max(top, high[before]), min(bottom, low[before])
            highest[i], lowest[i] = top, bottom


@njit(cache=True, nogil=True, error_model="numpy")
def first_returns(
    entry: Floats, exit_: Floats, highest: Floats, lowest: Floats, ret: Floats, mfe: Floats, mae: Floats
) -> None:
    """How far are exit, highest and lowest from the entry? log_ratio of each: by the series, again where one is far.

    All (m,) float64, quote currency. The exit lies between highest and lowest, so it is near where they are.
    """
    far = 0
    for i in range(ret.size):
        ret[i] = series((exit_[i] - entry[i]) / (exit_[i] + entry[i]))
        z = (highest[i] - entry[i]) / (highest[i] + entry[i])
        mfe[i] = series(z)
        far += 0 if z < NEAR else 1
        z = (lowest[i] - entry[i]) / (lowest[i] + entry[i])
        mae[i] = series(z)
        far += 0 if z > -NEAR else 1
    if far:
        for i in range(ret.size):
            ret[i] = log_ratio(exit_[i], entry[i])
            mfe[i] = log_ratio(highest[i], entry[i])
            mae[i] = log_ratio(lowest[i], entry[i])
