"""P3's checks see each fault that is planted, and nothing in a clean lake."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from lake import days, ending, frames
from lake.checks import Report
from lake.layout import Shelf
from lake.span import Span
from meta.datasets import DATASETS
from meta.errors import NotReady
from p3_labels.cli import commands
from p3_labels.sample import sampled
from p3_labels.validate import Subject, judged
from tests.faults import LAST, cells, changed, removed, rows, whole_lake, without
from tests.lakes import a_shelf, copied

LABELLED = LAST - timedelta(days=2)  # two days ahead hold the horizon of 36 hours


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return whole_lake(tmp_path_factory.mktemp("clean"))


@pytest.fixture
def bars(clean: Shelf, tmp_path) -> Shelf:
    return a_shelf(copied(clean.root, tmp_path / "lake"))


def labels_of(bars: Shelf) -> Shelf:
    return bars.sibling(DATASETS["labels"])


def subject(bars: Shelf) -> Subject:
    return Subject(labels_of(bars), bars.sibling(DATASETS["features"]), bars, Span())


def red(report: Report) -> set[str]:
    return {finding.check.name for finding in report.red}


def value(report: Report, name: str) -> float | None:
    return next(finding.value for finding in report.findings if finding.check.name == name)


def verdict(report: Report, name: str) -> str:
    return next(finding.verdict for finding in report.findings if finding.check.name == name)


def test_a_clean_lake_has_nothing_red(clean):
    report = judged(subject(clean))
    assert not report.red, report.lines()
    assert report.facts["labels"] and value(report, "unlabelled_ratio") == 0
    assert 0 < (value(report, "mean_uniqueness") or 0) <= 1 and (value(report, "median_barrier_bp") or 0) > 0


def flip(table: pa.Table) -> pa.Table:
    """Call every up a down and leave the labels."""
    swap = {"up": "down", "down": "up"}
    outcome = [swap.get(one, one) for one in table.column("outcome").to_pylist()]
    return table.set_column(3, "outcome", pa.array(outcome))


def late(table: pa.Table) -> pa.Table:
    """Hold one label 40 bars, with an end that fits."""
    held = cells("bars_held", 40, 3)(table)
    end = table.column("ts")[3].as_py() + timedelta(hours=40)
    return cells("t1", end, 3)(held)


def scaled(name: str, factor: float):
    def change(table: pa.Table) -> pa.Table:
        return cells(name, table.column(name)[3].as_py() * factor, 3)(table)

    return change


FAULTS = {
    "a NaN": (cells("mfe", float("nan"), 3), {"nan"}),
    "a null": (cells("path_gap", None, 3), {"nan"}),
    "upper below entry": (scaled("upper", 0.5), {"barriers_out_of_order"}),
    "lower above entry": (scaled("lower", 2.0), {"barriers_out_of_order"}),
    "no range": (cells("atr", 0.0, 3), {"barriers_out_of_order"}),
    "a return in percent": (scaled("ret", 100.0), {"ret_off_exit", "excursion_sign"}),
    "another exit": (scaled("exit", 1.001), {"ret_off_exit"}),
    "an exit of nothing": (cells("exit", 0.0, 3), {"ret_off_exit"}),
    "a rise below 0": (cells("mfe", -1e-3, 3), {"excursion_sign"}),
    "a fall above 0": (cells("mae", 1e-3, 3), {"excursion_sign"}),
    "an end before the beginning": (cells("t1", datetime(2025, 1, 1, tzinfo=UTC), 3), {"end_off_path"}),
    "bars held that are not the path's": (cells("bars_held", 0, 3), {"end_off_path"}),
    "beyond the horizon": (late, {"beyond_horizon"}),
    "labels of the other side": (flip, {"outcome_off_label"}),
    "a label of no class": (cells("label", 2, 3), {"outcome_off_label"}),
    "an outcome nobody knows": (cells("outcome", "sideways", 3), {"outcome_off_label"}),
    "a row twice": (rows(*range(24), 23), {"duplicates"}),
    "rows in the wrong order": (rows(1, 0, *range(2, 24)), {"not_ascending"}),
    "another symbol": (cells("symbol", "ETHUSDT", 2), {"off_grid", "not_among_features"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_turns_its_check_red(bars, fault):
    change, expected = FAULTS[fault]
    changed(labels_of(bars), change)
    found = red(judged(subject(bars)))
    assert expected <= found <= expected | {"excursion_sign"}, found


def test_a_label_of_a_bar_without_features_is_red(bars):
    changed(bars.sibling(DATASETS["features"]), without(5), LABELLED)
    assert red(judged(subject(bars))) == {"not_among_features"}


def test_a_missing_day_is_red_where_its_tape_is_there_and_awaited_where_not(bars):
    report = judged(subject(bars))
    known = list(days.committed(labels_of(bars)))
    assert value(report, "days_missing") == 0
    assert value(report, "days_waiting") == (LAST - known[-1]).days > 0
    removed(labels_of(bars), known[0] if len(known) > 1 else LABELLED)
    assert red(judged(subject(bars))) == {"days_missing"}


def test_rows_without_a_label_are_told_by_reason(bars):
    changed(labels_of(bars), without(5, 6))
    report = judged(subject(bars))
    assert verdict(report, "unlabelled_ratio") == "warn"
    assert report.facts["not_labelled"] == {"labelled": 2}  # today's rules give them one


def test_a_class_below_two_percent_and_more_ties_than_timeouts_warn(bars):
    for day in days.committed(labels_of(bars)):
        changed(labels_of(bars), lambda t: cells("label", 1)(cells("outcome", "tie")(t)), day)
    report = judged(subject(bars))
    assert [verdict(report, f"class.{name}") for name in ("up", "neither", "down")] == ["ok", "warn", "warn"]
    assert verdict(report, "ties_over_timeouts") == "warn"


def test_the_horizon_of_other_rules_is_read_off_their_timeouts_or_told(bars):
    other = subject(bars)
    from p3_labels import build as building
    from p3_labels.rules import rules

    work = building.Work(other.labels, other.features, bars, rules(k=50.0, H=40))
    building.build(work, Span())
    report = judged(other)
    assert report.facts["horizon"] == 40 and not report.red
    assert red(judged(replace(other, horizon=39))) == {"beyond_horizon"}


def test_without_labels_features_or_bars_one_line_says_what_to_do(bars, tmp_path):
    nothing = subject(a_shelf(tmp_path / "elsewhere"))
    with pytest.raises(NotReady, match="--features"):
        judged(nothing)
    with pytest.raises(NotReady, match="triple-barrier"):
        judged(replace(subject(bars), labels=nothing.labels))
    with pytest.raises(NotReady, match="--bars"):
        judged(replace(subject(bars), bars=nothing.bars))


def run(*argv: str) -> int:
    return ending.status(commands, "p3_labels", list(argv))


def test_the_command_writes_the_report_from_the_lake_or_from_globs(bars, tmp_path, capsys):
    out = tmp_path / "r" / "qa.json"
    assert run("validate", "--lake", str(bars.root), "--tf", "1h", "--report", str(out)) == 0
    assert "mean_uniqueness" in capsys.readouterr().out
    told = json.loads(out.read_text())
    globs = ["--labels", f"{labels_of(bars).folder}/y=*/m=*/d=*/part-*.parquet"]
    globs += ["--features", f"{bars.sibling(DATASETS['features']).folder}/**/*.parquet", "--report", str(out)]
    assert run("validate", *globs, "--json") == 0
    assert json.loads(capsys.readouterr().out) == told
    changed(labels_of(bars), cells("mfe", -1.0, 3))
    assert run("validate", *globs) == 3
    assert "excursion_sign" in capsys.readouterr().err


def test_a_sample_is_the_same_every_time_and_another_by_seed(bars, capsys):
    argv = ["sample", "--lake", str(bars.root), "--tf", "1h", "--n", "5"]
    printed = []
    for more in ([], [], ["--seed", "1"]):
        assert run(*argv, *more) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] != printed[2]
    assert len(printed[0].splitlines()) == 2 + 5 and "outcome" in printed[0]
    assert run(*argv, "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == 5


def test_a_sample_larger_than_the_lake_is_all_of_it_in_order(bars):
    labels = labels_of(bars)
    known = days.committed(labels)
    found = sampled(labels, known, 10_000, 3)
    table = frames.table([days.need(labels, day) for day in known])
    assert table is not None and [row["entry"] for row in found] == table.column("entry").to_pylist()


def test_a_sample_of_nothing_is_one_line(bars, capsys):
    assert run("sample", "--lake", str(bars.root), "--tf", "1h", "--symbol", "ETHUSDT") == 1
    assert "triple-barrier" in capsys.readouterr().err


def test_a_corrupt_part_is_one_line_and_exit_1(bars, tmp_path, capsys):
    labels = labels_of(bars)
    day = next(iter(days.committed(labels)))
    part = labels.day_folder(day) / labels.part_name(day)
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(bytes(data))
    argv = ["--lake", str(bars.root), "--tf", "1h", "--report", str(tmp_path / "qa.json")]
    assert run("validate", *argv) == 1
    assert "sha256 differs" in capsys.readouterr().err
