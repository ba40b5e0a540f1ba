"""Restatements are counted by column and age, and features of first values are set beside the final ones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from lake import changes, layout, restatements, revisions
from lake.frozen import FIRST, frozen
from meta.datasets import DATASETS
from p2_features.build import build
from p2_features.choice import Asked
from tests import lakes, market, p3_lake
from tests.p3_lake import ALL, EVERY, LENGTH, SYMBOLS, TF
from tests.test_lake_changes import with_cell

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@pytest.fixture
def root() -> Iterator[Path]:
    with lakes.scratch() as where:
        yield where / "lake"


def test_values_are_counted_by_column_and_by_their_age(root: Path) -> None:
    shelf, day = lakes.committed(lakes.a_shelf(root)), lakes.a_day()
    close = day.column("ts")[4].value
    for after, name, factor in ((MINUTE, "close", 2.0), (2 * HOUR, "close", 1.5), (3 * DAY, "oi_now", 1.1)):
        before = with_cell(day, name, 4, day.column(name)[4].as_py() / factor)
        revisions.add_live(shelf, lakes.DAY, "sim", changes.between(before, day), [None], close + after)
    lakes.committed(shelf, rows=23)  # the last bar goes, years after its close
    rows = {row["column"]: row for row in restatements.of_shelf(shelf, lakes.DAY, lakes.DAY)}
    assert {name: [row[age] for age in restatements.AGES] for name, row in rows.items() if name == "bar"} == {
        "bar": [0, 0, 0, 1]
    }
    assert [rows["close"][age] for age in restatements.AGES][:2] == [1, 1]
    assert rows["oi_now"]["within_7d"] == 1
    assert rows["close"]["largest_move"] == pytest.approx(1.0)
    assert restatements.of_shelf(shelf, lakes.DAY + timedelta(days=1), lakes.DAY + timedelta(days=1)) == []


def test_first_seen_features_are_set_beside_those_that_stand_there(root: Path) -> None:
    name = SYMBOLS[0]
    p3_lake.whole(root)
    bars, features = (p3_lake.shelf(root, kind) for kind in ("bars", "features"))
    assert restatements.drift(root, bars.tf, name, EVERY) == []
    at = market.columns(LENGTH, TF, 0)
    for column in ("open", "high", "low", "close"):
        at[column][40 * 24 + 5] *= 1.02
    market.commit_bars(bars, at, [EVERY[40]])
    build(features, bars, ALL, Asked())
    first = frozen(root, FIRST, symbols=[name]).root
    places = [layout.shelf(first, DATASETS[kind], bars.tf, name) for kind in ("features", "bars")]
    build(*places, ALL, Asked())
    rows = {row["feature"]: row for row in restatements.drift(root, bars.tf, name, EVERY)}
    assert rows["ret_1h"]["apart"] > 0 and rows["ret_1h"]["largest"] > 0
    assert rows["hour_of_week_sin"]["apart"] == 0 and rows["hour_of_week_sin"]["typical"] is None
    assert all(np.isfinite(row["apart"]) and row["rows"] > 100 for row in rows.values())
