"""Binance's REST: what is asked, what is read, and that a day is the same whichever way it came."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from meta.errors import BadPayload, NotReady, Retryable, VenueRefused
from meta.timeframes import DAY, HOUR, Timeframe, day_start, days_between, timeframe
from p1_ingest.bars import together
from p1_ingest.fetch import Fetcher
from p1_ingest.fetched import Fetched, State
from p1_ingest.grid import laid
from p1_ingest.http import Sender
from p1_ingest.sources import binance_rest as rest
from p1_ingest.sources.base import Answer, Reply, Request
from p1_ingest.sources.binance import Binance, BinanceConf, Hosts, Route
from tests.archive import STEP, Archive, served
from tests.binance_venue import Venue, open_venue

TF = timeframe("5m")
DAYS = days_between(date(2025, 2, 27), date(2025, 3, 2))  # the turn of a month is among them
NOW = day_start(date(2025, 3, 3)) + 3 * HOUR


class World:
    """An archive and a venue on loopback, and a source that asks them."""

    def __init__(self, root: Path, vision: str, venue: Venue, rest_url: str) -> None:
        self.archive, self.venue = Archive(root), venue
        self._hosts = Hosts(vision, rest_url, rest_url)

    def source(self, route: Route) -> Binance:
        return Binance(BinanceConf(hosts=self._hosts), route=route, clock=lambda: self.venue.now)

    def fetched(self, route: Route, days: list[date] = DAYS, tf: Timeframe = TF) -> Fetched:
        source = self.source(route)
        with Sender(source.hosts, keys={}, tries=1) as sender, ThreadPoolExecutor(2) as pool:
            fetcher = Fetcher(source, sender, pool, lambda: self.venue.now)
            return fetcher.fetch(source.series("BTCUSDT", tf), "BTCUSDT", tf, days)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    venue = Venue(NOW)
    with served(tmp_path) as vision, open_venue(venue) as url:
        yield World(tmp_path, vision, venue, url)


def columns(fetched: Fetched, days: list[date] = DAYS, tf: Timeframe = TF) -> dict[str, np.ndarray]:
    series = Binance(BinanceConf()).series("BTCUSDT", tf)
    whole = together(series, fetched.answers)
    close = np.concatenate([day_start(day) + tf.ms * np.arange(1, tf.per_day + 1) for day in days])
    return {name: column for one in series for name, column in laid(one, whole[one.name], close, tf).items()}


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    unlike = [name for name in one if not np.array_equal(one[name], other[name], equal_nan=True)]
    return set(one) == set(other) and not unlike


def answered(fetched: Fetched, days: list[date] = DAYS) -> bool:
    names = [series.name for series in Binance(BinanceConf()).series("BTCUSDT", TF)]
    return all(fetched.state(day, names) is State.ANSWERED for day in days)


@pytest.mark.parametrize("tf", [TF, timeframe("1h")])
def test_a_day_is_the_same_from_the_archive_and_from_rest(world: World, tf: Timeframe) -> None:
    world.archive.days("BTCUSDT", tf, DAYS)
    archive, pages = world.fetched("daily", tf=tf), world.fetched("rest", tf=tf)
    assert answered(archive) and answered(pages)
    one, other = columns(archive, tf=tf), columns(pages, tf=tf)
    assert all(np.isfinite(column).all() for column in one.values())
    if tf is not TF:  # elsewhere the flow's label is not decided, and read late
        one.pop("ls_taker"), other.pop("ls_taker")
    assert same(one, other)


@pytest.mark.parametrize("published", [0, 1, 3])
def test_what_the_archive_lacks_comes_by_rest_and_the_seam_does_not_show(world: World, published: int) -> None:
    world.archive.days("BTCUSDT", TF, DAYS[: published or 1])
    if not published:
        for file in world.archive.root.rglob("*2025-02-2*"):
            file.unlink()
    stitched = world.fetched("auto")
    assert answered(stitched), stitched.reasons
    assert any(path.startswith("/fapi") for path in world.venue.asked)
    assert same(columns(stitched), columns(world.fetched("rest")))


def test_labels_of_the_new_convention_and_rest_meet_without_a_seam(world: World) -> None:
    world.archive.days("BTCUSDT", TF, DAYS)
    for day in DAYS[:2]:
        world.archive.metrics("BTCUSDT", day, 0, STEP)
    for day in [*DAYS[2:], DAYS[-1] + timedelta(days=1)]:
        for file in world.archive.root.rglob(f"*metrics-{day}*"):
            file.unlink()
    stitched = world.fetched("auto")
    assert answered(stitched), stitched.reasons
    assert same(columns(stitched), columns(world.fetched("rest")))


def test_a_whole_archive_needs_no_rest_but_for_the_month_under_way(world: World) -> None:
    world.archive.days("BTCUSDT", TF, DAYS)
    world.archive.bars("klines", "BTCUSDT", TF, [DAYS[-1] + timedelta(days=1)])  # beside the next day's metrics
    world.fetched("auto")
    assert set(world.venue.asked) == {"/fapi/v1/fundingRate"}
    world.venue.asked.clear()
    world.fetched("daily")
    assert world.venue.asked == []


def test_where_rest_is_not_served_the_day_waits_for_the_archive(world: World) -> None:
    world.archive.days("BTCUSDT", TF, DAYS[:2])
    world.venue.refuses = 451
    fetched = world.fetched("auto")
    assert fetched.state(DAYS[0], ["klines", "funding", "metrics"]) is State.ANSWERED
    assert fetched.state(DAYS[-1], ["klines"]) is State.WAITS
    with pytest.raises(VenueRefused, match="451"):
        world.fetched("rest")


def test_metrics_beyond_the_wall_are_not_offered(world: World) -> None:
    day = date(2025, 1, 10)
    fetched = world.fetched("rest", [day])
    assert fetched.state(day, ["metrics"]) is State.NOT_OFFERED
    assert fetched.state(day, ["klines", "funding", "spot"]) is State.ANSWERED


def test_a_symbol_rest_does_not_list_is_no_failure(world: World) -> None:
    world.venue.symbols = ()
    assert world.fetched("rest", [date(2025, 2, 1)]).state(date(2025, 2, 1), ["klines", "spot"]) is State.NOT_OFFERED


def pages(series: str, days: list[date], tf: str = "5m") -> list[Request]:
    return rest.asked(series, "BTCUSDT", "BTCUSDT", timeframe(tf), days)


def test_pages_cover_the_days_once_and_are_no_longer_than_the_cheapest() -> None:
    days = days_between(date(2025, 2, 1), date(2025, 2, 10))
    for series, tf, page in (("klines", "5m", 499), ("klines", "1m", 499), ("spot", "1m", 1000), ("mark", "1h", 499)):
        found = pages(series, days, tf)
        assert found[0].start == day_start(days[0]) and found[-1].end == day_start(days[-1]) + DAY
        assert all(a.end == b.start for a, b in itertools.pairwise(found))
        assert {day for request in found for day in request.days} == set(days)
        for request in found:
            asked = dict(request.params)
            assert int(asked["limit"]) == (request.end - request.start) // timeframe(tf).ms <= page
            assert (int(asked["startTime"]), int(asked["endTime"])) == (request.start, request.end - 1)


def test_weights_follow_the_page() -> None:
    assert [request.weight for request in pages("klines", [date(2025, 2, 1)])] == [2]
    assert [request.weight for request in pages("klines", [date(2025, 2, 1)], "1h")] == [1]
    assert [request.weight for request in pages("spot", [date(2025, 2, 1)], "1h")] == [2]
    assert {request.pool for request in pages("metrics", [date(2025, 2, 1)])} == {"binance_data"}
    assert {request.pool for request in pages("funding", [date(2025, 2, 1)])} == {"binance_funding"}
    assert set(rest.POOLS) == {"binance_fapi", "binance_spot", "binance_data", "binance_funding"}


def test_days_that_do_not_touch_are_asked_for_apart() -> None:
    assert [len(request.days) for request in pages("funding", [date(2025, 2, 1), date(2025, 2, 3)])] == [1, 1]
    assert dict(pages("index", [date(2025, 2, 1)])[0].params)["pair"] == "BTCUSDT"


def read(series: str, rows: Any, place: int = 0) -> Answer:
    return rest.read(pages(series, [date(2025, 2, 1)])[place], json.dumps(rows).encode())


START = day_start(date(2025, 2, 1))


@pytest.mark.parametrize(
    ("series", "rows"),
    [
        ("klines", {"code": 0}),
        ("klines", [[START, "1"]]),
        ("klines", ["x"]),
        ("funding", [{"symbol": "BTCUSDT"}]),
        ("funding", [{"symbol": "ETHUSDT", "fundingTime": START, "fundingRate": "0"}]),
        ("funding", [{"symbol": "BTCUSDT", "fundingTime": START + 5 * DAY, "fundingRate": "0"}]),
        ("metrics", [1]),
    ],
)
def test_an_answer_of_another_shape_is_not_believed(series: str, rows: Any) -> None:
    with pytest.raises(BadPayload):
        read(series, rows)


def test_an_empty_page_is_an_empty_answer() -> None:
    for series in ("klines", "spot", "premium", "funding", "metrics"):
        assert len(read(series, []).at) == 0


def test_odd_stamps_and_numbers_are_set_aside() -> None:
    row = [START, "1", "1", "1", "1", "2", START + 299_999, "2", 1, "1", "1", "0"]
    odd = [[None, *row[1:]], [START + 0.5, *row[1:]], [START + 300_000, "x", *row[2:6], START + 599_999, *row[7:]], row]
    answer = read("klines", odd)
    assert len(answer.at) == 1 and answer.counts == {"no_stamp": 2, "not_a_number": 1}


def test_intervals_are_the_distance_to_the_settlement_before() -> None:
    hours = [0, 8, 16, 20, 24, 25, 41, 45]
    rows = [{"fundingTime": START - DAY + h * HOUR + h % 3, "fundingRate": "0.0001"} for h in hours]
    said = read("funding", rows).values["funding_interval_hours"]
    assert said[[1, 2, 3, 4, 5, 7]].tolist() == [8, 8, 4, 4, 1, 4]
    assert np.isnan(said[[0, 6]]).all(), "before the first nothing is known; sixteen hours is a settlement missed"


def test_a_later_settlement_changes_no_earlier_interval() -> None:
    rows = [{"fundingTime": START - DAY + h * HOUR, "fundingRate": "0.0001"} for h in (0, 8, 24, 28, 32)]
    for n in range(1, len(rows)):
        early, late = (read("funding", part).values["funding_interval_hours"] for part in (rows[:n], rows))
        assert np.array_equal(early, late[:n], equal_nan=True)


def test_one_settlement_alone_knows_no_interval() -> None:
    rows = [{"fundingTime": START - DAY, "fundingRate": "0.0001"}]
    assert np.isnan(read("funding", rows[:1]).values["funding_interval_hours"]).all()


def test_of_one_settlement_by_both_routes_the_archives_stands() -> None:
    archive = Answer("funding", np.array([START + 3]), {"funding_now": np.array([1.0])})
    page = Answer(
        "funding", np.array([START, START + 8 * HOUR]), {"funding_now": np.array([2.0, 3.0])}, note=rest.INFERRED
    )
    kept = rest.without_repeats([page, archive])
    assert [answer.at.tolist() for answer in kept] == [[START + 8 * HOUR], [START + 3]]


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, b'{"code":-1121,"msg":"Invalid symbol."}', NotReady),
        (400, b'{"code":-1130,"msg":"parameter \'startTime\' is invalid."}', NotReady),
        (400, b'{"code":-1003,"msg":"Too many requests queued."}', Retryable),
        (400, b'{"code":-1102,"msg":"Mandatory parameter"}', BadPayload),
        (400, b"oops", BadPayload),
        (404, b"", NotReady),
        (429, b"", Retryable),
        (418, b'{"code":-1003,"msg":"Way too much request weight used; IP banned until 1."}', VenueRefused),
        (403, b"<html>", VenueRefused),
        (503, b"", Retryable),
        (200, b"<html>", BadPayload),
    ],
)
def test_what_the_venue_says_no_with(status: int, body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        Binance(BinanceConf()).judge(pages("klines", [date(2025, 2, 1)])[0], Reply(status, {}, body))
