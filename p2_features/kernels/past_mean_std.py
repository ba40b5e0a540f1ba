"""Mean and standard deviation of the past window, the same bits from any start."""

from __future__ import annotations

import math

import numpy as np

from p2_features.kernels.compiled import inner, kernel


@inner
def joined(
    n_old: float, s_old: float, q_old: float, c_old: float, n_new: float, s_new: float, q_new: float, c_new: float
) -> tuple[float, float, float, float]:
    """What are count n, base c, offset r and standard deviation of two parts together? Their mean is c + r.

    Each part: n values, their shift c, s = sum of (x - c), q = sum of (x - c)^2; a part without values has
    n = s = q = 0. Offset and deviation are NaN where neither has values. The newer part's sums are moved to the older
    part's shift: as both shifts lie in the window, at most a factor n of precision is lost in the difference below.
    """
    n = n_old + n_new
    per_value = 1.0 / n if n > 0.0 else math.nan
    base = c_old if n_old > 0.0 else c_new
    gap = c_new - base if n_new > 0.0 else 0.0
    s = s_old + (s_new + n_new * gap)
    q = q_old + (q_new + gap * (2.0 * s_new + n_new * gap))
    offset = s * per_value
    return n, base, offset, math.sqrt(max(q - s * offset, 0.0) * per_value)


@inner
def suffix_parts(x: np.ndarray, begin: int, end: int, n: np.ndarray, s: np.ndarray, q: np.ndarray) -> float:
    """What are the shifted sums of bars i … end-1, for each i from the block's begin?

    Writes n, s, q (W,) float64 at i - begin, added backward from the block's end, and returns their shift: the first
    finite value met going backward, which lies in every window that takes any of them. Bars before the slice count
    as missing.
    """
    shift = 0.0
    count, total, square = 0.0, 0.0, 0.0
    for i in range(end - 1, begin - 1, -1):
        if i >= 0 and abs(x[i]) < math.inf:
            if count == 0:
                shift = x[i]
            d = x[i] - shift
            count += 1.0
            total += d
            square += d * d
        n[i - begin], s[i - begin], q[i - begin] = count, total, square
    return shift


@kernel
def past_mean_std(x: np.ndarray, first: int, window: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What were mean and standard deviation over the `window` bars before each bar?

    x: (n,) float64 on the grid, NaN or infinite is missing. first: absolute grid position of x[0]. Returns (count,
    mean, std, flat) over the finite x in t-W … t-1, each (n,): count int64; mean and std (ddof 0) float64 in x's
    unit, NaN where count is 0; flat bool, true where all of them are equal (max == min). Formula: FORMULAS, z-score.

    Blocks of W at absolute positions: the older block's suffix and the newer one's prefix, each with a shift of its
    own from inside the window, are joined; nothing is ever subtracted. One shift for both would keep a value alive
    that a gap has put outside the window.
    """
    if window < 1:
        raise ValueError("past_mean_std: window must be 1 or more")
    size = x.size
    counts, means, stds = np.zeros(size, np.int64), np.empty(size), np.empty(size)
    flats = np.zeros(size, np.bool_)
    n, s, q = np.empty(window), np.empty(window), np.empty(window)
    last = -1
    turn = -window - 1  # the newest finite bar that differs from the finite bar after it
    begin = -(first % window)
    while begin < size:
        c_old = suffix_parts(x, begin - window, begin, n, s, q)
        c_new, n_new, s_new, q_new = 0.0, 0.0, 0.0, 0.0
        for t in range(max(begin, 0), min(begin + window, size)):
            i = t - begin
            count, base, offset, stds[t] = joined(n[i], s[i], q[i], c_old, n_new, s_new, q_new, c_new)
            counts[t], means[t] = int(count), base + offset
            flats[t] = count > 0 and turn < t - window
            if abs(x[t]) < math.inf:
                if n_new == 0:
                    c_new = x[t]
                d = x[t] - c_new
                n_new += 1.0
                s_new += d
                q_new += d * d
                if last >= 0 and x[last] != x[t]:
                    turn = last
                last = t
        begin += window
    return counts, means, stds, flats
