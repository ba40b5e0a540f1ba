"""One stack machine for every expression over bars, batch and live."""

from __future__ import annotations

import math

import numpy as np

from p2_features.kernels.compiled import inner, lean
from p2_features.kernels.scalar import cos, ln, sin, sqrt

# The numbers stand here and not beside the compiler: numba's cache follows the file of the function it compiled.
LOAD, NUMBER, HOUR_OF_WEEK, MINUTE = 0, 1, 2, 3
NEGATIVE, ABS, SQUARE, LN, SQRT, SIN, COS = 10, 11, 12, 13, 14, 15, 16
ADD, SUBTRACT, MULTIPLY, DIVIDE, REMAINDER, EITHER, IMPUTED = 20, 21, 22, 23, 24, 25, 26

OPCODES = {
    "load": LOAD, "number": NUMBER, "hour_of_week": HOUR_OF_WEEK, "minute": MINUTE,
    "negative": NEGATIVE, "abs": ABS, "square": SQUARE, "ln": LN, "sqrt": SQRT, "sin": SIN, "cos": COS,
    "+": ADD, "-": SUBTRACT, "*": MULTIPLY, "/": DIVIDE, "%": REMAINDER, "either": EITHER, "imputed": IMPUTED,
}  # fmt: skip

BLOCK = 256  # bars an instruction serves at a time: the stack stays in the first-level cache
_HOUR = 3_600_000
_MONDAY = 72  # 1970-01-01 was a Thursday


@inner
def present(x: float) -> float:
    """What is x where it is finite? Else missing: NaN."""
    return x if abs(x) < math.inf else math.nan


@inner
def hour_of_week(position: int, tf_ms: int) -> float:
    """In which hour of the week, 0 … 167 from Monday 00:00 UTC, did the bar at this grid position open?"""
    return float(((position - 1) * tf_ms // _HOUR + _MONDAY) % 168)


@inner
def minute_of(position: int, tf_ms: int) -> float:
    """How many whole minutes after 1970-01-01 00:00 UTC did the bar at this grid position close?"""
    return float(position * tf_ms // 60_000)


@inner
def push(
    op: int, column: int, lag: int, number: float, columns: np.ndarray, first: int, tf_ms: int, begin: int,
    stack: np.ndarray, top: int, bars: int,
) -> None:  # fmt: skip
    """Write a column, a number or the clock of `lag` bars ago over stack[top, :bars]; nothing is before the slice."""
    at, row = begin - lag, stack[top]
    if op == LOAD:
        before = min(max(-at, 0), bars)
        for j in range(before):
            row[j] = math.nan
        there, here = columns[column, at + before : at + bars], row[before:bars]
        for j in range(there.size):
            here[j] = present(there[j])
    elif op == NUMBER:
        for j in range(bars):
            row[j] = number
    elif op == HOUR_OF_WEEK:
        for j in range(bars):
            row[j] = hour_of_week(first + at + j, tf_ms)
    else:
        for j in range(bars):
            row[j] = minute_of(first + at + j, tf_ms)


@inner
def apply_one(op: int, stack: np.ndarray, top: int, bars: int) -> None:
    """Replace stack[top, :bars] by the function `op` of it."""
    row = stack[top]
    if op == NEGATIVE:
        for j in range(bars):
            row[j] = -row[j]
    elif op == ABS:
        for j in range(bars):
            row[j] = abs(row[j])
    elif op == SQUARE:
        for j in range(bars):
            row[j] = present(row[j] * row[j])
    elif op == LN:
        for j in range(bars):
            row[j] = ln(row[j])
    elif op == SQRT:
        for j in range(bars):
            row[j] = sqrt(row[j])
    else:
        # An angle of the clock stands still for an hour. Not so zero, of which there are two.
        angle = wave = math.nan
        for j in range(bars):
            if row[j] != angle or angle == 0.0:
                angle = row[j]
                wave = sin(angle) if op == SIN else cos(angle)
            row[j] = wave


@inner
def apply_two(op: int, stack: np.ndarray, top: int, bars: int) -> None:
    """Replace stack[top, :bars] by it `op` the row above."""
    row, above = stack[top], stack[top + 1]
    if op == ADD:
        for j in range(bars):
            row[j] = present(row[j] + above[j])
    elif op == SUBTRACT:
        for j in range(bars):
            row[j] = present(row[j] - above[j])
    elif op == MULTIPLY:
        for j in range(bars):
            row[j] = present(row[j] * above[j])
    elif op == DIVIDE:
        for j in range(bars):
            row[j] = present(row[j] / above[j]) if above[j] != 0.0 else math.nan
    elif op == REMAINDER:
        for j in range(bars):
            row[j] = np.fmod(row[j], above[j]) if above[j] != 0.0 else math.nan
    elif op == EITHER:
        for j in range(bars):
            row[j] = above[j] if math.isnan(row[j]) else row[j]
    else:
        for j in range(bars):
            row[j] = 1.0 if math.isnan(row[j]) and not math.isnan(above[j]) else 0.0


@lean
def past_expression(
    code: np.ndarray, numbers: np.ndarray, columns: np.ndarray, first: int, tf_ms: int, start: int, stop: int,
    stack: np.ndarray, out: np.ndarray,
) -> None:  # fmt: skip
    """What is the expression's value at positions start … stop-1 of the slice?

    code: (m, 3) int64 rows (opcode, column, lag in bars); numbers: (m,) float64, each NUMBER's value. columns: (k, n)
    float64 on the grid, NaN or infinite is missing, as is everything before the slice. first: absolute grid position
    of column 0; tf_ms: a bar's length. stack: (depth, BLOCK) float64 to work in. Writes out[: stop - start], NaN where
    a value it needs is missing or an operation has no finite result. A bar's value never depends on where the slice
    starts or on the bars beside it, so one bar and a year give the same bits.
    """
    for begin in range(start, stop, BLOCK):
        bars = min(BLOCK, stop - begin)
        height = 0
        for i in range(code.shape[0]):
            op = code[i, 0]
            if op < NEGATIVE:
                push(op, code[i, 1], code[i, 2], numbers[i], columns, first, tf_ms, begin, stack, height, bars)
                height += 1
            elif op < ADD:
                apply_one(op, stack, height - 1, bars)
            else:
                height -= 1
                apply_two(op, stack, height - 1, bars)
        for j in range(bars):
            out[begin - start + j] = stack[0, j]
