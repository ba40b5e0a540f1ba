"""Many paths walked abreast, where every bar is there and no path can break off."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from p3_labels.kernels.first_walk import DOWN, NEAREST, TIE, TIMEOUT, UP, WAIT
from p3_labels.kernels.log_ratio import NEAR, log_ratio, series

Floats = NDArray[np.float64]

LANES = 96
FEW = 4  # with so few paths left, walking them one by one is quicker

# Rows of the one work array. One array, because the compiler must see that rows do not overlap; unsigned, because a
# signed index might be counted from the end. Either doubt costs the vector code.
WIDTH, ONE = np.uint64(LANES), np.uint64(1)
UPPER, LOWER, ENTRY, HELD, HIGHEST, LOWEST = (np.uint64(row * LANES) for row in range(6))
OPEN, EXIT, OUTCOME, LABEL, RET, MFE, MAE = (np.uint64(row * LANES) for row in range(6, 13))
ROWS = 13


@njit(cache=True, nogil=True, error_model="numpy")
def _two_bars(high: Floats, low: Floats, work: Floats) -> int:
    """Every path's next two bars; returns how many paths are still under way.

    Two at a time save half the traffic with the work array; three or four gained nothing more.
    """
    left = 0
    for i in range(WIDTH):
        upper, lower = work[UPPER + i], work[LOWER + i]
        highest, lowest, held = work[HIGHEST + i], work[LOWEST + i], work[HELD + i]
        goes_on = (highest < upper) & (lowest > lower)
        held = held + 1.0 if goes_on else held
        highest = high[i] if goes_on & (high[i] > highest) else highest
        lowest = low[i] if goes_on & (low[i] < lowest) else lowest
        goes_on = (highest < upper) & (lowest > lower)
        held = held + 1.0 if goes_on else held
        highest = high[i + ONE] if goes_on & (high[i + ONE] > highest) else highest
        lowest = low[i + ONE] if goes_on & (low[i + ONE] < lowest) else lowest
        work[HIGHEST + i], work[LOWEST + i], work[HELD + i] = highest, lowest, held
        left += 1 if (highest < upper) & (lowest > lower) else 0
    return left


@njit(cache=True, nogil=True, error_model="numpy")
def _stragglers(high: Floats, low: Floats, start: int, walked: int, horizon: int, work: Floats) -> None:
    """The paths still under way after `walked` bars, one by one."""
    for i in range(WIDTH):
        highest, lowest, held = work[HIGHEST + i], work[LOWEST + i], walked
        upper, lower = work[UPPER + i], work[LOWER + i]
        if highest < upper and lowest > lower:
            s = np.uint64(start + walked) + np.uint64(i)
            while held < horizon and highest < upper and lowest > lower:
                s += np.uint64(1)
                held += 1
                highest, lowest = max(highest, high[s]), min(lowest, low[s])
            work[HELD + i], work[HIGHEST + i], work[LOWEST + i] = held, highest, lowest


@njit(cache=True, nogil=True, error_model="numpy")
def _endings(tie: int, work: Floats) -> int:
    """touch_of, for every path's last bar at once; returns how many of them need _amend."""
    amend = 0
    for i in range(WIDTH):
        open_, upper, lower = work[OPEN + i], work[UPPER + i], work[LOWER + i]
        above, below = open_ >= upper, open_ <= lower
        by_open = above | below
        reached, fell = work[HIGHEST + i] >= upper, work[LOWEST + i] <= lower
        both = (not by_open) & reached & fell
        up = above | ((not below) & reached & (not fell))
        down = (not above) & (below | (fell & (not reached)))
        tied = 1.0 if (tie == NEAREST) & (upper - open_ < open_ - lower) else -1.0
        tied = 0.0 if tie == WAIT else tied
        label = 1.0 if up else -1.0 if down else tied if both else 0.0
        work[EXIT + i] = open_ if by_open else upper if label > 0.0 else lower
        work[LABEL + i] = label
        work[OUTCOME + i] = UP if up else DOWN if down else TIE if both else TIMEOUT
        amend += 1 if by_open | (label == 0.0) else 0
    return amend


@njit(cache=True, nogil=True, error_model="numpy")
def _amend(high: Floats, low: Floats, close: Floats, start: int, work: Floats) -> None:
    """The exits at a close, and the excursions of a gap-open exit, whose bar counts by its open alone."""
    for i in range(WIDTH):
        entered = start + np.int64(i)
        last = entered + np.int64(work[HELD + i])
        if work[LABEL + i] == 0.0:
            work[EXIT + i] = close[last]
        elif work[OPEN + i] >= work[UPPER + i] or work[OPEN + i] <= work[LOWER + i]:
            highest, lowest = max(work[ENTRY + i], work[OPEN + i]), min(work[ENTRY + i], work[OPEN + i])
            for s in range(entered + 1, last):
                highest, lowest = max(highest, high[s]), min(lowest, low[s])
            work[HIGHEST + i], work[LOWEST + i] = highest, lowest


@njit(cache=True, nogil=True, error_model="numpy")
def _returns(work: Floats) -> None:
    """log_ratio of exit, highest and lowest over the entry: all by the series first, then again where one is far."""
    far = 0
    for i in range(WIDTH):
        entry, price, highest, lowest = work[ENTRY + i], work[EXIT + i], work[HIGHEST + i], work[LOWEST + i]
        work[RET + i] = series((price - entry) / (price + entry))
        z = (highest - entry) / (highest + entry)
        work[MFE + i] = series(z)
        far += 0 if z < NEAR else 1
        z = (lowest - entry) / (lowest + entry)
        work[MAE + i] = series(z)
        far += 0 if z > -NEAR else 1
    if far:
        for i in range(WIDTH):
            work[RET + i] = log_ratio(work[EXIT + i], work[ENTRY + i])
            work[MFE + i] = log_ratio(work[HIGHEST + i], work[ENTRY + i])
            work[MAE + i] = log_ratio(work[LOWEST + i], work[ENTRY + i])


@njit(cache=True, nogil=True, error_model="numpy")
def first_lanes(
    open_: Floats, high: Floats, low: Floats, close: Floats, start: int, horizon: int, tie: int, work: Floats
) -> None:
    """Which barrier does each of LANES paths touch first, lane i entered at bar start + i?

    open_, high, low, close: (n,) float64, quote currency; bars start+1 … start+LANES+horizon−1 must be there, with
    low ≤ open ≤ high. work: (ROWS·LANES,) float64; UPPER, LOWER and ENTRY are read (UPPER −inf where no path begins),
    the other rows are written.
    """
    for i in range(WIDTH):
        work[HELD + i] = 0.0
        work[HIGHEST + i] = work[ENTRY + i]
        work[LOWEST + i] = work[ENTRY + i]
    walked = 0
    left = LANES
    while walked + 2 <= horizon and left > FEW:
        lo, hi = start + walked + 1, start + walked + LANES + 2
        left = _two_bars(high[lo:hi], low[lo:hi], work)
        walked += 2
    _stragglers(high, low, start, walked, horizon, work)
    begin = np.uint64(start)
    for i in range(WIDTH):
        work[OPEN + i] = open_[begin + np.uint64(i) + np.uint64(np.int64(work[HELD + i]))]
    if _endings(tie, work):
        _amend(high, low, close, start, work)
    _returns(work)
