"""The commands of each phase, for harnesses that strike them: a small lake as it is before, and what is run on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest

from meta.timeframes import day_start
from p1_ingest.sim.quirks import CALM
from p1_ingest.sim.server import SimVenue
from tests import lakes, market
from tests.mains import called

TF, LENGTH = "1d", 40  # a day is one bar, so that hundreds of whole builds take seconds
EVERY = market.the_days(LENGTH)
WANTED = [date(2025, 6, 1) + timedelta(days=i) for i in range(12)]


@contextmanager
def at_a_stand_in() -> Iterator[None]:
    """Commands speak to a stand-in of CoinGlass on loopback, and are told nothing else by the environment."""
    venue = SimVenue(CALM, clock=lambda: day_start(date(2025, 6, 20)))
    with venue as running, pytest.MonkeyPatch.context() as patch:
        for name in ("PERPLAKE_LAKE", "SOURCE", "SYMBOLS"):
            patch.delenv(name, raising=False)
        patch.setenv("COINGLASS_BASE_URL", running.url)
        patch.setenv("COINGLASS_API_KEY", "any")
        yield


def between(days: list[date]) -> str:
    return f"--start {days[0]} --end {days[-1]}"


def ingest(days: list[date]) -> str:
    asked = f"--symbol BTCUSDT --tf 4h --force --no-skip-present {between(days)}"
    return f"p1_ingest ingest --source coinglass {asked} --lake {{root}}"


def features(days: list[date]) -> str:
    return f"p2_features build --symbol BTCUSDT --tf {TF} --warmup 20 {between(days)} --lake {{root}}"


def labels(days: list[date]) -> str:
    return f"p3_labels triple-barrier --symbol BTCUSDT --tf {TF} --H 2 --atr_window 3 {between(days)} --lake {{root}}"


def weights(days: list[date]) -> str:
    return f"p3_labels weights --symbol BTCUSDT --tf {TF} --H 2 {between(days)} --lake {{root}}"


RESAMPLE = f"p1_ingest resample --from 12h --to 1d {between(EVERY[:4])} --lake {{root}}"


def bars(root: Path, tf: str = TF, days: int = LENGTH, restated: bool = False) -> Path:
    at = market.columns(days, tf)
    if restated:
        for name in ("quote_volume", "close", "high", "low", "open"):
            at[name][-days * 3 // 4 :] *= 1.01
    market.commit_bars(market.bars_shelf(root, tf), at, EVERY[:days])
    return root


def after(root: Path, *lines: str) -> Path:
    """A lake of bars in which these commands were run."""
    for line in lines:
        code, told = called(line.format(root=root))
        assert code == 0, told
    return root


def old_days(root: Path, days: list[date]) -> Path:
    """Days of another making, so that they are rewritten."""
    lakes.committed(market.bars_shelf(root, "4h"), days, columns=lakes.BARS)
    return root


LAST, SOME = EVERY[-6:], EVERY[-6:-2]  # the last labels wait for more tape
MANY, MOST = EVERY[-12:], EVERY[-12:-2]


@dataclass(frozen=True)
class Work:
    """A lake to begin with, and the commands that are struck: over a few days, and over more of them."""

    make: Callable[[Path], Path]
    quick: str
    long: str


def _first_p3(root: Path) -> Path:
    return after(bars(root), features(MANY))


def _again(root: Path, *lines: str) -> Path:
    """Bars restated, and these run anew over them."""
    return after(bars(root, restated=True), *lines)


PHASES = {
    "P1 first": Work(lambda root: root, ingest(WANTED[:2]), ingest(WANTED)),
    "P1 rewrite": Work(lambda root: old_days(root, WANTED[:10]), ingest(WANTED[:2]), ingest(WANTED)),
    "P2 first": Work(bars, features(LAST), features(MANY)),
    "P2 rewrite": Work(lambda root: _again(after(bars(root), features(MANY))), features(LAST), features(MANY)),
    "P3 first": Work(_first_p3, labels(SOME), labels(MOST)),
    "P3 rewrite": Work(
        lambda root: _again(after(_first_p3(root), labels(MOST)), features(MANY)), labels(SOME), labels(MOST)
    ),
}
OTHERS = {
    "weights": Work(lambda root: after(_first_p3(root), labels(MOST)), weights(SOME), weights(MOST)),
    "resample": Work(lambda root: bars(root, "12h", 12), RESAMPLE, RESAMPLE.replace(str(EVERY[3]), str(EVERY[11]))),
}


def a_lake(scratch: Path, make: Callable[[Path], Path]) -> Path:
    root = scratch / "lake"
    root.mkdir()
    return make(root)
