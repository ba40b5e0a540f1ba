"""The numbers drawn of labels, weights and folds are those of the rows themselves."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

import lake
from p3_labels.cli import commands
from tests import lakes, p3_lake
from tests.p3_lake import SYMBOLS, TF


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    with lakes.scratch() as where:
        yield p3_lake.whole(where)


@pytest.fixture(scope="module")
def told(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    out = tmp_path_factory.mktemp("qa") / "qa.json"
    argv = ["validate", "--lake", str(root), "--tf", TF, "--symbol", SYMBOLS[0], "--report", str(out), "--json"]
    CliRunner().invoke(commands, argv, standalone_mode=False)
    return json.loads(out.read_text(encoding="utf-8"))[SYMBOLS[0]]["figures"]


@pytest.fixture(scope="module")
def labels(root: Path) -> pl.DataFrame:
    opened = pl.col("ts") - pl.duration(hours=1)
    table = lake.load(SYMBOLS[0], TF, lake=root, of="labels")
    return table.with_columns(month=opened.dt.strftime("%Y-%m"), hour=opened.dt.hour())


@pytest.mark.parametrize("of", ["month", "hour"])
def test_balance_by_time_is_counted_by_the_bars_open(told: dict, labels: pl.DataFrame, of: str) -> None:
    rows = told[f"by_{of}"]
    assert sum(row["labels"] for row in rows) == labels.height
    for row in rows:
        here = labels.filter(pl.col(of) == row[of])
        assert row["labels"] == here.height
        assert {name: row[name] for name in ("up", "down", "timeout", "tie")} == {
            name: here.filter(pl.col("outcome") == name).height for name in ("up", "down", "timeout", "tie")
        }
        assert row["tie_share"] == row["tie"] / row["labels"]
        assert sum(row["classes"].values()) == row["labels"]


def test_time_to_touch_counts_every_label_once(told: dict, labels: pl.DataFrame) -> None:
    rows = told["time_to_touch"]
    assert sum(row[name] for row in rows for name in ("up", "down", "timeout", "tie")) == labels.height
    assert [row["bars"] for row in rows] == list(range(1, labels["bars_held"].max() + 1))
    assert rows[-1]["ended"] == 1.0 and all(a["ended"] <= b["ended"] for a, b in itertools.pairwise(rows))
    assert rows[2]["ended"] == pytest.approx((labels["bars_held"] <= 3).mean())


def test_weights_are_told_as_they_stand(root: Path, told: dict) -> None:
    weights, said = lake.load(SYMBOLS[0], TF, lake=root, of="weights"), told["weights"]
    unique = weights["uniqueness"].to_numpy()
    assert said["labels"] == sum(row["labels"] for row in said["uniqueness"]) == unique.size
    assert said["mean_uniqueness"] == pytest.approx(unique.mean())
    assert said["effective_size"]["uniqueness"] == pytest.approx(unique.sum() ** 2 / (unique**2).sum())
    crowd = dict(zip(*np.unique(weights["concurrency"], return_counts=True), strict=True))
    assert {row["labels_open"]: row["labels"] for row in said["concurrency"]} == crowd


def test_the_fold_diagram_holds_every_row_in_its_role(root: Path, told: dict) -> None:
    roles = lake.folds(TF, lake=root).filter(pl.col("symbol") == SYMBOLS[0])
    drawn = {(one["split"], one["role"]): 0 for one in told["folds"]["bars"]}
    for one in told["folds"]["bars"]:
        drawn[one["split"], one["role"]] += one["rows"]
        assert one["from_ms"] <= one["to_ms"]
    assert drawn == {(s, r): n for s, r, n in roles.group_by("split", "role").len().iter_rows()}
    assert [split["split"] for split in told["folds"]["splits"]] == [0, 1, 2, 3]
