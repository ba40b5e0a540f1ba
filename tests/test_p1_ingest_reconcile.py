"""Two sources are compared bar by bar: what one lacks, says otherwise, or says later, is seen."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pytest

from lake import ending
from lake.checks import Report
from lake.layout import Shelf
from lake.span import Span
from meta.errors import NotReady
from p1_ingest.cli import commands
from p1_ingest.reconcile import compared, lag, reconciled
from tests.faults import Change, bars_lake, cells, changed, removed, without
from tests.lakes import DAY, a_shelf, copied, the_days
from tests.planted import late, scaled

N = 9


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Shelf:
    return bars_lake(tmp_path_factory.mktemp("clean"), N)


@pytest.fixture
def other(clean: Shelf, tmp_path) -> Shelf:
    return a_shelf(copied(clean.root, tmp_path / "other"))


def every_day(shelf: Shelf, change: Change) -> None:
    changed(shelf, change, *the_days(N))


def red(report: Report) -> set[str]:
    return {finding.check.name for finding in report.red}


def test_the_same_bars_are_green(clean, other):
    report = reconciled(clean, other, Span(), 0.001)
    assert report.verdict == "ok", report.lines()
    told = report.facts["columns"]["close"]
    assert (told["both"], told["equal"], told["lag"]) == (N * 24, 1.0, 0)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (scaled("funding_now", 100), {"differs.funding_now", "far.funding_now"}),
        (scaled("close", 1.002), {"differs.close"}),
        (cells("close", 61_000.0, 3), {"far.close"}),
        (without(3), {"only_in_a"}),
        (cells("oi_now", None), set()),
    ],
    ids=["percent", "another price", "a bad bar a day", "a bar lost each day", "a column not offered"],
)
def test_what_the_other_says_otherwise_is_red(clean, other, change, expected):
    every_day(other, change)
    assert red(reconciled(clean, other, Span(), 0.001)) == expected


def test_a_column_only_one_has_is_not_green(clean, other):
    every_day(other, cells("oi_now", None))
    found = next(f for f in reconciled(clean, other, Span(), 0.001).findings if f.check.name == "differs.oi_now")
    assert (found.verdict, found.note) == ("skipped", "not applicable: only in a")


@pytest.mark.parametrize(("bars", "said"), [(1, "late"), (2, "late"), (-1, "early")])
def test_a_shift_of_bars_is_seen_with_its_sign(clean, other, bars, said):
    every_day(other, late("quote_volume", bars))
    found = next(f for f in reconciled(clean, other, Span(), 10).findings if f.check.name == "lag.quote_volume")
    assert (found.value, found.verdict, said in found.note) == (abs(bars), "FAIL", True)


def test_a_lag_is_found_in_columns_that_seldom_move():
    rates = np.repeat(np.random.default_rng(1).normal(size=60), 8)
    assert lag(rates, np.roll(rates, 1)) == 1 and lag(rates, rates) == 0
    assert lag(rates, np.random.default_rng(2).normal(size=480)) is None


def test_missing_values_are_counted_and_compared_with_nothing():
    found = compared(np.array([1.0, np.nan, 3.0, 0.0]), np.array([1.0, 2.0, np.nan, 0.0]), 0.001)
    assert (found.both, found.only_a, found.only_b, found.equal, found.most) == (2, 1, 1, 1.0, 0.0)


def test_days_only_one_holds_are_told(clean, other):
    removed(other, DAY + timedelta(days=4))
    report = reconciled(clean, other, Span(), 0.001)
    assert not report.red and "1 more only in a, from 2025-05-05" in report.findings[0].note


def test_nothing_in_common_is_one_line(clean, tmp_path):
    with pytest.raises(NotReady, match="has no committed day"):
        reconciled(clean, a_shelf(tmp_path), Span(), 0.001)
    with pytest.raises(NotReady, match="no day of that range"):
        reconciled(clean, clean, Span(None, DAY + timedelta(days=99)), 0.001)


def run(*argv: str) -> int:
    return ending.status(commands, "p1_ingest", ["reconcile", "--tf", "1h", *argv])


def test_the_command_writes_json_and_a_page_and_ends_with_3_where_they_differ(clean, other, tmp_path, capsys):
    out = tmp_path / "r.json"
    asked = ("--lake", str(clean.root), "--against", str(other.root), "--out", str(out))
    assert run(*asked) == 0
    assert "differs.close" in out.with_suffix(".html").read_text()
    assert run("--lake", str(clean.root), "--lake", str(other.root), "--out", str(out)) == 0
    every_day(other, scaled("close", 1.01))
    assert run(*asked) == 3
    assert json.loads(out.read_text())["BTCUSDT"]["checks"]["differs.close"]["verdict"] == "fail"
    assert "differs.close" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ((), "--against ROOT"),
        (("--against-symbol", "BTCUSDT"), "with itself"),
        (("--lake", "b", "--against", "c"), "two are compared at a time"),
        (("--symbol", "BTCUSDT,ETHUSDT", "--against-symbol", "X"), "give one --symbol"),
    ],
)
def test_a_comparison_that_makes_no_sense_is_refused(clean, argv, said, capsys):
    assert run("--lake", str(clean.root), *argv) == 2
    assert said in capsys.readouterr().err


def test_two_symbols_of_one_lake_can_be_compared(clean, tmp_path, capsys):
    root = copied(clean.root, tmp_path / "both")
    copied(a_shelf(root).folder, a_shelf(root, symbol="XBT").folder)
    every_day(a_shelf(root, symbol="XBT"), cells("symbol", "XBT"))
    assert run("--lake", str(root), "--against-symbol", "XBT", "--out", str(tmp_path / "r.json")) == 0
