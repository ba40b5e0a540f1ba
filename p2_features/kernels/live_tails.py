"""The quantiles of a moving window, one bar at a time: its sorted ends, and nothing of its middle."""

from __future__ import annotations

import math

import numpy as np

from p2_features.kernels.compiled import kernel
from p2_features.kernels.past_quantiles import between, quantile_place

SPARE = 384  # values a tail keeps beyond what its quantile needs: how far it may drain before the window is read again


@kernel
def removed(tail: np.ndarray, size: int, value: float) -> int:
    """Take a value that leaves the window out of the tail, if it lies there; returns the tail's new size."""
    if size == 0 or value > tail[size - 1]:
        return size
    for j in range(np.searchsorted(tail[:size], value), size - 1):
        tail[j] = tail[j + 1]
    return size - 1


@kernel
def added(tail: np.ndarray, size: int, count: int, value: float) -> int:
    """Put a value that enters the window of `count` others into the tail, if it lies there; returns the new size.

    A tail holds the smallest values of the window; where it holds them all, every new one lies there.
    """
    whole = size == count and size < tail.size
    if not whole and (size == 0 or value > tail[size - 1]):
        return size
    if size == tail.size:
        size -= 1
    at = np.searchsorted(tail[:size], value)
    for j in range(size, at, -1):
        tail[j] = tail[j - 1]
    tail[at] = value
    return size + 1


@kernel
def refilled(tail: np.ndarray, ring: np.ndarray, sign: float) -> int:
    """Read the tail again from the window's values, times sign; returns its size. A quarter stays free for arrivals."""
    room = tail[: tail.size - SPARE // 4]
    size = count = 0
    for x in ring:
        if abs(x) < math.inf:
            size = added(room, size, count, sign * x)
            count += 1
    return size


@kernel
def tail_size(window: int, low: float, high: float) -> int:
    """How many values must a tail have room for, at either end?"""
    need_low = quantile_place(window, low)[0] + 2
    need_high = window - quantile_place(window, high)[0] + 1
    return max(need_low, need_high) + SPARE


@kernel
def low_quantile(tail: np.ndarray, count: int, p: float) -> float:
    """What is quantile p of the window's `count` values, from its sorted lowest ones?"""
    k, share = quantile_place(count, p)
    return between(tail[k], tail[min(k + 1, count - 1)], share)


@kernel
def high_quantile(tail: np.ndarray, count: int, p: float) -> float:
    """What is quantile p of the window's `count` values, from its sorted highest ones, negated?"""
    k, share = quantile_place(count, p)
    return between(-tail[count - 1 - k], -tail[max(count - 2 - k, 0)], share)
