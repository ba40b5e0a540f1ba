"""Is live batch on a real lake, and does the audit see a leak in it? `python -m scripts.real_leaks LAKE [SYMBOL …]`

For each symbol: every feature of the core and the extended set that its bars can give, live against batch at every bar.
Then leaks are planted, one after the other: each input that features read comes a bar too early; and a feature of the
user's own looks ahead in three ways. The audit has to be red on each of them and name the feature. Nothing is written.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lake import days, frames, layout
from meta.datasets import DATASETS
from meta.timeframes import TIMEFRAMES
from p2_features import catalogue
from p2_features.audit import audited, live_faults
from p2_features.compute import compute
from p2_features.feature import Feature

TF, CUTS = TIMEFRAMES["5m"], 20
Values = Mapping[str, NDArray]
LEAKS: dict[str, Callable[[NDArray, Values], NDArray]] = {
    "its own next value": lambda x, bars: early(x),
    "the mean of the bars around it": lambda x, bars: (x + early(x)) / 2,
    "the next close": lambda x, bars: np.where(np.isnan(early(bars["close"])), x, x + 1e-9 * early(bars["close"])),
}


def early(x: NDArray) -> NDArray:
    """What x will be a bar on."""
    return np.append(x[1:], np.nan)


def possible(features: Sequence[Feature], bars: Values) -> tuple[Feature, ...]:
    """Which features have all they cannot do without?"""
    return tuple(f for f in features if all(not np.isnan(bars[name]).all() for name in f.required))


def is_red(features: Sequence[Feature], how: Callable[[Values, int], Values], bars: Values, first: int) -> list[str]:
    """Which features does the audit find to have looked ahead?"""
    found = audited(features, how, bars, first, CUTS)
    return sorted({fault.feature for fault in found.faults if fault.check == "future"})


def judge(root: Path, symbol: str) -> int:
    """How many things are wrong with this symbol?"""
    shelf = layout.shelf(root, DATASETS["bars"], TF, symbol)
    known, conf = sorted(days.committed(shelf)), catalogue.load()
    if not known:
        raise SystemExit(f"{shelf} has no committed day in {root}; ingest it first")
    every = {f.name: f for name in ("core", "extended") for f in conf.features(TF, name)}
    inputs = list(dict.fromkeys(["close", *(name for f in every.values() for name in f.inputs)]))
    grid = frames.grid(shelf, known[0], known[-1], inputs)
    bars, first, wrong, window = grid.columns, grid.first, 0, conf.settings.window_days * TF.per_day
    features = possible(list(every.values()), bars)

    def honest(columns: Values, at: int) -> Values:
        return compute(features, columns, at).values

    began = time.process_time()
    faults = list(live_faults(features, window, window, honest, bars, first))
    wrong += len(faults)
    print(f"{symbol}: {len(features)} features, {len(grid):,} bars: {len(faults)} differ by a bit live, "
          f"{time.process_time() - began:.1f} s of processor")  # fmt: skip
    for fault in faults:
        print(f"  {fault.line()}")
    for name in inputs:
        mine = tuple(f for f in features if name in f.inputs)
        if not mine or np.isnan(bars[name]).all():
            continue

        def hasty(columns: Values, at: int, name: str = name, mine: tuple[Feature, ...] = mine) -> Values:
            return compute(mine, {**columns, name: early(columns[name])}, at).values

        red = is_red(mine, hasty, bars, first)
        wrong += not red
        print(f"{symbol}: {name} a bar early: {len(red)} of {len(mine)} features red")
    (user,) = (f for f in features if f.name == "ret_1h")
    for leak, does in LEAKS.items():
        red = is_red((user,), lambda columns, at, does=does: {user.name: does(
            compute((user,), columns, at).values[user.name], columns)}, bars, first)  # fmt: skip
        wrong += red != [user.name]
        print(f"{symbol}: a feature with {leak}: {'red' if red else 'NOT SEEN'}")
    return wrong


def main() -> int:
    """Judge each symbol; 0 where nothing is wrong."""
    if len(sys.argv) < 2:
        raise SystemExit("python -m scripts.real_leaks LAKE [SYMBOL …]")
    root, symbols = Path(sys.argv[1]), sys.argv[2:] or ["BTCUSDT"]
    return 1 if sum([judge(root, symbol) for symbol in symbols]) else 0


if __name__ == "__main__":
    sys.exit(main())
