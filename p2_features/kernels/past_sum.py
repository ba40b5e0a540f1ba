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
def suffix_sums(columns: np.ndarray, begin: int, end: int, totals: np.ndarray, counts: np.ndarray) -> None:
    """What do bars i … end-1 sum to, for each i from the block's begin?

    Writes totals (k, m+1) and counts (m+1,) at i - begin, added backward from the block's end; bars before the
    slice count as missing.
    """
    k = columns.shape[0]
    for j in range(k):
        totals[j, end - begin] = 0.0
    counts[end - begin] = 0
    for i in range(end - 1, begin - 1, -1):
        present = i >= 0 and is_present(columns, i)
        counts[i - begin] = counts[i - begin + 1] + present
        for j in range(k):
            totals[j, i - begin] = totals[j, i - begin + 1] + (columns[j, i] if present else 0.0)


@lean
def sum_bars(
    columns: np.ndarray, first: int, least: int, totals: np.ndarray, counts: np.ndarray, prefix: np.ndarray,
    out: np.ndarray,
) -> None:  # fmt: skip
    """Write the sums over the last bars, one fewer than `counts` has room for, to out (k, n)."""
    k, n = columns.shape
    bars = counts.size - 1
    begin = -(first % bars)
    while begin < n:
        suffix_sums(columns, begin - bars, begin, totals, counts)
        for j in range(k):
            prefix[j] = 0.0
        count = 0
        for t in range(max(begin, 0), min(begin + bars, n)):
            present = is_present(columns, t)
            count += present
            older = t - begin + 1
            for j in range(k):
                if present:
                    prefix[j] += columns[j, t]
                out[j, t] = sum_from(totals[j, older] + prefix[j], counts[older] + count, bars, least)
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
    sum_bars(columns, first, least, np.empty((k, bars + 1)), np.empty(bars + 1, np.int64), np.empty(k), out)
    return out
