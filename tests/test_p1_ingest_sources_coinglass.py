"""CoinGlass is asked for what its documents name, and believed only as far as it makes sense."""

from __future__ import annotations

import copy
import json
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from lake.settings import PROJECT
from meta.columns import BARS
from meta.errors import BadPayload, PerplakeError, Retryable, Usage, VenueRefused
from meta.timeframes import DAY, HOUR, TIMEFRAMES, day_of, day_start, days_between, timeframe
from p1_ingest.http import Sender
from p1_ingest.sources.base import Reply, Request, Series
from p1_ingest.sources.coinglass import CoinGlass, coinglass_source, sim_source
from p1_ingest.sources.coinglass_conf import coinglass_conf
from tests.canned import Canned, Clock, ok, reply

KEY = "canary-1c5d90ab34ef7788"
D = date(2025, 5, 1)
T = day_start(D)
STEP = 300_000
TF = timeframe("5m")
CONF = coinglass_conf()
NOW = day_start(date(2025, 6, 1))


def source(venue: Canned | None = None) -> CoinGlass:
    return CoinGlass(CONF, url=venue.url if venue else "https://example.com")


def one(source: CoinGlass, name: str, symbol: str = "BTCUSDT") -> Series:
    return next(series for series in source.series(symbol, TF) if series.name == name)


def asked(name: str, symbol: str = "BTCUSDT", days: tuple[date, ...] = (D,)) -> Request:
    made = source()
    return made.ask(one(made, name, symbol), symbol, TF, days)[0]


def rows(*values: object, start: int = T, **fixed: object) -> list[dict[str, object]]:
    return [
        {"time": start + i * STEP, "open": 1, "high": 1, "low": 1, "close": v, **fixed} for i, v in enumerate(values)
    ]


def read(name: str, data: object, symbol: str = "BTCUSDT") -> Any:
    return source().read(asked(name, symbol), json.dumps({"code": "0", "data": data}).encode())


def sent(*script: Any, name: str = "oi", tf: str = "5m") -> tuple[bytes | PerplakeError, int]:
    """What does one request come to against this script, and how often was the venue asked?"""
    with Canned(*script) as venue:
        made, clock = source(venue), Clock()
        ask = made.ask(one(made, name), "BTCUSDT", timeframe(tf), [D])[0]
        with Sender(made.hosts, keys={"COINGLASS_API_KEY": KEY}, clock=clock, sleep=clock.sleep) as sender:
            try:
                return sender.send(ask, made.judge), len(venue.heads)
            except PerplakeError as error:
                assert "\n" not in str(error) and KEY not in str(error)
                return error, len(venue.heads)


NO_PAIR = "The requested pair does not exist on the exchange. Please check the documentation to view supported …"
NO_PATH = (
    "Endpoint not found. Please refer to the API documentation: https://docs.coinglass.com/reference/endpoint-overview"
)
NO_INTERVAL = "The requested interval is not available for your current API plan."
REFUSED = {
    "missing parameter": (
        "400",
        "Required String parameter 'exchange_list' is not present",
        r"exchange_list.*sources\.yaml",
    ),
    "unknown pair": ("400", NO_PAIR, r"does not know BTCUSDT \(asked as BTC\)"),
    "unknown coin": ("400", "The requested coin is not supported", r"does not know BTCUSDT"),
    "no plan": ("401", "Upgrade plan", r"the plan of this key has no /api/futures/open-interest"),
    "finer than the plan": ("403", NO_INTERVAL, r"5m needs the Standard plan or above"),
    "no key": ("30001", "API key missing.", r"COINGLASS_API_KEY is not set.*CG-API-KEY.*secrets/\.env"),
    "no key, otherwise": ("400", "API key missing.", r"COINGLASS_API_KEY is not set"),
    "wrong key": ("400", "Invalid API key provided", r"does not accept COINGLASS_API_KEY.*secrets/\.env"),
    "wrong key, officially": ("401", "", r"does not accept COINGLASS_API_KEY"),
    "wrong path": ("404", NO_PATH, r"has no /api/futures/open-interest/aggregated-history"),
    "wrong method": ("405", "Method Not Allowed", r"code 405 \(Method Not Allowed\)"),
    "unprocessable": ("422", "Unprocessable", r"code 422"),
}


@pytest.mark.parametrize("status", [200, None], ids=["in the body", "in the status too"])
@pytest.mark.parametrize("kind", REFUSED)
def test_a_refusal_is_explained_and_never_asked_again(kind: str, status: int | None) -> None:
    code, words, line = REFUSED[kind]
    body: dict[str, object] = {"code": code, "msg": words, "success": False}
    error, times = sent(reply(body, status or {30001: 400}.get(int(code), int(code))))
    assert isinstance(error, VenueRefused) and times == 1
    assert re.search(line, str(error)), error


AGAIN = {
    "429 in the body": reply({"code": "429", "msg": "Too Many Requests"}),
    "429 as a number": reply({"code": 429}),
    "429 in the status": reply(b"slow down", 429),
    "408": reply({"code": "408", "msg": "Request timeout"}),
    "500 in the body": reply({"code": "500", "msg": "Server Error"}),
    "500 in the status": reply({"code": "500", "msg": "Server Error"}, 500),
    "502 page": reply(b"<html>Bad gateway</html>", 502),
    "503 beside a success": reply({"code": "0", "data": []}, 503),
    "50001": reply({"code": "50001", "msg": "Server Error"}),
    "cut short in mid-air": reply(b'{"code":"0","data":[{"time":17'),
}


@pytest.mark.parametrize("kind", AGAIN)
def test_what_can_heal_is_asked_again(kind: str) -> None:
    good = ok(rows("1"))
    body, times = sent(AGAIN[kind], AGAIN[kind], good)
    assert body == good.split(b"\r\n\r\n")[1] and times == 3
    error, times = sent(AGAIN[kind])
    assert isinstance(error, Retryable) and times == 6 and str(error).startswith("coinglass ")


@pytest.mark.parametrize("code", ["7", "-1", "zero", None, True, {"a": 1}])
def test_a_code_nobody_knows_is_not_believed(code: object) -> None:
    error, times = sent(reply({"code": code, "msg": "?"}))
    assert isinstance(error, BadPayload) and times == 1


@pytest.mark.parametrize(
    "body", [b"<html>welcome to the hotel's wifi</html>", b"", b"[]", b"null", b'"0"', b'{"data":[]}']
)
def test_what_is_no_envelope_is_not_believed(body: bytes) -> None:
    error, _ = sent(reply(body))
    assert isinstance(error, BadPayload | Retryable)


def test_a_success_needs_no_msg_and_may_be_spelled_in_any_order() -> None:
    for body in (b'{"code":"0","data":[]}', b'{ "code" : 0, "data":[]}\n', b'{"data":[],"msg":"success","code":"0"}'):
        assert sent(reply(body)) == (body, 1)


def test_a_success_that_contradicts_itself_is_not_believed() -> None:
    body = b'{"code":"0","data":[],"code":"500"}'
    assert sent(reply(body)) == (body, 1)
    with pytest.raises(BadPayload):
        source().read(asked("oi"), body)


def test_the_keys_absence_is_explained_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lake.settings.variable", lambda name: None)
    with Canned(ok([])) as venue:
        made = source(venue)
        with (
            Sender(made.hosts) as sender,
            pytest.raises(Usage, match=r"^COINGLASS_API_KEY is not set; put it into secrets"),
        ):
            sender.send(asked("oi"), made.judge)
        assert venue.heads == []


def test_requests_carry_the_key_in_its_header_and_what_the_documents_name() -> None:
    with Canned(ok([])) as venue:
        made = source(venue)
        with Sender(made.hosts, keys={"COINGLASS_API_KEY": KEY}) as sender:
            for series in made.series("BTCUSDT", TF):
                sender.send(made.ask(series, "BTCUSDT", TF, [D])[0], made.judge)
    lines = [head.split("\r\n")[0] for head in venue.heads]
    tail = f"interval=5m&limit=1000&start_time={T}&end_time={T + DAY} HTTP/1.1"
    listed = "Binance,OKX,Bybit,Bitget,Gate,HTX,Bitmex,Hyperliquid"
    assert lines == [
        f"GET /api/futures/price/history?exchange=Binance&symbol=BTCUSDT&{tail}",
        f"GET /api/futures/open-interest/aggregated-history?symbol=BTC&unit=usd&{tail}",
        f"GET /api/futures/open-interest/aggregated-history?symbol=BTC&unit=coin&{tail}",
        f"GET /api/futures/funding-rate/oi-weight-history?symbol=BTC&{tail}",
        f"GET /api/futures/v2/taker-buy-sell-volume/history?exchange=Binance&symbol=BTCUSDT&{tail}",
        f"GET /api/spot/aggregated-taker-buy-sell-volume/history?exchange_list=Binance&symbol=BTC&unit=usd&{tail}",
        f"GET /api/futures/liquidation/aggregated-history?exchange_list={listed}&symbol=BTC&{tail}",
    ]
    assert all(f"CG-API-KEY: {KEY}" in head and KEY not in head.split("\r\n")[0] for head in venue.heads)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "http://127.0.0.1:1/", "http://127.0.0.1:1/api", "http://127.0.0.1:1/api/"]
)
def test_a_base_url_may_end_in_api_or_not(url: str) -> None:
    assert coinglass_source(url).hosts["coinglass"].url == "http://127.0.0.1:1"


def test_the_environment_names_another_base_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COINGLASS_BASE_URL", "http://127.0.0.1:7/api")
    assert coinglass_source().hosts["coinglass"].url == "http://127.0.0.1:7"


@pytest.mark.parametrize("tf", TIMEFRAMES)
def test_windows_cover_every_bar_once_and_never_fill_a_page(tf: str) -> None:
    made, frame = source(), timeframe(tf)
    days = [*days_between(D, D + timedelta(days=1400)), *days_between(date(2030, 1, 1), date(2030, 1, 3))]
    requests = made.ask(one(made, "oi"), "BTCUSDT", frame, days)
    covered = [at for r in requests for at in range(r.start, r.end, frame.ms)]
    assert covered == [at for day in days for at in range(day_start(day), day_start(day) + DAY, frame.ms)]
    for r in requests:
        assert (r.end - r.start) // frame.ms < 1000
        assert day_of(r.start) in r.days and day_of(r.end - 1) in r.days
        assert dict(r.params)["start_time"] == str(r.start) and dict(r.params)["end_time"] == str(r.end)


def test_a_window_is_as_many_whole_days_as_a_page_holds() -> None:
    made = source()
    days = days_between(D, D + timedelta(days=6))
    assert [len(r.days) for r in made.ask(one(made, "oi"), "BTCUSDT", TF, days)] == [3, 3, 1]
    assert [r.end - r.start for r in made.ask(one(made, "oi"), "BTCUSDT", timeframe("1m"), [D])] == [DAY // 2] * 2


def test_time_is_the_open_and_at_the_close() -> None:
    answer = read("oi", rows("10", "11"))
    assert answer.at.tolist() == [T + STEP, T + 2 * STEP] and answer.at.dtype == np.int64
    assert answer.values["oi_now"].tolist() == [10, 11]
    assert answer.values["oi_ts"].tolist() == answer.at.tolist()


def test_seconds_are_told_from_milliseconds() -> None:
    data = [{**row, "time": row["time"] // 1000} for row in rows("10", "11")]  # type: ignore[operator]
    assert read("oi", data).at.tolist() == [T + STEP, T + 2 * STEP]


def test_the_last_bar_of_a_day_is_in_and_the_next_days_first_is_not() -> None:
    answer = read("oi", rows("1", "2", "3", start=T + DAY - 2 * STEP))
    assert answer.at.tolist() == [T + DAY - STEP, T + DAY] and not answer.counts


def test_rows_outside_the_window_are_dropped_and_counted() -> None:
    answer = read("oi", rows(*"12345", start=T - 2 * STEP) + rows("1", start=T + DAY + STEP))
    assert answer.at.tolist() == [T + STEP, T + 2 * STEP, T + 3 * STEP] and answer.counts == {"outside": 3}


def test_an_answer_about_another_time_is_not_believed() -> None:
    with pytest.raises(BadPayload, match=r"asked from 2025-05-01.*the answer is of 2025-05-03"):
        read("oi", rows("1", "2", start=T + 2 * DAY))


def test_of_two_rows_at_one_time_the_last_stands() -> None:
    data = rows("1", "2", "3")
    answer = read("oi", [*data, {**data[1], "close": "9"}, data[0]])
    assert answer.values["oi_now"].tolist() == [1, 9, 3] and answer.counts == {"duplicate": 2}


def test_order_on_the_wire_does_not_matter() -> None:
    data = rows("1", "2", "3")
    assert read("oi", data[::-1]).values["oi_now"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("mix", [("1.5", "2.5"), (1.5, 2.5), ("1.5", 2.5), (1.5, "2.5")])
def test_strings_and_numbers_may_mix_within_an_answer(mix: tuple[object, object]) -> None:
    assert read("oi", rows(*mix)).values["oi_now"].tolist() == [1.5, 2.5]


def test_an_integer_reads_as_its_float() -> None:
    assert read("oi", rows(49671839592, "49671839592")).values["oi_now"].tolist() == [49671839592.0] * 2


NONSENSE: dict[str, tuple[object, str]] = {
    "blank": ("", "malformed"),
    "word": ("n/a", "malformed"),
    "underscore": ("1_000", "malformed"),
    "NaN in words": ("NaN", "malformed"),
    "too large": ("1e999", "malformed"),
    "true": (True, "malformed"),
    "list": ([1], "malformed"),
    "null": (None, "missing"),
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_a_row_that_makes_no_sense_is_dropped_and_counted(kind: str) -> None:
    value, reason = NONSENSE[kind]
    answer = read("oi", rows("1", "2", "3", value))
    assert answer.values["oi_now"].tolist() == [1, 2, 3] and answer.counts == {reason: 1}


@pytest.mark.parametrize("time", [None, "soon", -1, 0.5, True, 1e15, [], T + 1, T + 60_000])
def test_a_row_without_a_bars_stamp_is_dropped_and_counted(time: object) -> None:
    answer = read("oi", [*rows("1", "2", "3"), {"time": time, "close": "4"}])
    assert len(answer.at) == 3 and sum(answer.counts.values()) == 1


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        "rows",
        7,
        ["a", "b"],
        [[T, 1, 2, 3, 4]],
        [{"t": T, "c": "1"}],
        [{"time": T, "open": "1"}],
        rows("1", "x", "y", "z"),
        [{**row, "time": int(str(row["time"])) + 60_000} for row in rows("1", "2")],
    ],
    ids=str,
)
def test_a_body_of_another_shape_is_not_believed(data: object) -> None:
    with pytest.raises(BadPayload, match=r"^coinglass oi 5m BTCUSDT: ") as caught:
        read("oi", data)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 260


def test_no_rows_is_an_answer() -> None:
    answer = read("oi", [])
    assert len(answer.at) == 0 and set(answer.values) == {"oi_now", "oi_ts"}


def test_percent_becomes_a_fraction_to_the_last_bit() -> None:
    answer = read("funding", rows("0.01", "0.0093", 0.005892, "-0.03"))
    assert answer.values["funding_now"].tolist() == [0.0001, 0.0093 / 100, 0.005892 / 100, -0.0003]
    assert answer.values["funding_ts"].tolist() == answer.at.tolist()
    assert "oi-weight" in answer.variant


def test_days_without_oi_weight_are_asked_of_vol_weight_and_say_so() -> None:
    made, request = source(), asked("funding", days=(D, D + timedelta(days=1), D + timedelta(days=2)))
    second = made.instead(request, [D, D + timedelta(days=2)])
    assert [r.days for r in second] == [(D,), (D + timedelta(days=2),)]
    assert {r.path for r in second} == {"/api/futures/funding-rate/vol-weight-history"} and second[0].start == T
    answer = made.read(second[0], json.dumps({"code": "0", "data": rows("0.02")}).encode())
    assert answer.series == "funding" and answer.values["funding_now"].tolist() == [0.0002]
    assert "vol-weight" in answer.variant
    assert made.instead(second[0], [D]) == [] and made.instead(asked("oi"), [D]) == []


def test_taker_and_liquidation_fields_land_in_their_own_columns() -> None:
    taker = [{"time": T, "taker_buy_volume_usd": "414120141.0714", "taker_sell_volume_usd": "1"}]
    assert {k: v.tolist() for k, v in read("perp_taker", taker).values.items()} == {
        "perp_taker_buy": [414120141.0714],
        "perp_taker_sell": [1.0],
    }
    spot = [{"time": T, "aggregated_buy_volume_usd": 2.5, "aggregated_sell_volume_usd": 3}]
    assert read("spot_taker", spot).values["spot_taker_sell"].tolist() == [3.0]
    liquidation = [{"time": T, "aggregated_long_liquidation_usd": 0, "aggregated_short_liquidation_usd": 7.5}]
    found = read("liquidation", liquidation).values
    assert found["liq_long"].tolist() == [0.0] and found["liq_short"].tolist() == [7.5]


def test_price_takes_the_bars_own_prices_and_turnover() -> None:
    row = {
        "time": T,
        "open": "96134.5",
        "high": "97280",
        "low": "94500",
        "close": "96752.7",
        "volume_usd": "7903506169.2665",
    }
    found = read("price", [row]).values
    assert {name: column[0] for name, column in found.items()} == {
        "open": 96134.5,
        "high": 97280.0,
        "low": 94500.0,
        "close": 96752.7,
        "quote_volume": 7903506169.2665,
    }


def test_a_contract_of_many_coins_is_asked_by_its_coin_and_counted_in_contracts() -> None:
    request = asked("oi_base", "1000PEPEUSDT")
    assert dict(request.params)["symbol"] == "PEPE" and request.symbol == "1000PEPEUSDT"
    assert dict(asked("price", "1000PEPEUSDT").params)["symbol"] == "1000PEPEUSDT"
    assert read("oi_base", rows("5000"), "1000PEPEUSDT").values["oi_base"].tolist() == [5.0]
    assert read("oi", rows("5000"), "1000PEPEUSDT").values["oi_now"].tolist() == [5000.0]


@pytest.mark.parametrize(
    ("symbol", "coin"),
    [("BTCUSDT", "BTC"), ("ETHUSDC", "ETH"), ("BTCUSD_PERP", "BTC"), ("BTCUSDT_260327", "BTC"), ("1INCHUSDT", "1INCH")],
)
def test_the_coin_is_told_from_the_symbol(symbol: str, coin: str) -> None:
    assert dict(asked("oi", symbol).params)["symbol"] == coin


def test_a_symbol_without_a_coin_is_refused_by_name() -> None:
    with pytest.raises(Usage, match="symbol USDT: its coin cannot be told"):
        source().series("USDT", TF)


@pytest.mark.parametrize("symbol", ["BTCUSDT", "BTCDOMUSDT"])
def test_every_column_is_offered_or_its_absence_explained(symbol: str) -> None:
    made = source()
    offered = [column for series in made.series(symbol, TF) for column in series.columns]
    absent = made.left_out(symbol, TF)
    assert len(offered) == len(set(offered)) and not set(offered) & set(absent)
    assert {*offered, *absent, "symbol", "ts"} == {column.name for column in BARS}
    assert all(len(reason) > 10 and reason != "not offered" for reason in absent.values())
    assert ("spot_taker_buy" in absent) == (symbol == "BTCDOMUSDT")
    assert [series.name for series in made.series(symbol, TF) if series.required] == ["price"]


def gated(account: object, tf: str = "5m", made: CoinGlass | None = None) -> Any:
    body = json.dumps({"code": "0", "data": account}).encode()
    return (made or source()).gate(timeframe(tf), NOW, lambda request: body)


def test_the_plan_names_how_far_back_it_reaches() -> None:
    gate = gated({"level": "STANDARD", "expire_time": 1805943491000, "expired": False})
    assert gate.oldest == NOW - 30 * DAY + HOUR
    assert gate.line == "coinglass: the Standard plan keeps 30 days of 5m, back to 2025-05-02T01:00Z"
    assert gated({"level": "PROFESSIONAL"}).oldest == NOW - 60 * DAY + HOUR
    assert gated({"level": "HOBBYIST"}, "4h").oldest == NOW - 180 * DAY + HOUR
    assert gated({"level": "HOBBYIST"}, "1d").oldest is None
    assert gated({"level": "Enterprise"}).oldest is None


@pytest.mark.parametrize(
    ("level", "tf", "need"),
    [("HOBBYIST", "5m", "Standard"), ("STARTUP", "5m", "Standard"), ("HOBBYIST", "1h", "Startup")],
)
def test_a_plan_too_small_for_the_timeframe_is_refused_by_name(level: str, tf: str, need: str) -> None:
    with pytest.raises(VenueRefused, match=f"{tf} needs the {need} plan or above, and this key has {level.title()}"):
        gated({"level": level}, tf)


def test_an_expired_plan_is_said() -> None:
    with pytest.raises(VenueRefused, match="the Standard plan of this key has expired"):
        gated({"level": "STANDARD", "expired": True})


@pytest.mark.parametrize("account", [None, [], {}, {"level": None}, {"level": 7}])
def test_an_account_of_another_shape_is_not_believed(account: object) -> None:
    with pytest.raises(BadPayload, match="the answer names no plan"):
        gated(account)


def test_a_venue_without_an_account_path_is_asked_for_everything() -> None:
    with Canned(reply({"code": "404", "msg": NO_PATH}, 404)) as venue:
        made = source(venue)
        with Sender(made.hosts, keys={"COINGLASS_API_KEY": KEY}) as sender:
            gate = made.gate(TF, NOW, lambda request: sender.send(request, made.judge))
    assert gate.oldest is None and "does not tell its plan" in gate.line


def test_the_stand_in_speaks_as_coinglass_and_says_that_it_is_not() -> None:
    with Canned(ok(rows("1"))) as venue:
        made = sim_source(venue.url)
        assert (made.name, made.synthetic, made.settle_lag_ms) == ("sim", True, 0)
        assert (source().name, source().synthetic, source().settle_lag_ms) == ("coinglass", False, 2 * HOUR)
        with Sender(made.hosts, pools=made.pools, keys={}) as sender:
            request = made.ask(one(made, "oi"), "BTCUSDT", TF, [D])[0]
            assert made.read(request, sender.send(request, made.judge)).values["oi_now"].tolist() == [1.0]
        assert "CG-API-KEY: " in venue.heads[0]
    assert made.series("BTCUSDT", TF) == source().series("BTCUSDT", TF)


def spoiled(**changes: object) -> dict[str, Any]:
    found = copy.deepcopy(yaml.safe_load((PROJECT / "conf" / "sources.yaml").read_text()))
    for path, value in changes.items():
        *way, last = path.split("__")
        at = found["coinglass"]
        for step in way:
            at = at[step]
        at[last] = value
    return found  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"pagee": 5}, "unknown field `pagee`.*did you mean 'page'"),
        ({"page": 1}, "page should be at least 2"),
        ({"page": "many"}, "Expected `int`"),
        ({"series__oi__fields": {"oi_nwo": "close"}}, "column 'oi_nwo' is unknown; did you mean 'oi_now'"),
        ({"series__oi__stamp": "oi_t"}, "column 'oi_t' is unknown"),
        ({"series__oi__params": {"symbol": "{cion}"}}, "place 'cion' is unknown; did you mean 'coin'"),
        ({"series__oi__path": "//evil.example/x"}, "path '//evil.example/x' should look like"),
        ({"series__funding__fields__funding_now__per": 0}, "per should be above 0"),
        ({"plans__STANDARD": {"5min": 3}}, "timeframe '5min' is unknown"),
        ({"absent__volumes": "no"}, "column 'volumes' is unknown; did you mean 'volume'"),
    ],
    ids=str,
)
def test_a_slip_in_the_settings_is_refused_naming_the_nearest(
    changes: dict[str, object], line: str, tmp_path: Path
) -> None:
    conf = tmp_path / "sources.yaml"
    conf.write_text(yaml.safe_dump(spoiled(**changes)))
    with pytest.raises(Usage, match=line) as caught:
        coinglass_source("https://example.com", conf)
    assert "\n" not in str(caught.value)


def test_settings_without_coinglass_are_refused(tmp_path: Path) -> None:
    conf = tmp_path / "sources.yaml"
    conf.write_text("binance: {}")
    with pytest.raises(Usage, match="coinglass and sim should be mappings"):
        sim_source("http://127.0.0.1:1", conf)


def test_a_judge_reads_a_reply_the_same_whatever_else_it_carries() -> None:
    made = source()
    made.judge(asked("oi"), Reply(200, {}, b'{"code":"0","msg":"success","success":true,"data":[]}'))
    with pytest.raises(Retryable) as caught:
        made.judge(asked("oi"), Reply(200, {}, b'{"code":"429"}'))
    assert caught.value.after == 15
