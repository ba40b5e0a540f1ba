"""Binance's archive: which files are asked for, and which answers are believed."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from meta.columns import BAR_COLUMNS
from meta.errors import BadPayload, NotReady, Retryable, Usage, VenueRefused
from meta.timeframes import TIMEFRAMES, days_between, timeframe
from p1_ingest.sources.base import Answer, Reply, Request, merged
from p1_ingest.sources.binance import Binance, BinanceConf, Hosts, Route, SpotPair, binance_conf
from tests.archive import Archive, digest_line, price, served, url_path

TF = timeframe("5m")
NOW = 1_740_900_000_000  # 2025-03-02 07:20
FEBRUARY = days_between(date(2025, 2, 1), date(2025, 2, 28))
CONF = BinanceConf(
    hosts=Hosts("https://archive.example", "https://fapi.example", "https://spot.example"),
    spot={"1000PEPEUSDT": SpotPair("PEPEUSDT", 1000), "DEFIUSDT": None},
)


def binance(route: Route = "auto", now: int = NOW) -> Binance:
    return Binance(CONF, route=route, clock=lambda: now)


def asked(
    series: str, days: list[date], route: Route = "auto", symbol: str = "BTCUSDT", tf: str = "5m"
) -> list[Request]:
    source = binance(route)
    found = {one.name: one for one in source.series(symbol, timeframe(tf))}[series]
    return source.ask(found, symbol, timeframe(tf), days)


def answers(root: Path, requests: list[Request], source: Binance | None = None) -> list[Answer]:
    source = source or binance()
    return [source.read(request, (root / request.path[1:]).read_bytes()) for request in requests]


def test_every_bar_column_is_offered_or_left_out_with_a_reason() -> None:
    for symbol in ("BTCUSDT", "DEFIUSDT", "BTCUSDT_250328"):
        offered = {name for series in binance().series(symbol, TF) for name in series.columns}
        left_out = set(binance().left_out(symbol, TF))
        stamps = {"symbol", "ts", "oi_ts", "ls_ts", "funding_ts"}
        assert offered | left_out | stamps == set(BAR_COLUMNS)
        assert not offered & left_out


def test_a_perpetual_without_a_spot_pair_offers_no_spot_flows() -> None:
    assert "spot" not in [series.name for series in binance().series("DEFIUSDT", TF)]
    assert binance().left_out("DEFIUSDT", TF)["spot_taker_buy"] == "DEFIUSDT has no spot pair on Binance"


def test_a_coin_margined_contract_is_refused_by_name() -> None:
    with pytest.raises(Usage, match="BTCUSD_PERP is a COIN-M contract"):
        binance().series("BTCUSD_PERP", TF)


def test_the_paths_are_the_archives_own() -> None:
    day = [date(2025, 2, 3)]
    expected = {
        "klines": "/data/futures/um/daily/klines/BTCUSDT/5m/BTCUSDT-5m-2025-02-03.zip",
        "mark": "/data/futures/um/daily/markPriceKlines/BTCUSDT/5m/BTCUSDT-5m-2025-02-03.zip",
        "index": "/data/futures/um/daily/indexPriceKlines/BTCUSDT/5m/BTCUSDT-5m-2025-02-03.zip",
        "premium": "/data/futures/um/daily/premiumIndexKlines/BTCUSDT/5m/BTCUSDT-5m-2025-02-03.zip",
        "spot": "/data/spot/daily/klines/BTCUSDT/5m/BTCUSDT-5m-2025-02-03.zip",
        "funding": "/data/futures/um/monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2025-02.zip",
        "metrics": "/data/futures/um/daily/metrics/BTCUSDT/BTCUSDT-metrics-2025-02-03.zip",
    }
    assert {series: asked(series, day)[0].path for series in expected} == expected
    assert {request.host for series in expected for request in asked(series, day)} == {"binance_vision"}


def test_a_symbol_of_another_script_is_percent_encoded() -> None:
    path = asked("klines", [date(2025, 2, 3)], symbol="币安人生USDT")[0].path
    assert path.isascii() and "%E5%B8%81" in path


def test_spot_is_asked_for_under_the_spot_pairs_name() -> None:
    request = asked("spot", [date(2025, 2, 3)], symbol="1000PEPEUSDT")[0]
    assert request.path.endswith("/PEPEUSDT/5m/PEPEUSDT-5m-2025-02-03.zip")
    assert request.symbol == "1000PEPEUSDT"


def test_a_whole_past_month_is_one_file_and_anything_less_is_days() -> None:
    assert [request.route for request in asked("klines", FEBRUARY)] == ["archive-monthly"]
    assert len(asked("klines", FEBRUARY[1:])) == 27
    march = days_between(date(2025, 3, 1), date(2025, 3, 31))
    assert len(asked("klines", march)) == 31, "a month that is not over has no file"
    assert len(asked("klines", FEBRUARY, "daily")) == 28
    assert [request.days for request in asked("klines", FEBRUARY[:2], "monthly")] == [tuple(FEBRUARY[:2])]


@pytest.mark.parametrize("series", ["klines", "spot", "mark", "index", "premium"])
def test_days_and_months_say_the_same(tmp_path: Path, series: str) -> None:
    archive = Archive(tmp_path)
    hour = timeframe("1h")
    for day in FEBRUARY:
        archive.bars(series, "BTCUSDT", hour, [day])
    archive.bars(series, "BTCUSDT", hour, FEBRUARY, monthly=True)
    daily = answers(tmp_path, asked(series, FEBRUARY, "daily", tf="1h"))
    monthly = answers(tmp_path, asked(series, FEBRUARY, "monthly", tf="1h"))
    columns = tuple(daily[0].values)
    one, other = merged(daily, columns), merged(monthly, columns)
    assert len(monthly) == 1 and len(one.at) == 28 * 24
    assert np.array_equal(one.at, other.at)
    assert all(np.array_equal(one.values[name], other.values[name]) for name in columns)


def test_every_timeframe_of_the_grid_is_read(tmp_path: Path) -> None:
    day = date(2025, 2, 3)
    for name, tf in TIMEFRAMES.items():
        if tf.ms >= TF.ms:
            Archive(tmp_path).bars("klines", "BTCUSDT", tf, [day])
            answer = answers(tmp_path, asked("klines", [day], tf=name))[0]
            assert len(answer.at) == tf.per_day and answer.at[0] % tf.ms == 0


def test_a_bar_is_stamped_at_its_close_and_its_taker_sides_add_up(tmp_path: Path) -> None:
    day = date(2025, 2, 3)
    Archive(tmp_path).bars("klines", "BTCUSDT", TF, [day])
    answer = answers(tmp_path, asked("klines", [day]))[0]
    opens = answer.at - TF.ms
    assert opens[0] == 1_738_540_800_000 and len(opens) == 288
    assert answer.values["open"][7] == price("BTCUSDT", int(opens[7]))
    both = answer.values["perp_taker_buy"] + answer.values["perp_taker_sell"]
    assert np.allclose(both, answer.values["quote_volume"], rtol=1e-12)


def test_the_first_day_of_a_month_asks_for_the_settlements_before_it() -> None:
    requests = asked("funding", [date(2025, 2, 1), date(2025, 2, 2)])
    assert [(request.path[-11:-4], request.days) for request in requests] == [
        ("2025-01", (date(2025, 2, 1),)),
        ("2025-02", (date(2025, 2, 1), date(2025, 2, 2))),
    ]


def test_a_day_of_metrics_asks_for_the_next_days_file_as_well() -> None:
    requests = asked("metrics", [date(2025, 2, 3), date(2025, 2, 4), date(2025, 2, 9)])
    assert [(request.path[-14:-4], [day.day for day in request.days]) for request in requests] == [
        ("2025-02-03", [3]),
        ("2025-02-04", [3, 4]),
        ("2025-02-05", [4]),
        ("2025-02-09", [9]),
        ("2025-02-10", [9]),
    ]


def test_a_day_whose_last_row_stood_in_its_own_file_does_without_the_next(tmp_path: Path) -> None:
    day, source = date(2025, 2, 3), binance()
    requests = asked("metrics", [day])
    for first, spared in ((300_000, [day]), (0, [])):
        Archive(tmp_path).metrics("BTCUSDT", day, first)
        settled = {"metrics": answers(tmp_path, requests[:1])}
        assert source.spared(requests[1], settled, [day]) == spared
        assert source.spared(requests[0], settled, [day]) == []


def test_what_one_cadence_lacks_is_asked_of_the_other_once() -> None:
    source, day = binance(), date(2025, 2, 3)
    daily = asked("klines", [day])[0]
    month = source.instead(daily, [day])
    assert [request.path[-11:-4] for request in month] == ["2025-02"]
    whole = asked("klines", FEBRUARY)[0]
    days = source.instead(whole, FEBRUARY[3:5])
    assert [request.days for request in days] == [(FEBRUARY[3],), (FEBRUARY[4],)]
    assert [request.route for request in days] == ["archive-daily second"] * 2


def test_what_the_archive_lacks_is_asked_of_rest_while_it_is_young_and_nothing_after_that() -> None:
    source, day, old = binance(), date(2025, 3, 1), date(2024, 11, 2)
    for series in ("klines", "spot", "mark", "metrics"):
        tail = source.instead(asked(series, [day])[0], [day])
        assert {request.route for request in tail} == {"rest-tail"}
        assert [source.instead(request, [day]) for request in tail] == [[]] * len(tail)
        assert binance("daily").instead(asked(series, [day])[0], [day]) == []
    month = source.instead(asked("klines", [old])[0], [old])
    assert [request.route for request in month] == ["archive-monthly second"]
    assert source.instead(month[0], [old]) == []
    assert source.instead(asked("metrics", [old])[0], [old]) == []


def test_settlements_of_the_month_under_way_are_asked_of_rest_at_once() -> None:
    routes = [(request.route, request.days) for request in asked("funding", [date(2025, 3, 1), date(2025, 3, 2)])]
    assert routes == [
        ("archive-monthly", (date(2025, 3, 1),)),
        ("rest-tail", (date(2025, 3, 1), date(2025, 3, 2))),
    ]
    assert [request.route for request in asked("funding", [date(2025, 3, 2)], "daily")] == ["archive-monthly"]


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (404, b"", NotReady, "is not published"),
        (403, b"", VenueRefused, "firewall"),
        (418, b"", VenueRefused, "banned"),
        (451, b"", VenueRefused, "region"),
        (429, b"", Retryable, "429"),
        (503, b"", Retryable, "503"),
        (302, b"", BadPayload, "BINANCE_VISION_URL"),
        (200, b"\n<!DOCTYPE html><html>sign in", BadPayload, "a page came"),
        (200, b"<?xml version='1.0'?><Error/>", BadPayload, "a page came"),
        (200, b"oops", BadPayload, "no zip"),
        (200, b"", BadPayload, "no zip"),
    ],
)
def test_only_a_file_is_an_answer(status: int, body: bytes, error: type[Exception], said: str) -> None:
    request = asked("klines", [date(2025, 2, 3)])[0]
    with pytest.raises(error, match=said):
        binance().judge(request, Reply(status, {}, body))


def test_a_zip_and_a_digest_are_answers() -> None:
    request = asked("klines", [date(2025, 2, 3)])[0]
    binance().judge(request, Reply(200, {}, b"PK\3\4"))
    companion = binance().companion(request)
    assert companion is not None and companion.path == request.path + ".CHECKSUM" and companion.expects == "text"
    binance().judge(companion, Reply(200, {}, b"0" * 64 + b"  a.zip\n"))
    assert binance().companion(companion) is None


def test_a_zip_is_checked_against_its_published_digest() -> None:
    request = asked("klines", [date(2025, 2, 3)])[0]
    name, source = "BTCUSDT-5m-2025-02-03.zip", binance()
    assert source.verify(request, b"PK", digest_line(name, b"PK")) == ""
    assert (
        source.verify(request, b"PK", digest_line(name, b"PK").upper().replace(name.upper().encode(), name.encode()))
        == ""
    )
    assert source.verify(request, b"PK", None) == "unpublished checksum"


@pytest.mark.parametrize(
    ("checksum", "said"),
    [
        (digest_line("BTCUSDT-5m-2025-02-03.zip", b"other"), "has sha256 .*its .CHECKSUM says"),
        (digest_line("BTCUSDT-5m-2025-02-04.zip", b"PK"), "is not one line"),
        (b"", "is not one line"),
        (b"\xff" * 70, "is not one line"),
    ],
)
def test_a_digest_that_differs_is_refused_unless_accepted(checksum: bytes, said: str) -> None:
    request = asked("klines", [date(2025, 2, 3)])[0]
    with pytest.raises(BadPayload, match=said):
        binance().verify(request, b"PK", checksum)
    assert "mismatch accepted" in binance().verify(request, b"PK", checksum, accept=True)


def test_an_archive_on_loopback_is_read_over_http(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day, archive = date(2025, 2, 3), Archive(tmp_path)
    zipped = archive.bars("klines", "BTCUSDT", TF, [day])
    with served(tmp_path) as url:
        monkeypatch.setenv("BINANCE_VISION_URL", url)
        source = binance()
        fetch = fetcher(source.hosts["binance_vision"].url)
        request = source.ask(source.series("BTCUSDT", TF)[0], "BTCUSDT", TF, [day])[0]
        assert request.path == url_path(zipped, tmp_path)
        status, body = fetch(request.path)
        companion = source.companion(request)
        assert companion is not None
        assert source.verify(request, body, fetch(companion.path)[1]) == ""
        assert status == 200 and len(source.read(request, body).at) == 288
        assert fetch("/data/nothing.zip")[0] == 404


def fetcher(base: str) -> Callable[[str], tuple[int, bytes]]:
    def fetch(path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(base + path, timeout=10) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    return fetch


def test_a_month_that_knows_the_settlement_it_began_with_does_without_the_month_before() -> None:
    day, source = date(2025, 3, 1), binance()
    before = asked("funding", [day])[0]
    for hours, spared in ((0, [day]), (-8, [day]), (-9, []), (8, [])):
        settled = {"funding": [Answer("funding", np.array([before.end + hours * 3_600_000 + 2]), {})]}
        assert source.spared(before, settled, [day]) == spared


def test_the_shipped_configuration_knows_the_known_pairs() -> None:
    source = Binance(binance_conf())
    assert source.hosts["binance_vision"].url.startswith("http")
    assert [series.variant for series in source.series("1000PEPEUSDT", TF) if series.name == "spot"] == ["PEPEUSDT"]
