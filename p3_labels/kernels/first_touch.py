"""Which barrier does the path after a bar touch first, and what did it go through until then?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from p3_labels.kernels.first_lanes import (
    ENTRY,
    EXIT,
    HELD,
    LABEL,
    LANES,
    LOWER,
    MAE,
    MFE,
    OUTCOME,
    RET,
    ROWS,
    UPPER,
    first_lanes,
)
from p3_labels.kernels.first_walk import first_walk
from p3_labels.kernels.log_ratio import log_ratio

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Codes = NDArray[np.int8]
Flags = NDArray[np.bool_]
AnyColumn = NDArray[np.number]

WORTH_IT = LANES // 8  # paths in one stretch; fewer are walked one by one


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
        np.empty(n, np.float64),
        np.empty(n, np.float64),
        np.empty(n, np.float64),
        np.empty(n, np.float64),
        np.zeros(n, np.bool_),
    )


@njit(cache=True, nogil=True)
def first_touch_plain(
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
    first: int,
    stop: int,
    out: Touches,
) -> None:
    """The same question as first_touch for events first … stop−1, one path after another, answered into `out`."""
    for i in range(first, stop):
        entry = close[events[i]]
        status, outcome, label, held, price, highest, lowest, path_gap = first_walk(
            open_, high, low, close, open_tape, events[i], upper[i], lower[i], horizon, tie
        )
        out.status[i] = status
        out.outcome[i] = outcome
        out.label[i] = label
        out.held[i] = held
        out.path_gap[i] = path_gap
        out.exit[i] = price
        out.ret[i] = log_ratio(price, entry)
        out.mfe[i] = log_ratio(highest, entry)
        out.mae[i] = log_ratio(lowest, entry)


@njit(cache=True, nogil=True)
def _fill(close: Floats, events: Ints, upper: Floats, lower: Floats, work: Floats) -> None:
    for i in range(LANES):
        work[UPPER + np.uint64(i)] = -np.inf
    for i in range(events.size):
        lane = np.uint64(events[i] - events[0])
        work[ENTRY + lane] = close[events[i]]
        work[UPPER + lane] = upper[i]
        work[LOWER + lane] = lower[i]


@njit(cache=True, nogil=True)
def _give(row: np.uint64, events: Ints, work: Floats, out: AnyColumn) -> None:
    for i in range(events.size):
        out[i] = work[row + np.uint64(events[i] - events[0])]


@njit(cache=True, nogil=True)
def _in_order(open_: Floats, high: Floats, low: Floats, close: Floats, open_tape: Flags) -> bool:
    """Is every bar there, on open tape, with low ≤ open ≤ high?"""
    odd = 0
    for s in range(close.size):
        odd += 0 if open_tape[s] & (low[s] <= open_[s]) & (open_[s] <= high[s]) & (close[s] == close[s]) else 1
    return odd == 0


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
    ends the tape. events: (m,) int64 positions of present bars, entered at their close; rising for speed.
    upper, lower: (m,) float64, quote currency. tie: WAIT, STOP or NEAREST.
    Returns Touches of m: status LABELLED, UNRESOLVED (the tape ends first) or GAP (more than three bars missing in a
    row before the touch, or none present at all); label -1, 0, 1; held in grid steps; exit in quote currency; ret,
    mfe ≥ 0 and mae ≤ 0 log returns from the entry. A gap-open exit counts its bar by the open alone.
    """
    out = no_touches(events.size)
    work = np.ones(ROWS * LANES)
    known = 0  # bars start+1 … known−1 have been looked at and are in order
    first = 0
    while first < events.size:
        start = events[first]
        stop = first + 1
        while stop < events.size and events[stop - 1] < events[stop] < start + LANES:
            stop += 1
        end = start + LANES + horizon
        abreast = stop - first >= WORTH_IT and end <= close.size
        if abreast:
            lo = max(known, start + 1)
            abreast = _in_order(open_[lo:end], high[lo:end], low[lo:end], close[lo:end], open_tape[lo:end])
        if abreast:
            known = end
            some = events[first:stop]
            _fill(close, some, upper[first:stop], lower[first:stop], work)
            first_lanes(open_, high, low, close, start, horizon, tie, work)
            _give(OUTCOME, some, work, out.outcome[first:stop])
            _give(LABEL, some, work, out.label[first:stop])
            _give(HELD, some, work, out.held[first:stop])
            _give(EXIT, some, work, out.exit[first:stop])
            _give(RET, some, work, out.ret[first:stop])
            _give(MFE, some, work, out.mfe[first:stop])
            _give(MAE, some, work, out.mae[first:stop])
        else:
            first_touch_plain(open_, high, low, close, open_tape, events, upper, lower, horizon, tie, first, stop, out)
        first = stop
    return out
