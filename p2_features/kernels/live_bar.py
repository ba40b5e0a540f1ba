"""Every feature of one new bar, in one call: a plan that symbols share, and one array of all that each remembers."""

from __future__ import annotations

import numpy as np

from p2_features.kernels.compiled import inner, lean
from p2_features.kernels.live_expression import expression_now
from p2_features.kernels.live_past import next_percentile, next_sums, next_zscore

# The plan's head: how many bar columns there are; the ring of bars and sums in memory, its rows' width and number; the
# length of a bar; where the stack and the programs' values stand in memory; then for each table where it starts in the
# plan and stops; the bars between which one has to be present before a row is written.
BARS, RING, WIDE, SIZE, TF_MS, STACK, VALUES = 0, 1, 2, 3, 4, 5, 6
SUMS, PROGRAMS, FEATURES, END, OLDEST, NEWEST, CLOSE, HEAD = 7, 8, 9, 10, 11, 12, 13, 14
# Tables. sums: how many series, bars, least, memory, the first's column of the ring, then where each series' steps
# start and stop. programs: where the steps start and stop. features: program, what is asked of its past, window, least
# for quantiles, least, memory, room of a tail, and the two quantiles (their bits).
SUM_WIDE, PROGRAM_WIDE, FEATURE_WIDE = 5, 2, 9
PLAIN, ZSCORE, PERCENTILE = 0, 1, 2
# Memory begins with the newest bar that is old enough to end a warm-up, whether a row is written, and the features.
WARM, WRITTEN, OUT = 0, 1, 2


@inner
def program_now(
    plan: np.ndarray, numbers: np.ndarray, entry: int, t: int, here: int, memory: np.ndarray
) -> float:  # fmt: skip
    """What does the program whose steps' start and stop stand at plan[entry] say at absolute position t?"""
    return expression_now(
        plan, numbers, plan[entry], plan[entry + 1], t, here, plan[TF_MS], memory, plan[STACK], plan[RING], plan[WIDE],
        plan[SIZE],
    )  # fmt: skip


@inner
def sum_now(
    plan: np.ndarray, numbers: np.ndarray, entry: int, t: int, here: int, memory: np.ndarray, whole: np.ndarray
) -> int:  # fmt: skip
    """Bring a sum to absolute position t, and put its series into the ring; returns where the next one's entry is."""
    k, scratch, series = plan[entry], plan[VALUES], entry + SUM_WIDE
    for j in range(k):
        memory[scratch + j] = program_now(plan, numbers, series + j * PROGRAM_WIDE, t, here, memory)
    next_sums(t, plan[entry + 3], k, plan[entry + 1], plan[entry + 2], scratch, memory, whole)
    row = plan[RING] + here * plan[WIDE] + plan[entry + 4]
    for j in range(k):
        memory[row + j] = memory[scratch + j]
    return series + k * PROGRAM_WIDE


@inner
def feature_now(
    plan: np.ndarray, numbers: np.ndarray, entry: int, t: int, memory: np.ndarray, whole: np.ndarray
) -> float:  # fmt: skip
    """What is the feature of this entry at absolute position t?"""
    x, window, at = memory[plan[VALUES] + plan[entry]], plan[entry + 2], plan[entry + 5]
    if plan[entry + 1] == ZSCORE:
        return next_zscore(
            x, t, at, window, plan[entry + 6], numbers[entry + 7], numbers[entry + 8], plan[entry + 3], plan[entry + 4],
            memory, whole,
        )  # fmt: skip
    return x if plan[entry + 1] == PLAIN else next_percentile(x, at, window, plan[entry + 4], memory, whole)


@inner
def is_warm(plan: np.ndarray, t: int, memory: np.ndarray, whole: np.ndarray) -> bool:
    """Is some bar present in t - OLDEST … t - NEWEST?"""
    old = t - plan[NEWEST]
    candidate = memory[plan[RING] + old % plan[SIZE] * plan[WIDE] + plan[CLOSE]]
    if candidate == candidate:
        whole[WARM] = old
    return whole[WARM] >= t - plan[OLDEST]


@lean
def next_bars(t: int, bars: np.ndarray, plan: np.ndarray, memory: np.ndarray) -> None:
    """What is every feature of the bars from absolute position t on, which follow the last one?

    bars: (n, BARS) float64 in the plan's order, NaN is missing, all of a row where the bar is absent. Leaves the last
    bar's in memory[OUT:], NaN where missing, a flag 0 or 1; and in memory[WRITTEN] 1 where bar and features are present
    and the warm-up is over. The only way in, for one bar as for many: a second one would be compiled all over again.
    """
    numbers, whole = plan.view(np.float64), memory.view(np.int64)
    for i in range(bars.shape[0]):
        here = t % plan[SIZE]
        row = plan[RING] + here * plan[WIDE]
        for column in range(bars.shape[1]):
            memory[row + column] = bars[i, column]
        entry = plan[SUMS]
        while entry < plan[PROGRAMS]:
            entry = sum_now(plan, numbers, entry, t, here, memory, whole)
        value = plan[VALUES]
        for entry in range(plan[PROGRAMS], plan[FEATURES], PROGRAM_WIDE):
            memory[value] = program_now(plan, numbers, entry, t, here, memory)
            value += 1
        complete, out = memory[row + plan[CLOSE]] == memory[row + plan[CLOSE]], OUT
        for entry in range(plan[FEATURES], plan[END], FEATURE_WIDE):
            x = feature_now(plan, numbers, entry, t, memory, whole)
            complete = complete and x == x
            memory[out] = x
            out += 1
        warm = is_warm(plan, t, memory, whole)
        memory[WRITTEN] = 1.0 if warm and complete else 0.0
        t += 1
