"""Every timeframe comes in whole, from every kind of venue; one a venue lacks is told in one line, with the way out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from lake import days
from meta.errors import VenueRefused
from meta.timeframes import HOUR, TIMEFRAMES, day_start, timeframe
from p1_ingest.http import Sender
from p1_ingest.ingest import ingest
from p1_ingest.sim.server import SimVenue
from p1_ingest.sources.base import Reply, Source
from p1_ingest.sources.binance import Binance, BinanceConf, Hosts
from p1_ingest.sources.coinglass import coinglass_source, sim_source
from p1_ingest.wanted import Choice
from tests import lakes
from tests.archive import Archive, served
from tests.binance_venue import Venue, open_venue

DAY = date(2025, 3, 14)
NOW = day_start(date(2025, 3, 25)) + 3 * HOUR


@pytest.fixture
def root() -> Iterator[Path]:
    with lakes.scratch() as where:
        yield where


def whole_day(source: Source, root: Path, tf: str) -> dict[str, int]:
    """How many values has each column of a day that was ingested at this timeframe?"""
    shelf = lakes.a_shelf(root, tf)
    with Sender(source.hosts, keys={}, tries=1) as sender:
        summary = ingest(source, sender, shelf, [DAY], Choice(), lambda: NOW)
    assert summary.committed == [DAY], summary.lines() + summary.trouble()
    table = days.need(shelf, DAY).table()
    return {name: len(table) - table.column(name).null_count for name in table.column_names}


def all_said(source: Source, said: dict[str, int], tf: str, share: float) -> None:
    for name in [column for series in source.series("BTCUSDT", timeframe(tf)) for column in series.columns]:
        assert said[name] >= share * timeframe(tf).per_day, f"{name} {said[name]}"
    assert said["close"] == timeframe(tf).per_day


@pytest.mark.parametrize("tf", TIMEFRAMES)
def test_the_stand_in_venue_has_every_timeframe(root: Path, tf: str) -> None:
    with SimVenue(clock=lambda: NOW) as venue:
        source = sim_source(venue.url)
        all_said(source, whole_day(source, root, tf), tf, 0.9)


@pytest.mark.parametrize("tf", TIMEFRAMES)
def test_the_archive_has_every_timeframe(root: Path, tf: str) -> None:
    frame = timeframe(tf)
    with served(root / "archive") as url:
        Archive(root / "archive").days("BTCUSDT", frame, [DAY - timedelta(days=1), DAY])
        source = Binance(BinanceConf(hosts=Hosts(url, url, url)), route="daily", clock=lambda: NOW)
        all_said(source, whole_day(source, root / "lake", tf), tf, 1.0)


@pytest.mark.parametrize("tf", TIMEFRAMES)
def test_rest_has_every_timeframe(root: Path, tf: str) -> None:
    with open_venue(Venue(NOW)) as url:
        source = Binance(BinanceConf(hosts=Hosts(url, url, url)), route="rest", clock=lambda: NOW)
        all_said(source, whole_day(source, root, tf), tf, 1.0)


@pytest.mark.parametrize("tf", TIMEFRAMES)
def test_coinglass_is_asked_in_pages_that_hold_the_days(tf: str) -> None:
    frame, source = timeframe(tf), coinglass_source("https://example.com")
    wanted = [DAY + timedelta(days=i) for i in range(40)]
    for request in source.ask(source.series("BTCUSDT", frame)[0], "BTCUSDT", frame, wanted):
        assert dict(request.params)["interval"] == tf and (request.end - request.start) // frame.ms < 1000


def test_a_timeframe_coinglass_lacks_names_the_way_round_it() -> None:
    frame, source = timeframe("2h"), coinglass_source("https://example.com")
    request = source.ask(source.series("BTCUSDT", frame)[0], "BTCUSDT", frame, [DAY])[0]
    said = b'{"code":"400","msg":"The requested interval \'2h\' is not supported."}'
    with pytest.raises(VenueRefused, match=r"has no 2h bars; .* resample --from TF --to 2h"):
        source.judge(request, Reply(200, {}, said))
