"""The quantiles of the past window, and a series clipped by them."""

from __future__ import annotations

import math

import numpy as np

from p2_features.kernels.compiled import inner, lean
from p2_features.kernels.tail import ALL, EVENTS, GOES, RANK, RECOUNT, Tail, tail_for, walked
from p2_features.kernels.tails import Room, prepare, room_for


@inner
def quantile_place(count: int, p: float) -> tuple[int, float]:
    """Between which order statistics of `count` values does quantile p lie: k and k+1 (from 0), and how far?"""
    place = (count - 1) * p
    k = math.floor(place)
    return k, place - k


@inner
def between(a: float, b: float, share: float) -> float:
    """What lies `share` of the way from a to b? Never -0.0, whose order against 0.0 no algorithm can promise."""
    return (a + (b - a) * share) + 0.0


@inner
def clipped(x: float, low: float, high: float) -> float:
    """What is x within [low, high]? NaN where any of them is missing."""
    if not abs(x) < math.inf or math.isnan(low) or math.isnan(high):
        return math.nan
    raised = low if x < low else x
    return high if raised > high else raised


@inner
def tail_quantile(tail: Tail, p: float, least: int, counts: np.ndarray, uniform: bool, out: np.ndarray) -> None:
    """What is quantile p of the window of each of the chunk's bars, for which the tail is prepared?

    counts: (bars,) int64, finite values in each window, or the first of them alone where `uniform`. Writes out (bars,)
    in x's unit, NaN where counts < least. Takes the chunk's events off the tail.
    """
    sign, bound, size = tail.sign, tail.bound[0], tail.marks[ALL]
    values, active, events = tail.values[ALL], tail.active, tail.places[EVENTS]
    at, below, count, q = 0, 0, counts[0], math.nan
    k, share, nth = 0, 0.0, 0
    for j in range(out.size):
        event = events[j]
        if event != 0:
            events[j] = 0
            # Where none comes or goes it is rank -1, which nobody asks for: cheaper than a branch.
            comes, goes = (event & RANK) - 1, ((event >> GOES) & RANK) - 1
            active[comes], active[goes] = True, False
            below += (comes >= 0) & (comes < at)
            below -= (goes >= 0) & (goes < at)
            if event & RECOUNT:
                count = counts[0 if uniform else j]
                k, share = quantile_place(count, p)
                nth = k if sign > 0 else max(count - 2 - k, 0)
            q = math.nan
            if count >= least:
                at, below = walked(active, size, at, below, nth)
                after = at + 1
                while after < size and not active[after]:
                    after += 1
                near = sign * (values[at] if at < size else bound)
                far = sign * (values[after] if after < size else bound)
                if k + 1 == count:
                    q = between(near, near, 0.0)
                else:
                    q = between(near, far, share) if sign > 0 else between(far, near, share)
        out[j] = q


@inner
def finite_between(x: np.ndarray, begin: int, end: int) -> int:
    """How many of the bars begin … end-1 are finite?"""
    count = 0
    for t in range(begin, end):
        count += abs(x[t]) < math.inf
    return count


@inner
def count_on(x: np.ndarray, begin: int, end: int, window: int, count: int, counts: np.ndarray) -> int:
    """How many finite values has the window of each bar begin … end-1, the first of them having `count`?

    Writes counts (bars,) int64 and returns the number for bar `end`.
    """
    for t in range(begin, end):
        counts[t - begin] = count
        count += abs(x[t]) < math.inf
        if t >= window:
            count -= abs(x[t - window]) < math.inf
    return count


@inner
def note_recounts(counts: np.ndarray, events: np.ndarray, bars: int) -> None:
    """Note before which bars the window has another number of values."""
    for j in range(1, bars):
        if counts[j] != counts[j - 1]:
            events[j] |= RECOUNT


@inner
def clip_bars(x: np.ndarray, lo: np.ndarray, hi: np.ndarray, w: np.ndarray) -> None:
    """Write each bar, clipped by its own quantiles, to w; all (bars,)."""
    for t in range(x.size):
        w[t] = clipped(x[t], lo[t], hi[t])


@lean
def bound_bars(
    x: np.ndarray, window: int, low: float, high: float, least: int, tails: tuple[Tail, Tail], room: Room,
    counts: np.ndarray, lo: np.ndarray, hi: np.ndarray, w: np.ndarray,
) -> None:  # fmt: skip
    """Write both quantiles of every bar to lo and hi (n,); or, where w is not empty, every clipped bar to w (n,).

    counts: (chunk,), so many bars share one preparation of the tails. lo and hi need room for such a chunk only where w
    is wanted, and stay in cache.
    """
    chunk = counts.size
    ps, both = (low, high), (lo, hi)
    needs = (quantile_place(window, low)[0] + 2, window - quantile_place(window, high)[0] + 1)
    count = 0
    for begin in range(0, x.size, chunk):
        end = min(begin + chunk, x.size)
        counts[0] = count
        uniform = count == window and finite_between(x, begin, end) == end - begin
        if not uniform:
            count = count_on(x, begin, end, window, count, counts)
        at = 0 if w.size > 0 else begin
        prepare(tails, x, begin, end, window, needs, room)
        for side in range(2):
            if not uniform:
                note_recounts(counts, tails[side].places[EVENTS], end - begin)
            tail_quantile(tails[side], ps[side], least, counts, uniform, both[side][at : at + end - begin])
        if w.size > 0:
            clip_bars(x[begin:end], lo, hi, w[begin:end])


def bound(x: np.ndarray, window: int, low: float, high: float, least: int, *out: np.ndarray) -> None:
    """Give bound_bars the arrays it works in: made here, none has to be made by compiled code.

    A quarter of a window shares one preparation of the tails: more would leave too few values common to all windows.
    out: lo and hi (n,); or w (n,) alone.
    """
    chunk = max(window // 4, 64)
    tails, room = (tail_for(1.0, window, chunk), tail_for(-1.0, window, chunk)), room_for(window, chunk)
    lo, hi, w = (*out, np.empty(0)) if len(out) == 2 else (np.empty(chunk), np.empty(chunk), *out)
    counts = np.empty(chunk, np.int64)
    bound_bars(x, window, float(low), float(high), max(least, 1), tails, room, counts, lo, hi, w)


def past_quantiles(x: np.ndarray, window: int, low: float, high: float, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Between which two quantiles lay the `window` bars before each bar?

    x: (n,) float64 on the grid, NaN or infinite is missing. low <= high in 0 … 1. Returns (lo, hi), each (n,) float64
    in x's unit, over the finite x in t-W … t-1, interpolated between order statistics; NaN where fewer than `least`
    of them are finite. Formula: FORMULAS, Winsorize.
    """
    if window < 1:
        raise ValueError("past_quantiles: window must be 1 or more")
    lo, hi = np.empty(x.size), np.empty(x.size)
    bound(x, window, low, high, least, lo, hi)
    return lo, hi


def past_winsorized(x: np.ndarray, window: int, low: float, high: float, least: int) -> np.ndarray:
    """What is each bar, clipped to the quantiles of the `window` bars before it?

    x, window, low, high, least: as in past_quantiles. Returns w (n,) float64, min(max(x, lo), hi); NaN where x or the
    bounds are missing. Formula: FORMULAS, Winsorize.
    """
    if window < 1:
        raise ValueError("past_winsorized: window must be 1 or more")
    w = np.empty(x.size)
    bound(x, window, low, high, least, w)
    return w
