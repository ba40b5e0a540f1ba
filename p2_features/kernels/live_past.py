"""What a z-score, a percentile and a sum become with one more bar: the batch kernels' bits, from state."""

from __future__ import annotations

import math

import numpy as np

from p2_features.kernels.compiled import kernel
from p2_features.kernels.live_tails import added, high_quantile, low_quantile, refilled, removed
from p2_features.kernels.past_expression import present
from p2_features.kernels.past_mean_std import joined, suffix_parts
from p2_features.kernels.past_percentile import percentile_from
from p2_features.kernels.past_quantiles import clipped, quantile_place
from p2_features.kernels.past_sum import suffix_sums, sum_from
from p2_features.kernels.past_zscore import zscore_from

# Whole numbers of a z-score's state.
COUNT, LOW, HIGH, LAST, TURN = 0, 1, 2, 3, 4
# Floats of it, behind the rings: shifts of the old and the new block, the new block's sums, the last finite w.
C_OLD, C_NEW, N_NEW, S_NEW, Q_NEW, W_LAST = 0, 1, 2, 3, 4, 5
ZSCORE_WHOLE, ZSCORE_SCALARS = 5, 6
LONG_AGO = -(1 << 60)


@kernel
def bounds_now(
    ring: np.ndarray, low_tail: np.ndarray, high_tail: np.ndarray, whole: np.ndarray, low: float, high: float,
    least: int,
) -> tuple[float, float]:  # fmt: skip
    """Between which two quantiles lies the window as it stands? NaN where fewer than `least` values are known."""
    count = whole[COUNT]
    if count < max(least, 1):
        return math.nan, math.nan
    if whole[LOW] < min(quantile_place(count, low)[0] + 2, count):
        whole[LOW] = refilled(low_tail, ring, 1.0)
    if whole[HIGH] < min(count - quantile_place(count, high)[0] + 1, count):
        whole[HIGH] = refilled(high_tail, ring, -1.0)
    return low_quantile(low_tail, count, low), high_quantile(high_tail, count, high)


@kernel
def turn_over(
    ring: np.ndarray, at: int, x: float, low_tail: np.ndarray, high_tail: np.ndarray, whole: np.ndarray
) -> None:
    """Let x into the window and the oldest value out of it."""
    gone = ring[at]
    if abs(gone) < math.inf:
        whole[COUNT] -= 1
        whole[LOW] = removed(low_tail, whole[LOW], gone)
        whole[HIGH] = removed(high_tail, whole[HIGH], -gone)
    ring[at] = x
    if abs(x) < math.inf:
        whole[LOW] = added(low_tail, whole[LOW], whole[COUNT], x)
        whole[HIGH] = added(high_tail, whole[HIGH], whole[COUNT], -x)
        whole[COUNT] += 1


@kernel
def remember(w: float, t: int, scalars: np.ndarray, whole: np.ndarray) -> None:
    """Add w to the new block's sums, and note where the series last turned."""
    if not abs(w) < math.inf:
        return
    if scalars[N_NEW] == 0:
        scalars[C_NEW] = w
    d = w - scalars[C_NEW]
    scalars[N_NEW] += 1.0
    scalars[S_NEW] += d
    scalars[Q_NEW] += d * d
    if whole[LAST] != LONG_AGO and scalars[W_LAST] != w:
        whole[TURN] = whole[LAST]
    whole[LAST], scalars[W_LAST] = t, w


@kernel
def next_zscore(
    x: float, t: int, window: int, low: float, high: float, least_quantile: int, least: int, floats: np.ndarray,
    whole: np.ndarray,
) -> float:  # fmt: skip
    """How unusual is the bar at absolute position t, which follows the one this was last asked about?

    As past_winsorized_zscore. floats: 5 rings of W (x, w, and the old block's n, s, q), scalars, two tails.
    """
    rings = floats[: 5 * window].reshape((5, window))
    scalars = floats[5 * window : 5 * window + ZSCORE_SCALARS]
    tails = floats[5 * window + ZSCORE_SCALARS :]
    low_tail, high_tail = tails[: tails.size // 2], tails[tails.size // 2 :]
    at = t % window
    if at == 0:
        scalars[C_OLD] = suffix_parts(rings[1], 0, window, rings[2], rings[3], rings[4])
        scalars[C_NEW : Q_NEW + 1] = 0.0
    lo, hi = bounds_now(rings[0], low_tail, high_tail, whole, low, high, least_quantile)
    w = clipped(x, lo, hi)
    count, base, offset, std = joined(
        rings[2, at], rings[3, at], rings[4, at], scalars[C_OLD], scalars[N_NEW], scalars[S_NEW], scalars[Q_NEW],
        scalars[C_NEW],
    )  # fmt: skip
    z = zscore_from(w, count, base, offset, std, whole[TURN] < t - window, least)
    remember(w, t, scalars, whole)
    rings[1, at] = w
    turn_over(rings[0], at, x, low_tail, high_tail, whole)
    return z


@kernel
def next_percentile(x: float, t: int, window: int, least: int, floats: np.ndarray, whole: np.ndarray) -> float:
    """Which share of the past of the bar at absolute position t lies below it? As past_percentile.

    floats: the window's ring of W, and the value whose counts (known, below, equal) are in `whole`. Funding stands
    still for hours: while it does, a bar changes the counts by the value that leaves and the one that enters.
    """
    ring, at = floats[:window], t % window
    out = math.nan
    if abs(x) < math.inf:
        if floats[window] != x:
            whole[0], whole[1], whole[2] = ranked(ring, x)
            floats[window] = x
        if whole[0] >= max(least, 1):
            out = percentile_from(whole[1], whole[2], whole[0])
    gone, ring[at] = ring[at], present(x)
    mark = floats[window]
    whole[0] += int(ring[at] == ring[at]) - int(gone == gone)
    whole[1] += int(ring[at] < mark) - int(gone < mark)
    whole[2] += int(ring[at] == mark) - int(gone == mark)
    return out


@kernel
def ranked(ring: np.ndarray, x: float) -> tuple[int, int, int]:
    """How many values does the window hold, how many below x, how many equal to it?"""
    count, below, equal = 0, 0, 0
    for i in range(ring.size):
        count += 1 if ring[i] == ring[i] else 0
        below += 1 if ring[i] < x else 0
        equal += 1 if ring[i] == x else 0
    return count, below, equal


@kernel
def next_sums(
    x: np.ndarray, t: int, bars: int, least: int, floats: np.ndarray, whole: np.ndarray, out: np.ndarray
) -> None:  # fmt: skip
    """What do the last `bars` bars sum to, with x (k,) of the bar at absolute position t? As past_sum, into out (k,).

    floats: the block's values (k, m), the older block's suffix sums (k, m + 1), the new block's prefix (k,); whole:
    the older block's suffix counts (m + 1,), the new block's count.
    """
    k, at = x.size, t % bars
    block = floats[: k * bars].reshape((k, bars))
    suffix = floats[k * bars : k * (2 * bars + 1)].reshape((k, bars + 1))
    prefix = floats[k * (2 * bars + 1) :]
    counts = whole[: bars + 1]
    if at == 0:
        suffix_sums(block, 0, bars, suffix, counts)
        prefix[:] = 0.0
        whole[bars + 1] = 0
    known = True
    for j in range(k):
        known = known and abs(x[j]) < math.inf
    whole[bars + 1] += known
    for j in range(k):
        block[j, at] = x[j]
        if known:
            prefix[j] += x[j]
        out[j] = sum_from(suffix[j, at + 1] + prefix[j], counts[at + 1] + whole[bars + 1], bars, least)
