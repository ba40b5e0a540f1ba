"""Which bars lie beyond a bound, and which bound leaves enough of them."""

from __future__ import annotations

import math

import numpy as np

from p2_features.kernels.compiled import inner

EIGHT = 8
ONE, EACH, TOP = np.uint64(1), np.uint64(0x0101010101010101), np.uint64(56)
SAMPLE = 7  # one bar in so many is looked at to guess a bound


@inner
def gather(
    x: np.ndarray, begin: int, end: int, low: float, high: float, lows: np.ndarray, highs: np.ndarray,
    flags: np.ndarray,
) -> tuple[int, int]:  # fmt: skip
    """Which of the bars begin … end-1 lie below `low` and which above `high`? Writes their places, returns how many.

    Few do, so that eight bars are asked at once.
    """
    bars, below, above = x[begin:end], 0, 0
    for i in range(bars.size):
        flags[i] = (bars[i] < low) | (bars[i] > high)
    for i in range(bars.size, bars.size + EIGHT):
        flags[i] = 0
    eights = flags.view(np.uint64)
    for e in range((bars.size + EIGHT - 1) // EIGHT):
        left = eights[e]
        while left != 0:
            first = left & (~left + ONE)
            i = EIGHT * e + int(((first - ONE) & EACH) * EACH >> TOP)  # how many bytes lie below the first flag
            lows[below], highs[above] = begin + i, begin + i
            below += bars[i] < low
            above += bars[i] > high
            left ^= first
    return keep_finite(x, lows, below), keep_finite(x, highs, above)


@inner
def keep_finite(x: np.ndarray, places: np.ndarray, count: int) -> int:
    """Close up the finite ones among the first `count` places: how many? Asking for every bar would cost more."""
    kept = 0
    for i in range(count):
        places[kept] = places[i]
        kept += abs(x[places[i]]) < math.inf
    return kept


@inner
def selected(values: np.ndarray, nth: int) -> float:
    """Which value is the nth smallest, from 0? Reorders them (Hoare's selection)."""
    low, high = 0, values.size - 1
    while low < high:
        pivot = values[(low + high) >> 1]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if nth <= j:
            high = j
        elif nth >= i:
            low = i
        else:
            break
    return values[nth]


@inner
def at_or_beyond(x: np.ndarray, sign: float, bound: float, begin: int, end: int) -> int:
    """How many values of bars begin … end-1 lie at the bound or beyond it?"""
    bars, count = x[begin:end], 0
    for i in range(bars.size):
        v = sign * bars[i]
        count += (v <= bound) & (v > -math.inf)
    return count


@inner
def bound_for(x: np.ndarray, sign: float, begin: int, end: int, need: int, room: np.ndarray) -> float:
    """Which bound has `need` values of bars begin … end-1, and some to spare, at or beyond it?

    Infinity where there are too few. By one bar in SAMPLE, if that turns out to be enough.
    """
    for step in (SAMPLE, 1):
        count = 0
        for i in range(begin, end, step):
            room[count] = sign * x[i]
            count += abs(x[i]) < math.inf
        nth = (need + need // 4 * (1 + (step > 1)) + 16) // step
        if nth < count:
            bound = selected(room[:count], nth)
            if step == 1 or at_or_beyond(x, sign, bound, begin, end) >= need:
                return bound
    return math.inf
