"""The order of a few thousand values: a radix sort on their leading bits, put right by insertion."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from p2_features.kernels.compiled import inner, maker

SIGN = np.uint64(1 << 63)
FEW = 2048  # below this many values, small digits: clearing a large table would cost more than it saves


class Desk(NamedTuple):
    """Room to sort up to `size` values in."""

    keys: np.ndarray
    order: np.ndarray
    other_keys: np.ndarray
    other_order: np.ndarray
    counts: np.ndarray


@maker
def desk_for(size: int) -> Desk:
    """Which arrays does sorting `size` values need?"""
    return Desk(
        np.empty(size, np.uint64),
        np.empty(size, np.int32),
        np.empty(size, np.uint64),
        np.empty(size, np.int32),
        np.empty(FEW, np.int32),
    )


@inner
def key_of(values: np.ndarray, keys: np.ndarray) -> None:
    """Which unsigned integers stand in the order of these finite values (none of them -0.0)?"""
    bits = values.view(np.uint64)
    for i in range(values.size):
        keys[i] = ~bits[i] if bits[i] & SIGN else bits[i] | SIGN


@inner
def bit_span(keys: np.ndarray) -> int:
    """How many low bits do the keys differ in, once the smallest is taken from all of them (which this does)?"""
    least, most = keys[0], keys[0]
    for i in range(keys.size):
        least, most = min(least, keys[i]), max(most, keys[i])
    for i in range(keys.size):
        keys[i] -= least
    span = most - least
    bits = 0
    while bits < 64 and span >> np.uint64(bits) != 0:
        bits += 1
    return bits


@inner
def deal(
    keys: np.ndarray,
    order: np.ndarray,
    to_keys: np.ndarray,
    to_order: np.ndarray,
    low: int,
    digit: int,
    counts: np.ndarray,
) -> None:
    """Deal keys and their order out by the digit that starts at bit `low`, keeping equal ones in turn."""
    shift, mask = np.uint64(low), np.uint64((1 << digit) - 1)
    counts[: 1 << digit] = 0
    for i in range(keys.size):
        counts[(keys[i] >> shift) & mask] += 1
    total = 0
    for d in range(1 << digit):
        count = counts[d]
        counts[d] = total
        total += count
    for i in range(keys.size):
        d = (keys[i] >> shift) & mask
        at = counts[d]
        counts[d] = at + 1
        to_keys[at], to_order[at] = keys[i], order[i]


@inner
def settled(keys: np.ndarray, order: np.ndarray, budget: int) -> bool:
    """Could insertion finish the order within so many moves?"""
    for i in range(1, keys.size):
        key, place, j = keys[i], order[i], i
        while j > 0 and keys[j - 1] > key:
            keys[j], order[j] = keys[j - 1], order[j - 1]
            j -= 1
        keys[j], order[j] = key, place
        budget -= i - j
        if budget < 0:
            return False
    return True


@inner
def put_in_order(values: np.ndarray, desk: Desk) -> None:
    """Which indices sort these finite values, equal ones in any order?

    values: (m,) float64, none of them -0.0. Leaves the indices (m,) int32 in desk.order, and in desk.keys (where
    m > 1) numbers in the order of the values, equal for equal ones. Two deals on the leading bits nearly sort any
    series met in practice; where values crowd so closely that insertion would go quadratic, all bits are dealt.
    """
    m = values.size
    keys, order = desk.keys[:m], desk.order[:m]
    spare_keys, spare = desk.other_keys[:m], desk.other_order[:m]
    for i in range(m):
        order[i] = i
    if m < 2:
        return
    key_of(values, keys)
    bits = bit_span(keys)
    digit = 8 if m < FEW else 11
    low = max(bits - 2 * digit, 0)
    dealt_all = low == 0
    while True:
        # An even number of deals, so that the result ends where it began.
        for _ in range(2):
            deal(keys, order, spare_keys, spare, low, digit, desk.counts)
            keys, order, spare_keys, spare = spare_keys, spare, keys, order
            low += digit
        if low >= bits and (dealt_all or settled(keys, order, 8 * m)):
            return
        if low >= bits:
            low, dealt_all = 0, True
