"""A feature at one bar, straight from its definition: slow, obvious, sharing no code with what it is held against."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from p2_features.expressions import CLOCKS, Program
from p2_features.feature import Feature, Past

Floats = NDArray[np.float64]
HOUR_MS, MONDAY = 3_600_000, 72  # 1970-01-01 00:00 UTC was 72 hours after a Monday

ONE: Mapping[str, Callable[[Floats], Floats]] = {
    "negative": np.negative, "abs": np.abs, "square": np.square, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos,
    "ln": lambda x: np.log(np.where(x > 0, x, np.nan)),
}  # fmt: skip
TWO: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply,
    "/": lambda a, b: a / np.where(b == 0, np.nan, b),
    "%": lambda a, b: np.fmod(a, np.where(b == 0, np.nan, b)),
    "either": lambda a, b: np.where(np.isnan(a), b, a),
    "imputed": lambda a, b: (np.isnan(a) & ~np.isnan(b)).astype(np.float64),
}  # fmt: skip


def value_at(feature: Feature, bars: Mapping[str, Floats], first: int, t: int) -> float:
    """What is this feature at element t of the slice? A flag is 0 or 1, NaN is missing.

    bars: column -> (n,) float64 on the grid; first: absolute grid position of element 0. What lies before the slice
    counts as absent. Formula: FORMULAS, P2 features.
    """
    start = max(0, t - feature.reach)
    near = {name: _finite(bars[name][start : t + 1]) for name in feature.inputs if name in bars}
    n, tf_ms = t + 1 - start, feature.tf.ms
    if feature.sums:
        inner = {key: run(each, near, first + start, tf_ms, n) for key, each in feature.sums.programs.items()}
        near |= summed(inner, feature.sums.bars, feature.sums.least)
    x = run(feature.program, near, first + start, tf_ms, n)
    if feature.past is None:
        return float(x[-1])
    return percentile(x, feature.past) if feature.past.then == "percentile" else zscore(x, feature.past)


def run(program: Program, columns: Mapping[str, Floats], first: int, tf_ms: int, n: int) -> Floats:
    """What is the expression at each of n bars, absolute position `first` on? (n,) float64; missing stays missing."""
    stack: list[Floats] = []
    with np.errstate(all="ignore"):
        for name, *rest in program.instructions:
            if name == "load":
                stack.append(_older(columns.get(rest[0], np.full(n, np.nan)), rest[1]))
            elif name == "number":
                stack.append(np.full(n, rest[0]))
            elif name in CLOCKS:
                closes = (first + np.arange(n) - rest[0]) * tf_ms
                hours = (closes - tf_ms) // HOUR_MS
                stack.append(((hours + MONDAY) % 168 if name == "hour_of_week" else closes // 60_000).astype(float))
            elif name in ONE:
                stack.append(_finite(ONE[name](stack.pop())))
            else:
                b, a = stack.pop(), stack.pop()
                stack.append(_finite(TWO[name](a, b)))
    return stack[0]


def summed(series: Mapping[str, Floats], bars: int, least: int) -> dict[str, Floats]:
    """`bars` times the mean of each series over the last `bars`, this one included, where every series is present."""
    known = np.all([~np.isnan(x) for x in series.values()], axis=0)

    def over(x: Floats) -> Floats:
        padded = np.concatenate([np.zeros(bars - 1), x])
        return np.lib.stride_tricks.sliding_window_view(padded, bars).sum(axis=1)

    count = over(known.astype(np.float64))
    with np.errstate(all="ignore"):
        return {
            name: np.where(count >= max(least, 1), bars * (over(np.where(known, x, 0.0)) / count), np.nan)
            for name, x in series.items()
        }


def percentile(x: Floats, past: Past) -> float:
    """Which share of the window before the last bar lies below it, ties counted half?"""
    window = x[max(0, len(x) - 1 - past.window) : -1]
    known = window[~np.isnan(window)]
    if math.isnan(x[-1]) or len(known) < max(past.least, 1):
        return math.nan
    return float(((known < x[-1]).sum() + 0.5 * (known == x[-1]).sum()) / len(known))


def zscore(x: Floats, past: Past) -> float:
    """How unusual is the last bar, it and its past each bounded by the quantiles of its own past?"""
    w = bounded(x, past)
    now, known = w[-1], w[max(0, len(w) - 1 - past.window) : -1]
    known = known[~np.isnan(known)]
    if math.isnan(now) or len(known) < max(past.least, 1):
        return math.nan
    if known.max() == known.min():
        return 0.0
    return float((now - known.mean()) / known.std())


def bounded(x: Floats, past: Past) -> Floats:
    """Each bar bounded by two quantiles of the window before it, which is kept sorted."""
    out, ordered = np.full(len(x), np.nan), list[float]()
    for t, value in enumerate(x):
        if not math.isnan(value) and len(ordered) >= max(past.least_quantile, 1):
            out[t] = min(max(value, quantile(ordered, past.low)), quantile(ordered, past.high))
        if t >= past.window and not math.isnan(gone := x[t - past.window]):
            del ordered[bisect.bisect_left(ordered, gone)]
        if not math.isnan(value):
            bisect.insort(ordered, value)
    return out


def quantile(ordered: list[float], p: float) -> float:
    """What is quantile p, interpolated between order statistics?"""
    place = (len(ordered) - 1) * p
    k = math.floor(place)
    a, b = ordered[k], ordered[min(k + 1, len(ordered) - 1)]
    return a + (b - a) * (place - k)


def _finite(x: Floats) -> Floats:
    return np.where(np.isfinite(x), x, np.nan)


def _older(x: Floats, lag: int) -> Floats:
    """Each bar's value is that of `lag` bars before."""
    return np.concatenate([np.full(min(lag, len(x)), np.nan), x[: max(len(x) - lag, 0)]])
