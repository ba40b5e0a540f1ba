"""A bar's features are the same bits live and in batch, from any restart, whatever holes and spikes came before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from numba import njit

from meta.errors import Refused
from meta.timeframes import TIMEFRAMES
from p2_features import catalogue
from p2_features.compute import compute, rows
from p2_features.feature import Feature
from p2_features.kernels import live_past
from p2_features.kernels.live_past import next_bounded, turn_over
from p2_features.kernels.live_tails import tail_size
from p2_features.kernels.past_quantiles import past_quantiles
from p2_features.stream import Engine
from tests import zoo
from tests.p2_bars import bars, core

TF = TIMEFRAMES["5m"]
W = 288
FIRST = 123_457
FEATURES = core().features(TF)
bounded, turned = njit(next_bounded), njit(turn_over)


def engine(features: tuple[Feature, ...] = FEATURES, window: int = W) -> Engine:
    return Engine(features, warmup=window, window=window)


def table(live: Engine, b: dict) -> np.ndarray:
    return np.stack([b[name] for name in live.columns], axis=1)


def pushed(
    live: Engine, symbol: str, b: dict, start: int, stop: int, first: int = FIRST
) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, features) and written (n,) of bars start … stop-1, one by one."""
    given = table(live, b)
    found = [
        (written, out.copy())
        for written, out in (live.push(symbol, first + t, given[t : t + 1]) for t in range(start, stop))
    ]
    return np.array([out for _, out in found]), np.array([written for written, _ in found], bool)


def batch(features: tuple[Feature, ...], b: dict, window: int = W, first: int = FIRST) -> tuple[np.ndarray, np.ndarray]:
    done = compute(features, b, first)
    return np.stack([done.values[f.name].astype(np.float64) for f in features], axis=1), rows(
        done, done.present, first, window, window
    )[0]


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal to the bit, NaN included."""
    return a.shape == b.shape and np.ascontiguousarray(a).tobytes() == np.ascontiguousarray(b).tobytes()


@pytest.mark.parametrize("seed", [3, 8])
def test_live_is_batch_bit_for_bit_at_every_bar(seed: int) -> None:
    b = bars(1_500, seed)
    b["quote_volume"] = zoo.spiked(b["quote_volume"], 1e12, 300)
    b["oi_now"][700:1_100] = 5.0
    values, written = pushed(engine(), "BTCUSDT", b, 0, 1_500)
    want, mask = batch(FEATURES, b)
    for j, feature in enumerate(FEATURES):
        assert same(values[:, j], want[:, j]), feature.name
    assert written.tolist() == mask.tolist()
    assert written.sum() > 300


def test_the_extended_set_is_live_too_without_further_code() -> None:
    tf = TIMEFRAMES["15m"]
    features = core().features(tf, "extended")
    b = bars(3_000)
    values, written = pushed(engine(features, 96), "BTCUSDT", b, 0, 3_000)
    want, mask = batch(features, b, 96)
    for j, feature in enumerate(features):
        assert same(values[:, j], want[:, j]), feature.name
    assert written.tolist() == mask.tolist()


@pytest.mark.parametrize("window", [1, 2, 7, 24, 100])
@pytest.mark.parametrize("pair", [(0.01, 0.99), (0.0, 1.0), (0.5, 0.5), (0.25, 0.9)])
def test_series_that_break_clever_windows_do_not_break_the_live_ones(tmp_path: Path, window: int, pair: tuple) -> None:
    low, high = pair
    entry = {"of": "volume", "unit": "x", "meaning": "x", "source": "x"}
    said = {"sets": {"mine": {f"x_{then}": {**entry, "then": then} for then in ("zscore", "percentile")}}}
    said["settings"] = {"winsor_low": low, "winsor_high": high, "quantile_least_bars": 2, "window_days": window}
    path = tmp_path / "features.yaml"
    path.write_text(yaml.safe_dump(said), encoding="utf-8")
    day = TIMEFRAMES["1d"]
    features = catalogue.load(path).features(day, "mine")
    for name, x in zoo.zoo(900).items():
        b = {"close": np.ones(x.size), "volume": x}
        values, _ = pushed(engine(features, window), name, b, 0, x.size)
        assert same(values, batch(features, b, window)[0]), name


@pytest.mark.parametrize("pair", [(0.01, 0.99), (0.05, 0.9)])
def test_tails_that_drain_are_read_again_before_they_run_out(pair: tuple) -> None:
    low, high = pair
    window, least = 1_500, 20  # so long that a tail holds a part of it only
    room = int(tail_size(window, low, high))
    for name, x in zoo.zoo(3 * window).items():
        memory = np.full(live_past.CELLS + window * live_past.CELL + 2 * room, np.nan)
        memory[: live_past.CELLS] = 0.0
        whole, found = memory.view(np.int64), np.empty((2, x.size))
        for t in range(x.size):
            for side, beyond in enumerate((-1e300, 1e300)):
                found[side, t] = bounded(beyond, 0, window, room, low, high, least, memory, whole)
            cell = live_past.CELLS + t % window * live_past.CELL
            turned(x[t], 0, cell, window, room, memory, whole)
        assert same(found, np.stack(past_quantiles(x, window, low, high, least))), name


@pytest.mark.parametrize("at", [0, 5, 300, 587, 588, 589, 1_000, 1_151, 1_152])
def test_an_engine_restarted_anywhere_goes_on_with_the_same_bits(at: int) -> None:
    b = bars(1_400)
    whole, written = pushed(engine(), "X", b, 0, 1_400)
    before = engine()
    pushed(before, "X", b, 0, at + 1)
    after = engine()
    kept, first = before.bars("X")
    after.seed("X", dict(zip(after.columns, kept.T, strict=True)), first)
    assert after.position("X") == FIRST + at
    values, again = pushed(after, "X", b, at + 1, 1_400)
    assert same(values, whole[at + 1 :])
    assert again.tolist() == written[at + 1 :].tolist()


def test_a_seed_looks_at_no_more_than_the_reach() -> None:
    b = bars(1_400)
    whole, _ = pushed(engine(), "X", b, 0, 1_400)
    live = engine()
    part = {
        name: np.concatenate([x[: 1_000 - live.reach - 1] * 1e6, x[1_000 - live.reach - 1 : 1_000]])
        for name, x in b.items()
    }
    live.seed("X", part, FIRST)
    assert same(pushed(live, "X", b, 1_000, 1_400)[0], whole[1_000:])


@pytest.mark.parametrize("gap", [1, 3, 4, 300, 600, 5_000])
def test_what_is_skipped_counts_as_absent(gap: int) -> None:
    n = 700 + gap + 700
    b = bars(n)
    for x in b.values():
        x[700 : 700 + gap] = np.nan
    live = engine()
    head, _ = pushed(live, "X", b, 0, 700)
    tail, written = pushed(live, "X", b, 700 + gap, n)
    want, mask = batch(FEATURES, b)
    assert same(head, want[:700])
    assert same(tail, want[700 + gap :])
    assert written.tolist() == mask[700 + gap :].tolist()


@pytest.mark.parametrize("late", [1, 2, 50, 588, 589, 700])
def test_a_late_bar_is_put_in_its_place(late: int) -> None:
    b = bars(1_600, holes=False)
    live = engine()
    hidden = {name: x.copy() for name, x in b.items()}
    for x in hidden.values():
        x[800 - late] = np.nan
    pushed(live, "X", hidden, 0, 800)
    live.correct("X", (FIRST + 800 - late) * TF.ms, {name: x[800 - late] for name, x in b.items()})
    values, _ = pushed(live, "X", b, 800, 1_600)
    assert same(values, batch(FEATURES, b if late <= live.reach else hidden)[0][800:])


def test_symbols_do_not_see_each_other() -> None:
    one, two = bars(700, 1), bars(700, 2)
    live = engine()
    given = table(live, one), table(live, two)
    found: tuple[list, list] = ([], [])
    for t in range(700):
        for s, symbol in enumerate("AB"):
            found[s].append(live.push(symbol, FIRST + t, given[s][t : t + 1])[1].copy())
    assert same(np.array(found[0]), batch(FEATURES, one)[0])
    assert same(np.array(found[1]), batch(FEATURES, two)[0])


def test_a_step_speaks_names_and_gives_a_row_where_batch_writes_one() -> None:
    b = bars(900)
    live = engine()
    live.seed("X", {name: x[:650] for name, x in b.items()}, FIRST)
    want, mask = batch(FEATURES, b)
    for t in range(650, 900):
        bar = {name: None if np.isnan(x[t]) else float(x[t]) for name, x in b.items()}
        row = live.step("X", (FIRST + t) * TF.ms, bar)
        assert (row is not None) == mask[t]
        if row:
            assert list(row) == [feature.name for feature in FEATURES]
            assert [float(value) for value in row.values()] == want[t].tolist()
            assert isinstance(row["_imputed_oi_now"], bool)


def test_a_bar_twice_or_off_the_grid_is_refused_by_name() -> None:
    live = engine()
    live.step("X", FIRST * TF.ms, {"close": 1.0})
    with pytest.raises(Refused, match=r"X .*Z is not after its last bar"):
        live.step("X", FIRST * TF.ms, {"close": 1.0})
    with pytest.raises(Refused, match="no close of a 5m bar"):
        live.step("X", FIRST * TF.ms + 1, {"close": 1.0})
    with pytest.raises(Refused, match="Y has seen no bar yet"):
        live.bars("Y")


OPERATIONS = {
    "signs": "-abs(premium) + abs(-volume)",
    "roots": "sqrt(volume) * sin(premium * 1e5) - cos(volume)",
    "remainders": "volume % (premium * 1e6) + (0 - volume) % 7",
    "divisions": "premium / (liq_long - liq_short) + ln(premium)",
    "choices": "either(ln(premium), either(liq_long / liq_long, square(volume)))",
    "clocks": "hour_of_week * 60 - minute % 60 + past(minute, 3) % 7",
    "pasts": "past(volume, 1) - past(past(volume, 2), 1h) * pi",
    "overflows": "square(square(square(square(volume * 1e14)))) + volume",
    "flags": "imputed(oi_now)",
    "carries": "carried(either(funding_now * 8 / funding_interval_hours, funding_now))",
}


def test_every_operation_of_the_language_has_the_same_bits_live(tmp_path: Path) -> None:
    entry = {"unit": "x", "meaning": "x", "source": "x"}
    mine = {name: {**entry, "of": of} for name, of in OPERATIONS.items()}
    mine["sums"] = {**entry, "sums": {"a": "volume", "b": "premium / liq_long"}, "over": "3h", "of": "a / past(b, 2)"}
    said = {"sets": {"mine": mine}, "imputed": ["oi_now", "funding_now"], "settings": {"window_days": 1}}
    path = tmp_path / "features.yaml"
    path.write_text(yaml.safe_dump(said), encoding="utf-8")
    features = catalogue.load(path).features(TIMEFRAMES["1h"], "mine")
    b = bars(600)
    b["liq_long"][50:60], b["volume"][70], b["premium"][71] = np.inf, -np.inf, -0.0
    values, _ = pushed(engine(features, 24), "X", b, 0, 600)
    want, _ = batch(features, b, 24)
    for j, feature in enumerate(features):
        assert same(values[:, j], want[:, j]), feature.name
        assert np.isfinite(want[:, j]).any(), feature.name


def test_the_newest_bar_restated_again_and_again_is_as_if_it_had_come_once() -> None:
    b = bars(700)
    given = table(engine(), b)
    live, plain = engine(), engine()
    rng = np.random.default_rng(5)
    for t in range(400, 700):
        if t in (450, 451, 600):
            continue  # a skipped position: what was kept is of another bar
        bar = dict(zip(live.columns, given[t], strict=True))
        early = {name: value * (1 + 0.01 * rng.standard_normal()) for name, value in bar.items()}
        live.keep("BTCUSDT")
        live.step("BTCUSDT", (FIRST + t) * TF.ms, early)
        for version in (early, {**early, "close": None}, bar)[int(rng.integers(0, 3)) :]:
            live.correct("BTCUSDT", (FIRST + t) * TF.ms, version)
        want = plain.step("BTCUSDT", (FIRST + t) * TF.ms, bar)
        found = live.last("BTCUSDT")
        assert (found is None) == (want is None)
        assert found is None or same(np.array(list(found.values())), np.array(list(want.values()))), t  # type: ignore[union-attr]
    assert same(live.bars("BTCUSDT")[0], plain.bars("BTCUSDT")[0])
