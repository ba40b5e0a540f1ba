"""The quantiles of a moving window, one bar at a time: its sorted ends, and nothing of its middle."""

from __future__ import annotations

import math

import numpy as np

from p2_features.kernels.compiled import inner
from p2_features.kernels.past_quantiles import between, quantile_place

SPARE = 384  # values a tail keeps beyond what its quantile needs: how far it may drain before the window is read again


@inner
def place_in(memory: np.ndarray, tail: int, size: int, value: float) -> int:
    """How many of the tail's values are less than this one?"""
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        if memory[tail + middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@inner
def removed(memory: np.ndarray, tail: int, size: int, value: float) -> int:
    """Take a value that leaves the window out of the tail, if it lies there; returns the tail's new size."""
    if size == 0 or value > memory[tail + size - 1]:
        return size
    if value < memory[tail + size - 1]:  # of equal ones the last is as good, and nothing has to move
        after = memory[tail + place_in(memory, tail, size, value) : tail + size]
        for j in range(after.size - 1):
            after[j] = after[j + 1]
    return size - 1


@inner
def added(memory: np.ndarray, tail: int, room: int, size: int, count: int, value: float) -> int:
    """Put a value that enters the window of `count` others into the tail, if it lies there; returns the new size.

    A tail holds the smallest values of the window; where it holds them all, every new one lies there.
    """
    whole = size == count and size < room
    if not whole and (size == 0 or value > memory[tail + size - 1]):
        return size
    if size == room:
        if value == memory[tail + size - 1]:
            return size
        size -= 1
    if size > 0 and value == memory[tail + size - 1]:
        memory[tail + size] = value
        return size + 1
    after = memory[tail + place_in(memory, tail, size, value) : tail + size + 1]
    for j in range(after.size - 1, 0, -1):
        after[j] = after[j - 1]
    after[0] = value
    return size + 1


@inner
def refilled(memory: np.ndarray, tail: int, room: int, ring: int, wide: int, window: int, sign: float) -> int:
    """Read the tail again from the window's values, times sign; returns its size. A quarter stays free for arrivals."""
    size = count = 0
    for i in range(ring, ring + window * wide, wide):
        if abs(memory[i]) < math.inf:
            size = added(memory, tail, room - SPARE // 4, size, count, sign * memory[i])
            count += 1
    return size


@inner
def tail_size(window: int, low: float, high: float) -> int:
    """How many values must a tail have room for, at either end?"""
    need_low = quantile_place(window, low)[0] + 2
    need_high = window - quantile_place(window, high)[0] + 1
    return max(need_low, need_high) + SPARE


@inner
def low_quantile(memory: np.ndarray, tail: int, count: int, k: int, share: float) -> float:
    """What lies `share` of the way from order statistic k to the next of `count` values, from their lowest ones?"""
    return between(memory[tail + k], memory[tail + min(k + 1, count - 1)], share)


@inner
def high_quantile(memory: np.ndarray, tail: int, count: int, k: int, share: float) -> float:
    """The same from their highest ones, negated."""
    return between(-memory[tail + count - 1 - k], -memory[tail + max(count - 2 - k, 0)], share)
