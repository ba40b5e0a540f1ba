"""P2's checks see each fault that is planted, and nothing in a clean lake."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lake import days, ending
from lake.checks import Report
from lake.layout import Shelf
from lake.span import Span
from meta.datasets import DATASETS
from meta.errors import NotReady, Usage
from p2_features import build as building
from p2_features.choice import Asked
from p2_features.cli import commands
from p2_features.validate import Range, judged
from tests.faults import LAST, N, bars_lake, cells, changed, removed, rows, without
from tests.lakes import a_shelf, copied

USABLE = 4 * 24  # 34 days less 30 of warm-up
ALL = Range(N)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    bars = bars_lake(tmp_path_factory.mktemp("clean"))
    building.build(bars.sibling(DATASETS["features"]), bars, Span(), Asked())
    return bars


@pytest.fixture
def bars(clean: Shelf, tmp_path) -> Shelf:
    return a_shelf(copied(clean.root, tmp_path / "lake"))


def features_of(bars: Shelf) -> Shelf:
    return bars.sibling(DATASETS["features"])


def look(bars: Shelf, meant: Range = ALL, speed: float | None = 1.0) -> Report:
    return judged(features_of(bars), bars, meant, speed)


def red(report: Report) -> set[str]:
    return {finding.check.name for finding in report.red}


def warned(report: Report) -> set[str]:
    return {finding.check.name for finding in report.findings if finding.verdict == "warn"}


def test_a_clean_lake_is_green(clean):
    report = look(clean)
    assert report.verdict == "ok", report.lines()
    assert (report.facts["expected_bars"], report.facts["rows"]) == (USABLE, USABLE)
    names = {finding.check.name for finding in report.findings}
    assert {"zero.oi_z", "zero.rv_1h_z", "imputed.oi_now", "imputed.funding_now", "ms_per_bar"} <= names


def reversed_columns(table: pa.Table) -> pa.Table:
    return table.select([*table.column_names[:2], *reversed(table.column_names[2:])])


FAULTS = {
    "a NaN": (cells("vol_z", float("nan"), 3), {"nan"}),
    "an infinity": (cells("vol_z", float("inf"), 3), {"nan"}),
    "a null": (cells("co_ret", None, 3), {"nan"}),
    "a null flag": (cells("_imputed_oi_now", None, 3), {"nan"}),
    "flags on more than one row in 20": (cells("_imputed_oi_now", True, 1, 2, 3, 4, 5), {"imputed.oi_now"}),
    "a column gone": (lambda table: table.drop_columns(["vol_z"]), {"columns", "nan"}),
    "columns in another order": (reversed_columns, {"columns"}),
    "a row twice": (rows(*range(24), 23), {"duplicates"}),
    "rows in the wrong order": (rows(1, 0, *range(2, 24)), {"not_ascending"}),
    "another symbol": (cells("symbol", "ETHUSDT", 2), {"off_grid"}),
    "five rows gone": (without(1, 2, 3, 4, 5), {"lost_ratio"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_turns_its_check_red(bars, fault):
    change, expected = FAULTS[fault]
    changed(features_of(bars), change)
    assert red(look(bars)) == expected


def test_four_flags_in_96_rows_are_within_the_limit(bars):
    changed(features_of(bars), cells("_imputed_oi_now", True, 1, 2, 3, 4))
    assert red(look(bars)) == set()


def test_a_day_that_is_not_there_is_red(bars):
    removed(features_of(bars), LAST - timedelta(days=1))
    assert red(look(bars)) == {"usable_days", "lost_ratio"}


def test_bars_that_p1_no_longer_has_are_gaps_and_their_rows_are_red(bars):
    changed(bars, without(4))
    report = look(bars)
    assert red(report) == {"gap_ratio", "rows_without_bar"}  # 1 of 96 is over 0.5 %
    assert "stale_rows" in warned(report)


def test_a_gap_that_was_there_when_features_were_built_is_told_by_reason(bars):
    changed(bars, without(4))
    building.build(features_of(bars), bars, Span(), Asked())
    report = look(bars)
    assert red(report) == {"gap_ratio"} and "rows_without_bar" not in red(report)
    assert report.facts["not_written"] == {"gap": 1, "missing ret_1h": 1, "missing ret_4h": 1}


def test_rows_lost_to_a_missing_input_have_a_threshold_of_their_own(bars):
    changed(bars, cells("spot_taker_buy", None, 3, 4, 5, 6, 7))
    building.build(features_of(bars), bars, Span(), Asked())
    report = look(bars)
    assert red(report) == {"lost_ratio"}
    assert report.facts["not_written"] == {"missing spot_taker_buy": 5}
    changed(bars, cells("spot_taker_buy", 1.0, 4, 5, 6, 7))
    building.build(features_of(bars), bars, Span(), Asked())
    report = look(bars)
    assert (red(report), warned(report)) == (set(), {"lost_ratio"})


def test_a_winsor_flat_column_warns(bars):
    changed(features_of(bars), cells("oi_z", 0.0, *range(20)))
    assert "zero.oi_z" in warned(look(bars))
    changed(features_of(bars), cells("oi_z", 1.0, 0))
    assert "zero.oi_z" not in warned(look(bars))


@pytest.mark.parametrize(("name", "value"), [("oi_z", 1e-300), ("hour_of_week_cos", 0.5), ("_imputed_oi_now", True)])
def test_a_value_that_todays_bars_do_not_give_is_seen(bars, name, value):
    changed(features_of(bars), cells(name, value, 7))
    report = look(bars)
    stale = next(finding for finding in report.findings if finding.check.name == "stale_rows")
    assert (stale.value, stale.verdict) == (1, "warn") and not report.red


def test_restated_bars_make_rows_stale_until_they_are_built_again(bars):
    changed(bars, cells("oi_now", 1e9, 5))
    assert warned(look(bars)) == {"stale_rows"}
    building.build(features_of(bars), bars, Span(), Asked())
    assert "stale_rows" not in warned(look(bars))


@pytest.mark.parametrize(("ms", "verdict"), [(50.0, "ok"), (50.1, "FAIL"), (float("nan"), "FAIL"), (None, "skipped")])
def test_a_slow_bar_is_red(clean, ms, verdict):
    found = next(f for f in look(clean, speed=ms).findings if f.check.name == "ms_per_bar")
    assert found.verdict == verdict


def test_usable_is_the_horizon_less_the_warm_up(clean):
    assert look(clean, Range(32)).facts["expected_bars"] == 2 * 24
    assert look(clean, Range(32, warmup=31 * 24)).facts["expected_bars"] == 24
    assert look(clean, Range(32, warmup=31 * 24 + 20)).facts["rows"] == 4
    assert look(clean, Range(80, start=LAST, end=LAST)).facts["expected_bars"] == 24
    assert red(look(clean, Range(80))) == {"usable_days", "gap_ratio"}


def test_eighty_days_of_five_minutes_leave_50_days_of_14400_bars():
    from p2_features.validate import _usable

    shelf = a_shelf(Path("lake"), "5m")
    choice = type("Choice", (), {"warmup": 8640})()
    assert _usable(shelf, Range(80), LAST, choice) == (LAST - timedelta(days=49), 14_400)


def test_a_horizon_that_is_all_warm_up_makes_no_sense(clean):
    with pytest.raises(Usage, match="longer --horizon_days"):
        look(clean, Range(30))


def test_without_features_or_bars_one_line_says_what_to_do(bars, tmp_path):
    other = a_shelf(tmp_path / "elsewhere")
    with pytest.raises(NotReady, match="p2_features build"):
        look(other)
    with pytest.raises(NotReady, match="--bars"):
        judged(features_of(bars), other, ALL)


def run(bars: Shelf, *argv: str) -> int:
    where = ["--lake", str(bars.root), "--tf", "1h", "--horizon_days", str(N)]
    return ending.status(commands, "p2_features", ["validate", *where, *argv])


def test_the_command_writes_the_report_and_what_each_feature_means(bars, tmp_path, capsys):
    out, schema = tmp_path / "r" / "qa.json", tmp_path / "r" / "schema.json"
    assert run(bars, "--qa", str(out), "--schema", str(schema)) == 0
    printed = capsys.readouterr()
    assert "usable_days" in printed.out and f"wrote {out}" in printed.out and str(schema) in printed.err
    assert json.loads(out.read_text())["BTCUSDT"]["checks"]["ms_per_bar"]["verdict"] == "skipped"
    told = json.loads(schema.read_text())["BTCUSDT"]["features"]
    columns = days.need(features_of(bars), LAST).table().column_names[2:]
    assert [one["name"] for one in told] == columns
    assert all(set(one) == {"name", "type", "unit", "meaning", "formula", "source", "reach"} for one in told)


def test_a_bench_beside_the_report_is_read(bars, tmp_path, capsys):
    (tmp_path / f"p2_bench_1h_{N}d.csv").write_text("symbol,tf,ms_per_bar\nBTCUSDT,1h,51\nETHUSDT,1h,1\n")
    argv = ("--qa", str(tmp_path / "qa.json"), "--schema", str(tmp_path / "schema.json"))
    assert run(bars, *argv) == 3
    assert "ms_per_bar" in capsys.readouterr().err
    (tmp_path / f"p2_bench_1h_{N}d.csv").write_text("what\nis this\n")
    assert run(bars, *argv) == 1


def test_globs_select_features_and_name_bars(bars, tmp_path, capsys):
    features = features_of(bars)
    free = copied(features.folder, tmp_path / "free")
    argv = ["--qa", str(tmp_path / "qa.json"), "--schema", str(tmp_path / "schema.json"), "--warmup", "720"]
    argv += ["--glob", f"{free}/**/*.parquet", "--tf", "1h", "--symbol", "BTCUSDT", "--horizon_days", str(N)]
    status = ending.status(commands, "p2_features", ["validate", *argv])
    assert status == 1 and "--bars" in capsys.readouterr().err
    argv += ["--bars", f"{bars.folder}/**/*.parquet"]
    assert ending.status(commands, "p2_features", ["validate", *argv]) == 0


def test_a_corrupt_part_is_one_line_and_exit_1(bars, tmp_path, capsys):
    part = features_of(bars).day_folder(LAST) / bars.part_name(LAST)
    data = np.frombuffer(part.read_bytes(), np.uint8).copy()
    data[len(data) // 2] ^= 1
    part.write_bytes(data.tobytes())
    assert run(bars, "--qa", str(tmp_path / "qa.json"), "--schema", str(tmp_path / "s.json")) == 1
    assert "sha256 differs" in capsys.readouterr().err
