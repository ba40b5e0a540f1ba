"""The example runs as it stands, finds what is there to be found, and nothing where there is nothing."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

import lake
from tests import lakes
from tests.p3_lake import SYMBOLS, TF, whole

PROJECT = Path(__file__).resolve().parent.parent
PLACE = PROJECT / "examples" / "train_sklearn.py"


@pytest.fixture(scope="module")
def truth() -> Iterator[Path]:
    with lakes.scratch() as root:
        yield whole(root)


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_sklearn", PLACE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_nothing_after_the_bar_is_learnt_from(truth: Path, example: ModuleType) -> None:
    table = lake.train_table(SYMBOLS, TF, lake=truth)
    names = example.features_of(table)
    assert names and not {"symbol", "ts", "label", "ret", "t1", "w_return", "fold", "weight", "mature_at"} & {*names}
    assert set(names) <= set(lake.load(SYMBOLS[0], TF, lake=truth, of="features").columns)


def test_it_runs_as_it_stands(truth: Path) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    words = [
        sys.executable,
        str(PLACE),
        "--tf",
        TF,
        "--lake",
        str(truth),
        *(w for s in SYMBOLS for w in ("--symbol", s)),
    ]
    ran = subprocess.run(words, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    *rows, verdict = ran.stdout.splitlines()
    assert "controls' AUC" in rows[0] and len(rows) >= 4 and verdict.startswith("above all 5 controls in ")
    lost = subprocess.run([*words[:4], "--lake", str(truth / "nowhere")], capture_output=True, text=True)
    assert lost.returncode == 1 and lost.stderr.startswith("error: ") and len(lost.stderr.splitlines()) == 1


def test_a_planted_signal_is_found_and_the_control_finds_none(truth: Path, example: ModuleType) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    table, roles = lake.train_table(SYMBOLS, TF, lake=truth), lake.folds(TF, lake=truth)
    signal = (table["label"] == 1).cast(pl.Float64) + np.random.default_rng(0).normal(0, 1, len(table))
    found = list(example.scores(table.with_columns(ret_1h=signal), roles))
    assert len(found) >= 3
    assert np.mean([one.auc for one in found]) > 0.65
    assert abs(np.mean([one.control_auc for one in found]) - 0.5) < 0.12
    assert np.mean([one.auc - one.best for one in found]) > 0
