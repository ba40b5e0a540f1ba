"""A stale day names the input days that changed, in what, and exactly the days named are built again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from lake import days, ending, status
from lake.causes import Cause
from lake.commands import commands
from lake.layout import Shelf
from p2_features.build import build
from p2_features.choice import Asked
from tests import lakes, market, p3_lake
from tests.p3_lake import ALL, EVERY, LENGTH, TF, label, shelf, weigh

RESTATED = EVERY[40]


@pytest.fixture
def root() -> Iterator[Path]:
    with lakes.scratch() as where:
        yield p3_lake.whole(where / "lake")


def restate(root: Path) -> None:
    """One bar closes a little elsewhere, and another one is not there any more."""
    at = market.columns(LENGTH, TF, 0)
    for name in ("open", "high", "low", "close"):
        at[name][40 * 24 + 5] *= 1.02
    market.commit_bars(shelf(root, "bars"), at, [RESTATED])


def looked(root: Path) -> tuple[dict[Shelf, set], list[Cause]]:  # type: ignore[type-arg]
    found = status.with_causes(status.status(root))
    return {one.shelf: set(one.stale) for one in found.shelves if one.stale}, list(found.causes)


def parts(place: Shelf) -> dict:  # type: ignore[type-arg]
    return {day: place.day_folder(day).stat().st_ino for day in days.committed(place)}


def test_nothing_stale_has_no_cause(root: Path) -> None:
    assert looked(root) == ({}, [])


def test_a_restated_day_is_the_cause_of_exactly_what_is_stale_and_that_is_built_again(root: Path) -> None:
    restate(root)
    stale, (cause,) = looked(root)
    features, labels, weights = (shelf(root, kind) for kind in ("features", "labels", "weights"))
    assert (cause.shelf, cause.day, cause.fact) == (shelf(root, "bars"), RESTATED, "was rewritten")
    assert dict(cause.columns) == {"open": 1, "high": 1, "low": 1, "close": 1}
    assert {name: set(some) for name, some in cause.stale.items()} == {
        place.dataset.name: some for place, some in stale.items()
    }
    assert min(stale[features]) == RESTATED and min(stale[labels]) < RESTATED
    steps = {features: lambda: build(features, shelf(root, "bars"), ALL, Asked()), labels: lambda: label(root)}
    for place, again in {**steps, weights: lambda: weigh(root)}.items():
        wanted, before = looked(root)[0][place], parts(place)  # labels that changed make more weights stale
        again()
        assert wanted >= stale[place]
        assert {day for day, inode in parts(place).items() if inode != before.get(day)} == wanted
    assert looked(root) == ({}, [])


def test_rebuilt_features_are_the_cause_of_labels_of_other_rows(root: Path) -> None:
    bars, at = shelf(root, "bars"), market.columns(LENGTH, TF, 0)
    at["funding_now"][41 * 24 : 41 * 24 + 12] = float("nan")  # rows without funding are not written
    market.commit_bars(bars, at, [EVERY[41]])
    build(shelf(root, "features"), bars, ALL, Asked())
    _, causes = looked(root)
    rewritten = {(one.shelf.dataset.name, one.day) for one in causes if "labels" in one.stale}
    assert ("bars", EVERY[41]) in rewritten and ("features", EVERY[41]) in rewritten


def test_a_day_that_is_gone_is_told_as_gone(root: Path) -> None:
    from lake import commit

    with commit.writing(shelf(root, "bars")) as writer:
        writer.remove(EVERY[20])
        writer.publish()
    stale, (cause,) = looked(root)
    assert cause.fact == "is gone" and cause.columns["bar"] == 24
    assert set(cause.stale["features"]) == stale[shelf(root, "features")]


def test_the_command_tells_the_chain(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    restate(root)
    assert ending.status(commands, "lake", ["status", "--stale", "--lake", str(root)]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("cause:")]
    assert f"P1 1h BTCUSDT {RESTATED} was rewritten" in line and "close 1" in line
    assert f"features {RESTATED} … {EVERY[-1]} (4 days)" in line and "labels" in line
    assert ending.status(commands, "lake", ["status", "--json", "--lake", str(root)]) == 0
    (told,) = json.loads(capsys.readouterr().out)["causes"]
    assert told["columns"]["close"] == 1 and told["stale"]["features"][0] == str(RESTATED)
    assert str(RESTATED - timedelta(days=1)) not in told["stale"]["features"]
