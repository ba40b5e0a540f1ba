"""Which barrier does the path after a bar touch first, and what did it go through until then?"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Codes = NDArray[np.int8]
Flags = NDArray[np.bool_]

UP, DOWN, TIMEOUT, TIE = 0, 1, 2, 3
LABELLED, UNRESOLVED, GAP, WAITS = 0, 1, 2, 3
WAIT, STOP, NEAREST = 0, 1, 2
BRIDGED = 3


class Touches(NamedTuple):
    """What came of every event; but for `status`, a value means something only where status is LABELLED."""

    status: Codes
    outcome: Codes
    label: Codes
    held: NDArray[np.int32]
    exit: Floats
    ret: Floats
    mfe: Floats
    mae: Floats
    path_gap: Flags


@njit(cache=True, nogil=True)
def no_touches(n: int) -> Touches:
    """Where does a kernel write what came of n events?"""
    return Touches(
        np.zeros(n, np.int8),
        np.zeros(n, np.int8),
        np.zeros(n, np.int8),
        np.zeros(n, np.int32),
        np.full(n, np.nan),
        np.full(n, np.nan),
        np.full(n, np.nan),
        np.full(n, np.nan),
        np.zeros(n, np.bool_),
    )


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
def _walk(
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
    """(status, outcome, label, held, exit, highest, lowest, path_gap) of the path after bar t."""
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


@njit(cache=True, nogil=True)
def first_touch(
    open_: Floats,
    high: Floats,
    low: Floats,
    close: Floats,
    open_tape: Flags,
    events: Ints,
    upper: Floats,
    lower: Floats,
    horizon: int,
    tie: int,
) -> Touches:
    """Which barrier does the path t+1 … t+horizon of each event touch first?

    open_, high, low, close: (n,) float64, quote currency, on the grid; NaN = absent bar.
    open_tape: (n,) bool, True where the day of that grid position is committed; the first False, or the array's end,
    ends the tape. events: (m,) int64 positions of present bars, entered at their close.
    upper, lower: (m,) float64, quote currency. tie: WAIT, STOP or NEAREST.
    Returns Touches of m: status LABELLED, UNRESOLVED (the tape ends first) or GAP (more than three bars missing in a
    row before the touch, or none present at all); label -1, 0, 1; held in grid steps; exit in quote currency; ret,
    mfe ≥ 0 and mae ≤ 0 log returns from the entry. A gap-open exit counts its bar by the open alone.
    """
    out = no_touches(events.size)
    for i in range(events.size):
        t = events[i]
        status, outcome, label, held, price, highest, lowest, path_gap = _walk(
            open_, high, low, close, open_tape, t, upper[i], lower[i], horizon, tie
        )
        out.status[i] = status
        if status == LABELLED:
            out.outcome[i] = outcome
            out.label[i] = label
            out.held[i] = held
            out.exit[i] = price
            out.ret[i] = math.log(price / close[t])
            out.mfe[i] = math.log(highest / close[t])
            out.mae[i] = math.log(lowest / close[t])
            out.path_gap[i] = path_gap
    return out
