"""Could any feature have seen the future? Changed bars after a cut must change no bit at or before it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lake.progress import Pace
from meta.errors import NotReady
from meta.timeframes import utc
from p2_features.audit_faults import Audit, Fault
from p2_features.feature import Feature
from p2_features.plain import value_at
from p2_features.spoils import SPOILS, Columns, Cut, Spoil, differences, differing, emptied, taken_away
from p2_features.stream import Engine

Compute = Callable[[Columns, int], Mapping[str, NDArray]]  # bars and the position of the first -> features by name

AROUND = 512  # bars computed beyond the reach before a cut, and after the cut
WIDE = 10  # one cut in so many is of the whole range, for leaks from far away
TRIED = 5  # bars at which each feature with a past is computed plainly, and four times as many where it has none
CLOSE = 1e-9  # how near a plainly computed feature has to be


@dataclass(frozen=True)
class Bench:
    """What is audited: features, how they are computed, and bars on the grid, the first at absolute position `first`.

    `compute` gives each feature's values over any slice, (n,) float64 with NaN where missing, or bool.
    """

    features: tuple[Feature, ...]
    compute: Compute
    bars: Columns
    first: int

    @property
    def size(self) -> int:
        """How many bars?"""
        return len(self.bars["close"])

    @property
    def reach(self) -> int:
        """How far does the farthest-looking feature look back?"""
        return max(feature.reach for feature in self.features)

    def ts(self, t: int) -> str:
        """When does bar t close?"""
        return utc((self.first + int(t)) * self.features[0].tf.ms)

    def over(self, columns: Columns, begin: int = 0) -> Mapping[str, NDArray]:
        """What are the features over these columns, whose element 0 is bar `begin`?"""
        return self.compute(columns, self.first + begin)


def audited(
    features: Sequence[Feature],
    compute: Compute,
    bars: Columns,
    first: int,
    cuts: int = 200,
    seed: int = 0,
    threads: int = 1,
    tell: Callable[[str], None] = lambda line: None,
) -> Audit:
    """Do these features, as `compute` gives them, keep to the past, their reach, their inputs and their definition?

    bars: column -> (n,) float64 on the grid, NaN is missing. Raises NotReady where there are too few bars to tell.
    """
    bench = Bench(tuple(features), compute, bars, first)
    if bench.size <= bench.reach + AROUND:
        need = bench.reach + AROUND + 1
        raise NotReady(f"an audit of these features takes {need:,} bars, and there are {bench.size:,}; give more days")
    whole = bench.over(bars)
    found = Audit(cuts)
    _past_alone(bench, whole, found, seed, threads, tell)
    found.add(_moved(bench, whole, found, threads))
    tell("inputs shifted by one bar, one after the other")
    found.add(_defined(bench, whole, np.random.default_rng([seed, 1])))
    tell("features computed plainly at some bars")
    return found


def _past_alone(
    bench: Bench, whole: Mapping[str, NDArray], found: Audit, seed: int, threads: int, tell: Callable[[str], None]
) -> None:
    """At random cuts, change the future and take away the distant past; no bit may move."""
    rng = np.random.default_rng(seed)
    ts = np.sort(rng.integers(bench.reach, bench.size - 1, found.cuts))
    kinds = rng.permutation(found.cuts) % WIDE == 0
    found.valued = {
        f.name: int((~np.isnan(whole[f.name][ts].astype(np.float64))).sum()) for f in bench.features
    }  # fmt: skip
    found.add(
        Fault("empty", f.name, _inputs(f), "none", "has no value in this range")
        for f in bench.features
        if np.isnan(whole[f.name].astype(np.float64)).all()
    )

    slices = [_cut(bench, int(t), bool(wide), (seed, 2, i)) for i, (t, wide) in enumerate(zip(ts, kinds, strict=True))]
    caught: set[tuple[str, str]] = set()
    pace = Pace(found.cuts, "cuts")
    with ThreadPoolExecutor(threads) as pool:
        for i, leaks in enumerate(pool.map(lambda cut: _leaks(bench, whole, cut), slices)):
            for leak in leaks:
                if (leak.check, leak.feature.name) not in caught:  # naming the input costs as much as ten cuts
                    caught.add((leak.check, leak.feature.name))
                    found.faults.append(_named(bench, slices[i], leak))
            if (i + 1) % 50 == 0:
                tell(pace.at(i + 1))


@dataclass(frozen=True)
class Leak:
    """A feature caught at a cut: by what was done to the future (None: it reaches too far back), first at which bar."""

    feature: Feature
    spoil: Spoil | None
    bar: int

    @property
    def check(self) -> str:
        """Which check catches it?"""
        return "future" if self.spoil else "reach"


def _cut(bench: Bench, t: int, wide: bool, seed: tuple[int, ...]) -> Cut:
    """The bars a feature can see, some before them, and some after t; or all there are."""
    older = int(np.random.default_rng(seed).integers(1, AROUND))
    begin = 0 if wide else max(t - bench.reach - older, 1)
    return Cut(t, begin, bench.size if wide else min(t + 1 + AROUND, bench.size), seed)


def _leaks(bench: Bench, whole: Mapping[str, NDArray], cut: Cut) -> list[Leak]:
    """Which features see beyond the cut, or further back than they declare?"""
    near, order = cut.near(bench.bars), cut.order()
    base = bench.over(near, cut.begin)
    found: dict[str, Leak] = {}
    for spoil in SPOILS:
        now = bench.over({name: spoil(x, cut.at, order) for name, x in near.items()}, cut.begin)
        for feature in bench.features:
            bad = differing(now[feature.name][: cut.at], base[feature.name][: cut.at])
            if bad is not None:
                found.setdefault(feature.name, Leak(feature, spoil, cut.begin + bad))
    for feature in bench.features:
        start = cut.begin + feature.reach if cut.begin else 0
        bad = differing(base[feature.name][start - cut.begin :], whole[feature.name][start : cut.end])
        if bad is not None:  # who reads ahead also misses the bars after the slice, and is told of that alone
            found.setdefault(feature.name, Leak(feature, None, start + bad))
    return list(found.values())


def _named(bench: Bench, cut: Cut, leak: Leak) -> Fault:
    """Through which input, and at which bar, does this feature see what it should not?"""
    name = leak.feature.name
    if leak.spoil is None:
        span = f"{bench.ts(cut.begin)} … {bench.ts(cut.end - 1)}"
        how = f"is another from the bars {span} alone, though it declares a reach of {leak.feature.reach} bars"
        return Fault("reach", name, _inputs(leak.feature), bench.ts(leak.bar), how)
    how = f"changed when bars after {bench.ts(cut.t)} were {leak.spoil.__name__.replace('_', ' ')}"
    near, order = cut.near(bench.bars), cut.order()
    base = bench.over(near, cut.begin)[name][: cut.at]
    alone = emptied if leak.spoil is taken_away else leak.spoil
    for column, x in near.items():
        now = bench.over({**near, column: alone(x, cut.at, order)}, cut.begin)[name][: cut.at]
        bad = differing(now, base)
        if bad is not None:
            return Fault("future", name, column, bench.ts(cut.begin + bad), how)
    return Fault("future", name, "several together", bench.ts(leak.bar), how)


def _inputs(feature: Feature) -> str:
    return " ".join(feature.inputs) or "none"


def _moved(bench: Bench, whole: Mapping[str, NDArray], found: Audit, threads: int) -> list[Fault]:
    """Shift each input by one bar: who notices, who should have, and who should not?"""

    def shifted(name: str) -> Mapping[str, NDArray]:
        x = bench.bars[name]
        return bench.over({**bench.bars, name: np.concatenate([[np.nan], x[:-1]])})

    faults = []
    with ThreadPoolExecutor(threads) as pool:
        for name, now in zip(bench.bars, pool.map(shifted, bench.bars), strict=True):
            for feature in bench.features:
                moved = differences(now[feature.name], whole[feature.name])
                share, declared = float(moved.mean()), name in feature.inputs
                if declared:
                    found.moved.setdefault(feature.name, {})[name] = round(share, 6)
                if declared and not share:
                    why = "holds no value" if np.isnan(bench.bars[name]).all() else "is shifted by a bar"
                    faults.append(Fault("insensitive", feature.name, name, "all", f"stays as it is; the input {why}"))
                if share and not declared:
                    how = "moved when the input was shifted by a bar"
                    faults.append(Fault("undeclared", feature.name, name, bench.ts(int(np.argmax(moved))), how))
    return faults


def _defined(bench: Bench, whole: Mapping[str, NDArray], rng: np.random.Generator) -> Iterable[Fault]:
    """Is each feature, at some bars where it has a value, what its definition gives?"""
    for feature in bench.features:
        values = whole[feature.name].astype(np.float64)
        known = np.flatnonzero(~np.isnan(values))
        tries = TRIED if feature.past else 4 * TRIED
        for t in rng.choice(known, min(tries, len(known)), replace=False):
            want = value_at(feature, bench.bars, bench.first, int(t))
            if not abs(values[t] - want) <= CLOSE * max(1.0, abs(want)):
                how = f"is {values[t]!r}, and {want!r} by its definition"
                yield Fault("definition", feature.name, _inputs(feature), bench.ts(t), how)
                break


def live_faults(
    features: Sequence[Feature], warmup: int, window: int, compute: Compute, bars: Columns, first: int
) -> Iterable[Fault]:
    """Which features does the live engine, which is handed one bar after the other, give other bits?"""
    engine, bench = Engine(features, warmup, window), Bench(tuple(features), compute, bars, first)
    whole = bench.over(bars)
    rows = np.stack([bars.get(name, np.full(bench.size, np.nan)) for name in engine.columns], axis=1)
    found = np.empty((bench.size, len(features)))
    for t in range(bench.size):
        found[t] = engine.push("", first + t, rows[t : t + 1])[1]
    for j, feature in enumerate(features):
        bad = differing(found[:, j], whole[feature.name].astype(np.float64))
        if bad is not None:
            how = f"is {whole[feature.name][bad]!r} in batch and {found[bad, j]!r} live"
            yield Fault("live", feature.name, _inputs(feature), bench.ts(bad), how)
