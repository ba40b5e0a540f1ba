"""The share of the past that lies below a bar."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from p2_features.kernels.compiled import inner, lean, woven
from p2_features.kernels.order import Desk, desk_for, put_in_order

BLOCKS = 64  # as many counts as are brought up to date at every bar
TWOS, FOURS, EIGHTS = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333), np.uint64(0x0F0F0F0F0F0F0F0F)
BYTES, TOP = np.uint64(0x0101010101010101), np.uint64(56)
ZERO, ONE, TWO, FOUR, SIX = np.uint64(0), np.uint64(1), np.uint64(2), np.uint64(4), np.uint64(6)
IN_WORD, LAST = np.uint64(63), np.uint64(BLOCKS - 1)


class Ranks(NamedTuple):
    """The bars of a chunk and of the window before it by rank, and which of them are in the window.

    rank and lowest: by bar, its rank and the first rank of the same value; a missing bar's is above all others. held:
    by lowest rank, how many of that value are in the window. bits: one for each rank in the window, in words of 64.
    before: by block of words, how many bits earlier blocks have. later: 0 for the blocks up to one, 1 for those after
    it, to be read from the place that makes it so. all_bits: the same of words, for those before one of a block.
    """

    rank: np.ndarray
    lowest: np.ndarray
    held: np.ndarray
    bits: np.ndarray
    before: np.ndarray
    later: np.ndarray
    all_bits: np.ndarray


def words_for(size: int) -> int:
    """How many words of each block hold the ranks of `size` bars? A power of two."""
    words = 1
    while 64 * BLOCKS * words <= size:
        words *= 2
    return words


def ranks_for(size: int, window: int) -> Ranks:
    """Which arrays do the ranks of `size` bars need?"""
    words = words_for(size)
    count = np.int16 if window < 1 << 15 else np.int32  # half as wide, half as long
    later, all_bits = np.zeros(2 * BLOCKS, count), np.zeros(2 * words, np.uint64)
    later[BLOCKS:], all_bits[:words] = 1, ~ZERO
    return Ranks(
        np.empty(size, np.int32),
        np.empty(size, np.int32),
        np.empty(size + 1, np.int32),
        np.empty(BLOCKS * words, np.uint64),
        np.empty(BLOCKS, count),
        later,
        all_bits,
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
def rank_bars(x: np.ndarray, begin: int, end: int, ranks: Ranks, desk: Desk) -> None:
    """Rank the bars begin … end-1 among themselves; those before the slice are missing."""
    rank, lowest, order, same = ranks.rank, ranks.lowest, desk.order, desk.same
    for i in range(rank.size):
        rank[i], lowest[i] = rank.size, rank.size
    start = max(begin, 0)
    count, low = put_in_order(x[start:end], desk), 0
    for r in range(count):
        low = low if same[r] else r
        bar = order[r] + start - begin
        rank[bar], lowest[bar] = r, low


@inner
def fill_window(window: int, ranks: Ranks) -> int:
    """Let the first bars into the window: how many of them are there?"""
    rank, lowest, held, bits, before = ranks.rank, ranks.lowest, ranks.held, ranks.bits, ranks.before
    count = 0
    for r in range(held.size):
        held[r] = 0
    for word in range(bits.size):
        bits[word] = ZERO
    for i in range(window):
        bits[rank[i] >> 6] ^= ONE << np.uint64(rank[i] & 63)
        held[lowest[i]] += 1
        count += rank[i] < rank.size
    total, words = 0, bits.size // BLOCKS
    for block in range(BLOCKS):
        before[block] = total
        for word in range(block * words, block * words + words):
            total += bits_set(bits[word])
    return count


@woven
def below_rank(
    r: np.uint64, log: np.uint64, words: np.uint64, bits: np.ndarray, before: np.ndarray, ones: np.ndarray
) -> int:
    """How many bars in the window rank lower than r?"""
    word = r >> SIX
    at = word & (words - ONE)
    count = before[r >> log] + bits_set(bits[word] & ((ONE << (r & IN_WORD)) - ONE))
    for k in range(words):
        count += bits_set(bits[word - at + k] & ones[words - at + k])
    return count


@woven
def swap_ranks(
    came: np.uint64, gone: np.uint64, log: np.uint64, bits: np.ndarray, before: np.ndarray, later: np.ndarray
) -> None:
    """Let one rank into the window and the other out of it."""
    bits[came >> SIX] ^= ONE << (came & IN_WORD)
    bits[gone >> SIX] ^= ONE << (gone & IN_WORD)
    after_came, after_gone = LAST - (came >> log), LAST - (gone >> log)
    for block in range(LAST + ONE):
        before[block] += later[after_came + block] - later[after_gone + block]


@inner
def rank_against(begin: int, end: int, window: int, least: int, ranks: Ranks, out: np.ndarray) -> None:
    """Write the percentile of the bars begin … end-1, ranked together with the window before them."""
    rank, lowest, held, bits, before, later, ones = ranks
    words, missing = np.uint64(ones.size // 2), np.uint64(rank.size)
    log = SIX
    while words >> (log - SIX) != ONE:
        log += ONE
    count = fill_window(window, ranks)
    for i in range(end - begin):
        came, gone = np.uint64(rank[i + window]), np.uint64(rank[i])
        low, low_gone = np.uint64(lowest[i + window]), np.uint64(lowest[i])
        if came < missing and count >= least:
            below = below_rank(low, log, words, bits, before, ones)
            out[begin + i] = percentile_from(below, held[low], count)
        swap_ranks(came, gone, log, bits, before, later)
        held[low] += 1
        held[low_gone] -= 1
        count += int(came < missing) - int(gone < missing)


@lean
def rank_all(x: np.ndarray, window: int, least: int, chunk: int, ranks: Ranks, desk: Desk, out: np.ndarray) -> None:
    """Write the percentile of every bar, chunk after chunk: each is sorted once, together with the window before it."""
    for begin in range(0, x.size, chunk):
        end = min(begin + chunk, x.size)
        rank_bars(x, begin - window, end, ranks, desk)
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
    size = 64 * BLOCKS * words_for(3 * window) - 1
    rank_all(x, window, max(least, 1), size - window, ranks_for(size, window), desk_for(size), out)
    return out
