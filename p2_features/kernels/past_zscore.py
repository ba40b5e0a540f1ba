"""How unusual a bar is against its own past."""

from __future__ import annotations

import math

import numpy as np

from p2_features.kernels.compiled import kernel
from p2_features.kernels.past_mean_std import joined, suffix_parts
from p2_features.kernels.past_quantiles import past_winsorized


@kernel
def zscore_from(w: float, count: float, base: float, offset: float, std: float, flat: bool, least: int) -> float:
    """What is the z-score of w against the mean base + offset?

    0 where the past is flat; NaN where w is missing or the past has fewer than `least` values. Never by the rounded
    mean: where values differ in their last digits only, w - base is exact and w - (base + offset) is noise.
    """
    if count < max(least, 1) or not abs(w) < math.inf:
        return math.nan
    if flat or std == 0.0:
        return 0.0
    return ((w - base) - offset) / std


@kernel
def past_zscore(w: np.ndarray, first: int, window: int, least: int) -> np.ndarray:
    """How many standard deviations is each bar from the mean of the `window` bars before it?

    w: (n,) float64 on the grid, NaN or infinite is missing. first: absolute grid position of w[0]. Returns (n,)
    float64, no unit: (w - mean) / std over the finite w in t-W … t-1; 0 where these are all equal; NaN where w is
    missing or fewer than `least` of them are finite. Formula: FORMULAS, z-score. Blocks as in past_mean_std.
    """
    if window < 1:
        raise ValueError("past_zscore: window must be 1 or more")
    out = np.empty(w.size)
    n, s, q = np.empty(window), np.empty(window), np.empty(window)
    last = -1
    turn = -window - 1
    begin = -(first % window)
    while begin < w.size:
        c_old = suffix_parts(w, begin - window, begin, n, s, q)
        c_new, n_new, s_new, q_new = 0.0, 0.0, 0.0, 0.0
        for t in range(max(begin, 0), min(begin + window, w.size)):
            i = t - begin
            count, base, offset, std = joined(n[i], s[i], q[i], c_old, n_new, s_new, q_new, c_new)
            out[t] = zscore_from(w[t], count, base, offset, std, turn < t - window, least)
            if abs(w[t]) < math.inf:
                if n_new == 0:
                    c_new = w[t]
                d = w[t] - c_new
                n_new += 1.0
                s_new += d
                q_new += d * d
                if last >= 0 and w[last] != w[t]:
                    turn = last
                last = t
        begin += window
    return out


@kernel
def past_winsorized_zscore(
    x: np.ndarray, first: int, window: int, low: float, high: float, least_quantile: int, least_mean: int
) -> np.ndarray:
    """How unusual is each bar, it and its past each clipped by the quantiles of its own past?

    x: (n,) float64 on the grid, NaN or infinite is missing. first: absolute grid position of x[0]. Returns (n,)
    float64: past_zscore (at least `least_mean` values) of past_winsorized (at least `least_quantile`); it looks 2W
    bars back. Formula: FORMULAS, Winsorize and z-score.
    """
    return past_zscore(past_winsorized(x, window, low, high, least_quantile), first, window, least_mean)
