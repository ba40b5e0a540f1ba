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


def no_touches(n: int) -> Touches:
    """Where does a kernel write what came of n events?"""
    status, outcome, label = np.zeros(n, np.int8), np.zeros(n, np.int8), np.zeros(n, np.int8)
    prices = np.empty((4, n))
    return Touches(
        status, outcome, label, np.zeros(n, np.int32), prices[0], prices[1], prices[2], prices[3], np.zeros(n, np.bool_)
    )


@njit(cache=True, nogil=True)
def _in_order(open_: Floats, high: Floats, low: Floats, close: Floats, open_tape: Flags) -> bool:
    """Is every bar there, on open tape, with low ≤ open ≤ high?"""
    odd = 0
    for s in range(close.size):
        odd += 0 if open_tape[s] & (low[s] <= open_[s]) & (open_[s] <= high[s]) & (close[s] == close[s]) else 1
    return odd == 0


@njit(cache=True, nogil=True)
def _stretches(
    open_: Floats, high: Floats, low: Floats, close: Floats, open_tape: Flags, events: Ints, horizon: int
) -> tuple[Ints, Flags]:
    """Which runs of events lie within LANES bars, [at[k], at[k+1]) each, and which of them can be walked abreast?"""
    at = np.empty(events.size + 1, np.int64)
    abreast = np.zeros(events.size, np.bool_)
    known = 0  # bars start+1 … known−1 have been looked at and are in order
    runs = first = 0
    while first < events.size:
        start = events[first]
        at[runs] = first
        first += 1
        while first < events.size and events[first - 1] < events[first] < start + LANES:
            first += 1
        end = start + LANES + horizon
        if first - at[runs] >= WORTH_IT and end <= close.size:
            lo = max(known, start + 1)
            abreast[runs] = _in_order(open_[lo:end], high[lo:end], low[lo:end], close[lo:end], open_tape[lo:end])
            known = end if abreast[runs] else known
        runs += 1
    at[runs] = events.size
    return at[: runs + 1], abreast[:runs]


@njit(cache=True, nogil=True)
def _enter(close: Floats, events: Ints, upper: Floats, lower: Floats, work: Floats) -> None:
    """Give every event the lane of its place after the first; the lanes between have no path."""
    m = events.size
    if events[-1] - events[0] == m - 1:
        here = close[events[0] : events[0] + m]
        for i in range(m):
            work[ENTRY + np.uint64(i)] = here[i]
        for i in range(m):
            work[UPPER + np.uint64(i)] = upper[i]
        for i in range(m):
            work[LOWER + np.uint64(i)] = lower[i]
        for i in range(m, LANES):
            work[UPPER + np.uint64(i)] = -np.inf
        return
    for i in range(LANES):
        work[UPPER + np.uint64(i)] = -np.inf
    for i in range(m):
        lane = np.uint64(events[i] - events[0])
        work[ENTRY + lane] = close[events[i]]
        work[UPPER + lane] = upper[i]
        work[LOWER + lane] = lower[i]


@njit(cache=True, nogil=True)
def _leave(row: np.uint64, events: Ints, work: Floats, out: NDArray[np.number]) -> None:
    """Hand one row's lanes to the events they were entered for."""
    m = events.size
    if events[-1] - events[0] == m - 1:
        for i in range(m):
            out[i] = work[row + np.uint64(i)]
    else:
        for i in range(m):
            out[i] = work[row + np.uint64(events[i] - events[0])]


@njit(cache=True, nogil=True)
def _walk_abreast(
    open_: Floats,
    high: Floats,
    low: Floats,
    close: Floats,
    events: Ints,
    upper: Floats,
    lower: Floats,
    horizon: int,
    tie: int,
    at: Ints,
    abreast: Flags,
    out: Touches,
) -> None:
    work = np.ones(ROWS * LANES)
    for run in range(abreast.size):
        if abreast[run]:
            first, stop = at[run], at[run + 1]
            some = events[first:stop]
            _enter(close, some, upper[first:stop], lower[first:stop], work)
            first_lanes(open_, high, low, close, some[0], horizon, tie, work)
            _leave(OUTCOME, some, work, out.outcome[first:stop])
            _leave(LABEL, some, work, out.label[first:stop])
            _leave(HELD, some, work, out.held[first:stop])
            _leave(EXIT, some, work, out.exit[first:stop])
            _leave(RET, some, work, out.ret[first:stop])
            _leave(MFE, some, work, out.mfe[first:stop])
            _leave(MAE, some, work, out.mae[first:stop])


@njit(cache=True, nogil=True)
def _walk_alone(
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
    at: Ints,
    abreast: Flags,
    out: Touches,
) -> None:
    for run in range(abreast.size):
        if abreast[run]:
            continue
        for i in range(at[run], at[run + 1]):
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
    plain: bool = False,
) -> Touches:
    """Which barrier does the path t+1 … t+horizon of each event touch first?

    open_, high, low, close: (n,) float64, quote currency, on the grid; NaN = absent bar.
    open_tape: (n,) bool, True where the day of that grid position is committed; the first False, or the array's end,
    ends the tape. events: (m,) int64 positions of present bars, entered at their close; rising for speed.
    upper, lower: (m,) float64, quote currency. tie: WAIT, STOP or NEAREST. plain: one path after another throughout.
    Returns Touches of m: status LABELLED, UNRESOLVED (the tape ends first) or GAP (more than three bars missing in a
    row before the touch, or none present at all); label -1, 0, 1; held in grid steps; exit in quote currency; ret,
    mfe ≥ 0 and mae ≤ 0 log returns from the entry. A gap-open exit counts its bar by the open alone.
    """
    out = no_touches(events.size)
    at, abreast = _stretches(open_, high, low, close, open_tape, events, horizon)
    if plain:
        abreast[:] = False
    paths = (events, upper, lower, horizon, tie, at, abreast, out)
    if abreast.any():
        _walk_abreast(open_, high, low, close, *paths)
    if not abreast.all():
        _walk_alone(open_, high, low, close, open_tape, *paths)
    return out
