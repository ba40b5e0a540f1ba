"""The stand-in market is one market, whoever asks and in whichever order, and it looks like one."""

from __future__ import annotations

import hashlib
import math
from datetime import date
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meta.timeframes import DAY, MINUTE, TIMEFRAMES, day_start
from p1_ingest.sim import dice, market
from p1_ingest.sim.coins import COINS, FIRST_DAY
from p1_ingest.sim.minutes import DECIMALS, minutes
from p1_ingest.sim.walk import anchors

FIVE = TIMEFRAMES["5m"].ms
START = day_start(date(2026, 3, 2))
COLUMNS = ("perp", "spot", *DECIMALS, "present")
GOLDEN = "cd35b2af5e239aff7388106f797feb43a4c7103e4461b963b90a9263e179b183"


def forget() -> None:
    for kept in (anchors, minutes, *market._KEPT.values()):
        kept.cache_clear()


@pytest.fixture(scope="module")
def months() -> dict[str, np.ndarray]:
    """80 days of BTC, 5m."""
    return market.bars("BTC", FIVE, START, START + 80 * DAY, COLUMNS)[1]


def digest() -> str:
    """One number for a few windows of three coins, at three timeframes."""
    total = hashlib.sha256()
    for name, frame, day in (("BTC", "1m", 0), ("DUSK", "5m", 100), ("PEPE", "1h", -2000), ("SOL", "1d", 5000)):
        at, cut = market.bars(name, TIMEFRAMES[frame].ms, START + day * DAY, START + (day + 3) * DAY, COLUMNS)
        total.update(at.astype("<i8").tobytes())
        for column in cut.values():
            total.update(np.ascontiguousarray(column.astype("<i8")).tobytes())
    return total.hexdigest()


def test_every_process_and_machine_sees_the_same_market():
    assert digest() == GOLDEN


def test_forgetting_everything_changes_nothing():
    first = digest()
    forget()
    assert digest() == first


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["BTC", "DUSK"]),
    st.sampled_from(["1m", "5m", "1h"]),
    st.lists(st.tuples(st.integers(0, 4 * 1440), st.integers(1, 600)), min_size=1, max_size=4),
)
def test_what_is_said_of_a_bar_does_not_depend_on_the_window_or_the_order(name, frame, windows):
    tf = TIMEFRAMES[frame].ms
    whole_at, whole = market.bars(name, tf, START, START + 30 * DAY, COLUMNS)
    for first, count in windows:
        at, part = market.bars(name, tf, START + first * MINUTE, START + first * MINUTE + count * tf, COLUMNS)
        here = np.searchsorted(whole_at, at)
        assert len(at) == count and (whole_at[here] == at).all()
        for column in COLUMNS:
            assert (whole[column][..., here] == part[column]).all()


@pytest.mark.parametrize("name", ["BTC", "DUSK"])
@pytest.mark.parametrize("frame", ["5m", "15m", "4h", "1d"])
def test_a_longer_bar_is_its_minutes(name, frame):
    tf = TIMEFRAMES[frame]
    _, fine = market.bars(name, MINUTE, START, START + 30 * DAY, COLUMNS)
    _, coarse = market.bars(name, tf.ms, START, START + 30 * DAY, COLUMNS)
    k = tf.ms // MINUTE
    for bar in range(0, 30 * tf.per_day, 7 if frame == "5m" else 1):
        group = np.arange(bar * k, bar * k + k)
        there = group[fine["present"][group]]
        assert coarse["present"][bar] == (len(there) > 0)
        assert all(coarse[c][bar] == fine[c][group].sum() for c in ("volume", "buy", "liq_long", "spot_sell"))
        if len(there):
            opened, high, low, close = (fine["perp"][i, there] for i in range(4))
            assert list(coarse["perp"][:, bar]) == [opened[0], high.max(), low.min(), close[-1]]
        assert coarse["oi"][0, bar] == fine["oi"][0, group[0]] and coarse["oi"][3, bar] == fine["oi"][3, group[-1]]


@pytest.mark.parametrize("name", COINS)
def test_every_coin_has_sound_bars(name):
    _, cut = market.bars(name, FIVE, START, START + 3 * DAY, COLUMNS)
    cut = {column: values[..., cut["present"]] for column, values in cut.items()}
    for column in ("perp", "spot", "oi", "oi_usd", "funding_oi"):
        opened, high, low, close = cut[column]
        assert (np.maximum(opened, close) <= high).all() and (np.minimum(opened, close) >= low).all()
    assert (cut["perp"] > 0).all() and (cut["spot"] > 0).all() and (cut["oi_usd"] > 0).all()
    assert all((cut[column] >= 0).all() for column in DECIMALS if not column.startswith("funding"))
    assert (cut["buy"] + cut["sell"] == cut["volume"]).all()
    assert (cut["liq_long"] + cut["liq_short"] <= cut["volume"]).all()


def test_no_two_days_and_no_two_coins_are_alike():
    day = START // DAY
    tapes = [minutes(name, d).prices["perp"][3] for name, d in (("BTC", day), ("BTC", day + 1), ("ETH", day))]
    moves = [np.diff(np.log(tape)) for tape in tapes]
    assert abs(np.corrcoef(moves[0], moves[1])[0, 1]) < 0.15
    assert abs(np.corrcoef(moves[0], moves[2])[0, 1]) < 0.15


def test_midnight_is_no_seam():
    day = START // DAY
    for name in ("BTC", "PEPE", "DUSK"):
        for d in range(day, day + (60 if name == "DUSK" else 20)):
            before, after = minutes(name, d), minutes(name, d + 1)
            assert abs(after.prices["perp"][0, 0] - before.prices["perp"][3, -1]) <= 1
            for path in ("oi", "oi_pair", "funding_oi", "funding_vol"):
                assert abs(before.paths[path][-1] - after.paths[path][0]) <= 1


def test_calm_and_storm_come_in_clusters_with_fat_tails(months):
    r = np.diff(np.log(months["perp"][3]))
    size = np.abs(r)
    for lag, least in ((1, 0.1), (12, 0.04), (288, 0.01)):
        assert np.corrcoef(size[:-lag], size[lag:])[0, 1] > least
    assert abs(np.corrcoef(r[:-1], r[1:])[0, 1]) < 0.08
    assert ((r / r.std()) ** 4).mean() > 6
    assert 0.0007 < r.std() < 0.004


def test_volume_and_takers_follow_the_move(months):
    r = np.diff(np.log(months["perp"][3]))
    volume, lean = months["volume"][1:], (months["buy"] - months["sell"])[1:] / np.maximum(months["volume"][1:], 1)
    spot = (months["spot_buy"] - months["spot_sell"])[1:] / np.maximum(months["spot_volume"][1:], 1)
    assert np.corrcoef(volume, np.abs(r))[0, 1] > 0.4
    assert np.corrcoef(lean, r)[0, 1] > 0.3
    assert np.corrcoef(lean, spot)[0, 1] > 0.3
    by_hour = months["volume"].reshape(80, 24, 12).sum(axis=(0, 2))
    assert by_hour[13:16].mean() > 1.4 * by_hour[3:6].mean()


def test_longs_are_closed_by_force_on_falls_and_shorts_on_rises(months):
    r = np.diff(np.log(months["perp"][3]))
    long, short = months["liq_long"][1:], months["liq_short"][1:]
    assert np.corrcoef(long, np.maximum(-r, 0))[0, 1] > 0.3 > np.corrcoef(long, np.maximum(r, 0))[0, 1]
    assert np.corrcoef(short, np.maximum(r, 0))[0, 1] > 0.3 > np.corrcoef(short, np.maximum(-r, 0))[0, 1]


def test_open_interest_falls_where_positions_are_shut(months):
    change = np.diff(np.log(months["oi"][3]))
    shut = (months["liq_long"] + months["liq_short"])[1:]
    worst = np.argsort(shut)[-100:]
    assert change[worst].mean() < change.mean() - change.std()


def test_funding_sits_at_the_base_rate_and_moves_with_the_premium(months):
    funding = months["funding"][3]
    assert 0.3 < (funding == 10_000).mean() < 0.98
    premium = np.log(months["perp"][3] / months["spot"][3])
    assert np.corrcoef(premium, months["funding_oi"][3])[0, 1] > 0.5
    assert np.abs(months["funding_oi"][3]).max() < 300_000  # 0.3 % a period
    settled = funding.reshape(-1, 96)
    assert np.abs(np.diff(settled[:, -24:], axis=1)).max() < np.abs(np.diff(funding)).max() + 1


def test_outages_are_rare_and_there_are_some():
    missing = [1 - market.bars(name, FIVE, START, START + 80 * DAY, ("present",))[1]["present"].mean()
               for name in ("BTC", "ETH", "DOGE")]  # fmt: skip
    assert max(missing) < 0.002 and max(missing) > 0
    _, cut = market.bars("DUSK", FIVE, START, START + 30 * DAY, ("perp", "volume", "present"))
    idle = (cut["volume"] == 0) & cut["present"]
    assert 0.005 < idle.mean() < 0.1
    assert (cut["perp"][1, idle] == cut["perp"][2, idle]).all()


def test_the_forming_bar_grows_into_the_closed_one():
    _, closed = market.bars("BTC", FIVE, START, START + FIVE, COLUMNS)
    volumes = []
    for now in range(START, START + FIVE, 7_001):
        at, cut = market.forming("BTC", FIVE, now, COLUMNS)
        assert list(at) == [START]
        assert cut["perp"][1, 0] <= closed["perp"][1, 0] and cut["perp"][2, 0] >= closed["perp"][2, 0]
        assert cut["perp"][0, 0] == closed["perp"][0, 0]
        volumes.append(int(cut["volume"][0]))
    assert volumes[0] == 0 and volumes == sorted(volumes) and volumes[-1] <= closed["volume"][0]
    opens = minutes("BTC", START // DAY).prices["perp"][0]
    for k in range(5):
        _, row = market.forming("BTC", FIVE, START + k * MINUTE, COLUMNS)
        assert row["perp"][3, 0] == opens[k]  # nothing of the minute that only begins
    _, last = market.forming("BTC", FIVE, START + FIVE - 1, COLUMNS)
    assert last["volume"][0] > 0.99 * closed["volume"][0]


def test_a_coin_has_no_bar_before_it_is_listed():
    listed = COINS["HYPE"].listed * DAY
    at, cut = market.bars("HYPE", FIVE, listed - DAY, listed + DAY, ("perp",))
    assert at[0] == listed and len(at) == 288 and cut["perp"].shape == (4, 288)
    at, cut = market.bars("BTC", FIVE, 0, FIRST_DAY * DAY, ("perp", "volume"))
    assert len(at) == 0 and cut["perp"].shape == (4, 0) and cut["volume"].shape == (0,)


def test_exp_is_exp_to_the_last_bits():
    x = np.concatenate([np.linspace(-8, 8, 4001), [0.0, 1e-12, -1e-12]])
    assert np.abs(dice.exp(x) / np.exp(x) - 1).max() < 1e-14


def test_normals_have_mean_0_and_deviation_1_and_uniforms_fill_their_range():
    at = np.arange(200_000)
    z, u = dice.normal(dice.key("a"), at), dice.uniform(dice.key("a"), at)
    assert abs(z.mean()) < 0.01 and abs(z.std() - 1) < 0.01
    assert 0 <= u.min() < 1e-4 and 1 - 1e-4 < u.max() < 1 and abs(u.mean() - 0.5) < 0.005
    assert abs(np.corrcoef(z[:-1], z[1:])[0, 1]) < 0.01
    assert abs(np.corrcoef(z, dice.normal(dice.key("b"), at))[0, 1]) < 0.01


def test_ticks_are_written_as_the_shortest_decimals():
    coin = COINS["BTC"]
    ticks = minutes("BTC", START // DAY).prices["perp"][3, :50]
    assert all(
        Fraction(repr(float(v))) == Fraction(int(t), 10**coin.decimals)
        for t, v in zip(ticks, ticks / 10.0, strict=True)
    )
    assert math.isclose(float(ticks.mean()) / 10, coin.price, rel_tol=0.8)
