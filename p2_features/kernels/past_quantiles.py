"""The quantiles of the past window, and a series clipped by them."""

from __future__ import annotations

import math

import numpy as np

from p2_features.kernels.compiled import kernel


@kernel
def quantile_place(count: int, p: float) -> tuple[int, float]:
    """Between which order statistics of `count` values does quantile p lie: k and k+1 (from 0), and how far?"""
    place = (count - 1) * p
    k = math.floor(place)
    return k, place - k


@kernel
def between(a: float, b: float, share: float) -> float:
    """What lies `share` of the way from a to b? Never -0.0, whose order against 0.0 no algorithm can promise."""
    return (a + (b - a) * share) + 0.0


@kernel
def clipped(x: float, low: float, high: float) -> float:
    """What is x within [low, high]? NaN where any of them is missing."""
    if not abs(x) < math.inf or math.isnan(low) or math.isnan(high):
        return math.nan
    raised = low if x < low else x
    return high if raised > high else raised


@kernel
def past_quantiles(x: np.ndarray, window: int, low: float, high: float, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Between which two quantiles lay the `window` bars before each bar?

    x: (n,) float64 on the grid, NaN or infinite is missing. low <= high in 0 … 1. Returns (lo, hi), each (n,) float64
    in x's unit, over the finite x in t-W … t-1, interpolated between order statistics; NaN where fewer than `least`
    of them are finite. Formula: FORMULAS, Winsorize.
    """
    if window < 1:
        raise ValueError("past_quantiles: window must be 1 or more")
    lo, hi = np.full(x.size, np.nan), np.full(x.size, np.nan)
    ordered = np.empty(window)
    count = 0
    for t in range(x.size):
        if count >= max(least, 1):
            k, f = quantile_place(count, low)
            lo[t] = between(ordered[k], ordered[min(k + 1, count - 1)], f)
            k, f = quantile_place(count, high)
            hi[t] = between(ordered[k], ordered[min(k + 1, count - 1)], f)
        if t >= window and abs(x[t - window]) < math.inf:
            at = np.searchsorted(ordered[:count], x[t - window])
            ordered[at : count - 1] = ordered[at + 1 : count].copy()
            count -= 1
        if abs(x[t]) < math.inf:
            at = np.searchsorted(ordered[:count], x[t])
            ordered[at + 1 : count + 1] = ordered[at:count].copy()
            ordered[at] = x[t]
            count += 1
    return lo, hi


@kernel
def past_winsorized(x: np.ndarray, window: int, low: float, high: float, least: int) -> np.ndarray:
    """What is each bar, clipped to the quantiles of the `window` bars before it?

    x, window, low, high, least: as in past_quantiles. Returns w (n,) float64, min(max(x, lo), hi); NaN where x or the
    bounds are missing. Formula: FORMULAS, Winsorize.
    """
    lo, hi = past_quantiles(x, window, low, high, least)
    out = np.empty(x.size)
    for t in range(x.size):
        out[t] = clipped(x[t], lo[t], hi[t])
    return out
