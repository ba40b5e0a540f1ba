"""The stack machine of expressions for one bar: the bits past_expression gives, without its loops over bars."""

from __future__ import annotations

import math

import numpy as np

from p2_features.kernels.compiled import inner
from p2_features.kernels.past_expression import (
    ABS,
    ADD,
    DIVIDE,
    EITHER,
    HOUR_OF_WEEK,
    LN,
    LOAD,
    MULTIPLY,
    NEGATIVE,
    NUMBER,
    REMAINDER,
    SIN,
    SQRT,
    SQUARE,
    SUBTRACT,
    hour_of_week,
    minute_of,
    present,
)  # fmt: skip
from p2_features.kernels.scalar import cos, ln, sin, sqrt

STEP_WIDE = 4  # opcode, column, lag in bars, number (its bits)


@inner
def first_operand(
    op: int, column: int, lag: int, number: float, t: int, here: int, tf_ms: int, memory: np.ndarray, ring: int,
    wide: int, size: int,
) -> float:  # fmt: skip
    """What does an instruction that takes nothing from the stack put on it, at absolute position t?"""
    if op == LOAD:
        j = here - lag
        return present(memory[ring + (j if j >= 0 else j + size) * wide + column])
    if op == NUMBER:
        return number
    return hour_of_week(t - lag, tf_ms) if op == HOUR_OF_WEEK else minute_of(t - lag, tf_ms)


@inner
def of_one(op: int, x: float) -> float:
    """What is the function `op` of x?"""
    if op == NEGATIVE:
        return -x
    if op == ABS:
        return abs(x)
    if op == SQUARE:
        return present(x * x)
    if op == LN:
        return ln(x)
    if op == SQRT:
        return sqrt(x)
    return sin(x) if op == SIN else cos(x)


@inner
def of_two(op: int, a: float, b: float) -> float:
    """What is a `op` b?"""
    if op == ADD:
        return present(a + b)
    if op == SUBTRACT:
        return present(a - b)
    if op == MULTIPLY:
        return present(a * b)
    if op == DIVIDE:
        return present(a / b) if b != 0.0 else math.nan
    if op == EITHER:
        return b if math.isnan(a) else a
    if op == REMAINDER:
        return np.fmod(a, b) if b != 0.0 else math.nan
    return 1.0 if math.isnan(a) and not math.isnan(b) else 0.0


@inner
def expression_now(
    plan: np.ndarray, numbers: np.ndarray, start: int, stop: int, t: int, here: int, tf_ms: int, memory: np.ndarray,
    stack: int, ring: int, wide: int, size: int,
) -> float:  # fmt: skip
    """What is the expression at absolute position t?

    plan[start : stop]: its steps; numbers: the same array as floats. memory holds the stack, and the ring of the last
    `size` bars, `wide` columns each, t included, in row `here`. As past_expression; the top of the stack is kept in a
    register.
    """
    top, height = math.nan, stack
    for i in range(start, stop, STEP_WIDE):
        op = plan[i]
        if op < NEGATIVE:
            memory[height] = top
            height += 1
            top = first_operand(op, plan[i + 1], plan[i + 2], numbers[i + 3], t, here, tf_ms, memory, ring, wide, size)
        elif op < ADD:
            top = of_one(op, top)
        else:
            height -= 1
            top = of_two(op, memory[height], top)
    return top
