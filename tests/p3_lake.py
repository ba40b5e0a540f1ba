"""A small lake of two symbols, from bars to folds, for tests of what a model is trained on."""

from __future__ import annotations

import atexit
import contextlib
import functools
from datetime import timedelta
from pathlib import Path

from lake.layout import Shelf
from lake.span import Span
from meta.datasets import DATASETS
from meta.timeframes import HOUR, timeframe
from p2_features.build import build as build_features
from p2_features.choice import Asked
from p3_labels import build, folds, weights
from p3_labels.rules import rules
from p3_labels.splits import Scheme
from tests import lakes, market

LENGTH, TF, H = 44, "1h", 36  # 30 days of warm-up, 14 of features
EVERY = market.the_days(LENGTH)
FIRST = EVERY[30]
SYMBOLS = ("BTCUSDT", "SOLUSDT")
ALL = Span()
PLAN = folds.Plan("main", Scheme(blocks=4, embargo_ms=4 * HOUR))


def until(n: int) -> Span:
    """The days before the n-th."""
    return Span(None, None, EVERY[0] + timedelta(days=n - 1))


def shelf(root: Path, kind: str, symbol: str = SYMBOLS[0]) -> Shelf:
    """One dataset of one symbol."""
    return market.bars_shelf(root, TF, symbol).sibling(DATASETS[kind])


def with_features(root: Path) -> Path:
    """Bars and features of all symbols."""
    for seed, name in enumerate(SYMBOLS):
        bars = shelf(root, "bars", name)
        market.commit_bars(bars, market.columns(LENGTH, TF, seed), EVERY)
        build_features(shelf(root, "features", name), bars, ALL, Asked())
    return root


def label(root: Path, span: Span = ALL, symbol: str = SYMBOLS[0], **flags: object) -> build.Built:
    """Label one symbol's bars, by barriers so wide that spans reach into the next days."""
    flags = {"k": 4.0, **flags}
    work = build.Work(*(shelf(root, kind, symbol) for kind in ("labels", "features", "bars")), rules(**flags))  # type: ignore[arg-type]
    return build.build(work, span)


def weigh(root: Path, span: Span = ALL, symbol: str = SYMBOLS[0], horizon: int = H) -> weights.Weighed:
    """Weigh one symbol's labels."""
    return weights.build(
        weights.Work(*(shelf(root, kind, symbol) for kind in ("weights", "labels", "bars")), horizon), span
    )


def fold(root: Path, plan: folds.Plan = PLAN, span: Span = ALL) -> folds.Folded:
    """Fold both symbols' labels."""
    return folds.build(root, timeframe(TF), SYMBOLS, span, plan)


def whole(root: Path) -> Path:
    """All there is, folds included: a copy of what is made once in a process."""
    return lakes.copied(_made(), root)


@functools.cache
def _made() -> Path:
    kept = contextlib.ExitStack()
    atexit.register(kept.close)
    root = kept.enter_context(lakes.scratch())
    with_features(root)
    for name in SYMBOLS:
        label(root, symbol=name)
        weigh(root, symbol=name)
    fold(root)
    return root
