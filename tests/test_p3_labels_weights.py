"""A day of weights is a function of the labels that can meet it, and is there once all of them are."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner

from lake import days, frames, fresh, status
from lake.parts import stamps
from lake.span import Span
from meta.errors import NotReady, Usage
from meta.timeframes import DAY, day_start
from p3_labels.cli import commands
from tests import faults, lakes, market, naive
from tests.p3_lake import EVERY, FIRST, SYMBOLS, TF, H, label, shelf, until, weigh, with_features

STEP = 3_600_000


@pytest.fixture(scope="module")
def truth() -> Iterator[Path]:
    with lakes.scratch() as root:
        with_features(root)
        label(root)
        weigh(root)
        yield root


@pytest.fixture
def root(truth: Path) -> Iterator[Path]:
    """A copy of the lake with its labels and without its weights."""
    with lakes.scratch() as where:
        lakes.copied(truth, where / "lake")
        shutil.rmtree(where / "lake" / "weights")
        yield where / "lake"


def days_of(root: Path, kind: str = "weights") -> dict[str, dict[str, bytes]]:
    return {name: held for name, held in lakes.day_folders(root).items() if name.startswith(kind)}


def test_weights_of_a_lake_are_their_twin(truth: Path) -> None:
    labels, weights = shelf(truth, "labels"), shelf(truth, "weights")
    known = sorted(days.committed(labels))
    told = frames.table([days.need(labels, day) for day in known])
    grid = frames.grid(shelf(truth, "bars"), known[0], known[-1] + timedelta(days=2), ("close",))
    start, end = (told.column(name).cast(pa.int64()).to_numpy() // STEP - grid.first for name in ("ts", "t1"))
    wanted = naive.label_weights(grid.columns["close"].tolist(), list(zip(start.tolist(), end.tolist(), strict=True)))
    of = dict(zip(stamps(told).to_pylist(), wanted, strict=True))
    compared = 0
    for day in days.committed(weights):
        table = days.need(weights, day).table()
        assert days.entry(weights, day).keys == days.entry(labels, day).keys
        for ts, c, u, w in zip(
            stamps(table).to_pylist(), *(table.column(i).to_pylist() for i in (2, 3, 4)), strict=True
        ):
            assert c == of[ts][0]
            assert u == pytest.approx(of[ts][1], rel=1e-12)
            assert w == pytest.approx(of[ts][2], rel=1e-9, abs=1e-15)
            compared += 1
    assert compared > 200


def test_all_at_once_by_week_and_by_day_give_the_same_bytes(truth: Path, root: Path) -> None:
    weeks = [Span(None, day, day + timedelta(days=6)) for day in EVERY[30::7]]
    by_day = [Span(None, day, day) for day in sorted(days.committed(shelf(root, "labels")), reverse=True)]
    for spans in (weeks, by_day):
        for span in spans:
            weigh(root, span)
        assert days_of(root) == days_of(truth)
        shutil.rmtree(root / "weights")


def test_more_labels_only_add_weights(truth: Path, root: Path) -> None:
    final = days_of(truth)
    labels = sorted(days.committed(shelf(root, "labels")))
    for day in labels:
        shutil.move(shelf(root, "labels").day_folder(day), root / f"aside-{day}")
    waited = 0
    for day in labels:
        shutil.move(root / f"aside-{day}", shelf(root, "labels").day_folder(day))
        done = weigh(root)
        waited += len(done.waiting)
        assert done.waiting[-1:] in ([day], []), "the last day's spans may reach a day without labels"
        assert days_of(root).items() <= final.items(), f"{day}: a day of weights changed as more labels came"
    assert waited and days_of(root) == final


def test_a_day_waits_for_a_label_day_that_its_spans_can_meet(root: Path) -> None:
    hole = EVERY[36]
    faults.removed(shelf(root, "labels"), hole)
    done = weigh(root)
    assert set(done.waiting) >= {hole + timedelta(days=1), hole + timedelta(days=2)}
    assert FIRST in done.committed, "before the first day there is nothing to wait for"
    assert hole - timedelta(days=3) in done.committed


def test_running_again_touches_nothing(truth: Path) -> None:
    def stats() -> dict[str, tuple[int, int]]:
        found = [path for path in truth.rglob("*") if path.is_file() and ".lake" not in path.parts]
        return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}

    before = stats()
    done = weigh(truth)
    assert not done.committed and done.fresh == len(days.committed(shelf(truth, "weights")))
    assert stats() == before


def test_a_restated_bar_ends_in_the_bytes_of_a_lake_that_never_knew_the_old_one(truth: Path, root: Path) -> None:
    at = market.columns(len(EVERY), TF, 0)
    before = {name: values.copy() for name, values in at.items()}
    for name in ("open", "high", "low", "close"):
        before[name][38 * 24 + 5] *= 1.02
    bars = shelf(root, "bars")
    market.commit_bars(bars, before, [EVERY[38]])
    label(root)
    weigh(root)
    other = days_of(root)
    assert other != days_of(truth)
    market.commit_bars(bars, at, [EVERY[38]])
    stale = {one.shelf.dataset.name: one.stale for one in status.status(root).shelves}
    assert EVERY[38] in stale["labels"] and EVERY[38] in stale["weights"]
    label(root)
    done = weigh(root)
    assert done.fresh >= 3 and FIRST not in done.committed, "only the days around it are rewritten"
    assert days_of(root) == days_of(truth)
    assert not any(one.stale for one in status.status(root).shelves if one.shelf.dataset.phase != "P2")


def test_a_label_day_of_no_rows_gives_a_weights_day_of_no_rows(root: Path) -> None:
    labels, day = shelf(root, "labels"), EVERY[37]
    faults.changed(labels, lambda table: table.slice(0, 0), day)
    weigh(root)
    assert days.entry(shelf(root, "weights"), day).rows == 0


def test_a_span_that_ends_at_midnight_needs_no_label_of_the_next_day(root: Path) -> None:
    labels, day = shelf(root, "labels"), EVERY[37]
    midnight = day_start(day) + DAY

    def ends_at_midnight(table: pa.Table) -> pa.Table:
        ts = stamps(table).to_numpy()
        held = pa.array((midnight - ts[:3]) // STEP, pa.int32())
        kept = table.slice(0, 3)
        return kept.set_column(5, "bars_held", held).set_column(
            4, "t1", pa.array([midnight] * 3).cast(table.schema.field("t1").type)
        )

    faults.changed(labels, ends_at_midnight, day)
    for later in days.committed(labels).keys() & set(EVERY[38:]):
        faults.removed(labels, later)
    assert day in weigh(root).committed
    assert fresh.met(days.entry(shelf(root, "weights"), day).source) == (EVERY[35], day)


def test_labels_that_outlast_the_horizon_are_refused(root: Path) -> None:
    label(root, H=60, k=40.0)
    with pytest.raises(Usage, match="held for 60 bars, and the horizon is 36; give --H"):
        weigh(root)
    assert weigh(root, horizon=60).committed


def test_the_manifest_says_what_a_day_was_made_of(truth: Path) -> None:
    weights = shelf(truth, "weights")
    known = days.entry(weights, EVERY[36])
    met, walked = fresh.met(known.source), fresh.walked(known.source)
    assert "SYNTHETIC" in known.source
    assert met[0] == EVERY[34] and walked[0] == EVERY[36] and met[1] == walked[1] >= EVERY[36]
    assert met[1] <= EVERY[36] + timedelta(days=-(-H // 24))


def test_without_labels_the_next_step_is_named(root: Path) -> None:
    with pytest.raises(NotReady, match="no day of that range"):
        weigh(root, until(3))
    shutil.rmtree(root / "labels")
    with pytest.raises(NotReady, match="p3_labels triple-barrier"):
        weigh(root)


def test_the_command_weighs_every_symbol_and_tells_of_those_it_cannot(root: Path) -> None:
    asked = ["weights", "--lake", str(root), "--tf", TF, "--symbol"]
    ran = CliRunner().invoke(commands, [*asked, f"{SYMBOLS[0]},{SYMBOLS[1]}"], standalone_mode=False)
    assert ran.return_value == 1, "the second symbol has no labels"
    assert "mean uniqueness" in ran.output and f"error: P3 weights {TF} {SYMBOLS[1]}" in ran.output
    again = CliRunner().invoke(commands, [*asked, SYMBOLS[0], "--json"], standalone_mode=False)
    assert again.return_value == 0 and '"written": []' in again.output
