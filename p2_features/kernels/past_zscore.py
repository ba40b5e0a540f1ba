"""How unusual a bar is against its own past."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from p2_features.kernels.compiled import inner, lean
from p2_features.kernels.past_mean_std import joined
from p2_features.kernels.past_quantiles import past_winsorized


class Sums(NamedTuple):
    """Shifted sums of a block: n values, s = sum of (w - c), q = sum of (w - c)^2, (W,) each; c, one value.

    Of the values before each bar of the block, or of that bar and the ones after it. whole: one flag, is the block
    without a missing value?
    """

    n: np.ndarray
    s: np.ndarray
    q: np.ndarray
    c: np.ndarray
    whole: np.ndarray


def sums_for(window: int) -> Sums:
    """What are the sums of a block without values?"""
    return Sums(np.zeros(window), np.zeros(window), np.zeros(window), np.zeros(1), np.zeros(1, np.bool_))


@inner
def first_finite(x: np.ndarray) -> float:
    """Which is the first finite value? 0 where there is none."""
    for t in range(x.size):
        if abs(x[t]) < math.inf:
            return x[t]
    return 0.0


@inner
def is_whole(block: np.ndarray) -> bool:
    """Are all values finite?"""
    count = 0
    for i in range(block.size):
        count += abs(block[i]) < math.inf
    return count == block.size


@inner
def sum_block(block: np.ndarray, before: Sums, after: Sums) -> None:
    """Write the sums before each bar of the block, and those from each bar to its end, added from there backward.

    One loop for both: two chains of additions take the time of one.
    """
    back = block[::-1]
    c_up, c_down = first_finite(block), first_finite(back)
    before.c[0], after.c[0] = c_up, c_down
    before.whole[0] = after.whole[0] = False
    n, s, q = before.n, before.s, before.q
    n_back, s_back, q_back = after.n[::-1], after.s[::-1], after.q[::-1]
    n_up, s_up, q_up = 0.0, 0.0, 0.0
    n_down, s_down, q_down = 0.0, 0.0, 0.0
    for i in range(block.size):
        n[i], s[i], q[i] = n_up, s_up, q_up
        up, down = abs(block[i]) < math.inf, abs(back[i]) < math.inf
        d_up = block[i] - c_up if up else 0.0
        d_down = back[i] - c_down if down else 0.0
        n_up, s_up, q_up = n_up + up, s_up + d_up, q_up + d_up * d_up
        n_down, s_down, q_down = n_down + down, s_down + d_down, q_down + d_down * d_down
        n_back[i], s_back[i], q_back[i] = n_down, s_down, q_down


@inner
def sum_whole(block: np.ndarray, before: Sums, after: Sums) -> None:
    """The same for a block without a missing value, whose counts need no adding and seldom writing."""
    for i in range(0 if before.whole[0] else block.size):
        before.n[i] = i
    for i in range(0 if after.whole[0] else block.size):
        after.n[i] = block.size - i
    before.whole[0] = after.whole[0] = True
    back = block[::-1]
    c_up, c_down = block[0], back[0]
    before.c[0], after.c[0] = c_up, c_down
    s, q, s_back, q_back = before.s, before.q, after.s[::-1], after.q[::-1]
    s_up, q_up, s_down, q_down = 0.0, 0.0, 0.0, 0.0
    for i in range(block.size):
        s[i], q[i] = s_up, q_up
        d_up, d_down = block[i] - c_up, back[i] - c_down
        s_up, q_up = s_up + d_up, q_up + d_up * d_up
        s_down, q_down = s_down + d_down, q_down + d_down * d_down
        s_back[i], q_back[i] = s_down, q_down


@inner
def zscore_from(w: float, count: float, base: float, offset: float, std: float, flat: bool, least: int) -> float:
    """What is the z-score of w against the mean base + offset?

    0 where the past is flat; NaN where w is missing or the past has fewer than `least` values. Never by the rounded
    mean: where values differ in their last digits only, w - base is exact and w - (base + offset) is noise.
    """
    z = ((w - base) - offset) / std if std > 0.0 and not flat else 0.0
    return z if abs(w) < math.inf and count >= max(least, 1) else math.nan


@inner
def score_block(block: np.ndarray, old: Sums, new: Sums, least: int, out: np.ndarray) -> None:
    """Write the z-score of each bar of the block: old the sums from the same bar of the block before, new its own.

    Equal values have sums of exact zeros, so std is 0 wherever the past is flat, and nothing needs to ask.
    """
    n_old, s_old, q_old, c_old = old.n, old.s, old.q, old.c[0]
    n_new, s_new, q_new, c_new = new.n, new.s, new.q, new.c[0]
    for i in range(block.size):
        n, base, offset, std = joined(n_old[i], s_old[i], q_old[i], c_old, n_new[i], s_new[i], q_new[i], c_new)
        out[i] = zscore_from(block[i], n, base, offset, std, False, least)


@inner
def score_whole(block: np.ndarray, old: Sums, new: Sums, least: int, out: np.ndarray) -> None:
    """The same between two blocks without a missing value: joined, with what is the same for all bars left out."""
    s_old, q_old, c_old = old.s, old.q, old.c[0]
    s_new, q_new, gap = new.s, new.q, new.c[0] - c_old
    n = float(block.size)
    per_value = 1.0 / n
    for i in range(block.size):
        n_new = float(i)
        shift = gap if i > 0 else 0.0
        s = s_old[i] + (s_new[i] + n_new * shift)
        q = q_old[i] + (q_new[i] + shift * (2.0 * s_new[i] + n_new * shift))
        offset = s * per_value
        std = math.sqrt(max(q - s * offset, 0.0) * per_value)
        out[i] = zscore_from(block[i], n, c_old, offset, std, False, least)


@inner
def score_next(block: np.ndarray, old: Sums, new: Sums, after: Sums, least: int, out: np.ndarray) -> None:
    """Write the z-scores of one block, and its sums to `new` and `after`. out may be the block itself."""
    if is_whole(block):
        sum_whole(block, new, after)
    else:
        sum_block(block, new, after)
    if old.whole[0] and new.whole[0]:
        score_whole(block, old, new, least, out)
    else:
        score_block(block, old, new, least, out)


@inner
def copy_bars(source: np.ndarray, target: np.ndarray) -> None:
    """Copy to the beginning of target. Assigning a slice would compile numba's error messages too, for seconds."""
    for i in range(source.size):
        target[i] = source[i]


@lean
def score_bars(
    w: np.ndarray, first: int, window: int, least: int, sums: tuple[Sums, Sums, Sums], room: np.ndarray, out: np.ndarray
) -> None:
    """Write the z-scores of w to out, which may be w itself."""
    old, spare, new = sums
    for start in range(-(first % window), w.size, window):
        begin, end = max(start, 0), min(start + window, w.size)
        if end - begin < window:
            for i in range(window):
                room[i] = math.nan
        copy_bars(w[begin:end], room[begin - start :])  # written over its source, nothing is done eight at a time
        if end - begin == window:
            score_next(room, old, new, spare, least, out[begin:end])
        else:
            score_next(room, old, new, spare, least, room)
            copy_bars(room[begin - start : end - start], out[begin:])
        old, spare = spare, old


def score(w: np.ndarray, first: int, window: int, least: int, out: np.ndarray) -> None:
    """Give score_bars the arrays it works in."""
    sums = (sums_for(window), sums_for(window), sums_for(window))
    score_bars(w, first, window, least, sums, np.empty(window), out)


def past_zscore(w: np.ndarray, first: int, window: int, least: int) -> np.ndarray:
    """How many standard deviations is each bar from the mean of the `window` bars before it?

    w: (n,) float64 on the grid, NaN or infinite is missing. first: absolute grid position of w[0]. Returns (n,)
    float64, no unit: (w - mean) / std over the finite w in t-W … t-1; 0 where these are all equal; NaN where w is
    missing or fewer than `least` of them are finite. Formula: FORMULAS, z-score. Blocks as in past_mean_std.
    """
    if window < 1:
        raise ValueError("past_zscore: window must be 1 or more")
    out = np.empty(w.size)
    score(w, first, window, least, out)
    return out


def past_winsorized_zscore(
    x: np.ndarray, first: int, window: int, low: float, high: float, least_quantile: int, least_mean: int
) -> np.ndarray:
    """How unusual is each bar, it and its past each clipped by the quantiles of its own past?

    x: (n,) float64 on the grid, NaN or infinite is missing. first: absolute grid position of x[0]. Returns (n,)
    float64: past_zscore (at least `least_mean` values) of past_winsorized (at least `least_quantile`); it looks 2W
    bars back. Formula: FORMULAS, Winsorize and z-score.
    """
    w = past_winsorized(x, window, low, high, least_quantile)
    score(w, first, window, least_mean, w)
    return w
