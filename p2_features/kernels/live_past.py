"""What a z-score, a percentile and a sum become with one more bar: the batch kernels' bits, from memory.

Everything a symbol remembers is one array, so that a call hands over few things and a bar touches few cache lines.
`memory` is that array as floats, `whole` the same as whole numbers; `at` is where the memory of one feature begins.
"""

from __future__ import annotations

import math

import numpy as np

from p2_features.kernels.compiled import inner
from p2_features.kernels.live_tails import added, high_quantile, low_quantile, refilled, removed
from p2_features.kernels.past_expression import present
from p2_features.kernels.past_mean_std import joined
from p2_features.kernels.past_percentile import percentile_from
from p2_features.kernels.past_quantiles import clipped, quantile_place
from p2_features.kernels.past_sum import sum_from
from p2_features.kernels.past_zscore import zscore_from

# A z-score's memory: whole numbers (values in the window and in its tails, the last finite bar, the newest that differs
# from the finite one after it); the shifts of the old and the new block, the new block's sums, the last finite w; then
# W cells; then the two tails.
COUNT, LOW, HIGH, LAST, TURN = 0, 1, 2, 3, 4
C_OLD, C_NEW, N_NEW, S_NEW, Q_NEW, W_LAST, CELLS = 5, 6, 7, 8, 9, 10, 11
# A cell: x, w, and the old block's sums from there to its end. What a bar needs lies side by side.
X, W, N_OLD, S_OLD, Q_OLD, CELL = 0, 1, 2, 3, 4, 5
# A percentile's memory: the counts of the window (known, below and equal to the mark; bars), the oldest and the newest
# run, the mark; then, in rings of W + 1, the value of each run of equal bars and its length.
KNOWN, BELOW, EQUAL, HELD, OLDEST, NEWEST, MARK, RUNS = 0, 1, 2, 3, 4, 5, 6, 7
LONG_AGO = -(1 << 60)


@inner
def turned_block(memory: np.ndarray, cells: int, window: int) -> float:
    """Let the new block become the old one: write its sums from each bar to its end, return their shift.

    As suffix_parts.
    """
    shift, count, total, square = 0.0, 0.0, 0.0, 0.0
    for i in range(cells + (window - 1) * CELL, cells - 1, -CELL):
        w = memory[i + W]
        if abs(w) < math.inf:
            if count == 0:
                shift = w
            d = w - shift
            count += 1.0
            total += d
            square += d * d
        memory[i + N_OLD], memory[i + S_OLD], memory[i + Q_OLD] = count, total, square
    return shift


@inner
def next_bounded(
    x: float, at: int, window: int, room: int, low: float, high: float, least: int, memory: np.ndarray,
    whole: np.ndarray,
) -> float:  # fmt: skip
    """What is x, bounded by two quantiles of the window as it stands?"""
    count, cells = whole[at + COUNT], at + CELLS
    if count < max(least, 1):
        return math.nan
    low_tail = cells + window * CELL
    k_low, share_low = quantile_place(count, low)
    k_high, share_high = quantile_place(count, high)
    if whole[at + LOW] < min(k_low + 2, count):
        whole[at + LOW] = refilled(memory, low_tail, room, cells, CELL, window, 1.0)
    if whole[at + HIGH] < min(count - k_high + 1, count):
        whole[at + HIGH] = refilled(memory, low_tail + room, room, cells, CELL, window, -1.0)
    lo = low_quantile(memory, low_tail, count, k_low, share_low)
    return clipped(x, lo, high_quantile(memory, low_tail + room, count, k_high, share_high))


@inner
def turn_over(
    x: float, at: int, cell: int, window: int, room: int, memory: np.ndarray, whole: np.ndarray
) -> None:  # fmt: skip
    """Let x into the window and the oldest value out of it."""
    gone, low_tail = memory[cell + X], at + CELLS + window * CELL
    if abs(gone) < math.inf:
        whole[at + COUNT] -= 1
        whole[at + LOW] = removed(memory, low_tail, whole[at + LOW], gone)
        whole[at + HIGH] = removed(memory, low_tail + room, whole[at + HIGH], -gone)
    memory[cell + X] = x
    if abs(x) < math.inf:
        count = whole[at + COUNT]
        whole[at + LOW] = added(memory, low_tail, room, whole[at + LOW], count, x)
        whole[at + HIGH] = added(memory, low_tail + room, room, whole[at + HIGH], count, -x)
        whole[at + COUNT] = count + 1


@inner
def remember(w: float, t: int, at: int, memory: np.ndarray, whole: np.ndarray) -> None:
    """Add w to the new block's sums, and note where the series last turned."""
    if not abs(w) < math.inf:
        return
    if memory[at + N_NEW] == 0:
        memory[at + C_NEW] = w
    d = w - memory[at + C_NEW]
    memory[at + N_NEW] += 1.0
    memory[at + S_NEW] += d
    memory[at + Q_NEW] += d * d
    if whole[at + LAST] != LONG_AGO and memory[at + W_LAST] != w:
        whole[at + TURN] = whole[at + LAST]
    whole[at + LAST], memory[at + W_LAST] = t, w


@inner
def next_zscore(
    x: float, t: int, at: int, window: int, room: int, low: float, high: float, least_quantile: int, least: int,
    memory: np.ndarray, whole: np.ndarray,
) -> float:  # fmt: skip
    """How unusual is the bar at absolute position t, which follows the one this was last asked about?

    As past_winsorized_zscore. room: how many values each tail may hold.
    """
    cell = at + CELLS + t % window * CELL
    if cell == at + CELLS:
        memory[at + C_OLD] = turned_block(memory, cell, window)
        for i in range(at + C_NEW, at + Q_NEW + 1):
            memory[i] = 0.0
    w = next_bounded(x, at, window, room, low, high, least_quantile, memory, whole)
    count, base, offset, std = joined(
        memory[cell + N_OLD], memory[cell + S_OLD], memory[cell + Q_OLD], memory[at + C_OLD], memory[at + N_NEW],
        memory[at + S_NEW], memory[at + Q_NEW], memory[at + C_NEW],
    )  # fmt: skip
    z = zscore_from(w, count, base, offset, std, whole[at + TURN] < t - window, least)
    remember(w, t, at, memory, whole)
    memory[cell + W] = w
    turn_over(x, at, cell, window, room, memory, whole)
    return z


@inner
def count_runs(x: float, at: int, values: np.ndarray, lengths: np.ndarray, whole: np.ndarray) -> None:
    """Add up the bars of these runs: those known, those below x and those equal to it."""
    known, below, equal = 0, 0, 0
    for i in range(values.size):
        known += lengths[i] if values[i] == values[i] else 0
        below += lengths[i] if values[i] < x else 0
        equal += lengths[i] if values[i] == x else 0
    whole[at + KNOWN] += known
    whole[at + BELOW] += below
    whole[at + EQUAL] += equal


@inner
def rank_window(x: float, at: int, window: int, memory: np.ndarray, whole: np.ndarray) -> None:
    """Count how many values the window holds, how many below x and how many equal to it.

    By runs: what stands still for hours has few, and a window read whole would be the slowest part of its bar.
    """
    whole[at + KNOWN], whole[at + BELOW], whole[at + EQUAL], memory[at + MARK] = 0, 0, 0, x
    ring = window + 1
    first, end = whole[at + OLDEST], whole[at + NEWEST] + 1
    values, lengths = memory[at + RUNS : at + RUNS + ring], whole[at + RUNS + ring : at + RUNS + 2 * ring]
    if first >= end:
        count_runs(x, at, values[first:], lengths[first:], whole)
        first = 0
    count_runs(x, at, values[first:end], lengths[first:end], whole)


@inner
def next_run(new: float, at: int, window: int, memory: np.ndarray, whole: np.ndarray) -> float:
    """Let a bar into the window and the oldest one out of it: which value was that? NaN where there was none."""
    ring, values, gone = window + 1, at + RUNS, math.nan
    lengths = values + ring
    if whole[at + HELD] == window:
        if whole[lengths + whole[at + OLDEST]] == 0:
            whole[at + OLDEST] = (whole[at + OLDEST] + 1) % ring
        gone = memory[values + whole[at + OLDEST]]
        whole[lengths + whole[at + OLDEST]] -= 1
    else:
        whole[at + HELD] += 1
    newest = memory[values + whole[at + NEWEST]]
    if newest == new or (newest != newest and new != new):
        whole[lengths + whole[at + NEWEST]] += 1
    else:
        whole[at + NEWEST] = (whole[at + NEWEST] + 1) % ring
        memory[values + whole[at + NEWEST]] = new
        whole[lengths + whole[at + NEWEST]] = 1
    return gone


@inner
def next_percentile(
    x: float, at: int, window: int, least: int, memory: np.ndarray, whole: np.ndarray
) -> float:  # fmt: skip
    """Which share of the past of the bar that follows the last one lies below it? As past_percentile.

    Funding stands still for hours: while it does, a bar changes the counts by the value that leaves and the one that
    enters, and no run need be read.
    """
    out = math.nan
    if abs(x) < math.inf:
        if memory[at + MARK] != x:
            rank_window(x, at, window, memory, whole)
        if whole[at + KNOWN] >= max(least, 1):
            out = percentile_from(whole[at + BELOW], whole[at + EQUAL], whole[at + KNOWN])
    mark, new = memory[at + MARK], present(x)
    gone = next_run(new, at, window, memory, whole)
    whole[at + KNOWN] += int(new == new) - int(gone == gone)
    whole[at + BELOW] += int(new < mark) - int(gone < mark)
    whole[at + EQUAL] += int(new == mark) - int(gone == mark)
    return out


@inner
def turned_sums(at: int, k: int, bars: int, memory: np.ndarray, whole: np.ndarray) -> None:
    """Let the new block of k series become the old one: its totals and counts from each bar to its end. As suffix_sums.

    A sum's memory is bars + 1 cells of: the k values, the k totals, the count; then the new block's k totals and count.
    """
    cell = 2 * k + 1
    new, end = at + (bars + 1) * cell, at + bars * cell
    for i in range(end + k, end + cell - 1):
        memory[i] = 0.0
    whole[end + 2 * k] = 0
    for i in range(end - cell, at - 1, -cell):
        known = True
        for j in range(i, i + k):
            known = known and abs(memory[j]) < math.inf
        whole[i + 2 * k] = whole[i + cell + 2 * k] + known
        for j in range(i, i + k):
            memory[j + k] = memory[j + k + cell] + (memory[j] if known else 0.0)
    for j in range(new, new + k):
        memory[j] = 0.0
    whole[new + k] = 0


@inner
def next_sums(
    t: int, at: int, k: int, bars: int, least: int, scratch: int, memory: np.ndarray, whole: np.ndarray
) -> None:  # fmt: skip
    """What do the last `bars` bars of k series sum to, at absolute position t? As past_sum.

    Reads the bar's k values from memory[scratch:] and leaves the sums there.
    """
    cell = 2 * k + 1
    here, new = at + t % bars * cell, at + (bars + 1) * cell
    if here == at:
        turned_sums(at, k, bars, memory, whole)
    known = True
    for j in range(k):
        known = known and abs(memory[scratch + j]) < math.inf
    whole[new + k] += known
    count = whole[here + cell + 2 * k] + whole[new + k]
    for j in range(k):
        x = memory[scratch + j]
        memory[here + j] = x
        if known:
            memory[new + j] += x
        memory[scratch + j] = sum_from(memory[here + cell + k + j] + memory[new + j], count, bars, least)
