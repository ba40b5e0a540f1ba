"""Which rows may a model learn from, when these are the ones it is judged on?"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sized
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meta.errors import Usage
from meta.timeframes import HOUR

Ints = NDArray[np.int64]
Roles = NDArray[np.int8]

ROLES = ("train", "test", "purged", "embargoed")
TRAIN, TEST, PURGED, EMBARGOED = range(4)
OUT = -1  # no role: walk-forward's rows after the test, or before a training window of fixed length
KINDS = ("kfold", "cpcv", "walk-forward")
CUTS = ("t1", "horizon")


@dataclass(frozen=True)
class Scheme:
    """How time is cut into training and test.

    kind: kfold (each block tests once), cpcv (every choice of test_blocks blocks), walk-forward (each block but the
    first tests once, training on the train_blocks before it, None = all). blocks: contiguous in time over all symbols,
    of equally many distinct ts. embargo_ms: what is kept out after a test run. cut: `t1` purges by the labels' own
    ends; `horizon` also drops every row within horizon_ms before a test run, early touches included.
    """

    kind: str = "kfold"
    blocks: int = 6
    test_blocks: int = 2
    train_blocks: int | None = None
    embargo_ms: int = 4 * HOUR
    cut: str = "t1"
    horizon_ms: int = 0

    def check(self) -> Scheme:
        """Does this scheme make sense? Returns it; raises Usage naming what does not."""
        _require(self.kind in KINDS, "kind", self.kind, "one of " + " ".join(KINDS))
        _require(self.cut in CUTS, "cut", self.cut, "one of " + " ".join(CUTS))
        _require(self.blocks >= 2, "blocks", self.blocks, "2 or more")
        _require(self.embargo_ms >= 0, "embargo_ms", self.embargo_ms, "0 or more")
        _require(self.cut == "t1" or self.horizon_ms > 0, "horizon_ms", self.horizon_ms, "the labels' horizon")
        if self.kind == "cpcv":
            _require(1 <= self.test_blocks < self.blocks, "test_blocks", self.test_blocks, "fewer than blocks")
        if self.train_blocks is not None:
            _require(self.train_blocks >= 1, "train_blocks", self.train_blocks, "1 or more, or none for all")
        return self

    @property
    def tests(self) -> list[tuple[int, ...]]:
        """Which blocks does each split test on?"""
        if self.kind == "cpcv":
            return list(itertools.combinations(range(self.blocks), self.test_blocks))
        return [(block,) for block in range(self.kind == "walk-forward", self.blocks)]

    def splits(self, ts: Ints, t1: Ints) -> Iterator[Roles]:
        """Which role has each row in each split?

        ts, t1: (n,) int64 UTC ms, rows of all symbols in any order, t1 ≥ ts. Yields (n,) int8 indices into ROLES, or
        OUT. Raises Usage where there are fewer distinct ts than blocks.
        """
        block = blocks_of(ts, self.blocks)
        before = self.horizon_ms if self.cut == "horizon" else 0
        for tested in self.tests:
            roles = roles_of(ts, t1, block, tested, self.embargo_ms, before)
            if self.kind == "walk-forward":
                oldest = 0 if self.train_blocks is None else tested[0] - self.train_blocks
                roles[(block > tested[0]) | (block < oldest)] = OUT
            yield roles


def _require(holds: bool, name: str, value: object, wanted: str) -> None:
    if not holds:
        raise Usage(f"folds: {name} = {value!r} cuts nothing; give {wanted}")


def blocks_of(ts: Ints, blocks: int) -> Ints:
    """In which block of time does each row lie? Equal numbers of distinct ts, the first blocks taking one more."""
    stamps = np.unique(ts)
    if stamps.size < blocks:
        raise Usage(
            f"folds: {stamps.size} distinct ts do not make {blocks} blocks; take fewer blocks or a longer range"
        )
    size, more = divmod(stamps.size, blocks)
    ends = np.cumsum([size + (block < more) for block in range(blocks)])
    return np.searchsorted(stamps[ends - 1], ts)


def runs_of(tested: tuple[int, ...]) -> list[tuple[int, int]]:
    """Into which maximal runs of adjacent blocks do the test blocks fall? (first, last) of each."""
    first = [b for b in tested if b - 1 not in tested]
    last = [b for b in tested if b + 1 not in tested]
    return list(zip(sorted(first), sorted(last), strict=True))


def roles_of(ts: Ints, t1: Ints, block: Ints, tested: tuple[int, ...], embargo_ms: int, horizon_ms: int = 0) -> Roles:
    """Which role has each row, when these blocks are tested?

    A row is purged if [ts, t1] meets the span [min ts, max t1] of any run of test blocks, over all symbols, or if its
    ts lies within horizon_ms before one; embargoed if it follows one's max t1 by at most embargo_ms. Both is purged.
    """
    roles = np.full(ts.size, TRAIN, np.int8)
    purged = np.zeros(ts.size, bool)
    for first, last in runs_of(tested):
        test = (block >= first) & (block <= last)
        start, end = ts[test].min(), t1[test].max()
        roles[(ts > end) & (ts <= end + embargo_ms)] = EMBARGOED
        purged |= (ts <= end) & ((t1 >= start) | (ts >= start - horizon_ms))
    roles[purged] = PURGED
    roles[np.isin(block, tested)] = TEST
    return roles


def default_embargo(horizon: int, reach: int, step_ms: int) -> int:
    """For how long after a test run is nothing learnt? The longest of H bars, the features' un-normalised reach in
    bars, and 4 h; in ms."""
    return max(horizon * step_ms, reach * step_ms, 4 * HOUR)


class PurgedSplitter:
    """The same splits in scikit-learn's form: pass it as `cv` wherever a splitter is taken.

    ts, t1: (n,) int64 UTC ms, one per row of the X to be split. Where X is a part of those rows, pass its own
    (ts, t1) as `groups`, shape (len(X), 2).
    """

    def __init__(self, ts: Ints, t1: Ints, scheme: Scheme | None = None) -> None:
        self.scheme = (scheme or Scheme()).check()
        self.ts = np.asarray(ts, np.int64)
        self.t1 = np.asarray(t1, np.int64)

    def get_n_splits(self, X: object = None, y: object = None, groups: object = None) -> int:
        """How many splits will there be?"""
        return len(self.scheme.tests)

    def split(self, X: Sized, y: object = None, groups: Ints | None = None) -> Iterator[tuple[Ints, Ints]]:
        """Which rows train and which test, split by split? Raises Usage where X has other rows than ts."""
        ts, t1 = (self.ts, self.t1) if groups is None else np.asarray(groups, np.int64).T
        rows = X.shape[0] if hasattr(X, "shape") else len(X)
        if rows != ts.size:
            raise Usage(f"folds: X has {rows} rows and ts {ts.size}; pass groups=(ts, t1) of the rows of X")
        for roles in self.scheme.splits(ts, t1):
            yield np.flatnonzero(roles == TRAIN), np.flatnonzero(roles == TEST)


def paths(scheme: Scheme) -> int:
    """How many whole histories do the tests of a scheme make up? One, but for cpcv's C(blocks − 1, test_blocks − 1)."""
    return math.comb(scheme.blocks - 1, scheme.test_blocks - 1) if scheme.kind == "cpcv" else 1
