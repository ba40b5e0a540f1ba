"""The quantiles of the past window, and a series clipped by them."""

from __future__ import annotations

import math

import numpy as np

from p2_features.kernels.compiled import kernel
from p2_features.kernels.order import desk_for
from p2_features.kernels.tails import COUNT, Tail, first_from, next_active, prepare, tail_for, walked


@kernel
def quantile_place(count: int, p: float) -> tuple[int, float]:
    """Between which order statistics of `count` values does quantile p lie: k and k+1 (from 0), and how far?"""
    place = (count - 1) * p
    k = math.floor(place)
    return k, place - k


@kernel
def between(a: float, b: float, share: float) -> float:
    """What lies `share` of the way from a to b? Never -0.0, whose order against 0.0 no algorithm can promise."""
    return (a + (b - a) * share) + 0.0


@kernel
def clipped(x: float, low: float, high: float) -> float:
    """What is x within [low, high]? NaN where any of them is missing."""
    if not abs(x) < math.inf or math.isnan(low) or math.isnan(high):
        return math.nan
    raised = low if x < low else x
    return high if raised > high else raised


@kernel
def same_count(counts: np.ndarray, j: int, last: int) -> int:
    """Up to which bar, `last` at most, does the window keep the number of values it has at bar j?"""
    k = j
    while k < last and counts[k + 1] == counts[j]:
        k += 1
    return k


@kernel
def tail_quantile(
    tail: Tail, begin: int, end: int, window: int, p: float, least: int, counts: np.ndarray, uniform: bool,
    out: np.ndarray,
) -> None:  # fmt: skip
    """What is quantile p of the window of each bar begin … end-1?

    The tail must be prepared for these bars. counts: (bars,) int64, finite values in each window, or the first of them
    alone where `uniform`. Writes out (bars,) in x's unit, NaN where counts < least. Between two changes of count or
    candidates the quantile stands still.
    """
    places, ranks, ordered, active, bound = tail.places, tail.ranks, tail.ordered, tail.active, tail.bound[0]
    size = tail.marks[COUNT]
    arriving, leaving = first_from(places[:size], begin), 0
    at, after, below = next_active(active, size, -1), size, 0
    t, steady = begin, begin - 1
    while t < end:
        if t > steady:
            steady = end - 1 if uniform else begin + same_count(counts, t - begin, end - 1 - begin)
        count, q = counts[0 if uniform else t - begin], math.nan
        if count >= least:
            k, share = quantile_place(count, p)
            nth = k if tail.sign > 0 else max(count - 2 - k, 0)
            at, below = walked(active, size, at, below, nth)
            after = next_active(active, size, at)
            near = tail.sign * (ordered[at] if at < size else bound)
            far = tail.sign * (ordered[after] if after < size else bound)
            if k + 1 == count:
                q = between(near, near, 0.0)
            else:
                q = between(near, far, share) if tail.sign > 0 else between(far, near, share)
        change, touched = t, False
        while not touched:
            change = min(places[arriving], places[leaving] + window)
            if change > steady:
                break
            if places[arriving] == change:
                r = ranks[arriving]
                active[r] = True
                below += r < at
                touched = r < after
                arriving += 1
            if places[leaving] + window == change:
                r = ranks[leaving]
                active[r] = False
                below -= r < at
                if r == at:
                    at = next_active(active, size, at)
                touched |= r <= after
                leaving += 1
        last = min(change, steady)
        for j in range(t - begin, last + 1 - begin):
            out[j] = q
        t = last + 1


@kernel
def finite_between(x: np.ndarray, begin: int, end: int) -> int:
    """How many of the bars begin … end-1 are finite?"""
    count = 0
    for t in range(begin, end):
        count += abs(x[t]) < math.inf
    return count


@kernel
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


@kernel
def clip_bars(x: np.ndarray, lo: np.ndarray, hi: np.ndarray, w: np.ndarray) -> None:
    """Write each bar, clipped by its own quantiles, to w; all (bars,)."""
    for t in range(x.size):
        w[t] = clipped(x[t], lo[t], hi[t])


@kernel
def bound_bars(
    x: np.ndarray, window: int, low: float, high: float, least: int, lo: np.ndarray, hi: np.ndarray, w: np.ndarray
) -> None:
    """Write both quantiles of every bar to lo and hi (n,); or, where w is not empty, every clipped bar to w (n,).

    Half a window of bars shares one sorting of the tails: more would leave too few values common to all their
    windows. lo and hi need room for such a chunk only where w is wanted, and stay in cache.
    """
    chunk = chunk_length(window)
    desk, room, counts = desk_for(window + chunk), np.empty(window + chunk), np.empty(chunk, np.int64)
    tails = (tail_for(1.0, window + chunk), tail_for(-1.0, window + chunk))
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
        prepare(tails, x, begin, end, window, needs, room, desk)
        for side in range(2):
            out = both[side][at : at + end - begin]
            tail_quantile(tails[side], begin, end, window, ps[side], least, counts, uniform, out)
        if w.size > 0:
            clip_bars(x[begin:end], lo, hi, w[begin:end])


@kernel
def chunk_length(window: int) -> int:
    """How many bars share one sorting of the tails?"""
    return max(window // 2, 64)


def past_quantiles(x: np.ndarray, window: int, low: float, high: float, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Between which two quantiles lay the `window` bars before each bar?

    x: (n,) float64 on the grid, NaN or infinite is missing. low <= high in 0 … 1. Returns (lo, hi), each (n,) float64
    in x's unit, over the finite x in t-W … t-1, interpolated between order statistics; NaN where fewer than `least`
    of them are finite. Formula: FORMULAS, Winsorize.
    """
    if window < 1:
        raise ValueError("past_quantiles: window must be 1 or more")
    lo, hi = np.empty(x.size), np.empty(x.size)
    bound_bars(x, window, float(low), float(high), max(least, 1), lo, hi, np.empty(0))
    return lo, hi


def past_winsorized(x: np.ndarray, window: int, low: float, high: float, least: int) -> np.ndarray:
    """What is each bar, clipped to the quantiles of the `window` bars before it?

    x, window, low, high, least: as in past_quantiles. Returns w (n,) float64, min(max(x, lo), hi); NaN where x or the
    bounds are missing. Formula: FORMULAS, Winsorize.
    """
    if window < 1:
        raise ValueError("past_winsorized: window must be 1 or more")
    w, chunk = np.empty(x.size), chunk_length(window)
    bound_bars(x, window, float(low), float(high), max(least, 1), np.empty(chunk), np.empty(chunk), w)
    return w
