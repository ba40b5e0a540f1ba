"""The bench times what the build and the live engine really do, and is red above its limit."""

from __future__ import annotations

import csv
import io
import itertools
import json

import pytest

from lake import checks, days, ending
from lake.layout import Shelf
from lake.span import Span
from meta.datasets import DATASETS
from meta.errors import ChecksRed, NotReady, Tampered
from p2_features import build as building
from p2_features.bench import LIMIT_MS, measured, remember, timed, written
from p2_features.choice import Asked
from p2_features.cli import commands
from tests.faults import N, bars_lake
from tests.lakes import a_shelf


@pytest.fixture(scope="module")
def bars(tmp_path_factory) -> Shelf:
    bars = bars_lake(tmp_path_factory.mktemp("clean"))
    building.build(bars.sibling(DATASETS["features"]), bars, Span(), Asked())
    return bars


def ticking(ns: int):
    """A clock that moves on by so much at every look."""
    count = itertools.count()
    return lambda: next(count) * ns


def by_clock(bars: Shelf, ns: int):
    features = bars.sibling(DATASETS["features"])
    return timed(features, bars, list(days.committed(features)), runs=3, live=10, clock=ticking(ns))


def test_times_are_per_bar_and_told_in_their_units(bars):
    found = by_clock(bars, 816_000)
    assert (found.bars, found.ns_per_bar) == (N * 24, 1000.0)  # 816 bars in 816 µs
    assert (found.p50_us, found.p99_us, found.max_us) == (816.0, 816.0, 816.0)
    assert (found.ms_per_bar, found.limit_ms, found.passed) == (0.816, LIMIT_MS, True)


def test_the_first_run_compiles_and_does_not_count(bars):
    looks = itertools.chain([0, 10**12], itertools.count(10**12, 816_000))
    features = bars.sibling(DATASETS["features"])
    wanted = list(days.committed(features))
    assert timed(features, bars, wanted, runs=3, live=10, clock=lambda: next(looks)).ns_per_bar == 1000.0


@pytest.mark.parametrize(("ms", "passes"), [(50, True), (51, False)])
def test_above_fifty_milliseconds_is_red(bars, ms, passes):
    found = by_clock(bars, ms * 1_000_000)
    assert found.passed is passes
    if passes:
        assert checks.end([found.report()], [], "P2 bench") == 0
    else:
        with pytest.raises(ChecksRed, match="ms_per_bar"):
            checks.end([found.report()], [], "P2 bench")


def test_every_run_is_remembered(bars, tmp_path):
    place = tmp_path / "history.csv"
    for hour, ns in ((1, 816_000), (2, 1_632_000)):
        remember(place, [by_clock(bars, ns)], f"2025-05-01T0{hour}:00:00Z")
    rows = list(csv.DictReader(io.StringIO(place.read_text())))
    assert [(row["time"][11:13], row["p99_us"]) for row in rows] == [("01", "816.0"), ("02", "1632.0")]


def test_the_csv_is_read_back_by_symbol_and_timeframe(bars, tmp_path):
    found = by_clock(bars, 816_000)
    path = tmp_path / "bench.csv"
    path.write_text(written([found]))
    row = next(csv.DictReader(io.StringIO(path.read_text())))
    wanted = {"symbol", "tf", "bars", "ns_per_bar", "p50_us", "p99_us", "max_us", "ms_per_bar", "limit_ms", "pass"}
    assert wanted <= set(row) and row["pass"] == "true" and "live engine" in row["method"]
    assert measured(path, "BTCUSDT", "1h") == found.ms_per_bar
    assert measured(path, "ETHUSDT", "1h") is None and measured(tmp_path / "none.csv", "BTCUSDT", "1h") is None
    path.write_text("symbol,tf\nBTCUSDT,1h\n")
    with pytest.raises(Tampered, match="not a bench report"):
        measured(path, "BTCUSDT", "1h")


def test_without_features_or_bars_one_line_says_what_to_do(bars, tmp_path):
    features, nothing = bars.sibling(DATASETS["features"]), a_shelf(tmp_path)
    with pytest.raises(NotReady, match="p2_features build"):
        timed(nothing.sibling(DATASETS["features"]), nothing, [])
    with pytest.raises(NotReady, match="--bars"):
        timed(features, nothing, list(days.committed(features)))


def test_the_command_times_the_lake_and_writes_the_csv(bars, tmp_path, capsys):
    out = tmp_path / "reports" / "bench.csv"
    argv = ["bench", "--lake", str(bars.root), "--tf", "1h", "--report", str(out)]
    assert ending.status(commands, "p2_features", argv) == 0
    assert "ms_per_bar" in capsys.readouterr().out
    assert 0 < (measured(out, "BTCUSDT", "1h") or 0) < LIMIT_MS
    assert ending.status(commands, "p2_features", [*argv, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["BTCUSDT"]["checks"]["p99_us"]["value"] > 0


def test_a_free_feature_folder_without_bars_beside_it_names_the_option(bars, tmp_path, capsys):
    from tests.lakes import copied

    free = copied(bars.sibling(DATASETS["features"]).folder, tmp_path / "free")
    argv = ["bench", "--glob", f"{free}/**/*.parquet", "--tf", "1h", "--symbol", "BTCUSDT"]
    assert ending.status(commands, "p2_features", [*argv, "--report", str(tmp_path / "b.csv")]) == 1
    assert "--bars" in capsys.readouterr().err
