"""Sums over the last bars, this one included, that no long-gone spike can spoil."""

from __future__ import annotations

import math

import numpy as np

from p2_features.kernels.compiled import inner, lean


@inner
def sum_from(total: float, count: float, bars: int, least: int) -> float:
    """What is `bars` times the mean of `count` present values of that total? NaN under `least` of them."""
    return bars * (total / count) if count >= least and count > 0 else math.nan


@inner
def is_present(columns: np.ndarray, t: int) -> bool:
    """Is every one of the (k, n) columns finite at bar t?"""
    for j in range(columns.shape[0]):  # noqa: SIM110  numba compiles no generator
        if not abs(columns[j, t]) < math.inf:
            return False
    return True


@inner
def count_present(columns: np.ndarray, begin: int, end: int, counts: np.ndarray) -> None:
    """How many of the bars i … end-1 have all columns, for each i from the block's begin?

    Writes counts (m+1,) at i - begin; bars before the slice count as missing.
    """
    counts[end - begin] = 0
    for i in range(end - 1, begin - 1, -1):
        counts[i - begin] = counts[i - begin + 1] + (i >= 0 and is_present(columns, i))


@inner
def suffix_sums(x: np.ndarray, begin: int, end: int, counts: np.ndarray, totals: np.ndarray) -> None:
    """What do the present ones of bars i … end-1 sum to, for each i from the block's begin?

    Writes totals (m+1,) at i - begin, added backward from the block's end. counts: as count_present left them.
    """
    total = 0.0
    totals[end - begin] = 0.0
    for i in range(end - 1, begin - 1, -1):
        if counts[i - begin] > counts[i - begin + 1]:
            total += x[i]
        totals[i - begin] = total


@inner
def sum_block(
    x: np.ndarray, begin: int, end: int, least: int, older: np.ndarray, newer: np.ndarray, totals: np.ndarray,
    out: np.ndarray,
) -> None:  # fmt: skip
    """Write the sums of the block's bars begin … end-1: of each the older block's suffix and its own prefix.

    older, newer: (m+1,), how many bars from each on are present, of the block before and of this one, which may lie
    partly outside the slice.
    """
    bars, prefix = older.size - 1, 0.0
    for t in range(max(begin, 0), min(begin + bars, end)):
        i = t - begin
        if newer[i] > newer[i + 1]:
            prefix += x[t]
        out[t] = sum_from(totals[i + 1] + prefix, older[i + 1] + newer[0] - newer[i + 1], bars, least)


@lean
def sum_bars(
    columns: np.ndarray, first: int, least: int, counts: np.ndarray, totals: np.ndarray, out: np.ndarray
) -> None:
    """Write the sums over the last bars, one fewer than `totals` has room for, to out (k, n). counts: (2, m+1)."""
    k, n = columns.shape
    bars = totals.size - 1
    older, newer = counts[0], counts[1]
    begin = -(first % bars)
    count_present(columns, begin - bars, begin, older)
    while begin < n:
        count_present(columns, begin, min(begin + bars, n), newer)
        for j in range(k):
            suffix_sums(columns[j], begin - bars, begin, older, totals)
            sum_block(columns[j], begin, n, least, older, newer, totals, out[j])
        older, newer = newer, older
        begin += bars


def past_sum(columns: np.ndarray, first: int, bars: int, least: int) -> np.ndarray:
    """What would the last `bars` bars sum to, bar t included, had none of them been missing?

    columns: (k, n) float64 on the grid, NaN or infinite is missing; only bars present in all k columns are taken.
    first: absolute grid position of column 0. Returns (k, n) float64, `bars` times the mean of the bars taken; NaN
    where fewer than `least` of them are. Formula: FORMULAS, 60-minute sums. Blocks of `bars` at absolute positions,
    the older block's suffix plus the newer one's prefix: nothing is ever subtracted, so the bits are the same from
    any start and a spike is gone when it leaves.
    """
    if bars < 1:
        raise ValueError("past_sum: bars must be 1 or more")
    k, n = columns.shape
    out = np.empty((k, n))
    sum_bars(columns, first, least, np.empty((2, bars + 1), np.int64), np.empty(bars + 1), out)
    return out
