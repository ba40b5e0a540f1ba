"""P1's checks see each fault that is planted, and nothing in a clean lake."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from lake import ending, notes
from lake.checks import Report
from lake.layout import Shelf
from lake.span import Span
from p1_ingest.cli import commands
from p1_ingest.qa import CARRIED_MOST, Asked, judged, last_settled, would_carry
from p2_features import catalogue
from p2_features.kernels.carried import past_carried
from tests.faults import bars_lake, cells, changed, put, removed, rows, without
from tests.lakes import DAY, a_shelf, copied, the_days

N = 9
LAST = DAY + timedelta(days=N - 1)
NOON = int(datetime(LAST.year, LAST.month, LAST.day, 12, tzinfo=UTC).timestamp() * 1000) + 86_400_000
ALL = Asked(Span(None, DAY, LAST), None, NOON, 80)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return bars_lake(tmp_path_factory.mktemp("clean"), N)


@pytest.fixture
def bars(clean: Shelf, tmp_path) -> Shelf:
    return a_shelf(copied(clean.root, tmp_path / "lake"))


def red(report: Report) -> set[str]:
    return {finding.check.name for finding in report.red}


def warned(report: Report) -> set[str]:
    return {finding.check.name for finding in report.findings if finding.verdict == "warn"}


def test_a_clean_lake_is_green(clean):
    report = judged(clean, ALL)
    assert report.verdict == "ok", report.lines()
    assert {f.check.name for f in report.findings} >= {"missing.trades", "imputed.oi_now"}


FAULTS = {
    "one price is NaN": (cells("close", float("nan"), 3), {"nan"}),
    "one price is null": (cells("open", None, 3), {"nan"}),
    "one price is infinite": (cells("high", float("inf"), 3), {"nan"}),
    "a price of zero": (cells("low", 0.0, 3), {"non_positive_price"}),
    "a negative price": (cells("low", -1.0, 3), {"non_positive_price"}),
    "high below low": (cells("high", 1.0, 5), {"high_below_low", "turnover_off_price"}),
    "close above high": (cells("close", 1e9, 5), {"high_below_low", "price_jumps", "oi_off_price"}),
    "open below low": (cells("open", 1.0, 5), {"high_below_low"}),
    "a turnover not said": (cells("quote_volume", None, 7), {"missing.quote_volume"}),
    "a turnover of NaN": (cells("quote_volume", float("nan"), 7), {"missing.quote_volume"}),
    "a number of trades not said": (cells("trades", None, 7), {"missing.trades"}),
    "a row twice": (rows(*range(24), 23), {"duplicates"}),
    "two rows in the wrong order": (rows(1, 0, *range(2, 24)), {"not_ascending"}),
    "another symbol's row": (cells("symbol", "ETHUSDT", 2), {"off_grid"}),
    "a row off the grid": (
        cells("ts", datetime(LAST.year, LAST.month, LAST.day, 3, 7, tzinfo=UTC), 2),
        {"off_grid"},
    ),
    "a row of another day": (cells("ts", datetime(2025, 5, 1, 0, 30, tzinfo=UTC), 0), {"off_grid", "not_ascending"}),
    "five bars dropped": (without(1, 2, 3, 9, 20), {"gap_ratio"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_turns_its_check_red(bars, fault):
    change, expected = FAULTS[fault]
    changed(bars, change)
    assert red(judged(bars, ALL)) == expected


def test_a_gap_below_the_threshold_only_warns(bars):
    changed(bars, without(4))
    report = judged(bars, ALL)
    assert (red(report), warned(report)) == (set(), {"gap_ratio"})
    assert any("longest 1 bars" in line for line in report.lines())


def test_a_day_that_is_not_there_is_red(bars):
    removed(bars, DAY + timedelta(days=5))
    assert red(judged(bars, ALL)) == {"days", "gap_ratio", "long_gaps"}


def test_days_answered_without_a_bar_are_whole_and_red(bars):
    changed(bars, lambda table: table.slice(0, 0), *the_days(N))
    report = judged(bars, ALL)
    assert red(report) == {"bars", "gap_ratio"}
    assert not [f.check.name for f in report.findings if f.verdict == "ok" and f.check.name.startswith("imputed.")]


@pytest.mark.parametrize(("lacking", "is_red"), [(10, False), (11, True)])
def test_each_offered_column_is_held_to_its_own_limit(bars, lacking, is_red):
    for day in the_days(N):  # 5 % of 216 bars are 10.8
        take = min(lacking, 6)
        if take:
            changed(bars, cells("ls_global", None, *range(take)), day)
        lacking -= take
    assert red(judged(bars, ALL)) == ({"missing.ls_global"} if is_red else set())


def test_a_column_the_source_does_not_offer_may_be_empty(bars):
    said = notes.read(bars, notes.OFFERED)
    notes.write(bars, notes.OFFERED, said | {"columns": said["columns"] | {"ls_global": "not asked for"}})
    for day in the_days(N):
        changed(bars, cells("ls_global", None), day)
    report = judged(bars, ALL)
    assert not report.red and report.facts["not_offered"]["ls_global"] == "not asked for"


def test_a_dead_column_that_is_offered_is_red(bars):
    for day in the_days(N):
        changed(bars, cells("liq_long", None), day)
    assert red(judged(bars, ALL)) == {"missing.liq_long"}


@pytest.mark.parametrize("name", ["funding_now", "oi_now"])
def test_what_p2_would_fill_is_counted_bar_by_bar(bars, name):
    for day in the_days(N):  # two of 24 a day are carried: 8.3 %
        changed(bars, cells(name, None, 5, 11), day)
    assert red(judged(bars, ALL)) == {f"missing.{name}", f"imputed.{name}"}


def test_beyond_three_bars_nothing_is_carried(bars):
    changed(bars, cells("oi_now", None, *range(6, 16)))
    found = {f.check.name: f.value for f in judged(bars, ALL).findings}
    assert found["imputed.oi_now"] == pytest.approx(3 / (N * 24))
    assert found["missing.oi_now"] == pytest.approx(10 / (N * 24))


def test_the_bars_just_before_the_range_are_carried_from(bars):
    changed(bars, cells("oi_now", None, 0), LAST)
    found = judged(bars, Asked(Span(None, LAST, LAST), None, NOON, 80)).findings
    assert next(f.value for f in found if f.check.name == "imputed.oi_now") == pytest.approx(1 / 24)


def test_the_rule_of_carrying_is_p2s_own():
    rng = np.random.default_rng(7)
    assert catalogue.load().settings.carried_most == CARRIED_MOST
    for share in (0.0, 0.1, 0.5, 0.9, 1.0):
        x = np.where(rng.random(3000) < share, rng.choice([np.nan, np.inf], 3000), 1.0)
        assert np.array_equal(would_carry(x), past_carried(x, CARRIED_MOST)[1])
    assert would_carry(np.empty(0)).size == 0


def test_eighty_days_of_five_minutes_are_23040_bars(tmp_path):
    bars = bars_lake(tmp_path, n=2, tf="5m")
    last = DAY + timedelta(days=1)
    report = judged(bars, Asked(Span(80, None, last), None, NOON, 80))
    assert report.facts["expected_bars"] == 23_040
    assert red(report) == {"days", "gap_ratio"}


def test_days_end_at_the_last_settled_day(bars):
    report = judged(bars, Asked(Span(days=N - 1), None, NOON, 80))
    assert (report.facts["start"], report.facts["end"]) == (str(DAY + timedelta(days=1)), str(LAST))
    assert last_settled("coinglass", 90 * 60_000) == date(1969, 12, 30)  # two hours of settling
    assert last_settled("sim", 90 * 60_000) == date(1969, 12, 31)


def test_the_newest_days_of_an_archive_may_still_be_waited_for(bars):
    later = Asked(Span(days=5), None, NOON + 86_400_000, 80)
    report = judged(bars, later)
    assert (red(report), warned(report)) == (set(), {"days_waiting"})
    week = Asked(Span(days=N), None, NOON + 7 * 86_400_000, 80)
    assert "days" in red(judged(bars, week))


def test_fewer_days_than_asked_for_are_red(bars):
    assert "days" in red(judged(bars, Asked(Span(days=80), None, NOON, 80)))


def test_days_answered_in_part_warn_and_their_empty_columns_are_not_held_against_them(bars):
    for day in the_days(5):
        table = cells("spot_taker_buy", None)(cells("spot_taker_sell", None)(_table(bars, day)))
        removed(bars, day)
        put(bars, day, table, "binance: klines; not offered: spot")
    report = judged(bars, ALL)
    assert (red(report), warned(report)) == (set(), {"days_in_part"})


def test_a_series_no_day_has_is_not_a_series_in_part(bars):
    for day in the_days(N):
        table = cells("spot_taker_buy", None)(cells("spot_taker_sell", None)(_table(bars, day)))
        removed(bars, day)
        put(bars, day, table, "binance: klines; not offered: spot")
    report = judged(bars, ALL)
    assert report.verdict == "ok"
    assert next(f.verdict for f in report.findings if f.check.name == "missing.spot_taker_buy") == "skipped"


def _table(bars, day):
    from lake import days

    return days.need(bars, day).table()


def run(*argv: str) -> int:
    return ending.status(commands, "p1_ingest", ["qa", *argv])


def test_the_command_writes_one_file_keyed_by_symbol_and_says_so(bars, tmp_path, capsys):
    out = tmp_path / "reports" / "qa.json"
    asked = ("--lake", str(bars.root), "--tf", "1h", "--start", str(DAY), "--end", str(LAST), "--out", str(out))
    assert run(*asked) == 0
    printed = capsys.readouterr().out
    assert "gap_ratio" in printed and f"wrote {out}" in printed
    said = json.loads(out.read_text())
    assert said["BTCUSDT"]["verdict"] == "ok" and said["BTCUSDT"]["checks"]["nan"]["value"] == 0
    assert run(*asked, "--json") == 0
    assert json.loads(capsys.readouterr().out) == said


def test_red_is_exit_3_with_one_line(bars, tmp_path, capsys):
    changed(bars, cells("high", 1.0, 5))
    out = str(tmp_path / "qa.json")
    assert run("--lake", str(bars.root), "--tf", "1h", "--start", str(DAY), "--end", str(LAST), "--out", out) == 3
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(errors) == 1 and "high_below_low" in errors[0]
    offender = json.loads((tmp_path / "qa.json").read_text())["BTCUSDT"]["checks"]["high_below_low"]["offenders"][0]
    assert offender["ts"] == f"{LAST}T06:00:00Z" and offender["high"] == 1.0


def test_a_glob_decides_the_end_and_days_how_many_are_expected(bars, tmp_path, capsys):
    glob, out = f"{bars.folder}/y=2025/m=05/d=*/part-*.parquet", tmp_path / "qa.json"
    assert run("--glob", glob, "--out", str(out)) == 0
    assert json.loads(out.read_text())["BTCUSDT"]["days"] == N
    assert run("--glob", glob, "--days", "40", "--out", str(out)) == 3
    said = json.loads(out.read_text())["BTCUSDT"]
    assert (said["end"], said["days"], said["checks"]["days"]["value"]) == (str(LAST), 40, N)
    assert run("--glob", glob, "--days", "5", "--out", str(out)) == 0


def test_a_corrupt_part_is_one_line_and_exit_1(bars, tmp_path, capsys):
    part = bars.day_folder(LAST) / bars.part_name(LAST)
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(bytes(data))
    out = str(tmp_path / "qa.json")
    assert run("--lake", str(bars.root), "--tf", "1h", "--start", str(DAY), "--end", str(LAST), "--out", out) == 1
    assert "sha256 differs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--symbol", "ETHUSDT", "--days", "3"], "ETHUSDT has no committed day"),
        (["--start", "2020-01-01", "--end", "2020-01-09"], "holds 2025-05-01"),
    ],
)
def test_nothing_there_is_one_line_and_exit_1(bars, tmp_path, capsys, argv, said):
    assert run("--lake", str(bars.root), "--tf", "1h", "--out", str(tmp_path / "qa.json"), *argv) == 1
    assert said in capsys.readouterr().err and not (tmp_path / "qa.json").exists()


def test_one_file_for_several_timeframes_is_refused(bars, tmp_path):
    assert run("--lake", str(bars.root), "--tf", "1h,4h", "--out", str(tmp_path / "qa.json")) == 2


def test_a_symbol_that_is_not_there_does_not_hide_the_others(bars, tmp_path, capsys):
    asked = ("--lake", str(bars.root), "--tf", "1h", "--start", str(DAY), "--end", str(LAST))
    out = tmp_path / "qa.json"
    assert run(*asked, "--symbol", "BTCUSDT,ETHUSDT", "--out", str(out)) == 1
    assert list(json.loads(out.read_text())) == ["BTCUSDT"]
    assert "ETHUSDT" in capsys.readouterr().err
