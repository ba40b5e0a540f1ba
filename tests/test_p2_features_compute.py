"""Every feature is what its formula says, from a bounded past, and never from the future."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meta.timeframes import TIMEFRAMES
from p2_features.compute import Computed, compute, rows, seen_before, value
from p2_features.feature import Feature
from tests import naive
from tests.p2_bars import bars, core

TF = TIMEFRAMES["5m"]
W = 288
N = 900
FIRST = 123_457
NAN = math.nan
FEATURES = {feature.name: feature for feature in core().features(TF)}


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal to the bit, NaN included."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def at(x: np.ndarray, t: int) -> float:
    return float(x[t]) if 0 <= t < len(x) else NAN


def log(x: float) -> float:
    return math.log(x) if x > 0 and math.isfinite(x) else NAN


def z(x: list[float]) -> np.ndarray:
    return naive.past_winsorized_zscore(np.array(x), W, 0.01, 0.99, 20, W // 2)


def ratio(a: np.ndarray, b: np.ndarray, lag: int = 0) -> list[float]:
    return [log(at(a, t) / at(b, t - lag)) for t in range(N)]


def hour(b: dict, *names: str) -> np.ndarray:
    return naive.past_sum(np.stack([b[name] for name in names]), 12, 10)


def funding(b: dict) -> np.ndarray:
    per_8h = [
        rate * 8 / interval if math.isfinite(interval) else rate
        for rate, interval in zip(b["funding_now"], b["funding_interval_hours"], strict=True)
    ]
    return naive.past_carried(np.array(per_8h), 3)[0]


def angle(t: int) -> float:
    opened = (FIRST + t - 1) * TF.ms // 3_600_000
    return 2 * math.pi * ((24 * ((opened // 24 + 3) % 7) + opened % 24) / 168)


def perp_share(b: dict) -> np.ndarray:
    buy, sell, spot_buy, spot_sell = hour(b, "perp_taker_buy", "perp_taker_sell", "spot_taker_buy", "spot_taker_sell")
    return (buy + sell) / (buy + sell + spot_buy + spot_sell)


PLAIN = {
    "ret_5m": lambda b: ratio(b["close"], b["close"], 1),
    "ret_1h": lambda b: ratio(b["close"], b["close"], 12),
    "ret_4h": lambda b: ratio(b["close"], b["close"], 48),
    "hl_range": lambda b: ratio(b["high"], b["low"]),
    "co_ret": lambda b: ratio(b["close"], b["open"]),
    "vol_z": lambda b: z(b["quote_volume"]),
    "oi_z": lambda b: z(naive.past_carried(b["oi_now"], 3)[0]),
    "fund_now_z": lambda b: z(funding(b)),
    "funding_pctile_30d": lambda b: naive.past_percentile(funding(b), W, W // 2),
    "cvd_diff_z": lambda b: z(b["perp_taker_buy"] - b["perp_taker_sell"]),
    "perp_share_60m": perp_share,
    "liq60_z": lambda b: z(hour(b, "liq_long", "liq_short").sum(axis=0)),
    "rv_5m_z": lambda b: z([r * r for r in ratio(b["close"], b["close"], 1)]),
    "hour_of_week_sin": lambda b: [math.sin(angle(t)) for t in range(N)],
    "hour_of_week_cos": lambda b: [math.cos(angle(t)) for t in range(N)],
    "_imputed_funding_now": lambda b: naive.past_carried(b["funding_now"], 3)[1],
    "_imputed_oi_now": lambda b: naive.past_carried(b["oi_now"], 3)[1],
}


def test_every_core_feature_has_a_plain_twin() -> None:
    assert list(PLAIN) == list(FEATURES)


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize(("seed", "holes"), [(1, True), (3, True), (3, False)])
def test_a_core_feature_is_what_its_formula_says(name: str, seed: int, holes: bool) -> None:
    b = bars(N, seed, holes)
    got = value(FEATURES[name], b, FIRST, N)
    want = np.array(PLAIN[name](b))
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9, equal_nan=True)
    if got.dtype == np.float64:
        assert np.isfinite(got[2 * W :]).mean() > 0.7
    else:
        assert got.any() == holes


def test_no_taker_turnover_at_all_leaves_the_share_missing() -> None:
    b = bars(N, holes=False)
    for name in ("perp_taker_buy", "perp_taker_sell", "spot_taker_buy", "spot_taker_sell"):
        b[name][100:120] = 0.0
    share = value(FEATURES["perp_share_60m"], b, FIRST, N)
    assert np.flatnonzero(np.isnan(share)).tolist() == [*range(9), *range(111, 120)]


def test_an_hour_takes_the_same_bars_on_both_sides() -> None:
    """A bar without its spot side counts on the perpetual's side neither."""
    five = FEATURES["perp_share_60m"]
    b = {name: np.full(20, 1.0) for name in five.inputs}
    b["perp_taker_buy"][15] = 1e9
    b["spot_taker_sell"][15] = NAN
    assert value(five, b, 0, 20)[19] == 0.5
    for t, present in ((17, False), (15, True)):
        b["spot_taker_sell"][15 : t + 1] = NAN
        b["spot_taker_sell"][t + 1 :] = 1.0
        assert np.isfinite(value(five, b, 0, 20)[19]) == present


POISONS = {
    "times a million": lambda x: x * 1e6,
    "missing": lambda x: np.full(x.size, NAN),
    "infinite": lambda x: np.full(x.size, math.inf),
    "negative": lambda x: -x,
    "shuffled": lambda x: np.random.default_rng(5).permutation(x),
    "deleted": lambda x: x[:0],
}


@pytest.mark.parametrize("poison", POISONS)
def test_the_future_cannot_change_the_past(poison: str) -> None:
    b = bars(N)
    whole = compute(tuple(FEATURES.values()), b, FIRST)
    for t in (0, 1, 47, W, 2 * W - 1, 2 * W, 300, 651, 813, N - 2):
        changed = {name: np.concatenate([x[: t + 1], POISONS[poison](x[t + 1 :])]) for name, x in b.items()}
        again = compute(tuple(FEATURES.values()), changed, FIRST)
        for name in FEATURES:
            assert same(again.values[name][: t + 1], whole.values[name][: t + 1]), (name, t)


def with_gap(b: dict, t: int) -> dict:
    """The same bars with nothing but hour and price known at 1 … 3 after t: the longest gap that is carried over."""
    out = {name: x.copy() for name, x in b.items()}
    for name in ("oi_now", "funding_now"):
        out[name][t + 1 : t + 4] = NAN
    return out


@pytest.mark.parametrize("name", FEATURES)
def test_the_declared_reach_is_all_a_feature_sees(name: str) -> None:
    feature = FEATURES[name]
    b = bars(N)
    whole = value(feature, b, FIRST, N)
    for t in range(feature.reach, N, 7):
        start = t - feature.reach
        part = {column: x[start : t + 1] for column, x in b.items()}
        assert same(value(feature, part, FIRST + start, feature.reach + 1)[-1:], whole[t : t + 1]), t


@pytest.mark.parametrize("name", [name for name in FEATURES if FEATURES[name].inputs])
def test_the_declared_reach_is_no_longer_than_it_has_to_be(name: str) -> None:
    """Somewhere a change of the very first bar within reach is seen."""
    feature = FEATURES[name]
    b = bars(N, holes=False)
    b["funding_now"] = b["quote_volume"] * 1e-9  # no ties, which would hide a change

    def seen(start: int) -> bool:
        part = {column: x[start : start + feature.reach + 1] for column, x in with_gap(b, start).items()}
        calm = value(feature, part, FIRST + start, feature.reach + 1)[-1:]
        for poison in (1e6, 1e-6, NAN):
            changed = {column: np.concatenate([x[:1] * poison, x[1:]]) for column, x in part.items()}
            if not same(value(feature, changed, FIRST + start, feature.reach + 1)[-1:], calm):
                return True
        return False

    assert any(seen(start) for start in range(N - feature.reach))


@pytest.mark.parametrize("start", [1, 2, 287, 288, 289, 300])
def test_a_later_start_gives_the_same_bits_beyond_the_reach(start: int) -> None:
    b = bars(N)
    whole = compute(tuple(FEATURES.values()), b, FIRST)
    later = compute(tuple(FEATURES.values()), {name: x[start:] for name, x in b.items()}, FIRST + start)
    for name, feature in FEATURES.items():
        assert same(later.values[name][feature.reach :], whole.values[name][start + feature.reach :]), name


def test_threads_change_no_bit() -> None:
    b = bars(N)
    one, four = (compute(tuple(FEATURES.values()), b, FIRST, threads) for threads in (1, 4))
    assert list(one.values) == list(four.values)
    assert all(same(one.values[name], four.values[name]) for name in one.values)
    assert same(one.complete, four.complete)


def test_the_input_arrays_are_left_as_they_were() -> None:
    b = bars(N)
    before = {name: x.copy() for name, x in b.items()}
    compute(tuple(FEATURES.values()), b, FIRST)
    assert all(same(b[name], before[name]) for name in before)


def test_an_absent_bar_is_imputed_on_the_grid_but_yields_no_row() -> None:
    b = bars(N, holes=False)
    for x in b.values():
        x[300:302] = NAN
    done = compute(tuple(FEATURES.values()), b, FIRST)
    assert done.values["_imputed_oi_now"][299:303].tolist() == [False, True, True, False]
    assert np.isfinite(done.values["oi_z"][299:303]).all()
    assert not done.complete[300:302].any()


def test_a_carried_value_alone_makes_no_row() -> None:
    b = bars(N, holes=False)
    for x in b.values():
        x[800:802] = NAN
    done = compute((FEATURES["oi_z"],), b, FIRST)
    assert np.isfinite(done.values["oi_z"][798:804]).all()
    assert done.complete[798:804].tolist() == [True, True, False, False, True, True]


def test_open_interest_older_than_three_bars_is_not_carried() -> None:
    b = bars(N, holes=False)
    b["oi_now"][300:304] = NAN
    done = compute(tuple(FEATURES.values()), b, FIRST)
    assert done.values["_imputed_oi_now"][299:305].tolist() == [False, True, True, True, False, False]
    assert np.isnan(done.values["oi_z"][299:305]).tolist() == [False, False, False, False, True, False]
    assert done.missing()["oi_z"] >= 1


# --- which rows are written ------------------------------------------------------------------------------------------


def plain_rows(done: Computed, warmup: int, window: int) -> tuple[list[bool], Counter]:
    mask, reasons = [], Counter()
    for t in range(done.present.size):
        reason = ""
        if not done.present[t]:
            reason = "gap"
        elif not any(done.present[max(t - 2 * window, 0) : max(t - warmup + 1, 0)]):
            reason = "warm-up"
        for feature in done.features:
            if not reason and feature.type != "bool" and math.isnan(done.values[feature.name][t]):
                lacking = [name for name in feature.required if name not in done.bars or math.isnan(done.bars[name][t])]
                reason = f"missing {(lacking or [feature.name])[0]}"
        mask.append(not reason)
        reasons[reason] += bool(reason)
    return mask, +reasons


@pytest.mark.parametrize("warmup", [1, 30, W, 2 * W])
@pytest.mark.parametrize("seed", [3, 4, 5])
def test_a_row_is_written_where_all_is_present_and_warm_and_every_other_row_has_its_reason(
    warmup: int, seed: int
) -> None:
    done = compute(tuple(FEATURES.values()), bars(N, seed), FIRST)
    mask, reasons = rows(done, done.present, FIRST, warmup, W)
    want_mask, want_reasons = plain_rows(done, warmup, W)
    assert mask.tolist() == want_mask
    assert reasons == want_reasons
    assert mask.sum() + reasons.total() == N
    assert {"gap", "warm-up"} <= set(reasons)


def test_reasons_are_counted_within_the_days_asked_for() -> None:
    done = compute(tuple(FEATURES.values()), bars(N), FIRST)
    mask, every = rows(done, done.present, FIRST, W, W)
    cuts = [FIRST - 50, FIRST + 100, FIRST + 250, FIRST + N + 50]
    parts = [rows(done, done.present, FIRST, W, W, (a, b))[1] for a, b in pairwise(cuts)]
    assert sum(parts, Counter()) == every
    assert parts[1].total() + mask[100:250].sum() == 150


def test_an_input_that_is_not_given_is_named() -> None:
    b = bars(N, holes=False)
    del b["liq_long"]
    done = compute(tuple(FEATURES.values()), b, FIRST)
    mask, reasons = rows(done, done.present, FIRST, W, W)
    assert not mask.any()
    assert reasons["missing liq_long"] > 500


@settings(max_examples=200, deadline=None)
@given(present=st.lists(st.booleans(), max_size=40), oldest=st.integers(0, 50), newest=st.integers(0, 50))
def test_seen_before_is_what_a_plain_search_finds(present: list[bool], oldest: int, newest: int) -> None:
    got = seen_before(np.array(present, bool), oldest, newest)
    want = [any(present[max(t - oldest, 0) : max(t - newest + 1, 0)]) for t in range(len(present))]
    assert got.tolist() == want


def test_a_feature_is_held_by_value() -> None:
    assert isinstance(FEATURES["oi_z"], Feature)
    with pytest.raises(AttributeError):
        FEATURES["oi_z"].name = "x"  # type: ignore[misc]
