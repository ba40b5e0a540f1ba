"""The four laws, on real lakes of a made-up market: what a user may rely on, whatever the rest of the code does."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from lake import days as lake_days
from lake.layout import Shelf
from lake.span import Span
from meta.datasets import DATASETS
from p2_features.build import build as build_features
from p2_features.choice import Asked
from p3_labels.build import Work
from p3_labels.build import build as build_labels
from p3_labels.rules import rules
from tests import lakes, market

LENGTH = 75  # days at 1h: 30 of warm-up, and more than one span of the past window after them
EVERY = market.the_days(LENGTH)
ALL = Span()


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A lake with bars, features and labels, built in one go."""
    with lakes.scratch() as root:
        bars = market.bars_shelf(root)
        market.commit_bars(bars, market.columns(LENGTH), EVERY)
        features(bars)
        labels(bars)
        yield root


@pytest.fixture
def root() -> Iterator[Path]:
    with lakes.scratch() as where:
        yield where


def features(bars: Shelf, span: Span = ALL) -> None:
    build_features(bars.sibling(DATASETS["features"]), bars, span, Asked())


def labels(bars: Shelf, span: Span = ALL, **flags: object) -> list[date]:
    work = Work(bars.sibling(DATASETS["labels"]), bars.sibling(DATASETS["features"]), bars, rules(**flags))  # type: ignore[arg-type]
    return build_labels(work, span).waiting


def parts(root: Path, kind: str) -> dict[str, bytes]:
    """Every part of a dataset, by day folder."""
    files = lakes.day_folders(root)
    return {
        day: data
        for day, held in files.items()
        if day.startswith(kind)
        for n, data in held.items()
        if n.startswith("part")
    }


def whole(root: Path, kind: str) -> dict[str, dict[str, bytes]]:
    """Every day folder of a dataset, with all its files."""
    return {day: held for day, held in lakes.day_folders(root).items() if day.startswith(kind)}


# --- 1. a day is whole or absent: tests/test_lake_crash.py strikes every change a commit makes


def test_every_day_in_the_lake_is_whole(truth: Path) -> None:
    for kind in ("parquet", "features", "labels"):
        for name, held in whole(truth, kind).items():
            assert sorted(held) == ["MANIFEST.tsv", "_SUCCESS", next(n for n in held if n.startswith("part-"))], name


# --- 2. the future cannot change the past


@pytest.mark.parametrize("how", ["times a million", "absent", "shuffled", "negative"])
@pytest.mark.parametrize("cut", [33, 47, 62])
def test_the_future_cannot_change_the_past(truth: Path, root: Path, cut: int, how: str) -> None:
    rng, at = np.random.default_rng(cut), market.columns(LENGTH)
    t = cut * 24 + 11  # bars up to and including t stay; every column after it is poisoned
    for name, values in at.items():
        after = values[t + 1 :]
        if how == "times a million":
            after *= 1e6
        elif how == "absent":
            after[:] = np.nan
        elif how == "shuffled":
            rng.shuffle(after)
        elif name not in ("open", "high", "low", "close"):
            after *= -1
    bars = market.bars_shelf(root)
    market.commit_bars(bars, at, EVERY)
    features(bars)
    real = market.bars_shelf(truth).sibling(DATASETS["features"])
    poisoned = bars.sibling(DATASETS["features"])
    compared = 0
    for day in EVERY[30 : cut + 1]:
        one, other = lake_days.need(real, day).table(), lake_days.need(poisoned, day).table()
        until = (market.FIRST.toordinal() - date(1970, 1, 1).toordinal()) * 86_400_000 + (t + 1) * 3_600_000
        for table in (one, other):
            assert table.num_rows
        kept = [table.filter(np.asarray(table.column("ts").cast("int64")) <= until) for table in (one, other)]
        assert kept[0].equals(kept[1]), f"{day}: a feature at or before the cut saw what came after it"
        compared += kept[0].num_rows
    assert compared > 0


# --- 3. more tape only resolves labels


@pytest.mark.parametrize("until", [40, 55, 74])
@pytest.mark.parametrize("tie", ["wait", "stop", "nearest"])
def test_more_tape_only_resolves_labels(truth: Path, root: Path, until: int, tie: str) -> None:
    shutil.copytree(truth, root, dirs_exist_ok=True)
    shutil.rmtree(root / "labels")
    bars = market.bars_shelf(root)
    labels(bars, tie=tie)
    final = parts(root, "labels")
    shutil.rmtree(root / "labels")
    for day in EVERY[until:]:
        for kind in ("bars", "features"):
            shutil.rmtree(bars.sibling(DATASETS[kind]).day_folder(day), ignore_errors=True)
    waiting = labels(bars, tie=tie)
    early = parts(root, "labels")
    assert waiting, "the last days before the end of the tape cannot be resolved yet"
    assert early
    for name, data in early.items():
        assert data == final[name], f"{name}: a label given earlier changed as the tape grew"


# --- 4. same inputs, same bytes


def test_all_at_once_by_month_and_by_day_give_the_same_bytes(truth: Path, root: Path) -> None:
    months = [Span(None, date(2025, m, 1), date(2025, m + 1, 1)) for m in (3, 4, 5)]
    by_day = [Span(None, day, day) for day in EVERY]
    for name, spans in (("months", months), ("days", by_day)):
        here = root / name
        shutil.copytree(truth / "parquet", here / "parquet")
        bars = market.bars_shelf(here)
        for span in spans:
            try_build(bars, span)
        for kind in ("features", "labels"):
            assert whole(here, kind) == whole(truth, kind), f"{kind} built by {name}"


def try_build(bars: Shelf, span: Span) -> None:
    features(bars, span)
    if any(lake_days.is_committed(bars.sibling(DATASETS["features"]), day) and span.has(day) for day in EVERY):
        labels(bars, span)


def test_growing_by_a_day_at_a_time_gives_the_bytes_of_one_go(truth: Path, root: Path) -> None:
    bars, at = market.bars_shelf(root), market.columns(LENGTH)
    market.commit_bars(bars, at, EVERY[:35])
    for day in EVERY[35:]:
        market.commit_bars(bars, at, [day])
        if day.toordinal() % 3 == 0 or day == EVERY[-1]:
            features(bars)
            labels(bars)
    for kind in ("features", "labels"):
        assert whole(root, kind) == whole(truth, kind)


def test_a_restated_day_ends_in_the_bytes_of_a_lake_that_never_knew_the_old_one(truth: Path, root: Path) -> None:
    bars, at = market.bars_shelf(root), market.columns(LENGTH)
    before = {name: values.copy() for name, values in at.items()}
    before["quote_volume"][40 * 24 + 5] *= 3
    before["close"][41 * 24 + 7] *= 1.001
    before["high"][41 * 24 + 7] *= 1.01
    market.commit_bars(bars, before, EVERY)
    features(bars)
    labels(bars)
    market.commit_bars(bars, at, EVERY)
    features(bars)
    labels(bars)
    for kind in ("features", "labels"):
        assert whole(root, kind) == whole(truth, kind)


def test_running_again_touches_nothing(truth: Path, root: Path) -> None:
    shutil.copytree(truth, root, dirs_exist_ok=True)
    bars = market.bars_shelf(root)

    def stats() -> dict[str, tuple[int, int, bytes]]:
        found = [path for path in root.rglob("*") if path.is_file() and ".lake" not in path.parts]
        return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()) for path in found}

    before = stats()
    features(bars)
    labels(bars)
    market.commit_bars(bars, market.columns(LENGTH), EVERY)
    assert stats() == before
