"""Which barrier does the path after a bar touch first, and what did it go through until then?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from p3_labels.kernels.first_ending import first_amended, first_endings, first_returns
from p3_labels.kernels.first_lanes import LANES, first_lanes
from p3_labels.kernels.first_walk import first_walk

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Codes = NDArray[np.int8]
Flags = NDArray[np.bool_]

BLOCK = 512  # paths walked before their endings are read: what is written between the two stays in the nearest cache
ITEM = np.uint64(8)  # bytes
COMPILED = hasattr(first_walk, "py_func")  # not where numba is told to leave Python as it is


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
    status, outcome, label = np.zeros(n, np.int8), np.empty(n, np.int8), np.empty(n, np.int8)
    exit_, ret, mfe, mae = np.empty((4, n))
    return Touches(status, outcome, label, np.zeros(n, np.int32), exit_, ret, mfe, mae, np.zeros(n, np.bool_))


@njit(cache=True, nogil=True)
def _rising(events: Ints) -> bool:
    falls = 0
    for i in range(1, events.size):
        falls += 1 if events[i] <= events[i - 1] else 0
    return falls == 0


@njit(cache=True, nogil=True)
def _odd_bars(open_: Floats, high: Floats, low: Floats, close: Floats, open_tape: Flags) -> Ints:
    """At which positions is no bar, no tape, or a bar without low ≤ open ≤ high? Rising, the array's end the last."""
    odd = 0
    for s in range(close.size):
        odd += 0 if open_tape[s] & (low[s] <= open_[s]) & (open_[s] <= high[s]) & (close[s] == close[s]) else 1
    found = np.full(odd + 1, close.size)
    if odd:
        odd = 0
        for s in range(close.size):
            if not (open_tape[s] & (low[s] <= open_[s]) & (open_[s] <= high[s]) & (close[s] == close[s])):
                found[odd] = s
                odd += 1
    return found


@njit(cache=True, nogil=True)
def _walk(
    open_: Floats,
    high: Floats,
    low: Floats,
    close: Floats,
    open_tape: Flags,
    events: Ints,
    upper: Floats,
    lower: Floats,
    horizon: int,
    odd: Ints,
    first: int,
    last: Ints,
    highest: Floats,
    lowest: Floats,
    out: Touches,
) -> None:
    """Where do the paths of events first … first+last.size−1 end, and what was on their way?

    LANES neighbours at once where no odd bar can come in between. last, highest and lowest are written from 0.
    """
    i = 0
    ahead = np.searchsorted(odd, events[first], side="right") if odd.size else 0
    while i < last.size:
        event = first + i
        t = events[event]
        while ahead < odd.size - 1 and odd[ahead] <= t:
            ahead += 1
        calm = odd.size > 0 and i + LANES <= last.size and odd[ahead] >= t + LANES + horizon
        if calm and events[event + LANES - 1] == t + LANES - 1:
            bar, path, lane = np.uint64(t) * ITEM, np.uint64(event) * ITEM, np.uint64(i) * ITEM
            first_lanes(  # type: ignore[call-arg]
                high.ctypes.data + bar,
                low.ctypes.data + bar,
                close.ctypes.data + bar,
                upper.ctypes.data + path,
                lower.ctypes.data + path,
                horizon,
                out.held.ctypes.data + path // np.uint64(2),
                highest.ctypes.data + lane,
                lowest.ctypes.data + lane,
            )
            for k in range(np.uint64(LANES)):
                last[np.uint64(i) + k] = np.uint64(t) + k + np.uint64(out.held[np.uint64(event) + k])
            i += LANES
            continue
        out.status[event], out.held[event], last[i], highest[i], lowest[i], out.path_gap[event] = first_walk(
            open_, high, low, close, open_tape, t, upper[event], lower[event], horizon
        )
        i += 1


@njit(cache=True, nogil=True)
def _touches(
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
    odd: Ints,
    out: Touches,
) -> None:
    """A block at a time: all its paths are walked, then all their endings read."""
    last = np.empty(BLOCK, np.int64)
    entry, opened, highest, lowest = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    for i in range(0, events.size, BLOCK):
        j = min(i + BLOCK, events.size)
        ends, top, bottom = last[: j - i], highest[: j - i], lowest[: j - i]
        some, up, down, label, price = events[i:j], upper[i:j], lower[i:j], out.label[i:j], out.exit[i:j]
        _walk(open_, high, low, close, open_tape, events, upper, lower, horizon, odd, i, ends, top, bottom, out)
        for k in range(some.size):
            entry[k] = close[np.uint64(some[k])]
            opened[k] = open_[np.uint64(ends[k])]
        if first_endings(opened, top, bottom, up, down, tie, out.outcome[i:j], label, price):
            first_amended(open_, high, low, close, some, ends, up, down, label, price, top, bottom)
        first_returns(entry, price, top, bottom, out.ret[i:j], out.mfe[i:j], out.mae[i:j])


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
    whole = np.ascontiguousarray  # lanes are read by address
    o, h, lo, c, tape = whole(open_), whole(high), whole(low), whole(close), whole(open_tape)
    at, up, down = whole(events), whole(upper), whole(lower)
    alone = plain or not COMPILED or not _rising(at)
    odd = np.zeros(0, np.int64) if alone else _odd_bars(o, h, lo, c, tape)
    out = no_touches(events.size)
    _touches(o, h, lo, c, tape, at, up, down, horizon, tie, odd, out)
    return out
