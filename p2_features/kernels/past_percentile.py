"""The share of the past that lies below a bar."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from p2_features.kernels.compiled import kernel
from p2_features.kernels.order import Desk, desk_for, order_of

WORD = 64
TWOS, FOURS, EIGHTS = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333), np.uint64(0x0F0F0F0F0F0F0F0F)
BYTES, TOP = np.uint64(0x0101010101010101), np.uint64(56)
ONE, TWO, FOUR = np.uint64(1), np.uint64(2), np.uint64(4)


class Ranks(NamedTuple):
    """The bars of a chunk and of the window before it by rank, and which of them are in the window now.

    By bar: rank, -1 where missing; equal and above, the first rank of an equal value and the first of a larger one.
    By word of 64 ranks: bits, one for each bar in the window; before, how many bits the words before this one have.
    """

    rank: np.ndarray
    equal: np.ndarray
    above: np.ndarray
    bits: np.ndarray
    before: np.ndarray


@kernel
def ranks_for(size: int) -> Ranks:
    """Which arrays do the ranks of `size` bars need?"""
    words = size // WORD + 2
    bars = np.empty((3, size), np.int32)
    return Ranks(bars[0], bars[1], bars[2], np.empty(words, np.uint64), np.empty(words, np.int32))


@kernel
def percentile_from(below: int, equal: int, count: int) -> float:
    """Which percentile has `below` smaller and `equal` equal values among `count`?"""
    return (below + 0.5 * equal) / count


@kernel
def bits_set(word: int) -> int:
    """How many bits are set? In the form that compilers know as one instruction."""
    word = word - ((word >> ONE) & TWOS)
    word = (word & FOURS) + ((word >> TWO) & FOURS)
    return np.int64((((word + (word >> FOUR)) & EIGHTS) * BYTES) >> TOP)


@kernel
def rank_bars(
    x: np.ndarray, begin: int, end: int, ranks: Ranks, room: np.ndarray, places: np.ndarray, desk: Desk
) -> None:
    """Rank the bars begin … end-1 among themselves."""
    count = 0
    for t in range(begin, end):
        ranks.rank[t - begin] = -1
        room[count], places[count] = x[t] + 0.0, t - begin
        count += abs(x[t]) < math.inf
    order = order_of(room[:count], desk)
    equal = 0
    for r in range(count):
        bar = places[order[r]]
        if r > 0 and room[order[r]] != room[order[r - 1]]:
            for k in range(equal, r):
                ranks.above[places[order[k]]] = r
            equal = r
        ranks.rank[bar], ranks.equal[bar] = r, equal
    for k in range(equal, count):
        ranks.above[places[order[k]]] = count


@kernel
def let_in(ranks: Ranks, bars: int) -> int:
    """Put the first bars, and no others, into the window; how many of them are present?"""
    ranks.bits[:] = np.uint64(0)
    count = 0
    for i in range(bars):
        r = ranks.rank[i]
        if r >= 0:
            ranks.bits[r // WORD] |= ONE << np.uint64(r % WORD)
            count += 1
    total = 0
    for k in range(ranks.bits.size):
        ranks.before[k] = total
        total += bits_set(ranks.bits[k])
    return count


@kernel
def below_rank(ranks: Ranks, r: int) -> int:
    """How many bars in the window rank lower than r?"""
    word = r // WORD
    return ranks.before[word] + bits_set(ranks.bits[word] & ((ONE << np.uint64(r % WORD)) - ONE))


@kernel
def replace(ranks: Ranks, incoming: int, outgoing: int) -> None:
    """Let one rank into the window and another out of it; -1 for none."""
    last = ranks.bits.size - 1
    first_in, first_out = last, last
    if incoming >= 0:
        first_in = incoming // WORD
        ranks.bits[first_in] |= ONE << np.uint64(incoming % WORD)
    if outgoing >= 0:
        first_out = outgoing // WORD
        ranks.bits[first_out] &= ~(ONE << np.uint64(outgoing % WORD))
    by = 1 if first_in < first_out else -1
    between = ranks.before[min(first_in, first_out) + 1 : max(first_in, first_out) + 1]
    for k in range(between.size):
        between[k] += by


@kernel
def rank_against(x: np.ndarray, begin: int, end: int, window: int, least: int, ranks: Ranks, out: np.ndarray) -> None:
    """Write the percentile of the bars begin … end-1, ranked together with the window before them."""
    start = max(begin - window, 0)
    count = let_in(ranks, begin - start)
    for t in range(begin, end):
        r = ranks.rank[t - start]
        if r >= 0 and count >= least:
            below = below_rank(ranks, ranks.equal[t - start])
            above = ranks.above[t - start]
            # A value met once has itself for the whole run of equals, and is not in its own window.
            equal = below_rank(ranks, above) - below if above - ranks.equal[t - start] > 1 else 0
            out[t] = percentile_from(below, equal, count)
        gone = ranks.rank[t - window - start] if t >= window else -1
        replace(ranks, r, gone)
        count += (r >= 0) - (gone >= 0)


@kernel
def rank_all(x: np.ndarray, window: int, least: int, out: np.ndarray) -> None:
    """Write the percentile of every bar, chunk after chunk: each is sorted once, together with the window before it."""
    chunk = max(2 * window, 1024)
    size = window + chunk
    ranks, desk, room, places = ranks_for(size), desk_for(size), np.empty(size), np.empty(size, np.int32)
    for begin in range(0, x.size, chunk):
        end = min(begin + chunk, x.size)
        rank_bars(x, max(begin - window, 0), end, ranks, room, places, desk)
        rank_against(x, begin, end, window, least, ranks, out)


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
