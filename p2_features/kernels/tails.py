"""One tail of a moving window: its few lowest or highest values, in order, at every bar of a chunk.

Order statistics near an end of the window are decided by few values. For a chunk of bars a bound is chosen that leaves
enough values beyond it in every one of the chunk's windows: those are the candidates. They are sorted once, and a
pointer walks over their ranks as they arrive and leave. A value equal to the bound needs no rank: where candidates
run out, the answer is the bound itself, so that ties, however many, cost nothing.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from p2_features.kernels.compiled import kernel
from p2_features.kernels.order import Desk, order_of

COUNT = 0
NEVER = 1 << 62


class Tail(NamedTuple):
    """The lower tail (sign 1.0), or the upper one (-1.0) seen as the lower tail of -x.

    places: bars of the candidates, ascending, with NEVER behind the last. ranks: theirs, by index. ordered: their
    values times sign, by rank. active: is the candidate in the window now, by rank. marks: how many candidates; the
    rank AT the pointer, how many active ones BELOW it; the next candidates to arrive and to leave, by index.
    bound: one value, times sign.
    """

    sign: float
    places: np.ndarray
    ranks: np.ndarray
    ordered: np.ndarray
    active: np.ndarray
    marks: np.ndarray
    bound: np.ndarray


@kernel
def tail_for(sign: float, size: int) -> Tail:
    """What does a tail look like before its first chunk, with room for `size` candidates?"""
    return Tail(
        sign,
        np.empty(size + 1, np.int64),
        np.empty(size, np.int32),
        np.empty(size),
        np.empty(size + 1, np.bool_),
        np.zeros(1, np.int64),
        np.array([-math.inf]),
    )


@kernel
def gather(lower: Tail, upper: Tail, x: np.ndarray, begin: int, end: int) -> None:
    """Append to each tail those of bars begin … end-1 that lie beyond its bound."""
    low, high, lows, highs = lower.bound[0], -upper.bound[0], lower.places, upper.places
    below, above = lower.marks[COUNT], upper.marks[COUNT]
    old_below, old_above = below, above
    bars = x[begin:end]
    for i in range(bars.size):
        lows[below] = begin + i
        below += bars[i] < low
        highs[above] = begin + i
        above += bars[i] > high
    lower.marks[COUNT] = keep_finite(x, lows, old_below, below)
    upper.marks[COUNT] = keep_finite(x, highs, old_above, above)


@kernel
def keep_finite(x: np.ndarray, places: np.ndarray, begin: int, end: int) -> int:
    """Close up the finite ones among places[begin:end]: where do they end? Asking for every bar would cost more."""
    for i in range(begin, end):
        places[begin] = places[i]
        begin += abs(x[places[i]]) < math.inf
    return begin


@kernel
def first_from(places: np.ndarray, bar: int) -> int:
    """Which is the first of these ascending places at or after `bar`? Their number if none is."""
    low, high = 0, places.size
    while low < high:
        middle = (low + high) >> 1
        if places[middle] < bar:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def drop_before(tail: Tail, begin: int) -> None:
    """Forget the candidates before bar `begin`."""
    places, count = tail.places, tail.marks[COUNT]
    gone = first_from(places[:count], begin)
    for i in range(gone, count):
        places[i - gone] = places[i]
    tail.marks[COUNT] = count - gone


@kernel
def selected(values: np.ndarray, nth: int) -> float:
    """Which value is the nth smallest, from 0? Reorders them (Hoare's selection)."""
    low, high = 0, values.size - 1
    while low < high:
        pivot = values[(low + high) >> 1]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if nth <= j:
            high = j
        elif nth >= i:
            low = i
        else:
            break
    return values[nth]


@kernel
def bound_for(x: np.ndarray, sign: float, begin: int, end: int, nth: int, room: np.ndarray) -> float:
    """Which bound has nth+1 values of bars begin … end-1 at or beyond it? Infinity where there are too few."""
    count = 0
    for i in range(begin, end):
        room[count] = sign * x[i]
        count += abs(x[i]) < math.inf
    return selected(room[:count], nth) if nth < count else math.inf


@kernel
def holds(tail: Tail, x: np.ndarray, begin: int, end: int, need: int) -> bool:
    """Are `need` values of bars begin … end-1, the ones every window of the chunk has, at or beyond the bound?

    False also where far more than needed are strictly beyond it, since these have to be sorted.
    """
    if tail.bound[0] == math.inf:
        return end - begin <= need
    places = tail.places[: tail.marks[COUNT]]
    beyond = first_from(places, end) - first_from(places, begin)
    if beyond >= need:
        return beyond <= 4 * need + 64
    at_or_beyond = 0
    for i in range(begin, end):
        v = tail.sign * x[i]
        at_or_beyond += (v <= tail.bound[0]) & (v > -math.inf)
    return at_or_beyond >= need


@kernel
def rank(tail: Tail, x: np.ndarray, begin: int, room: np.ndarray, desk: Desk) -> None:
    """Sort the candidates and mark those active in the window that ends before `begin`."""
    count = tail.marks[COUNT]
    for i in range(count):
        room[i] = tail.sign * x[tail.places[i]] + 0.0
    order = order_of(room[:count], desk)
    for r in range(count):
        tail.ranks[order[r]] = r
        tail.ordered[r] = room[order[r]]
    arriving = first_from(tail.places[:count], begin)
    for i in range(count):
        tail.active[tail.ranks[i]] = i < arriving
    tail.places[count] = NEVER


@kernel
def prepare(
    tails: tuple[Tail, Tail], x: np.ndarray, begin: int, end: int, window: int, needs: tuple[int, int],
    room: np.ndarray, desk: Desk,
) -> None:  # fmt: skip
    """Make both tails ready for the bars begin … end-1, of whose windows no more than `needs` values will be asked.

    To be called for one chunk after another. The bounds are kept while they hold, so that most chunks look at their
    new bars only.
    """
    start, core, fresh = max(begin - window, 0), max(end - 1 - window, 0), begin
    for side in range(2):
        tail, need = tails[side], needs[side]
        drop_before(tail, start)
        if not holds(tail, x, core, begin, need):
            tail.bound[0] = bound_for(x, tail.sign, core, begin, need + need // 4 + 8, room)
            fresh = start
    if fresh < begin:
        tails[0].marks[COUNT] = tails[1].marks[COUNT] = 0
    gather(tails[0], tails[1], x, fresh, end)
    for side in range(2):
        rank(tails[side], x, begin, room, desk)


@kernel
def next_active(active: np.ndarray, count: int, r: int) -> int:
    """Which rank after r is the next one in the window? `count` where there is none."""
    r += 1
    while r < count and not active[r]:
        r += 1
    return min(r, count)


@kernel
def walked(active: np.ndarray, count: int, at: int, below: int, nth: int) -> tuple[int, int]:
    """Which rank has the nth active candidate, from 0, and how many precede it, if `below` of them precede rank `at`?

    Rank `count`, and all that are active, where there are no more than n.
    """
    while below > nth:
        at -= 1
        while not active[at]:
            at -= 1
        below -= 1
    while below < nth and at < count:
        at = next_active(active, count, at)
        below += 1
    return at, below
