"""Every feature beyond the core is what its formula says, from a bounded past, and never from the future."""

from __future__ import annotations

import math

import numpy as np
import pytest

from meta.timeframes import TIMEFRAMES
from p2_features.compute import compute, value
from p2_features.feature import Feature
from tests import naive
from tests.p2_bars import bars, core

TF = TIMEFRAMES["15m"]
W = 96
N = 2_850  # four weeks are 2,688 bars
FIRST = 123_457
NAN = math.nan
CORE = {feature.name for feature in core().features(TF)}
FEATURES = {f.name: f for f in core().features(TF, "extended") if f.name not in CORE}
HOUR, DAY = 4, 96


def lagged(x: np.ndarray, lag: int) -> np.ndarray:
    return np.concatenate([np.full(lag, NAN), x[:-lag]])


def log(x: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        found = np.log(x)
    return np.where(np.isfinite(found), found, NAN)


def sums(bars_: int, *columns: np.ndarray) -> np.ndarray:
    """naive.past_sum, by numpy: the twin of a day's sums over four weeks of bars has to end today."""
    x = np.stack(columns)
    x = np.where(np.isfinite(x).all(axis=0), x, NAN)
    padded = np.concatenate([np.full((len(columns), bars_ - 1), NAN), x], axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, bars_, axis=1)
    counts = np.isfinite(windows).sum(axis=2)
    enough = counts >= math.ceil(10 * bars_ / 12)
    return np.where(enough, bars_ * np.nansum(windows, axis=2) / np.maximum(counts, 1), NAN)


def z(x: np.ndarray) -> np.ndarray:
    return naive.past_winsorized_zscore(x, W, 0.01, 0.99, 20, W // 2)


def funding(b: dict) -> np.ndarray:
    interval = b["funding_interval_hours"]
    return naive.past_carried(np.where(np.isnan(interval), b["funding_now"], b["funding_now"] * 8 / interval), 3)[0]


def variance(b: dict, bars_: int) -> np.ndarray:
    return sums(bars_, log(b["close"] / lagged(b["close"], 1)) ** 2)[0]


def balance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.array([(x - y) / (x + y) if x + y else x - y for x, y in zip(a.tolist(), b.tolist(), strict=True)])


def to_funding(b: dict) -> np.ndarray:
    closes = (FIRST + np.arange(N)) * 15.0
    return b["funding_interval_hours"] * 60 - closes % (b["funding_interval_hours"] * 60)


def taker(bars_: int):
    return lambda b: balance(*sums(bars_, b["perp_taker_buy"], b["perp_taker_sell"]))


def garman_klass(b: dict) -> np.ndarray:
    bar = 0.5 * log(b["high"] / b["low"]) ** 2 - (2 * math.log(2) - 1) * log(b["close"] / b["open"]) ** 2
    return np.sqrt(sums(DAY, bar)[0] * 365)


def against_usual(b: dict) -> np.ndarray:
    hour = sums(HOUR, b["quote_volume"])[0]
    return log(hour / (sum(lagged(hour, week * 7 * DAY) for week in (1, 2, 3, 4)) / 4))


PLAIN = {
    "funding_carry": lambda b: funding(b) * 1095,
    "funding_change_8h": lambda b: funding(b) - lagged(funding(b), 8 * HOUR),
    "minutes_to_funding": to_funding,
    "oi_change_1h": lambda b: log(b["oi_base"] / lagged(b["oi_base"], HOUR)),
    "oi_per_turnover": lambda b: naive.past_carried(b["oi_now"], 3)[0] / sums(DAY, b["quote_volume"])[0],
    "rv_60m_z": lambda b: z(log(variance(b, HOUR))),
    "volatility_15m": lambda b: np.sqrt(variance(b, 1) * 4 * 8760),
    "volatility_1h": lambda b: np.sqrt(variance(b, HOUR) * 8760),
    "volatility_4h": lambda b: np.sqrt(variance(b, 4 * HOUR) * 2190),
    "volatility_1d": lambda b: np.sqrt(variance(b, DAY) * 365),
    "parkinson_1h": lambda b: np.sqrt(sums(HOUR, log(b["high"] / b["low"]) ** 2)[0] / (4 * math.log(2)) * 8760),
    "garman_klass_1d": garman_klass,
    "taker_imbalance": lambda b: balance(b["perp_taker_buy"], b["perp_taker_sell"]),
    "taker_imbalance_1h": taker(HOUR),
    "taker_imbalance_4h": taker(4 * HOUR),
    "taker_imbalance_1d": taker(DAY),
    "liq_imbalance_4h": lambda b: -balance(*sums(4 * HOUR, b["liq_long"], b["liq_short"])),
    "basis_z": lambda b: z(log(b["mark_price"] / b["index_price"])),
    "premium_z": lambda b: z(b["premium"]),
    "ls_global_z": lambda b: z(log(b["ls_global"])),
    "ls_top_account_z": lambda b: z(log(b["ls_top_account"])),
    "ls_top_position_z": lambda b: z(log(b["ls_top_position"])),
    "turnover_60m_usual": against_usual,
}


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal to the bit, NaN included."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def test_every_extended_feature_has_a_plain_twin() -> None:
    assert list(PLAIN) == list(FEATURES)


@pytest.mark.parametrize("name", PLAIN)
def test_an_extended_feature_is_what_its_formula_says(name: str) -> None:
    for holes in (True, False):
        b = bars(N, holes=holes)
        got = value(FEATURES[name], b, FIRST, N)
        np.testing.assert_allclose(got, PLAIN[name](b), rtol=1e-9, atol=1e-9, equal_nan=True)
        assert np.isfinite(got[-100:]).mean() > (0.1 if holes else 0.99)


def test_when_nobody_trades_or_is_liquidated_the_balance_is_even_but_silence_is_missing() -> None:
    b = bars(400, holes=False)
    for name in ("perp_taker_buy", "perp_taker_sell", "liq_long", "liq_short"):
        b[name][100:200] = 0.0
        b[name][300:] = NAN
    for name in ("taker_imbalance", "taker_imbalance_1h", "liq_imbalance_4h"):
        got = value(FEATURES[name], b, FIRST, 400)
        assert (got[150:200] == 0.0).all()
        assert np.isnan(got[350:]).all()


def test_the_next_settlement_is_a_whole_period_away_at_a_settlement() -> None:
    midnight = 20_000 * DAY
    b = {"funding_interval_hours": np.full(40, 8.0)}
    got = value(FEATURES["minutes_to_funding"], b, midnight - 1, 40)
    assert got[:3].tolist() == [15.0, 480.0, 465.0]
    assert got[32:35].tolist() == [15.0, 480.0, 465.0]


@pytest.mark.parametrize("poison", [1e6, NAN])
def test_the_future_cannot_change_the_past(poison: float) -> None:
    b = bars(N)
    whole = compute(tuple(FEATURES.values()), b, FIRST)
    for t in (0, 200, 1_500, 2_700, N - 2):
        changed = {name: np.concatenate([x[: t + 1], x[t + 1 :] * poison]) for name, x in b.items()}
        again = compute(tuple(FEATURES.values()), changed, FIRST)
        for name in FEATURES:
            assert same(again.values[name][: t + 1], whole.values[name][: t + 1]), (name, t)


def first_bar_carried(feature: Feature, b: dict, t: int) -> dict:
    """The bars of the declared reach of t, in which the second to fourth lack what may be carried from the first."""
    part = {column: x[t - feature.reach : t + 1].copy() for column, x in b.items()}
    for column in feature.imputed:
        part[column][1:4] = NAN
    return part


@pytest.mark.parametrize("name", FEATURES)
def test_the_declared_reach_is_all_a_feature_sees_and_no_longer_than_it_has_to_be(name: str) -> None:
    feature = FEATURES[name]
    b = bars(N, holes=False)
    b["funding_now"] = b["quote_volume"] * 1e-9  # no ties, which would hide a change
    moved = False
    for t in range(max(N - 200, feature.reach), N):
        if moved and t % 10:
            continue
        start = t - feature.reach
        part = first_bar_carried(feature, b, t)
        whole = {column: np.concatenate([b[column][:start], part[column]]) for column in b}
        calm = value(feature, part, FIRST + start, feature.reach + 1)[-1:]
        assert same(calm, value(feature, whole, FIRST, t + 1)[-1:]), t
        for times in (1e6, 1e-6, NAN):
            poisoned = {column: np.concatenate([x[:1] * times, x[1:]]) for column, x in part.items()}
            moved |= not same(value(feature, poisoned, FIRST + start, feature.reach + 1)[-1:], calm)
    assert moved


def test_weeks_of_the_usual_are_a_statistic_and_not_a_recent_reach() -> None:
    feature = FEATURES["turnover_60m_usual"]
    assert feature.reach == 28 * DAY + HOUR - 1
    assert feature.unnormalised_reach == HOUR - 1
