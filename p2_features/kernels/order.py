"""The order of a few thousand values: a radix sort on their leading bits, put right by insertion."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from p2_features.kernels.compiled import inner

SIGN, ZERO, ONE, WORD = np.uint64(1 << 63), np.uint64(0), np.uint64(1), np.uint64(64)
INFINITE = np.uint64(0x7FF0000000000000)  # the bits of infinity: a value whose bits are lower is finite
FEW = 2048  # below this many values, small digits: clearing a large table would cost more than it saves
DIGIT = 12  # 13 take longer to deal, 11 leave series of both signs to insertion


class Desk(NamedTuple):
    """Room to sort up to `size` values in.

    cards: one number a value, its leading bits above its place, so that a sort moves one thing. order: places in the
    order of their values. same: is this value the one before it?
    """

    cards: np.ndarray
    spare: np.ndarray
    order: np.ndarray
    same: np.ndarray
    counts: np.ndarray


def desk_for(size: int) -> Desk:
    """Which arrays does sorting `size` values need?"""
    return Desk(
        np.empty(size, np.uint64),
        np.empty(size, np.uint64),
        np.empty(size, np.int32),
        np.empty(size, np.bool_),
        np.empty(1 << DIGIT, np.int32),
    )


@inner
def is_known(bits: np.uint64) -> np.bool_:
    """Are these the bits of a finite value?"""
    return (bits & ~SIGN) < INFINITE


@inner
def key_of(bits: np.uint64) -> np.uint64:
    """Which unsigned integer stands in the order of the value of these bits? -0.0 is 0.0."""
    return ~bits if bits > SIGN else bits | SIGN


@inner
def bit_length(number: np.uint64) -> np.uint64:
    """How many bits has this number?"""
    length = ZERO
    while length < WORD and number >> length != ZERO:
        length += ONE
    return length


@inner
def key_range(bits: np.ndarray) -> tuple[np.uint64, np.uint64]:
    """Which is the smallest and which the largest key of the finite values?"""
    least, most = ~ZERO, ZERO
    for i in range(bits.size):
        key, known = key_of(bits[i]), is_known(bits[i])
        least = min(least, key if known else ~ZERO)
        most = max(most, key if known else ZERO)
    return least, most


@inner
def write_cards(bits: np.ndarray, least: np.uint64, lead: np.uint64, places: np.uint64, cards: np.ndarray) -> int:
    """Write a card for each finite value, its key less the least moved up by `lead` bits: how many are there?"""
    count = 0
    for i in range(bits.size):
        cards[count] = ((key_of(bits[i]) - least) << lead) & ~places | np.uint64(i)
        count += is_known(bits[i])
    return count


@inner
def deal(cards: np.ndarray, target: np.ndarray, low: int, digit: int, counts: np.ndarray) -> None:
    """Deal cards out by the digit that starts at bit `low`, keeping equal ones in turn."""
    shift, mask = np.uint64(low), np.uint64((1 << digit) - 1)
    for d in range(1 << digit):
        counts[d] = 0
    for i in range(cards.size):
        counts[(cards[i] >> shift) & mask] += 1
    total = 0
    for d in range(1 << digit):
        count = counts[d]
        counts[d] = total
        total += count
    for i in range(cards.size):
        d = (cards[i] >> shift) & mask
        at = counts[d]
        counts[d] = at + 1
        target[np.uint32(at)] = cards[i]


@inner
def settled(cards: np.ndarray, budget: int) -> bool:
    """Could insertion finish the order within so many moves?"""
    for i in range(1, cards.size):
        card, j = cards[i], i
        while j > 0 and cards[j - 1] > card:
            cards[j] = cards[j - 1]
            j -= 1
        cards[j] = card
        budget -= i - j
        if budget < 0:
            return False
    return True


@inner
def sort_cards(desk: Desk, count: int, lowest: int) -> None:
    """Sort the first `count` cards, whose places take the bits below `lowest`.

    Two deals on the leading bits nearly sort any series met in practice; where values crowd so closely that insertion
    would go quadratic, all bits are dealt.
    """
    cards, spare = desk.cards[:count], desk.spare[:count]
    digit = 8 if count < FEW else DIGIT
    low = 64 - 2 * digit
    while True:
        # An even number of deals, so that the result ends where it began.
        deal(cards, spare, low, digit, desk.counts)
        deal(spare, cards, min(low + digit, 64 - digit), digit, desk.counts)
        low += 2 * digit
        if low >= 64 and settled(cards, 8 * count):
            return
        if low >= 64:
            low = lowest


@inner
def part_alike(values: np.ndarray, order: np.ndarray, same: np.ndarray) -> None:
    """Sort places by their values (Shell's sort): those whose leading bits are alike, and are seldom many."""
    gap = order.size
    while gap > 1:
        gap = max(gap * 5 // 11, 1)
        for i in range(gap, order.size):
            place, j = order[i], i
            while j >= gap and values[order[j - gap]] > values[place]:
                order[j] = order[j - gap]
                j -= gap
            order[j] = place
    for r in range(1, order.size):
        same[r] = values[order[r]] == values[order[r - 1]]


@inner
def read_cards(values: np.ndarray, cards: np.ndarray, places: np.uint64, order: np.ndarray, same: np.ndarray) -> None:
    """Write order and same from the sorted cards. Where leading bits are alike the values themselves are asked."""
    start, unsorted = 0, False
    for r in range(cards.size):
        order[r], same[r] = cards[r] & places, False
        if r > 0 and cards[r] ^ cards[r - 1] <= places:
            value, last = values[order[r]], values[order[r - 1]]
            same[r] = value == last
            unsorted |= value < last
        else:
            if unsorted:
                part_alike(values, order[start:r], same[start:r])
            start, unsorted = r, False
    if unsorted:
        part_alike(values, order[start : cards.size], same[start : cards.size])


@inner
def put_in_order(values: np.ndarray, desk: Desk) -> int:
    """Which places sort the finite ones among these values? Returns how many there are.

    values: (m,) float64, NaN or infinite is left out. Leaves their places in desk.order, (m,) int32, equal ones in any
    order, and in desk.same whether each equals the one before it.
    """
    bits = values.view(np.uint64)
    least, most = key_range(bits)
    width = bit_length(np.uint64(values.size))
    places = (ONE << width) - ONE
    count = write_cards(bits, least, WORD - max(bit_length(most - least), ONE), places, desk.cards)
    if count > 1:
        sort_cards(desk, count, np.int64(width))
    read_cards(values, desk.cards[:count], places, desk.order, desk.same)
    return count
