"""One tail of a moving window: its few lowest or highest values, in order.

A value equal to the bound needs no rank: where candidates run out, the answer is the bound itself, so that ties,
however many, cost nothing.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from p2_features.kernels.compiled import inner
from p2_features.kernels.order import Desk, put_in_order

# Rows of a tail's values and places: the candidates by value; the chunk's own among them by value, and by bar; what
# happens before each bar of the chunk.
ALL, NEW, ARRIVALS, EVENTS = 0, 1, 2, 3
FEW = 48  # up to so many values, insertion sorts faster than dealing them out
# An event of a bar, in one number: the rank that comes + 1, the rank that goes + 1, and whether the count changes.
RANK, GOES, RECOUNT = (1 << 31) - 1, 31, 1 << 62


class Tail(NamedTuple):
    """The lower tail (sign 1.0), or the upper one (-1.0) seen as the lower tail of -x.

    values: candidates times sign, ascending, of all and of the chunk's own. places: their bars; then the bars of the
    chunk's own, ascending; then events by bar of the chunk, 0 where nothing has happened since the one before, and one
    more for what happens elsewhere. active: is this rank in the window now? marks: how many candidates, how many of
    them new. bound: one value, times sign.
    """

    sign: float
    values: np.ndarray
    places: np.ndarray
    active: np.ndarray
    marks: np.ndarray
    bound: np.ndarray


def tail_for(sign: float, window: int, chunk: int) -> Tail:
    """What does a tail look like before its first chunk?"""
    size = window + chunk + 1
    places = np.empty((4, size), np.int64)
    places[EVENTS] = 0
    return Tail(
        sign, np.empty((2, size)), places, np.empty(size, np.bool_), np.zeros(2, np.int64), np.array([math.inf])
    )


@inner
def drop_before(tail: Tail, begin: int) -> None:
    """Forget the candidates before bar `begin`."""
    values, places, kept = tail.values[ALL], tail.places[ALL], 0
    for r in range(tail.marks[ALL]):
        values[kept], places[kept] = values[r], places[r]
        kept += places[r] >= begin
    tail.marks[ALL] = kept


@inner
def draw_in(tail: Tail, core: int, nth: int) -> None:
    """Choose a bound with nth candidates from bar `core` on before it, and forget those that are not beyond it."""
    values, places, r = tail.values[ALL], tail.places[ALL], 0
    while nth > 0 or places[r] < core:
        nth -= places[r] >= core
        r += 1
    bound = values[r]
    while r > 0 and values[r - 1] == bound:
        r -= 1
    tail.bound[0], tail.marks[ALL] = bound, r


@inner
def sort_new(tail: Tail, x: np.ndarray, desk: Desk) -> None:
    """Bring the chunk's own candidates into the order of their values."""
    sign, arrivals, count = tail.sign, tail.places[ARRIVALS], tail.marks[NEW]
    values, places = tail.values[NEW], tail.places[NEW]
    if count <= FEW:
        for i in range(count):
            value, j = sign * x[arrivals[i]] + 0.0, i
            while j > 0 and values[j - 1] > value:
                values[j], places[j] = values[j - 1], places[j - 1]
                j -= 1
            values[j], places[j] = value, arrivals[i]
        return
    room = tail.values[ALL, tail.marks[ALL] :]
    for i in range(count):
        room[i] = sign * x[arrivals[i]] + 0.0
    put_in_order(room[:count], desk)
    order = desk.order
    for r in range(count):
        values[r], places[r] = room[order[r]], arrivals[order[r]]


@inner
def merge_new(tail: Tail) -> None:
    """Put the chunk's own candidates among the older ones, from the last rank backward."""
    values, places, new_values, new_places = tail.values[ALL], tail.places[ALL], tail.values[NEW], tail.places[NEW]
    old, new = tail.marks[ALL] - 1, tail.marks[NEW] - 1
    tail.marks[ALL] = old + new + 2
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
    places, events, active, count = tail.places[ALL], tail.places[EVENTS], tail.active, tail.marks[ALL]
    bars = end - begin
    for r in range(count):
        comes = places[r] - begin
        goes = comes + window
        active[r] = comes < 0
        events[comes + 1 if comes >= 0 else bars] |= r + 1
        events[goes + 1 if goes < bars else bars] |= (r + 1) << GOES
    events[0], events[bars] = RECOUNT, 0
    active[count] = True  # stops a search for the next one


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
