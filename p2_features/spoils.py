"""The future, changed in four ways after a cut, and where bits then differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Columns = Mapping[str, Floats]
Spoil = Callable[[Floats, int, NDArray[np.int64]], Floats]


def scaled(x: Floats, at: int, order: NDArray[np.int64]) -> Floats:
    """Everything from `at` on times a million."""
    return np.concatenate([x[:at], x[at:] * 1e6])


def emptied(x: Floats, at: int, order: NDArray[np.int64]) -> Floats:
    """Everything from `at` on missing."""
    return np.concatenate([x[:at], np.full(len(x) - at, np.nan)])


def taken_away(x: Floats, at: int, order: NDArray[np.int64]) -> Floats:
    """Nothing from `at` on, not even the time."""
    return x[:at].copy()


def shuffled(x: Floats, at: int, order: NDArray[np.int64]) -> Floats:
    """Everything from `at` on in another order."""
    return np.concatenate([x[:at], x[at:][order]])


SPOILS: tuple[Spoil, ...] = (scaled, emptied, taken_away, shuffled)


@dataclass(frozen=True)
class Cut:
    """What is computed around bar t: the bars begin … end-1, those after t shuffled by a seed."""

    t: int
    begin: int
    end: int
    seed: tuple[int, ...]

    @property
    def at(self) -> int:
        """Which element of the slice is the first after the cut?"""
        return self.t + 1 - self.begin

    def near(self, bars: Columns) -> dict[str, Floats]:
        """Which bars are computed?"""
        return {name: x[self.begin : self.end] for name, x in bars.items()}

    def order(self) -> NDArray[np.int64]:
        """In which order do the bars after the cut stand once they are shuffled?"""
        return np.random.default_rng(self.seed).permutation(self.end - self.t - 1)


def differences(a: NDArray, b: NDArray) -> NDArray[np.bool_]:
    """Where are these not the same bits? Missing is missing, whatever its bits."""
    if a.dtype == np.bool_ or b.dtype == np.bool_:
        return np.asarray(a != b)
    one, other = np.ascontiguousarray(a, np.float64), np.ascontiguousarray(b, np.float64)
    return (one.view(np.int64) != other.view(np.int64)) & ~(np.isnan(one) & np.isnan(other))


def differing(a: NDArray, b: NDArray) -> int | None:
    """At which element do these first differ? None where they do not."""
    found = differences(a, b)
    return int(np.argmax(found)) if found.any() else None
