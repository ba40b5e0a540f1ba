"""Every habit of the real venue shows on the wire of the stand-in, over real HTTP, and each can be switched."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
import requests

from meta.errors import Usage
from meta.timeframes import DAY, HOUR, MINUTE, TIMEFRAMES, day_start
from p1_ingest.sim.coins import COINS
from p1_ingest.sim.listings import LISTINGS
from p1_ingest.sim.quirks import CALM, HEALTHY, PLANS, Quirks
from p1_ingest.sim.series import HISTORY
from p1_ingest.sim.server import SimVenue, serve

FIVE = 5 * MINUTE
TODAY = day_start(date(2026, 11, 2))
NOW = TODAY + 9 * HOUR + 2 * MINUTE + 30_000
PRICE = "/api/futures/price/history"
OI = "/api/futures/open-interest/aggregated-history"
OI_FUNDING = "/api/futures/funding-rate/oi-weight-history"
VOL_FUNDING = "/api/futures/funding-rate/vol-weight-history"
TAKER_V1 = "/api/futures/taker-buy-sell-volume/history"
TAKER = "/api/futures/v2/taker-buy-sell-volume/history"
TAKERS = "/api/futures/aggregated-taker-buy-sell-volume/history"
SPOT_TAKER = "/api/spot/taker-buy-sell-volume/history"
SPOT_TAKERS = "/api/spot/aggregated-taker-buy-sell-volume/history"
LIQUIDATIONS = "/api/futures/liquidation/aggregated-history"
BUYS, SELLS = "taker_buy_volume_usd", "taker_sell_volume_usd"


class Caller:
    """One client of one venue, whose clock we turn."""

    def __init__(self, quirks: Quirks) -> None:
        self.now = NOW
        self.venue = SimVenue(quirks, clock=lambda: self.now)
        self.session = requests.Session()
        self.session.trust_env = False
        self.key: str | None = "any"

    def get(self, path: str, **params: Any) -> requests.Response:
        headers = {} if self.key is None else {"CG-API-KEY": self.key}
        return self.session.get(self.venue.url + path, params=params, headers=headers, timeout=20)

    def ask(self, path: str, coin: str = "BTC", **params: Any) -> list[dict[str, Any]]:
        """The rows of a history question that succeeds."""
        found = self.get(path, **(asked(path, coin) | params)).json()
        assert found["code"] == "0", found
        return found["data"]

    def told(self, path: str, **params: Any) -> tuple[int, str, str]:
        reply = self.get(path, **params)
        return reply.status_code, reply.json()["code"], reply.json().get("msg", "")


def asked(path: str, coin: str = "BTC") -> dict[str, Any]:
    scope = HISTORY[path].scope
    pair = COINS[coin].spot if HISTORY[path].spot else COINS[coin].perp
    venue = {"pair": {"exchange": "Binance"}, "venues": {"exchange_list": "Binance"}, "coin": {}}[scope]
    return {"symbol": pair if scope == "pair" else coin, "interval": "5m", "limit": 1000, **venue}


@pytest.fixture
def open_venue(request: pytest.FixtureRequest) -> Iterator[Any]:
    callers: list[Caller] = []

    def opened(quirks: Quirks = CALM) -> Caller:
        callers.append(Caller(quirks))
        callers[-1].venue.start()
        return callers[-1]

    yield opened
    for caller in callers:
        caller.session.close()
        caller.venue.stop()


def yesterday(count: int = 1) -> dict[str, int]:
    return {"start_time": TODAY - count * DAY, "end_time": TODAY}


# The window


@pytest.mark.parametrize("path", HISTORY)
def test_each_series_has_its_fields_whole_days_and_ascending_opens(open_venue, path):
    rows = open_venue().ask(path, **yesterday())
    assert [row["time"] for row in rows] == list(range(TODAY - DAY, TODAY, FIVE))
    assert all(tuple(row) == ("time", *HISTORY[path].fields) for row in rows)


def test_a_success_has_no_message_and_the_code_is_a_string(open_venue):
    reply = open_venue().get(PRICE, **asked(PRICE), **yesterday())
    assert set(reply.json()) == {"code", "data"} and reply.json()["code"] == "0"
    assert "NaN" not in reply.text and "e-" not in reply.text and " " not in reply.text


def test_start_is_inside_end_is_outside_and_start_is_not_floored(open_venue):
    caller = open_venue()
    times = [row["time"] for row in caller.ask(PRICE, start_time=TODAY - HOUR, end_time=TODAY - 40 * MINUTE)]
    assert times == [TODAY - HOUR + i * FIVE for i in range(4)]
    late = caller.ask(PRICE, start_time=TODAY - HOUR + 1, end_time=TODAY - 40 * MINUTE)
    assert [row["time"] for row in late] == times[1:]
    caller.venue.quirks = replace(CALM, end_inclusive=True)
    inclusive = caller.ask(PRICE, start_time=TODAY - HOUR, end_time=TODAY - 40 * MINUTE)
    assert [row["time"] for row in inclusive] == [*times, TODAY - 40 * MINUTE]


def test_without_times_the_newest_rows_come_and_limit_is_clamped(open_venue):
    caller = open_venue()
    assert [row["time"] for row in caller.ask(PRICE, limit=3)] == [TODAY + 9 * HOUR + i * FIVE for i in (-2, -1, 0)]
    assert len(caller.ask(PRICE, limit=4500)) == 1000
    found = asked(PRICE)
    del found["limit"]
    assert len(caller.get(PRICE, **found).json()["data"]) == 1000
    caller.venue.quirks = replace(CALM, max_limit=4500)
    assert len(caller.ask(PRICE, limit=4500)) > 4400


def test_which_rows_stay_of_too_many_is_a_switch(open_venue):
    caller = open_venue()
    assert caller.ask(PRICE, limit=10, **yesterday())[-1]["time"] == TODAY - FIVE
    caller.venue.quirks = replace(CALM, keeps="oldest")
    assert caller.ask(PRICE, limit=10, **yesterday())[0]["time"] == TODAY - DAY
    assert caller.ask(PRICE, limit=1)[0]["time"] == NOW // FIVE * FIVE  # without a start it is always the newest


def test_nothing_in_the_window_is_an_empty_success(open_venue):
    caller = open_venue()
    for window in (
        {"start_time": NOW + HOUR},
        {"end_time": day_start(date(2012, 1, 1))},
        {"start_time": 5, "end_time": 4},
    ):
        for path in HISTORY:
            assert caller.get(path, **asked(path), **window).json() == {"code": "0", "data": []}


@pytest.mark.parametrize("frame", TIMEFRAMES)
def test_every_timeframe_is_served_and_aligned(open_venue, frame):
    rows = open_venue().ask(PRICE, interval=frame, limit=5)
    tf = TIMEFRAMES[frame].ms
    assert len(rows) == 5 and all(row["time"] % tf == 0 for row in rows) and rows[-1]["time"] == NOW // tf * tf


# Typing


def test_strings_and_numbers_are_as_recorded(open_venue):
    caller = open_venue()
    for path, series in HISTORY.items():
        kind = str if series.quoted else (int, float)
        for row in caller.ask(path, **yesterday()):
            assert type(row["time"]) is int and all(isinstance(row[field], kind) for field in series.fields)


def test_the_forming_bar_mixes_strings_and_numbers(open_venue):
    caller = open_venue(replace(CALM, mixed_types=True))
    low = caller.ask(OI_FUNDING, limit=2)
    assert {type(v) for v in low[0].values()} == {int, str} and type(low[-1]["low"]) is float
    assert type(low[-1]["open"]) is str
    interest = caller.ask(OI, limit=2)
    assert type(interest[0]["close"]) is str and type(interest[-1]["close"]) is float
    assert interest[-1]["close"] != int(interest[-1]["close"])
    caller.venue.quirks = CALM
    assert type(caller.ask(OI_FUNDING, limit=2)[-1]["low"]) is str


def test_funding_is_in_percent_and_the_base_rate_is_written_as_0_01(open_venue):
    caller = open_venue()
    rates = [row["close"] for row in caller.ask("/api/futures/funding-rate/history", **yesterday())]
    assert "0.01" in rates
    mean = [float(row["close"]) for row in caller.ask(OI_FUNDING, **yesterday(3))]
    assert 0.0005 < sum(map(abs, mean)) / len(mean) < 0.1


def test_the_old_taker_path_counts_coins_under_a_usd_name(open_venue):
    caller = open_venue()
    price, usd, coins = (caller.ask(path, **yesterday()) for path in (PRICE, TAKER, TAKER_V1))
    for bar, v2, v1 in zip(price, usd, coins, strict=True):
        traded = float(v2[BUYS]) + float(v2[SELLS])
        assert abs(traded / float(bar["volume_usd"]) - 1) < 1e-3
        middle = (float(bar["high"]) + float(bar["low"])) / 2
        assert abs((float(v1[BUYS]) + float(v1[SELLS])) * middle / traded - 1) < 0.02


def test_the_spot_sum_over_binance_is_the_pair_and_more_venues_are_more(open_venue):
    caller = open_venue()
    pair, one = caller.ask(SPOT_TAKER, **yesterday()), caller.ask(SPOT_TAKERS, **yesterday())
    two = caller.ask(SPOT_TAKERS, exchange_list="Binance,OKX", **yesterday())
    for a, b, c in zip(pair, one, two, strict=True):
        assert float(a[BUYS]) == b["aggregated_buy_volume_usd"] <= c["aggregated_buy_volume_usd"]
    assert two != one


def test_a_blank_in_the_exchange_list_loses_a_venue_without_a_word(open_venue):
    caller = open_venue()
    one = caller.ask(TAKERS, exchange_list="Binance", **yesterday())
    assert caller.ask(TAKERS, exchange_list="Binance, OKX", **yesterday()) == one
    assert caller.ask(TAKERS, exchange_list="Binance,OKX", **yesterday()) != one


def test_open_interest_in_coins_times_price_is_open_interest_in_usd(open_venue):
    caller = open_venue()
    for coin in ("BTC", "PEPE"):
        rows = [caller.ask(OI, coin, unit=unit, **yesterday()) for unit in ("usd", "coin")]
        for usd, coins, bar in zip(*rows, caller.ask(PRICE, coin, **yesterday()), strict=True):
            price = float(bar["close"]) / COINS[coin].units
            assert float(usd["close"]) == pytest.approx(float(coins["close"]) * price, rel=1e-6)


def test_small_prices_are_written_out(open_venue):
    rows = open_venue().ask("/api/spot/price/history", "PEPE", **yesterday())
    perp = open_venue().ask(PRICE, "PEPE", **yesterday())
    assert float(rows[0]["close"]) * 1000 == pytest.approx(float(perp[0]["close"]), rel=0.01)
    assert not any("e" in row["close"] for row in perp) and 0 < rows[0]["close"] < 1e-4
    path = "/api/spot/price/history"
    assert "e-" not in open_venue().get(path, **asked(path, "PEPE"), **yesterday()).text


# Refusals


def test_a_missing_parameter_is_named(open_venue):
    caller = open_venue()
    for path in HISTORY:
        for name in {"symbol", "interval", "exchange", "exchange_list"} & set(asked(path)):
            found = {key: value for key, value in asked(path).items() if key != name}
            assert caller.told(path, **found) == (200, "400", f"Required String parameter '{name}' is not present")


def test_a_coin_is_no_pair_a_pair_is_no_coin_and_strangers_are_neither(open_venue):
    caller = open_venue()
    for path, series in HISTORY.items():
        for symbol in ("BTC" if series.scope == "pair" else "BTCUSDT", "NOPE", "btcusdt", "NOPEUSDT"):
            status, code, words = caller.told(path, **asked(path) | {"symbol": symbol})
            assert (status, code) == (200, "400") and "does not exist" in words
    assert caller.told(PRICE, **asked(PRICE) | {"exchange": "Nowhere"})[1] == "400"
    assert caller.told(SPOT_TAKERS, **asked(SPOT_TAKERS, "HYPE"))[1] == "400"
    assert caller.ask(PRICE, "HYPE", **yesterday())


def test_camel_case_times_are_ignored_and_nonsense_is_refused(open_venue):
    caller = open_venue()
    assert caller.ask(PRICE, limit=2, startTime=5, endTime=6) == caller.ask(PRICE, limit=2)
    assert caller.told(PRICE, **asked(PRICE) | {"interval": "h1"})[1] == "400"
    assert caller.told(PRICE, **asked(PRICE) | {"start_time": "today"})[1] == "400"


def test_an_unknown_path_is_404_in_status_and_body(open_venue):
    caller = open_venue()
    for path in ("/api/futures/liquidation/heatmap/coin/model1", "/", "/api", "/api/futures/price/history/"):
        status, code, words = caller.told(path)
        assert (status, code) == (404, "404") and words.startswith("Endpoint not found. Please refer")


def test_keys_are_missing_wrong_or_without_a_plan(open_venue):
    caller = open_venue(replace(CALM, keys=frozenset({"good"})))
    caller.key = None
    reply = caller.get(PRICE, **asked(PRICE))
    assert reply.status_code == 200
    assert reply.json() == {"code": "30001", "msg": "API key missing.", "success": False}
    caller.key = "bad"
    assert caller.told(PRICE, **asked(PRICE)) == (200, "400", "Invalid API key provided")
    caller.venue.quirks = replace(caller.venue.quirks, bad_key="401", refusal_status=401)
    assert caller.told(PRICE, **asked(PRICE))[:2] == (401, "401")
    caller.key = "good"
    assert caller.ask(PRICE)
    caller.venue.quirks = replace(CALM, no_plan=True)
    assert caller.told("/api/futures/supported-coins") == (200, "401", "Upgrade plan")


@pytest.mark.parametrize("status", [200, 429])
def test_the_rate_limit_counts_per_key_and_minute_and_tells_in_headers(open_venue, status):
    caller = open_venue(replace(CALM, rate_limit=3, rate_status=status))
    caller.now = TODAY
    for used in (1, 2, 3):
        reply = caller.get(PRICE, **asked(PRICE), **yesterday())
        assert (reply.headers["API-KEY-MAX-LIMIT"], reply.headers["API-KEY-USE-LIMIT"]) == ("3", str(used))
        assert reply.json()["code"] == "0"
    assert caller.told(PRICE, **asked(PRICE)) == (status, "429", "Too Many Requests")
    caller.key = "other"
    assert caller.ask(PRICE)
    caller.key, caller.now = "any", TODAY + MINUTE
    assert caller.ask(PRICE)


def test_a_plan_gates_timeframes_and_cuts_depth_silently(open_venue):
    caller = open_venue(replace(CALM, plan="HOBBYIST", max_limit=4500))
    words = "The requested interval is not available for your current API plan."
    assert caller.told(OI, **asked(OI)) == (200, "403", words)
    rows = caller.ask(OI, interval="4h", limit=4500, start_time=NOW - 400 * DAY)
    assert len(rows) == 1080 and rows[0]["time"] == NOW // (4 * HOUR) * 4 * HOUR + 4 * HOUR - 180 * DAY
    caller.venue.quirks = replace(CALM, plan="STANDARD")
    rows = caller.ask(OI, start_time=NOW - 31 * DAY, end_time=NOW - 29 * DAY)
    assert NOW - 30 * DAY <= rows[0]["time"] < NOW - 30 * DAY + FIVE
    assert caller.ask(OI, start_time=NOW - 40 * DAY, end_time=NOW - 39 * DAY) == []
    assert caller.ask(PRICE, start_time=NOW - 40 * DAY, end_time=NOW - 39 * DAY)  # never seen to be cut
    for plan in PLANS:
        caller.venue.quirks = replace(CALM, plan=plan)
        reply = caller.get("/api/user/account/subscription")
        assert reply.json()["data"]["level"] == plan and reply.json()["data"]["expired"] is False
        assert reply.headers["API-KEY-MAX-LIMIT"] == str(PLANS[plan].per_minute)


def test_the_default_plan_has_no_depth_limit(open_venue):
    caller = open_venue(HEALTHY)
    assert len(caller.ask(PRICE, start_time=NOW - 1200 * DAY, end_time=NOW - 1199 * DAY)) >= 280


def test_a_server_error_heals_when_asked_again(open_venue):
    caller = open_venue(replace(CALM, server_errors=1.0))
    assert caller.told(PRICE, **asked(PRICE)) == (200, "500", "Server Error")
    assert caller.ask(PRICE)
    caller.venue.quirks = HEALTHY
    questions = [asked(PRICE) | {"limit": 1, "end_time": TODAY - i * MINUTE} for i in range(1200)]
    codes = [caller.get(PRICE, **question).json()["code"] for question in questions]
    assert 0 < codes.count("500") < 20


def test_an_empty_page_fills_when_asked_again(open_venue):
    caller = open_venue(replace(CALM, empty_pages=1.0))
    assert caller.ask(PRICE, **yesterday()) == []
    assert len(caller.ask(PRICE, **yesterday())) == 288


# The forming bar, and bars that still change


@pytest.mark.parametrize("path", HISTORY)
def test_the_last_row_is_the_forming_bar_and_never_a_later_one(open_venue, path):
    caller = open_venue(HEALTHY)
    for after in range(0, 6 * MINUTE, 17_000):
        caller.now = TODAY + 4 * HOUR + after
        rows = caller.ask(path, start_time=TODAY, end_time=TODAY + 2 * DAY) or caller.ask(path, start_time=TODAY)
        newest = caller.now // FIVE * FIVE
        late = caller.now - newest < HEALTHY.boundary_lag
        assert rows[-1]["time"] <= newest - late * FIVE
        assert rows[-1]["time"] >= newest - 3 * FIVE
    caller.venue.quirks = replace(CALM, forming=False)
    assert caller.ask(path, limit=1)[0]["time"] == newest - FIVE


def test_a_just_closed_bar_changes_on_a_later_call_and_then_is_final(open_venue):
    caller = open_venue(replace(CALM, restated=1.0))
    changed = dict.fromkeys(HISTORY, 0)
    for bar in range(24):
        opened = TODAY + bar * FIVE
        for path in HISTORY:
            seen = []
            for after in (1, FIVE - 1, FIVE, HOUR, 30 * DAY):
                caller.now = opened + FIVE + after
                seen.append(caller.ask(path, start_time=opened, end_time=opened + FIVE))
            assert seen[0] == seen[1] and seen[2] == seen[3] == seen[4]
            changed[path] += seen[0] != seen[4]
    assert changed.pop("/api/futures/funding-rate/history") == 0
    assert changed[TAKER] > changed[LIQUIDATIONS] and changed[TAKER] >= 16
    assert all(changed[path] > 0 for path in (PRICE, OI, OI_FUNDING, VOL_FUNDING, SPOT_TAKERS, LIQUIDATIONS))


def test_a_calm_venue_says_at_once_what_it_will_always_say(open_venue):
    caller = open_venue()
    first = {path: caller.ask(path, start_time=NOW - HOUR, end_time=NOW - FIVE) for path in HISTORY}
    caller.now += 9 * DAY
    assert first == {path: caller.ask(path, start_time=NOW - HOUR, end_time=NOW - FIVE) for path in HISTORY}


def test_the_forming_bar_is_not_restated_on_top(open_venue):
    caller = open_venue(replace(CALM, restated=1.0, restated_deep=1.0))
    last = {path: caller.ask(path, limit=1) for path in HISTORY}
    caller.venue.quirks = CALM
    assert last == {path: caller.ask(path, limit=1) for path in HISTORY}


def test_restated_bars_are_still_sound(open_venue):
    caller = open_venue(replace(HEALTHY, restated_deep=1.0, server_errors=0.0))
    caller.now = TODAY
    for path, takers in ((PRICE, caller.ask(TAKER, **yesterday())), (OI, None)):
        for i, row in enumerate(caller.ask(path, **yesterday())):
            assert float(row["low"]) <= min(float(row["open"]), float(row["close"]))
            assert float(row["high"]) >= max(float(row["open"]), float(row["close"]))
            if takers:
                traded = float(takers[i][BUYS]) + float(takers[i][SELLS])
                assert traded == pytest.approx(float(row["volume_usd"]), rel=1e-3)


def test_deeper_restatements_are_rare_and_final_after_a_day(open_venue):
    caller = open_venue(replace(CALM, restated_deep=0.05))
    early, later, final = [], [], []
    for now, seen in ((TODAY, early), (TODAY + DAY, later), (TODAY + 9 * DAY, final)):
        caller.now = now
        seen += caller.ask(TAKER, **yesterday())
    assert 1 <= sum(a != b for a, b in zip(early, final, strict=True)) <= 30
    assert later == final


def test_a_settled_day_is_stable_in_the_healthy_profile(open_venue):
    caller = open_venue(replace(HEALTHY, server_errors=0.0))
    first = {path: caller.ask(path, start_time=TODAY - 3 * DAY, end_time=TODAY - 2 * DAY) for path in HISTORY}
    caller.now += 40 * DAY
    assert first == {path: caller.ask(path, start_time=TODAY - 3 * DAY, end_time=TODAY - 2 * DAY) for path in HISTORY}


# Liquidations, gaps


def test_liquidations_are_zero_where_nothing_is_known(open_venue):
    caller = open_venue()
    rows = caller.ask(LIQUIDATIONS, interval="1d", limit=1000, start_time=day_start(date(2012, 1, 1)),
                      end_time=day_start(date(2015, 1, 1)))  # fmt: skip
    assert rows[0]["time"] == day_start(date(2013, 1, 16))
    old = caller.ask(LIQUIDATIONS, interval="1d", end_time=day_start(date(2021, 1, 1)))
    told = [row["time"] for row in old if row["aggregated_long_liquidation_usd"]]
    assert len(old) == 1000 and told[0] == day_start(date(2020, 12, 23))
    caller.venue.quirks = replace(CALM, zero_filled=False)
    assert caller.ask(LIQUIDATIONS, interval="1d", end_time=day_start(date(2019, 9, 1))) == []


def test_a_doubled_liquidation_has_two_values_and_no_neighbour(open_venue):
    caller = open_venue(replace(CALM, duplicates=0.02))
    rows = caller.ask(LIQUIDATIONS, **yesterday(3))
    times = [row["time"] for row in rows]
    twice = sorted({time for time in times if times.count(time) == 2})
    assert len(twice) > 3 and times == sorted(times)
    assert all(time + FIVE not in times for time in twice if time + FIVE < TODAY)
    pairs = [[row for row in rows if row["time"] == time] for time in twice]
    assert any(a != b for a, b in pairs)
    calm = {row["time"]: row for row in open_venue().ask(LIQUIDATIONS, **yesterday(3))}
    assert all(last == calm[last["time"]] for _, last in pairs)
    halves = [
        caller.ask(LIQUIDATIONS, start_time=a, end_time=a + 36 * HOUR) for a in (TODAY - 3 * DAY, TODAY - 36 * HOUR)
    ]
    assert halves[0] + halves[1] == rows


def test_a_day_that_oi_weight_lacks_is_whole_in_vol_weight(open_venue):
    caller = open_venue(replace(CALM, missing_days=0.2))
    days = {start: [caller.ask(path, start_time=start, end_time=start + DAY) for path in (OI_FUNDING, VOL_FUNDING)]
            for start in range(TODAY - 30 * DAY, TODAY, DAY)}  # fmt: skip
    lacking = [start for start, (oi, _) in days.items() if not oi]
    assert 0 < len(lacking) < 20
    assert all(len(vol) > 280 for _, vol in days.values())
    assert all(len(oi) in (0, len(vol)) for oi, vol in days.values())


def test_single_bars_are_missing_in_states_alone(open_venue):
    caller = open_venue(replace(CALM, gaps=0.05))
    count = {path: len(caller.ask(path, **yesterday(3))) for path in HISTORY}
    assert count[PRICE] == count[TAKER] == 864
    assert 780 < count[OI] < 860 and 780 < count[OI_FUNDING] < 860


def test_80_days_of_the_healthy_profile_pass_the_quality_bars(open_venue):
    caller = open_venue(replace(HEALTHY, server_errors=0.0))
    for coin in ("BTC", "SOL"):
        for path in (PRICE, OI, OI_FUNDING, TAKER, SPOT_TAKERS, LIQUIDATIONS):
            opens = set()
            for start in range(TODAY - 80 * DAY, TODAY, 3 * DAY):
                window = {"start_time": start, "end_time": min(start + 3 * DAY, TODAY)}
                rows = caller.ask(path, coin, **window)
                if path == OI_FUNDING:
                    rows = rows + caller.ask(VOL_FUNDING, coin, **window)
                opens |= {row["time"] for row in rows}
            assert len(opens) > 0.995 * 80 * 288


# The server


def test_what_it_says_of_itself(open_venue):
    caller = open_venue()
    found = {path: caller.get(path).json()["data"] for path in LISTINGS}
    assert {"BTC", "ETH", "SOL", "HYPE"} <= set(found["/api/futures/supported-coins"])
    assert "HYPE" not in found["/api/spot/supported-coins"]
    pairs = {row["instrument_id"]: row for row in found["/api/futures/supported-exchange-pairs"]["Binance"]}
    assert pairs["1000PEPEUSDT"]["base_asset"] == "PEPE" and pairs["BTCUSDT"]["price_tick_size"] == 0.1
    assert pairs["APTUSDT"]["funding_interval"] == 4
    assert "Binance" in found["/api/futures/supported-exchanges"]
    assert set(caller.get("/api/spot/supported-exchange-pairs", exchange="Bybit").json()["data"]) == {"Bybit"}
    caller.now = day_start(date(2024, 1, 1))
    assert "HYPE" not in caller.get("/api/futures/supported-coins").json()["data"]


def test_it_keeps_a_log_without_keys(open_venue):
    caller = open_venue()
    caller.key = "canary-key"
    caller.ask(PRICE, limit=1)
    caller.get("/nowhere")
    assert [(seen.path, seen.status, seen.code) for seen in caller.venue.log] == [
        (PRICE, 200, "0"),
        ("/nowhere", 404, "404"),
    ]
    assert caller.venue.log[0].query["symbol"] == "BTCUSDT" and caller.venue.counts[PRICE] == 1
    assert "canary" not in repr(caller.venue.log)


def test_many_callers_at_once_hear_what_one_hears(open_venue):
    caller = open_venue()
    paths = [path for path in HISTORY for _ in range(4)]

    def body(path: str) -> bytes:
        return requests.get(
            caller.venue.url + path, asked(path) | yesterday(2), headers={"CG-API-KEY": "x"}, timeout=20
        ).content

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(body, paths))
    assert together == [body(path) for path in paths]


def test_one_connection_carries_many_questions_and_ends_with_the_venue(open_venue):
    caller = open_venue()
    host, port = caller.venue.url.removeprefix("http://").split(":")
    question = f"GET /api/futures/supported-coins HTTP/1.1\r\nHost: {host}\r\nCG-API-KEY: x\r\n\r\n".encode()
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        for _ in range(3):
            connection.sendall(question)
            head, _, rest = connection.recv(65536).partition(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            assert head.startswith(b"HTTP/1.1 200 OK\r\n") and len(rest) == length
            assert json.loads(rest)["code"] == "0"
        caller.venue.stop()
        assert connection.recv(10) == b""
    with pytest.raises(Usage, match="not running"):
        assert caller.venue.url


def test_only_get_is_answered(open_venue):
    reply = requests.post(open_venue().venue.url + PRICE, data=b"x", timeout=20)
    assert reply.status_code == 405 and reply.json()["code"] == "405"


@pytest.mark.parametrize("host", ["0.0.0.0", "", "192.168.1.1", "example.com", "::"])
def test_it_serves_loopback_only(host):
    with pytest.raises(Usage, match="loopback only"):
        SimVenue(host=host).start()


def test_a_taken_port_is_one_clear_line(open_venue):
    port = int(open_venue().venue.url.rsplit(":", 1)[1])
    with pytest.raises(Usage, match=f"cannot listen on 127.0.0.1 port {port}.*--port"):
        serve(port)


def test_serving_says_that_it_is_synthetic_and_where():
    lines = []

    def announced(line: str) -> None:
        lines.append(line)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        serve(0, announce=announced)
    assert lines[0].startswith("SYNTHETIC: stand-in venue at http://127.0.0.1:")


def test_an_unknown_plan_is_refused_by_name():
    with pytest.raises(Usage, match="'GOLD' is not one of ENTERPRISE HOBBYIST"):
        Quirks(plan="GOLD")
