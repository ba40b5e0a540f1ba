"""One tail of a moving window: its few lowest or highest values, in order, chunk of bars after chunk.

Order statistics near an end of the window are decided by few values. A bound is kept that leaves enough values beyond
it in every window of the chunk: those are the candidates. They stay sorted from chunk to chunk; a chunk sorts its own
few and merges them in, and notes at which bar which rank comes and goes. A value equal to the bound needs no rank:
where candidates run out, the answer is the bound itself, so that ties, however many, cost nothing.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from p2_features.kernels.compiled import inner, maker
from p2_features.kernels.order import Desk, desk_for, put_in_order

COUNT, NEW = 0, 1
EIGHT = 8
ONE, EACH, TOP = np.uint64(1), np.uint64(0x0101010101010101), np.uint64(56)
SAMPLE = 7  # one bar in so many is looked at to guess a bound
FEW = 48  # up to so many values, insertion sorts faster than dealing them out
# An event of a bar, in one number: the rank that comes + 1, the rank that goes + 1, and whether the count changes.
RANK, GOES, RECOUNT = (1 << 31) - 1, 31, 1 << 62


class Tail(NamedTuple):
    """The lower tail (sign 1.0), or the upper one (-1.0) seen as the lower tail of -x.

    values: the candidates times sign, ascending. places: their bars. active: is this rank in the window now? arrivals:
    bars of the chunk's own candidates, ascending. new_values, new_places: the same by value. events: by bar of the
    chunk, 0 where nothing has happened since the one before; one more, for what happens elsewhere. marks: how many
    candidates, how many of them new. bound: one value, times sign.
    """

    sign: float
    values: np.ndarray
    places: np.ndarray
    active: np.ndarray
    arrivals: np.ndarray
    new_values: np.ndarray
    new_places: np.ndarray
    events: np.ndarray
    marks: np.ndarray
    bound: np.ndarray


class Room(NamedTuple):
    """What preparing a chunk takes to work in."""

    values: np.ndarray
    flags: np.ndarray
    desk: Desk


@maker
def room_for(window: int, chunk: int) -> Room:
    """Which arrays does preparing a chunk need?"""
    size = window + chunk
    return Room(np.empty(size), np.zeros(size // EIGHT * EIGHT + 2 * EIGHT, np.uint8), desk_for(size))


@maker
def tail_for(sign: float, window: int, chunk: int) -> Tail:
    """What does a tail look like before its first chunk?"""
    size = window + chunk + 1
    return Tail(
        sign,
        np.empty(size),
        np.empty(size, np.int64),
        np.empty(size, np.bool_),
        np.empty(size, np.int64),
        np.empty(size),
        np.empty(size, np.int64),
        np.zeros(chunk + 1, np.int64),
        np.zeros(2, np.int64),
        np.array([math.inf]),
    )


@inner
def gather(
    x: np.ndarray, begin: int, end: int, low: float, high: float, lows: np.ndarray, highs: np.ndarray,
    flags: np.ndarray,
) -> tuple[int, int]:  # fmt: skip
    """Which of the bars begin … end-1 lie below `low` and which above `high`? Writes their places, returns how many.

    Few do, so that eight bars are asked at once.
    """
    bars, below, above = x[begin:end], 0, 0
    for i in range(bars.size):
        flags[i] = (bars[i] < low) | (bars[i] > high)
    flags[bars.size : bars.size + EIGHT] = 0
    eights = flags.view(np.uint64)
    for e in range((bars.size + EIGHT - 1) // EIGHT):
        left = eights[e]
        while left != 0:
            first = left & (~left + ONE)
            i = EIGHT * e + int(((first - ONE) & EACH) * EACH >> TOP)  # how many bytes lie below the first flag
            lows[below], highs[above] = begin + i, begin + i
            below += bars[i] < low
            above += bars[i] > high
            left ^= first
    return keep_finite(x, lows, below), keep_finite(x, highs, above)


@inner
def keep_finite(x: np.ndarray, places: np.ndarray, count: int) -> int:
    """Close up the finite ones among the first `count` places: how many? Asking for every bar would cost more."""
    kept = 0
    for i in range(count):
        places[kept] = places[i]
        kept += abs(x[places[i]]) < math.inf
    return kept


@inner
def gather_new(lower: Tail, upper: Tail, x: np.ndarray, begin: int, end: int, flags: np.ndarray) -> None:
    """Note for each tail which of the chunk's bars lie beyond its bound."""
    low, high = lower.bound[0], -upper.bound[0]
    lower.marks[NEW], upper.marks[NEW] = gather(x, begin, end, low, high, lower.arrivals, upper.arrivals, flags)


@inner
def gather_again(tail: Tail, x: np.ndarray, begin: int, end: int, room: Room) -> None:
    """Let the candidates be those of the bars begin … end-1 that lie beyond the tail's new bound."""
    low = tail.bound[0] if tail.sign > 0 else -math.inf
    high = -tail.bound[0] if tail.sign < 0 else math.inf
    below, above = gather(x, begin, end, low, high, tail.arrivals, tail.new_places, room.flags)
    for i in range(above):
        tail.arrivals[i] = tail.new_places[i]
    tail.marks[COUNT], tail.marks[NEW] = 0, below + above
    sort_new(tail, x, room.desk)
    merge_new(tail)


@inner
def drop_before(tail: Tail, begin: int) -> None:
    """Forget the candidates before bar `begin`."""
    values, places, kept = tail.values, tail.places, 0
    for r in range(tail.marks[COUNT]):
        values[kept], places[kept] = values[r], places[r]
        kept += places[r] >= begin
    tail.marks[COUNT] = kept


@inner
def sort_new(tail: Tail, x: np.ndarray, desk: Desk) -> None:
    """Bring the chunk's own candidates into the order of their values."""
    sign, arrivals, count = tail.sign, tail.arrivals, tail.marks[NEW]
    values, places = tail.new_values, tail.new_places
    if count <= FEW:
        for i in range(count):
            value, j = sign * x[arrivals[i]] + 0.0, i
            while j > 0 and values[j - 1] > value:
                values[j], places[j] = values[j - 1], places[j - 1]
                j -= 1
            values[j], places[j] = value, arrivals[i]
        return
    room = tail.values[tail.marks[COUNT] :]
    for i in range(count):
        room[i] = sign * x[arrivals[i]] + 0.0
    put_in_order(room[:count], desk)
    order = desk.order
    for r in range(count):
        values[r], places[r] = room[order[r]], arrivals[order[r]]


@inner
def merge_new(tail: Tail) -> None:
    """Put the chunk's own candidates among the older ones, from the last rank backward."""
    values, places, new_values, new_places = tail.values, tail.places, tail.new_values, tail.new_places
    old, new = tail.marks[COUNT] - 1, tail.marks[NEW] - 1
    tail.marks[COUNT] = old + new + 2
    while new >= 0:
        at = old + new + 1
        if old >= 0 and values[old] > new_values[new]:
            values[at], places[at] = values[old], places[old]
            old -= 1
        else:
            values[at], places[at] = new_values[new], new_places[new]
            new -= 1


@inner
def note_events(tail: Tail, begin: int, end: int, window: int) -> None:
    """Note which rank comes and goes before which bar of the chunk, and which are in the window of the first."""
    places, active, events, count = tail.places, tail.active, tail.events, tail.marks[COUNT]
    bars = end - begin
    for r in range(count):
        comes = places[r] - begin
        goes = comes + window
        active[r] = comes < 0
        events[comes + 1 if comes >= 0 else bars] |= r + 1
        events[min(goes + 1, bars)] |= (r + 1) << GOES
    events[0], events[bars] = RECOUNT, 0
    active[count] = True  # stops a search for the next one


@inner
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


@inner
def at_or_beyond(x: np.ndarray, sign: float, bound: float, begin: int, end: int) -> int:
    """How many values of bars begin … end-1 lie at the bound or beyond it?"""
    bars, count = x[begin:end], 0
    for i in range(bars.size):
        v = sign * bars[i]
        count += (v <= bound) & (v > -math.inf)
    return count


@inner
def bound_for(x: np.ndarray, sign: float, begin: int, end: int, need: int, room: np.ndarray) -> float:
    """Which bound has `need` values of bars begin … end-1, and some to spare, at or beyond it?

    Infinity where there are too few. By one bar in SAMPLE, if that turns out to be enough.
    """
    for step in (SAMPLE, 1):
        count = 0
        for i in range(begin, end, step):
            room[count] = sign * x[i]
            count += abs(x[i]) < math.inf
        nth = (need + need // 4 * (1 + (step > 1)) + 16) // step
        if nth < count:
            bound = selected(room[:count], nth)
            if step == 1 or at_or_beyond(x, sign, bound, begin, end) >= need:
                return bound
    return math.inf


@inner
def draw_in(tail: Tail, core: int, nth: int) -> None:
    """Choose a bound with nth candidates from bar `core` on before it, and forget those that are not beyond it."""
    values, places, r = tail.values, tail.places, 0
    while nth > 0 or places[r] < core:
        nth -= places[r] >= core
        r += 1
    bound = values[r]
    while r > 0 and values[r - 1] == bound:
        r -= 1
    tail.bound[0], tail.marks[COUNT] = bound, r


@inner
def is_settled(tail: Tail, x: np.ndarray, core: int, begin: int, need: int) -> bool:
    """Does the bound leave `need` values of bars core … begin-1, the ones every window of the chunk has, beyond it?

    It is drawn in where it leaves many more, since candidates have to be kept in order.
    """
    inside, places = 0, tail.places[: tail.marks[COUNT]]
    for r in range(places.size):
        inside += places[r] >= core
    if inside > need + need // 2 + 32:
        draw_in(tail, core, need + need // 4 + 8)
    return inside >= need or tail.bound[0] == math.inf or at_or_beyond(x, tail.sign, tail.bound[0], core, begin) >= need


@inner
def prepare(
    tails: tuple[Tail, Tail], x: np.ndarray, begin: int, end: int, window: int, needs: tuple[int, int], room: Room
) -> None:
    """Make both tails ready for the bars begin … end-1, of whose windows no more than `needs` values will be asked.

    To be called for one chunk after another. The bounds are kept while they hold, so that most chunks look at their
    new bars only.
    """
    start, core = max(begin - window, 0), max(end - 1 - window, 0)
    for side in range(2):
        tail, need = tails[side], needs[side]
        drop_before(tail, start)
        if not is_settled(tail, x, core, begin, need):
            tail.bound[0] = bound_for(x, tail.sign, core, begin, need, room.values)
            gather_again(tail, x, start, begin, room)
    gather_new(tails[0], tails[1], x, begin, end, room.flags)
    for side in range(2):
        sort_new(tails[side], x, room.desk)
        merge_new(tails[side])
        note_events(tails[side], begin, end, window)


@inner
def walked(active: np.ndarray, count: int, at: int, below: int, nth: int) -> tuple[int, int]:
    """Which rank has the nth active candidate, from 0, and how many precede it, if `below` of them precede rank `at`?

    Rank `count`, and all that are active, where there are no more than n.
    """
    while below > nth:
        at -= 1
        below -= active[at]
    while at < count and (below < nth or not active[at]):
        below += active[at]
        at += 1
    return at, below
