"""Every source before its stand-in on loopback."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from meta.timeframes import HOUR, day_start, days_between, timeframe
from p1_ingest.http import Sender
from p1_ingest.sim.server import SimVenue
from p1_ingest.sources.base import Source
from p1_ingest.sources.binance import Binance, BinanceConf, Hosts, Route
from p1_ingest.sources.coinglass import CoinGlass, sim_source
from p1_ingest.sources.coinglass_conf import coinglass_conf
from tests.archive import Archive, served
from tests.binance_venue import Venue, open_venue
from tests.ccxt_venue import CcxtVenue
from tests.conformance import HOURLY, KEY, Stand

DAYS = days_between(date(2025, 3, 14), date(2025, 3, 17))
NOW = day_start(date(2025, 3, 25)) + 3 * HOUR
Made = AbstractContextManager[Stand]


@contextlib.contextmanager
def standing(
    source: Source, asking: Callable[[str], Source], symbol: str = "BTCUSDT", keys: tuple[str, ...] = ()
) -> Iterator[Stand]:
    with Sender(source.hosts, keys=dict.fromkeys(keys, KEY), tries=1) as sender:
        yield Stand(source, sender, symbol, DAYS, NOW, asking)


MINUTES = timeframe("1m")


@contextlib.contextmanager
def sim() -> Iterator[Stand]:
    with SimVenue(clock=lambda: NOW) as venue, standing(sim_source(venue.url), sim_source) as stand:
        yield stand


@contextlib.contextmanager
def coinglass() -> Iterator[Stand]:
    def asking(url: str) -> Source:
        return CoinGlass(coinglass_conf(), url=url)

    venue = SimVenue(clock=lambda: NOW)
    with venue, standing(asking(venue.url), asking, keys=("COINGLASS_API_KEY",)) as stand:
        yield stand


def binance_at(route: Route) -> Callable[[str], Source]:
    return lambda url: Binance(BinanceConf(hosts=Hosts(url, url, url)), route=route, clock=lambda: NOW)


@contextlib.contextmanager
def binance_archive() -> Iterator[Stand]:
    with TemporaryDirectory() as folder, served(Path(folder)) as url:
        for tf in (HOURLY, MINUTES):
            Archive(Path(folder)).days("BTCUSDT", tf, DAYS if tf is HOURLY else DAYS[:3])
        with standing(binance_at("daily")(url), binance_at("daily")) as stand:
            yield stand


@contextlib.contextmanager
def binance_rest() -> Iterator[Stand]:
    with open_venue(Venue(NOW)) as url, standing(binance_at("rest")(url), binance_at("rest")) as stand:
        yield stand


@contextlib.contextmanager
def ccxt() -> Iterator[Stand]:
    pytest.importorskip("ccxt", reason="the ccxt extra is not installed")
    from p1_ingest.sources.ccxt import Ccxt
    from p1_ingest.sources.ccxt_offer import ccxt_conf

    with open_venue(CcxtVenue(NOW)) as venue:

        def learnt(url: str) -> Source:
            source = Ccxt(ccxt_conf(), "binanceusdm", url=url, clock=lambda: NOW)
            there = Ccxt(ccxt_conf(), "binanceusdm", url=venue)
            with Sender(there.hosts, tries=1) as sender:
                source.learn(lambda request: sender.send(request, there.judge))
            return source

        with standing(learnt(venue), learnt, "BTC-USDT_USDT_BINANCEUSDM") as stand:
            yield stand


SOURCES = [sim, coinglass, binance_archive, binance_rest, ccxt]
