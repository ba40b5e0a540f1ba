"""Each phase's own work is struck at every change it makes to the disk, as the bare commit is in test_lake_crash."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from lake.cli import Span
from meta.timeframes import day_start
from p1_ingest.http import Sender
from p1_ingest.ingest import ingest
from p1_ingest.sim.quirks import CALM
from p1_ingest.sim.server import SimVenue
from p1_ingest.sources.coinglass import sim_source
from p1_ingest.wanted import Choice
from p2_features.build import build as build_features
from p2_features.choice import Asked
from p3_labels.build import Work
from p3_labels.build import build as build_labels
from p3_labels.rules import rules
from tests import crash, lakes, market
from tests.crash import Run
from tests.tap import BREAK, EXCHANGE

TF, LENGTH = "1d", 40  # a day is one bar, so that hundreds of whole builds take seconds
EVERY = market.the_days(LENGTH)
LAST = Span(None, EVERY[-6], EVERY[-1])
NOW = day_start(date(2025, 6, 10))


@pytest.fixture
def scratch() -> Iterator[Path]:
    with lakes.scratch() as folder:
        yield folder


@pytest.fixture(scope="module")
def venue() -> Iterator[SimVenue]:
    with SimVenue(CALM, clock=lambda: NOW) as running:
        yield running


def features(root: Path) -> None:
    bars = market.bars_shelf(root, TF)
    build_features(bars.sibling(lakes.DATASETS["features"]), bars, LAST, Asked(warmup=20))


def labels(root: Path) -> None:
    bars = market.bars_shelf(root, TF)
    kinds = lakes.DATASETS
    work = Work(bars.sibling(kinds["labels"]), bars.sibling(kinds["features"]), bars, rules(H=2, atr_window=3))
    build_labels(work, Span(None, EVERY[-6], EVERY[-3]))


def bars_of(root: Path, restated: bool) -> None:
    at = market.columns(LENGTH, TF)
    if restated:
        for name in ("quote_volume", "close", "high", "low", "open"):
            at[name][-5] *= 1.01
    market.commit_bars(market.bars_shelf(root, TF), at, EVERY)


def new_lake(root: Path) -> Path:
    root.mkdir()
    bars_of(root, restated=False)
    return root


def restated_lake(root: Path) -> Path:
    new_lake(root)
    features(root)
    bars_of(root, restated=True)
    return root


def with_features(root: Path) -> Path:
    new_lake(root)
    features(root)
    return root


def relabelled(root: Path) -> Path:
    with_features(root)
    labels(root)
    bars_of(root, restated=True)
    features(root)
    return root


WORK: dict[str, tuple[Callable[[Path], Path], Run, str]] = {
    "P2 first": (new_lake, features, EXCHANGE),
    "P2 rewrite": (restated_lake, features, EXCHANGE),
    "P2 rewrite, make-before-break": (restated_lake, features, BREAK),
    "P3 first": (with_features, labels, EXCHANGE),
    "P3 rewrite": (relabelled, labels, EXCHANGE),
    "P3 rewrite, make-before-break": (relabelled, labels, BREAK),
}


@pytest.mark.parametrize("name", WORK)
def test_a_build_struck_anywhere_leaves_whole_days_and_is_finished_by_the_next(name: str, scratch: Path) -> None:
    make, run, mode = WORK[name]
    report = crash.points(run, make(scratch / "lake"), scratch, mode=mode, most=60, fork_every=0)
    assert not report.violations, report.violations[:10]
    assert report.points >= 60


@pytest.mark.parametrize("mode", [EXCHANGE, BREAK])
def test_an_ingest_struck_anywhere_leaves_whole_days_and_is_finished_by_the_next(
    mode: str, scratch: Path, venue: SimVenue
) -> None:
    wanted = [date(2025, 6, 1) + timedelta(days=i) for i in range(5)]

    def run(root: Path) -> None:
        source = sim_source(venue.url)
        with Sender(source.hosts, pools=source.pools) as sender:
            days = wanted if root.name != "lake" else wanted[:2]
            done = ingest(source, sender, market.bars_shelf(root, "4h"), days, Choice(force=True), lambda: NOW)
            assert not done.failed, done.failed

    lake = scratch / "lake"
    lake.mkdir()
    if mode == BREAK:  # days of another making stand there already, so that they are rewritten
        lakes.committed(market.bars_shelf(lake, "4h"), wanted[:3], columns=lakes.BARS)
    report = crash.points(run, lake, scratch, mode=mode, most=60, fork_every=0)
    assert not report.violations, report.violations[:10]
    assert report.points >= 60
