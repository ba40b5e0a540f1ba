"""The audit is silent on causal features and red on every planted leak, naming feature, input and bar."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from lake import ending
from lake.settings import PROJECT
from meta.errors import NotReady
from meta.timeframes import TIMEFRAMES
from p2_features import catalogue
from p2_features import compute as computing
from p2_features.audit import Audit, audited, live_faults
from p2_features.cli import commands
from p2_features.compute import compute
from p2_features.expressions import Program
from p2_features.feature import Feature
from p2_features.kernels.past_percentile import past_percentile
from p2_features.plain import value_at
from p2_features.spoils import SPOILS, differing
from tests import market
from tests.p2_bars import bars, core

TF = TIMEFRAMES["1h"]
FIRST, W = 484_800, 48  # a position in 2025; two days of hourly bars
FEATURES = core(2).features(TF)
NAMES = tuple(dict.fromkeys(["close", *(name for f in FEATURES for name in f.inputs)]))
BARS = {name: x for name, x in bars(1_500).items() if name in NAMES}
STAMP = re.compile(r"2025-\d\d-\d\dT\d\d:00:00.000Z")
Values = Mapping[str, np.ndarray]
Compute = Callable[[Values, int], Values]


def honest(columns: Values, first: int) -> Values:
    return compute(FEATURES, columns, first).values


def planted(name: str, leak: Callable[[np.ndarray, Values], np.ndarray]) -> Compute:
    """Honest features but for one, which `leak` makes of its own values and the bars."""
    return lambda columns, first: {**(h := honest(columns, first)), name: leak(h[name], columns)}


def later(x: np.ndarray, bars: int = 1) -> np.ndarray:
    """What x will be so many bars on."""
    return np.concatenate([x, np.full(bars, np.nan)])[bars:]


def found(how: Compute, features: tuple[Feature, ...] = FEATURES, cuts: int = 40, seed: int = 0) -> Audit:
    return audited(features, how, BARS, FIRST, cuts, seed)


def red(audit: Audit, *checks: str) -> dict[str, str]:
    """feature -> input of these checks' faults."""
    return {fault.feature: fault.input for fault in audit.faults if fault.check in checks}


def test_causal_features_pass_at_two_hundred_cuts() -> None:
    audit = found(honest, cuts=200)
    assert [fault for fault in audit.faults if fault.check != "insensitive"] == []
    assert min(audit.valued.values()) > 100, "a cut where nothing has a value proves nothing"
    assert audit.moved["vol_z"]["quote_volume"] > 0.9
    assert set(audit.moved) == {f.name for f in FEATURES if f.inputs}
    assert list(live_faults(FEATURES, W, W, honest, BARS, FIRST)) == []


@pytest.mark.parametrize("column", NAMES)
def test_an_input_that_comes_a_bar_too_early_is_named(column: str) -> None:
    def early(columns: Values, first: int) -> Values:
        return honest({**columns, column: later(columns[column])}, first)

    audit = found(early)
    faults = [fault for fault in audit.faults if fault.check == "future"]
    assert {fault.feature for fault in faults} == {f.name for f in FEATURES if column in f.inputs}
    for fault in faults:
        assert fault.input == column
        assert STAMP.fullmatch(fault.bar)
        assert "changed when bars after" in fault.how


LEAKS = {
    "a centred window": ("vol_z", "quote_volume", lambda z, _: later(z, 24)),
    "one bar ahead": ("ret_1h", "close", lambda r, _: later(r)),
    "the whole sample's mean": ("hl_range", "high", lambda r, _: r - np.nanmean(r)),
    "the last bar of all": ("co_ret", "close", lambda r, b: r + b["close"][-1] * 1e-9),
    "filled backward": ("liq60_z", "liq_long", lambda z, _: np.where(np.isnan(z), later(z), z)),
    "a flag that waits for its value": (
        "_imputed_oi_now", "oi_now", lambda f, b: f & ~np.isnan(later(b["oi_now"])),
    ),
}  # fmt: skip


@pytest.mark.parametrize("leak", LEAKS)
def test_a_planted_look_ahead_is_red(leak: str) -> None:
    name, column, how = LEAKS[leak]
    audit = found(planted(name, how))
    assert red(audit, "future", "reach").keys() == {name}
    fault = next(fault for fault in audit.faults if fault.check == "future")
    assert fault.feature == name
    assert fault.input in (column, "low", "open", "liq_short", "several together")


def test_a_leak_that_shows_in_few_bars_is_blamed_on_the_bar_that_changed() -> None:
    audit = found(planted("hl_range", lambda r, b: np.where(later(b["high"]) > b["high"] * 1.01, r + 1, r)), cuts=200)
    fault = next(fault for fault in audit.faults if fault.check == "future")
    assert (fault.feature, fault.input) == ("hl_range", "high")
    cut = STAMP.search(fault.how)
    assert cut
    assert fault.bar == cut[0], "only the bar before the cut can see past it"


def test_a_bar_in_its_own_window_is_red() -> None:
    feature = next(f for f in FEATURES if f.past and f.past.then == "percentile")

    def within(p: np.ndarray, columns: Values) -> np.ndarray:
        return (p * W + 0.5) / (W + 1)

    assert red(found(planted(feature.name, within)), "definition").keys() == {feature.name}


@pytest.mark.parametrize("bars_more", [-1, 1])
def test_a_window_a_bar_too_long_or_short_is_red(bars_more: int) -> None:
    other = tuple(replace(f, past=replace(f.past, window=f.past.window + bars_more)) if f.past else f for f in FEATURES)
    audit = found(lambda columns, first: compute(other, columns, first).values)
    assert {f.name for f in FEATURES if f.past} <= red(audit, "definition").keys()


@pytest.mark.parametrize(("wrong", "check"), [(3, "definition"), (5, "reach")])
def test_a_past_one_bar_off_is_red(wrong: int, check: str) -> None:
    def off(r: np.ndarray, columns: Values) -> np.ndarray:
        close = columns["close"]
        older = np.concatenate([np.full(wrong, np.nan), close[:-wrong]])
        return np.log(close / older)

    assert red(found(planted("ret_4h", off)), check).keys() == {"ret_4h"}


@pytest.mark.parametrize("name", ["ret_4h", "vol_z", "liq60_z", "funding_pctile_30d"])
def test_a_reach_declared_too_short_is_red(name: str) -> None:
    short = {"vol_z": W // 2, "liq60_z": W // 2, "funding_pctile_30d": 5}.get(name, 1)
    features = tuple(replace(f, value_reach=f.value_reach - short) if f.name == name else f for f in FEATURES)
    audit = found(honest, features, cuts=100)
    at = [fault for fault in audit.faults if fault.check == "reach"]
    assert [fault.feature for fault in at] == [name]
    assert f"declares a reach of {next(f.reach for f in features if f.name == name)} bars" in at[0].how


def test_an_input_that_is_not_declared_is_named() -> None:
    audit = found(planted("hl_range", lambda r, b: r + 0 * np.nan_to_num(b["close"]) + (b["oi_now"] > 1e5) * 1e-3))
    assert red(audit, "undeclared") == {"hl_range": "oi_now"}


def test_an_input_that_is_not_noticed_is_told_and_is_no_leak() -> None:
    flat = {**BARS, "funding_interval_hours": np.full(1_500, 8.0)}
    audit = audited(FEATURES, honest, flat, FIRST, 20)
    told = [f.feature for f in audit.faults if (f.check, f.input) == ("insensitive", "funding_interval_hours")]
    assert "fund_now_z" in told
    report = audit.report("X", "X", {})
    assert report.verdict == "warn"
    gone = audited(FEATURES, honest, {**BARS, "liq_long": np.full(1_500, np.nan)}, FIRST, 20)
    assert red(gone, "empty").keys() == {"liq60_z"}
    assert gone.valued["liq60_z"] == 0


def test_live_bits_that_are_not_the_batch_ones_are_red() -> None:
    off = planted("vol_z", lambda z, _: np.nextafter(z, np.inf))
    faults = list(live_faults(FEATURES, W, W, off, BARS, FIRST))
    assert [(f.feature, f.input) for f in faults] == [("vol_z", "quote_volume")]
    assert STAMP.fullmatch(faults[0].bar)


def test_too_few_bars_prove_nothing() -> None:
    with pytest.raises(NotReady, match=r"takes 6\d\d bars, and there are 300; give more days"):
        audited(FEATURES, honest, {name: x[:300] for name, x in BARS.items()}, FIRST, 5)


def test_the_same_seed_finds_the_same_and_threads_change_nothing() -> None:
    leak = planted("vol_z", lambda z, _: later(z, 24))
    one, other = found(leak), audited(FEATURES, leak, BARS, FIRST, 40, 0, threads=3)
    assert one == other


def test_every_spoiling_leaves_the_past_and_changes_the_future() -> None:
    x, order = np.arange(10.0), np.array([3, 0, 1, 2])
    for spoil in SPOILS:
        now = spoil(x, 6, order)
        assert now[:6].tolist() == x[:6].tolist(), spoil.__name__
        assert len(now) == 6 or differing(now[6:], x[6:]) is not None, spoil.__name__


def test_bits_differ_where_values_compare_equal() -> None:
    assert differing(np.array([0.0]), np.array([-0.0])) == 0
    assert differing(np.array([np.nan]), np.array([-np.nan])) is None
    assert differing(np.array([True]), np.array([False])) == 0
    assert differing(np.array([1.0, 2.0]), np.array([1.0, 2.0])) is None


@pytest.mark.parametrize("set_name", ["core", "extended"])
def test_the_plain_definition_agrees_with_the_kernels_at_every_kind_of_bar(set_name: str) -> None:
    features = core(2).features(TF, set_name)
    b = bars(1_200, seed=5)
    done = compute(features, b, FIRST)
    rng = np.random.default_rng(1)
    for feature in features:
        for t in [0, 30, W, *rng.integers(0, 1_200, 12)]:
            want = float(done.values[feature.name][t])
            got = value_at(feature, b, FIRST, int(t))
            assert got == pytest.approx(want, rel=1e-9, abs=1e-9, nan_ok=True), (feature.name, t)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hourly bars of 90 days: enough for the audit of features that look 60 days back."""
    shelf = market.bars_shelf(tmp_path_factory.mktemp("audit"))
    market.commit_bars(shelf, market.columns(90), market.the_days(90))
    return shelf.root


def audit_command(lake: Path, out: Path, *more: str) -> int:
    options = ["audit", "--lake", str(lake), "--tf", "1h", "--symbol", "BTCUSDT", "--out", str(out), "--cuts", "20"]
    return ending.status(commands, "p2_features", [*options, *more])


def test_the_command_is_green_on_honest_features(lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "audit.json"
    assert audit_command(lake, out, "--set", "core") == 0
    told = json.loads(out.read_text())["BTCUSDT"]
    assert told["verdict"] in ("ok", "warn")
    assert told["bars"] == 90 * 24
    assert {name: check["value"] for name, check in told["checks"].items() if check["must"]} == dict.fromkeys(
        ("future", "reach", "undeclared", "live", "definition"), 0
    )
    assert re.search(r"future +0 +<= 0 +ok", capsys.readouterr().out)


def test_the_command_is_red_on_a_planted_kernel(
    lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(computing, "past_percentile", lambda x, w, least: past_percentile(later(x), w, least))
    out = tmp_path / "audit.json"
    assert audit_command(lake, out, "--set", "core", "--json") == 3
    printed = capsys.readouterr()
    assert re.search(
        r"future: feature funding_pctile_30d, input funding_(now|interval_hours), bar 2025-\d\d-\d\dT", printed.err
    )
    assert printed.err.splitlines()[-1].startswith("error: P2 audit is red: BTCUSDT: future, live, definition")
    told = json.loads(out.read_text())["BTCUSDT"]
    assert json.loads(printed.out)["BTCUSDT"] == told
    assert told["verdict"] == "fail"
    fault = told["checks"]["future"]["offenders"][0]
    assert fault["feature"] == "funding_pctile_30d"
    assert fault["input"] in ("funding_now", "funding_interval_hours")


def test_the_command_says_what_is_missing(lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert audit_command(lake, tmp_path / "a.json", "--days", "10", "--set", "core") == 1
    assert re.search(r"takes 1,9\d\d bars, and there are 240; give more days", capsys.readouterr().err)
    assert audit_command(tmp_path, tmp_path / "a.json") == 1
    assert "has no committed day there; run `python -m p1_ingest ingest" in capsys.readouterr().err


def test_a_leak_in_a_feature_of_ones_own_conf_is_red(
    lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """conf cannot say a leak (test_p2_features_catalogue), so `past` itself is made to look ahead here."""
    said = yaml.safe_load((PROJECT / "conf" / "features.yaml").read_text(encoding="utf-8"))
    own = {"of": "ln(past(open, 1) / open)", "unit": "log return", "meaning": "x", "source": "x"}
    said["sets"] = {"mine": {"my_return": own}}
    conf = tmp_path / "features.yaml"
    conf.write_text(yaml.safe_dump(said, sort_keys=False), encoding="utf-8")
    monkeypatch.setattr(catalogue, "conf_path", lambda _: conf)
    out = tmp_path / "audit.json"
    assert audit_command(lake, out, "--set", "mine") == 0
    honestly = computing.evaluated

    def ahead(program: Program, columns: Values, *rest: int) -> np.ndarray:
        is_own = program.columns == ("open",)
        return honestly(program, {**columns, "open": later(columns["open"], 2)} if is_own else columns, *rest)

    monkeypatch.setattr(computing, "evaluated", ahead)
    capsys.readouterr()
    assert audit_command(lake, out, "--set", "mine") == 3
    assert re.search(r"future: feature my_return, input open, bar 2025-\d\d-\d\dT", capsys.readouterr().err)
    faults = json.loads(out.read_text())["BTCUSDT"]["checks"]["future"]["offenders"]
    assert {(fault["feature"], fault["input"]) for fault in faults} == {("my_return", "open")}
