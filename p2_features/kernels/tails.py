"""Both tails of a moving window, made ready for one chunk of bars after another.

Order statistics near an end of the window are decided by few values. A bound is kept that leaves enough values beyond
it in every window of the chunk: those are the candidates. They stay sorted from chunk to chunk; a chunk sorts its own
few and merges them in, and notes at which bar which rank comes and goes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from p2_features.kernels.beyond import EIGHT, at_or_beyond, bound_for, gather
from p2_features.kernels.compiled import inner
from p2_features.kernels.order import Desk, desk_for
from p2_features.kernels.tail import (
    ALL,
    ARRIVALS,
    NEW,
    Tail,
    draw_in,
    drop_before,
    merge_new,
    note_events,
    sort_new,
)  # fmt: skip


class Room(NamedTuple):
    """What preparing a chunk takes to work in."""

    values: np.ndarray
    flags: np.ndarray
    desk: Desk


def room_for(window: int, chunk: int) -> Room:
    """Which arrays does preparing a chunk need?"""
    size = window + chunk
    return Room(np.empty(size), np.empty(size // EIGHT * EIGHT + 2 * EIGHT, np.uint8), desk_for(size))


@inner
def gather_new(lower: Tail, upper: Tail, x: np.ndarray, begin: int, end: int, flags: np.ndarray) -> None:
    """Note for each tail which of the chunk's bars lie beyond its bound."""
    lower.marks[NEW], upper.marks[NEW] = gather(
        x, begin, end, lower.bound[0], -upper.bound[0], lower.places[ARRIVALS], upper.places[ARRIVALS], flags
    )


@inner
def gather_again(tail: Tail, x: np.ndarray, begin: int, end: int, room: Room) -> None:
    """Let the candidates be those of the bars begin … end-1 that lie beyond the tail's new bound."""
    low = tail.bound[0] if tail.sign > 0 else -math.inf
    high = -tail.bound[0] if tail.sign < 0 else math.inf
    arrivals, others = tail.places[ARRIVALS], tail.places[NEW]
    below, above = gather(x, begin, end, low, high, arrivals, others, room.flags)
    for i in range(above):
        arrivals[i] = others[i]
    tail.marks[ALL], tail.marks[NEW] = 0, below + above
    sort_new(tail, x, room.desk)
    merge_new(tail)


@inner
def is_settled(tail: Tail, x: np.ndarray, core: int, begin: int, need: int) -> bool:
    """Does the bound leave `need` values of bars core … begin-1, the ones every window of the chunk has, beyond it?

    It is drawn in where it leaves many more, since candidates have to be kept in order.
    """
    inside, places = 0, tail.places[ALL]
    for r in range(tail.marks[ALL]):
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
