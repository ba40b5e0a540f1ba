"""Every feature of one new bar, in one call, by a plan of whole numbers and a state of floats."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from p2_features.kernels.compiled import kernel
from p2_features.kernels.live_past import next_percentile, next_sums, next_zscore
from p2_features.kernels.past_expression import BLOCK, past_expression

# A plan is one array, so that a call hands over few things. Its head, behind which its tables follow in this order:
BARS, ROWS, SLOTS, TF_MS, DEPTH, STEPS, SERIES, SUMS, PROGRAMS, FEATURES, CLOSE, OLDEST, NEWEST, HEAD = range(14)
# steps: opcode, column, lag. series: where its code starts and stops, its row of the matrix. sums: the first series and
# how many, bars, least, where their floats and whole numbers start. programs: where the code starts and stops.
# features: program, what is asked of its past, window, least for quantiles, least, where floats and whole numbers
# start, how many floats.
STEP_WIDE, SERIES_WIDE, SUM_WIDE, PROGRAM_WIDE, FEATURE_WIDE = 3, 3, 6, 2, 8
PLAIN, ZSCORE, PERCENTILE = 0, 1, 2
# The state's own whole numbers: the newest bar that is old enough to end a warm-up.
WARM, OWN = 0, 1


class Desk(NamedTuple):
    """Views of plan and state: tables, and the matrix of the last values (rows, 2 x slots) and the machine's stack."""

    steps: np.ndarray
    numbers: np.ndarray
    series: np.ndarray
    sums: np.ndarray
    programs: np.ndarray
    features: np.ndarray
    bounds: np.ndarray
    matrix: np.ndarray
    stack: np.ndarray


@kernel
def table(plan: np.ndarray, at: int, rows: int, wide: int) -> np.ndarray:
    """The plan's table of that many rows."""
    return plan[at : at + rows * wide].reshape((rows, wide))


@kernel
def desk_of(plan: np.ndarray, constants: np.ndarray, floats: np.ndarray) -> Desk:
    """Where does the plan keep what, and where the state?"""
    series_at = HEAD + plan[STEPS] * STEP_WIDE
    sums_at = series_at + plan[SERIES] * SERIES_WIDE
    programs_at = sums_at + plan[SUMS] * SUM_WIDE
    features_at = programs_at + plan[PROGRAMS] * PROGRAM_WIDE
    cells = plan[ROWS] * 2 * plan[SLOTS]
    return Desk(
        table(plan, HEAD, plan[STEPS], STEP_WIDE),
        constants[: plan[STEPS]],
        table(plan, series_at, plan[SERIES], SERIES_WIDE),
        table(plan, sums_at, plan[SUMS], SUM_WIDE),
        table(plan, programs_at, plan[PROGRAMS], PROGRAM_WIDE),
        table(plan, features_at, plan[FEATURES], FEATURE_WIDE),
        constants[plan[STEPS] :].reshape((plan[FEATURES], 2)),
        floats[:cells].reshape((plan[ROWS], 2 * plan[SLOTS])),
        floats[cells : cells + (plan[DEPTH] + 3) * BLOCK].reshape((plan[DEPTH] + 3, BLOCK)),
    )


@kernel
def evaluate(desk: Desk, start: int, stop: int, t: int, at: int, tf_ms: int, out: np.ndarray) -> None:
    """Write to out[0] what the program at start … stop-1 of the steps is at position t, column `at` of the matrix."""
    past_expression(
        desk.steps[start:stop], desk.numbers[start:stop], desk.matrix, t - at, tf_ms, at, at + 1, desk.stack, out
    )  # fmt: skip


@kernel
def sum_up(desk: Desk, g: int, t: int, at: int, plan: np.ndarray, floats: np.ndarray, whole: np.ndarray) -> None:
    """Bring sum g to absolute position t, and keep its series in the matrix."""
    first, k, bars, least = desk.sums[g, 0], desk.sums[g, 1], desk.sums[g, 2], desk.sums[g, 3]
    x, totals = desk.stack[plan[DEPTH], :k], desk.stack[plan[DEPTH] + 1, :k]
    for j in range(k):
        evaluate(desk, desk.series[first + j, 0], desk.series[first + j, 1], t, at, plan[TF_MS], x[j : j + 1])
    mine = floats[desk.sums[g, 4] : desk.sums[g, 4] + k * (2 * bars + 2)]
    next_sums(x, t, bars, least, mine, whole[desk.sums[g, 5] : desk.sums[g, 5] + bars + 2], totals)
    for j in range(k):
        desk.matrix[desk.series[first + j, 2], at] = totals[j]
        desk.matrix[desk.series[first + j, 2], at - plan[SLOTS]] = totals[j]


@kernel
def feature_now(desk: Desk, f: int, t: int, floats: np.ndarray, whole: np.ndarray, x: float) -> float:
    """What is feature f at absolute position t, where its program says x?"""
    entry = desk.features[f]
    if entry[1] == PLAIN:
        return x
    window, mine, counts = entry[2], floats[entry[5] : entry[5] + entry[7]], whole[entry[6] :]
    if entry[1] == ZSCORE:
        return next_zscore(x, t, window, desk.bounds[f, 0], desk.bounds[f, 1], entry[3], entry[4], mine, counts)
    return next_percentile(x, t, window, entry[4], mine, counts)


@kernel
def is_warm(t: int, plan: np.ndarray, history: np.ndarray, whole: np.ndarray) -> bool:
    """Is some bar present in t - OLDEST … t - NEWEST? history: (n, BARS), a ring of the last bars, t included."""
    candidate = history[(t - plan[NEWEST]) % history.shape[0], plan[CLOSE]]
    if candidate == candidate:
        whole[WARM] = t - plan[NEWEST]
    return whole[WARM] >= t - plan[OLDEST]


@kernel
def next_bar(
    desk: Desk, t: int, bar: np.ndarray, plan: np.ndarray, floats: np.ndarray, whole: np.ndarray, history: np.ndarray,
    out: np.ndarray,
) -> bool:  # fmt: skip
    """What is every feature of the bar at absolute position t, the one after the last? Is a row written for it?"""
    slots, x = plan[SLOTS], desk.stack[plan[DEPTH] + 2]
    at = t % slots + slots
    for row in range(plan[BARS]):  # in both halves, so that the last values of a row always lie side by side
        desk.matrix[row, at] = desk.matrix[row, at - slots] = history[t % history.shape[0], row] = bar[row]
    for g in range(plan[SUMS]):
        sum_up(desk, g, t, at, plan, floats, whole)
    for i in range(plan[PROGRAMS]):
        evaluate(desk, desk.programs[i, 0], desk.programs[i, 1], t, at, plan[TF_MS], x[i : i + 1])
    complete = bar[plan[CLOSE]] == bar[plan[CLOSE]]
    for f in range(plan[FEATURES]):
        out[f] = feature_now(desk, f, t, floats, whole, x[desk.features[f, 0]])
        complete = complete and out[f] == out[f]
    return is_warm(t, plan, history, whole) and complete


@kernel
def next_bars(
    t: int, bars: np.ndarray, plan: np.ndarray, constants: np.ndarray, floats: np.ndarray, whole: np.ndarray,
    history: np.ndarray, out: np.ndarray, written: np.ndarray,
) -> None:  # fmt: skip
    """What is every feature of the bars from absolute position t on, which follow the last one?

    bars: (n, BARS) float64 in the plan's order, NaN is missing, all of a row where the bar is absent. Writes out (n,
    FEATURES) float64, NaN where missing, a flag 0 or 1; and written (n,) bool: bar and features are present and
    the warm-up is over. The only way in, for one bar as for many: a second one would be compiled all over again.
    """
    desk = desk_of(plan, constants, floats)
    for i in range(bars.shape[0]):
        written[i] = next_bar(desk, t + i, bars[i], plan, floats, whole, history, out[i])
