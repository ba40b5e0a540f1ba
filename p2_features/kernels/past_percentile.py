"""The share of the past that lies below a bar."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from p2_features.kernels.compiled import inner, kernel, maker
from p2_features.kernels.order import Desk, desk_for, put_in_order

WORD = 64
BATCH = 32
NONE = 2**31 - 1  # above every rank
TWOS, FOURS, EIGHTS = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333), np.uint64(0x0F0F0F0F0F0F0F0F)
BYTES, TOP = np.uint64(0x0101010101010101), np.uint64(56)
ONE, TWO, FOUR = np.uint64(1), np.uint64(2), np.uint64(4)


class Ranks(NamedTuple):
    """The bars of a chunk and of the window before it by rank, and which of them are in the window.

    rank: by bar, NONE where missing. equal and above: by rank, the first rank of the same value and of the next larger.
    bits: one for each rank in the window, in words of 64. before: by word, how many bits earlier words have.
    """

    rank: np.ndarray
    equal: np.ndarray
    above: np.ndarray
    bits: np.ndarray
    before: np.ndarray


@maker
def ranks_for(size: int) -> Ranks:
    """Which arrays do the ranks of `size` bars need?"""
    words = size // WORD + 1
    return Ranks(
        np.empty(size, np.int32),
        np.empty(size, np.int32),
        np.empty(size, np.int32),
        np.empty(words, np.uint64),
        np.empty(words, np.int32),
    )


@inner
def percentile_from(below: int, equal: int, count: int) -> float:
    """Which percentile has `below` smaller and `equal` equal values among `count`?"""
    return (below + 0.5 * equal) / count


@inner
def bits_set(word: np.uint64) -> np.int64:
    """How many bits are set? In the form that compilers know as one instruction."""
    word = word - ((word >> ONE) & TWOS)
    word = (word & FOURS) + ((word >> TWO) & FOURS)
    return np.int64((((word + (word >> FOUR)) & EIGHTS) * BYTES) >> TOP)


@inner
def rank_bars(
    x: np.ndarray, begin: int, end: int, ranks: Ranks, room: np.ndarray, places: np.ndarray, desk: Desk
) -> None:
    """Rank the bars begin … end-1 among themselves; those before the slice are missing."""
    rank, equals, aboves = ranks.rank, ranks.equal, ranks.above
    rank[:] = NONE
    count = 0
    for t in range(max(begin, 0), end):
        room[count], places[count] = x[t] + 0.0, t - begin
        count += abs(x[t]) < math.inf
    put_in_order(room[:count], desk)
    order, keys = desk.order, desk.keys
    equal = 0
    for r in range(count):
        if r > 0 and keys[r] != keys[r - 1]:
            aboves[equal:r] = r
            equal = r
        rank[places[order[r]]] = r
        equals[r] = equal
    aboves[equal:count] = count


@inner
def flip(bits: np.ndarray, rank: np.ndarray) -> None:
    """Let these ranks into the window if they are out of it, and out if they are in."""
    for k in range(rank.size):
        if rank[k] < NONE:
            bits[rank[k] // WORD] ^= ONE << np.uint64(rank[k] % WORD)


@inner
def count_bits(bits: np.ndarray, before: np.ndarray) -> int:
    """How many bits do the words before each word have? Writes before and returns the number in all words."""
    total = 0
    for word in range(bits.size):
        before[word] = total
        total += bits_set(bits[word])
    return total


@inner
def below_rank(
    bits: np.ndarray, before: np.ndarray, entering: np.ndarray, leaving: np.ndarray, steps: int, r: int
) -> int:
    """How many bars in the window rank lower than r, `steps` bars after the bits were counted?

    All entering and leaving bars are compared, whether it is their turn or not: a loop that ends at `steps` is a
    misprediction.
    """
    word = r // WORD
    count = before[word] + bits_set(bits[word] & ((ONE << np.uint64(r % WORD)) - ONE))
    # As narrow as the ranks: twice as many fit into a vector.
    moved, rank, till = np.int32(0), np.int32(r), np.int32(steps)
    for k in range(entering.size):
        came, went = (entering[k] < rank) & (k < till), (leaving[k] < rank) & (k < till)
        moved = np.int32(moved + np.int32(came) - np.int32(went))
    return count + moved


@inner
def rank_against(begin: int, end: int, window: int, least: int, ranks: Ranks, out: np.ndarray) -> None:
    """Write the percentile of the bars begin … end-1, ranked together with the window before them.

    The bits are counted anew after each BATCH of bars, and the bars moved since compared one by one: keeping the counts
    right at every bar costs more than both.
    """
    rank, equals, aboves, bits, before = ranks
    bits[:] = np.uint64(0)
    flip(bits, rank[:window])
    for first in range(0, end - begin, BATCH):
        bars = min(BATCH, end - begin - first)
        leaving, entering = rank[first : first + bars], rank[first + window : first + window + bars]
        count = count_bits(bits, before)
        for step in range(bars):
            r = entering[step]
            if r < NONE and count >= least:
                below = below_rank(bits, before, entering, leaving, step, equals[r])
                # A value met once has itself for the whole run of equals, and is not in its own window.
                once = aboves[r] - equals[r] == 1
                equal = 0 if once else below_rank(bits, before, entering, leaving, step, aboves[r]) - below
                out[begin + first + step] = percentile_from(below, equal, count)
            count += int(r < NONE) - int(leaving[step] < NONE)
        flip(bits, entering)
        flip(bits, leaving)


@kernel
def rank_all(x: np.ndarray, window: int, least: int, out: np.ndarray) -> None:
    """Write the percentile of every bar, chunk after chunk: each is sorted once, together with the window before it."""
    chunk = max(2 * window, 64)
    size = window + chunk
    ranks, desk, room, places = ranks_for(size), desk_for(size), np.empty(size), np.empty(size, np.int32)
    for begin in range(0, x.size, chunk):
        end = min(begin + chunk, x.size)
        rank_bars(x, begin - window, end, ranks, room, places, desk)
        rank_against(begin, end, window, least, ranks, out)


def past_percentile(x: np.ndarray, window: int, least: int) -> np.ndarray:
    """Which share of the `window` bars before each bar lies below it, ties counted half?

    x: (n,) float64 on the grid, NaN or infinite is missing. Returns (n,) float64 in 0 … 1 over the finite x in
    t-W … t-1; NaN where x is missing or fewer than `least` of them are finite. -0.0 equals 0.0. Formula: FORMULAS,
    Percentile.
    """
    if window < 1:
        raise ValueError("past_percentile: window must be 1 or more")
    out = np.full(x.size, np.nan)
    rank_all(x, window, max(least, 1), out)
    return out
