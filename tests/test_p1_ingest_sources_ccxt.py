"""ccxt says what it would send and reads what came; nothing of it talks, and what it leaves out is said."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import msgspec
import numpy as np
import pytest

from lake import days, notes
from lake.ending import status
from meta.errors import BadPayload, NotReady, Refused, Retryable, Usage, VenueRefused
from meta.symbols import market_folder
from meta.timeframes import DAY, HOUR, MINUTE, TIMEFRAMES, day_start, timeframe
from p1_ingest import cli, venues
from p1_ingest.http import Sender
from p1_ingest.ingest import ingest
from p1_ingest.sources.base import Reply, Request
from p1_ingest.sources.ccxt import Ccxt, ccxt_source
from p1_ingest.sources.ccxt_offer import ccxt_conf
from p1_ingest.wanted import Choice
from tests import archive, lakes
from tests.binance_venue import open_venue
from tests.ccxt_venue import MARKETS, CcxtVenue

PERP = "BTC-USDT_USDT_BINANCEUSDM"
TODAY = date(2025, 3, 20)
NOW = day_start(TODAY) + 3 * HOUR
SOME = [date(2025, 3, 17), date(2025, 3, 18)]
FIVE = timeframe("5m")


class World:
    """A stand-in exchange, its source and its sender."""

    def __init__(self, venue: CcxtVenue, url: str, **conf: object) -> None:
        self.venue = venue
        self.source = Ccxt(msgspec.structs.replace(ccxt_conf(), **conf), "binanceusdm", url=url, clock=lambda: NOW)
        self.sender = Sender(self.source.hosts, pools=self.source.pools, tries=1)
        self.source.learn(lambda request: self.sender.send(request, self.source.judge))

    def series(self, name: str, tf: str = "5m", symbol: str = PERP):  # type: ignore[no-untyped-def]
        return next(one for one in self.source.series(symbol, timeframe(tf)) if one.name == name)

    def asked(self, name: str, days: list[date] = SOME, tf: str = "5m") -> list[Request]:
        return self.source.ask(self.series(name, tf), PERP, timeframe(tf), days)

    def said(self, request: Request):  # type: ignore[no-untyped-def]
        return self.source.read(request, self.sender.send(request, self.source.judge))


@contextlib.contextmanager
def world(venue: CcxtVenue | None = None, **conf: object) -> Iterator[World]:
    pytest.importorskip("ccxt", reason="the ccxt extra is not installed")
    venue = venue or CcxtVenue(NOW)
    with open_venue(venue) as url:
        made = World(venue, url, **conf)
        with made.sender:
            yield made


@pytest.fixture(scope="module")
def standing() -> Iterator[World]:
    with world() as made:
        yield made


def test_nothing_is_sent_by_asking(standing: World) -> None:
    before = list(standing.venue.asked)
    requests = [request for name in ("ohlcv", "funding", "oi") for request in standing.asked(name)]
    assert standing.venue.asked == before and {request.path for request in requests} == {
        "/fapi/v1/klines", "/fapi/v1/fundingRate", "/futures/data/openInterestHist",
    }  # fmt: skip


def test_the_markets_are_learnt_once_and_through_our_sender(standing: World) -> None:
    standing.source.learn(lambda request: pytest.fail("asked again"))
    assert standing.venue.asked.count(MARKETS) == 1


def test_candles_are_the_venues_own_stamped_at_their_close(standing: World) -> None:
    request = standing.asked("ohlcv")[0]
    answer = standing.said(request)
    first = archive.bar("BTCUSDT", request.start, FIVE)
    assert answer.at[0] == request.start + FIVE.ms and answer.at[-1] == request.end
    assert [answer.values[n][0] for n in ("open", "high", "low", "close", "volume")] == [float(x) for x in first[1:6]]


def test_settlements_come_with_the_hours_between_them(standing: World) -> None:
    answer = standing.said(standing.asked("funding")[0])
    hours = answer.values["funding_interval_hours"]
    assert np.isnan(hours[0]) and set(hours[1:]) == {8.0}, "the distance to the next is not known when the rate is"
    assert answer.at[0] < day_start(SOME[0]), "the rate in force at midnight is asked for too"
    assert np.abs(answer.values["funding_now"]).max() < 0.01


def test_open_interest_is_of_the_instant_where_the_exchange_is_known_to_say_so(standing: World) -> None:
    answer = standing.said(standing.asked("oi")[0])
    row = archive.metric("BTCUSDT", int(answer.at[5]))
    assert (answer.values["oi_base"][5], answer.values["oi_now"][5]) == (float(row[2]), float(row[3]))


def test_where_nobody_checked_open_interest_is_known_a_period_later() -> None:
    with world(oi_snapshots=[]) as made:
        answer = made.said(made.asked("oi")[0])
        row = archive.metric("BTCUSDT", int(answer.at[5]) - 5 * MINUTE)
        assert answer.values["oi_base"][5] == float(row[2])


def test_requests_fit_the_exchanges_page_and_cover_the_days(standing: World) -> None:
    month = [date(2025, 2, 1) + timedelta(days=i) for i in range(28)]
    requests = standing.asked("ohlcv", month)
    assert all((r.end - r.start) // FIVE.ms <= 500 for r in requests)
    assert [r.start for r in requests[1:]] == [r.end for r in requests[:-1]]
    assert (requests[0].start, requests[-1].end) == (day_start(month[0]), day_start(month[-1]) + DAY)
    minutes = standing.asked("ohlcv", month[:1], "1m")
    assert [(r.end - r.start) // MINUTE for r in minutes] == [480, 480, 480]


def test_the_weight_is_ccxts_own_and_its_slow_paths_have_pools_of_ours(standing: World) -> None:
    assert standing.asked("ohlcv")[0].weight == 2  # 288 candles: between 100 and 499
    assert standing.asked("ohlcv")[0].pool in standing.source.hosts
    pools = {name: standing.source.pools[standing.asked(name)[0].pool] for name in ("funding", "oi")}
    assert [(pools[n].limit, pools[n].seconds) for n in ("funding", "oi")] == [(500, 300), (1000, 300)]


@pytest.mark.parametrize("tf", ["1m", "5m", "15m", "2h", "8h", "12h", "1d", "3m"])
def test_open_interest_is_asked_for_at_a_period_that_divides_the_bar_or_else_the_next_longer(
    standing: World, tf: str
) -> None:
    asked = dict(standing.asked("oi", SOME[:1], tf)[0].params)["period"]
    expected = {"1m": "5m", "3m": "5m", "2h": "1h", "8h": "4h", "12h": "4h"}
    assert asked == expected.get(tf, tf)


def test_what_ccxt_does_not_say_is_left_out_with_its_reason(standing: World) -> None:
    reasons = standing.source.left_out(PERP, FIVE)
    assert "candles" in reasons["quote_volume"] and "candles" in reasons["perp_taker_buy"]
    assert not {"oi_now", "funding_now", "close", "volume"} & set(reasons)


def test_an_answer_cut_to_a_shorter_page_is_refused() -> None:
    with world(CcxtVenue(NOW, page=100)) as made, pytest.raises(BadPayload, match=r"100 rows where 288 .* pages"):
        made.said(made.asked("ohlcv", SOME[:1])[0])


def test_a_known_page_makes_more_requests_of_what_fits_it() -> None:
    with world(CcxtVenue(NOW, page=100), pages={"binanceusdm": 100}) as made:
        assert [len(made.said(request).at) for request in made.asked("ohlcv", SOME[:1])] == [96, 96, 96]


def test_an_exchange_without_open_interest_says_so(standing: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with world() as made:
        made.source._exchange._api.has["fetchOpenInterestHistory"] = False
        assert "oi" not in [one.name for one in made.source.series(PERP, FIVE)]
        assert (
            made.source.left_out(PERP, FIVE)["oi_now"] == "binanceusdm offers no fetchOpenInterestHistory through ccxt"
        )
        assert "oi_ts" in made.source.left_out(PERP, FIVE)


def test_a_dated_contract_has_no_funding(standing: World) -> None:
    folder = market_folder("binanceusdm", "BTC/USDT:USDT-250328")
    assert [one.name for one in standing.source.series(folder, FIVE)] == ["ohlcv", "oi"]


def test_an_unknown_market_names_the_nearest(standing: World) -> None:
    with pytest.raises(Usage, match="lists no 'BTC/USDC:USDC'; did you mean BTC/USDT:USDT"):
        standing.source.series(market_folder("binanceusdm", "BTC/USDC:USDC"), FIVE)


def test_a_market_of_another_exchange_is_refused(standing: World) -> None:
    with pytest.raises(Usage, match="is a market of okx"):
        standing.source.series("BTC-USDT_USDT_OKX", FIVE)


def test_an_unknown_exchange_names_the_nearest() -> None:
    pytest.importorskip("ccxt", reason="the ccxt extra is not installed")
    with pytest.raises(Usage, match="knows no exchange 'binanceusd'; did you mean binanceus"):
        ccxt_source("binanceusd")


def test_a_timeframe_the_exchange_lacks_names_what_to_resample(standing: World) -> None:
    standing.source._exchange.timeframes, kept = ("1m", "5m", "1h"), standing.source._exchange.timeframes
    try:
        with pytest.raises(VenueRefused, match=r"has no 2h candles .*resample --from 1h --to 2h"):
            standing.source.gate(timeframe("2h"), NOW, lambda request: b"")
    finally:
        standing.source._exchange.timeframes = kept


@pytest.mark.parametrize("tf", [tf for tf in TIMEFRAMES if tf not in ("1m", "3m")])
def test_every_timeframe_of_the_exchange_is_ingested_whole(tf: str) -> None:
    with world() as made, lakes.scratch() as root:
        shelf = lakes.a_shelf(root, tf, PERP)
        ingest(made.source, made.sender, shelf, SOME[:1], Choice(), lambda: NOW)
        table = days.need(shelf, SOME[0]).table()
        assert table.num_rows == timeframe(tf).per_day
        assert all(table.column(n).null_count == 0 for n in ("close", "volume", "oi_now", "funding_now"))
        assert notes.read(shelf, notes.OFFERED)["columns"]["quote_volume"] is not True  # type: ignore[index]


def reply(status: int, body: object) -> Reply:
    return Reply(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, {"code": -1003, "msg": "Too many requests"}, Retryable),
        (400, {"code": -1121, "msg": "Invalid symbol."}, VenueRefused),
        (200, b"<html>hello</html>", BadPayload),
        (503, b"", Retryable),
        (418, {}, VenueRefused),
        (451, {}, VenueRefused),
    ],
)
def test_ccxts_own_words_for_trouble_are_understood(standing: World, status: int, body: object, kind: type) -> None:
    with pytest.raises(kind):
        standing.source.judge(standing.asked("ohlcv")[0], reply(status, body))


def test_a_history_that_ends_is_not_kept_rather_than_refused(standing: World) -> None:
    with pytest.raises(NotReady):
        standing.said(standing.asked("oi", [date(2025, 1, 5)])[0])


def test_candles_of_other_days_than_asked_for_are_not_believed(standing: World) -> None:
    request = standing.asked("ohlcv")[0]
    body = standing.sender.send(request, standing.source.judge)
    moved = replace(request, start=request.start + 5 * DAY, end=request.end + 5 * DAY)
    with pytest.raises((BadPayload, Refused)):
        standing.source.read(moved, body)


def test_the_command_fills_a_folder_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ccxt", reason="the ccxt extra is not installed")
    monkeypatch.setattr(venues, "now_ms", lambda: NOW)
    with open_venue(CcxtVenue(NOW)) as url, lakes.scratch() as root:
        monkeypatch.setenv("CCXT_BASE_URL", url)
        line = ["ingest", "--source", "ccxt", "--exchange", "binanceusdm", "--symbol", "BTC/USDT:USDT", "--tf", "1h"]
        assert status(cli.commands, "p1_ingest", [*line, "--days", "2", "--lake", str(root)]) == 0, capsys.readouterr()
        assert sorted(days.committed(lakes.a_shelf(root, "1h", PERP))) == [date(2025, 3, 18), date(2025, 3, 19)]
        before = lakes.day_folders(root)
        again = ["ingest", "--replay", "--raw", str(root), "--lake", str(root / "again")]
        monkeypatch.setenv("CCXT_BASE_URL", "")
        assert status(cli.commands, "p1_ingest", again) == 0, capsys.readouterr()
        assert lakes.day_folders(root / "again") == before


def test_without_the_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ccxt", None)
    with pytest.raises(Refused, match="pip install"):
        ccxt_source("binanceusdm")


def test_markets_and_folders_mean_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SOURCE", "SYMBOLS", "EXCHANGE"):
        monkeypatch.delenv(name, raising=False)
    wanted = ("ccxt:binanceusdm", (PERP,))
    assert venues.meant("ccxt", "binanceusdm", ("BTC/USDT:USDT",)) == wanted
    assert venues.meant("ccxt:binanceusdm", None, ("BTC/USDT:USDT",)) == wanted
    assert venues.meant("ccxt", None, (PERP,)) == wanted
    assert venues.meant("binance", None, ("BTCUSDT",)) == ("binance", ("BTCUSDT",))
    with pytest.raises(Usage, match="--exchange goes with --source ccxt"):
        venues.meant("binance", "okx", ())
    with pytest.raises(Usage, match="--exchange"):
        venues.meant("ccxt", None, ("BTC/USDT",))
