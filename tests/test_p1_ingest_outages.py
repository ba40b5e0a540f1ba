"""A host that is down costs a minute and one line, and a host that is up again is asked again."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from lake import days
from meta.errors import NotReady, Retryable
from meta.timeframes import day_start, days_between, timeframe
from p1_ingest.budget import Budget, Pool
from p1_ingest.http import Sender
from p1_ingest.ingest import ingest
from p1_ingest.outages import GIVEN_UP, PROBE
from p1_ingest.sources.base import Host, Reply, Request
from p1_ingest.sources.binance import Binance, BinanceConf, Hosts
from p1_ingest.wanted import Choice
from tests import lakes
from tests.archive import Archive, served
from tests.canned import Clock, request

TRIES = 4


class Switched:
    """A transport whose host answers when it is up, and can count how often it was asked."""

    def __init__(self, up: bool = False) -> None:
        self.up, self.asked = up, 0

    def __call__(self, request: Request, url: str, headers: object, left: float) -> Reply:
        self.asked += 1
        if not self.up:
            raise Retryable(f"{request.host} refuses connections ({request.path})")
        return Reply(200, {}, b"good")


def judge(request: Request, reply: Reply) -> None:
    if reply.status == 404:
        raise NotReady("not there")


def sender(host: Callable[..., Reply], told: list[str]) -> tuple[Sender, Clock]:
    clock, hosts = Clock(), {"venue": Host("http://127.0.0.1:9"), "other": Host("http://127.0.0.1:9")}
    made = Sender(
        hosts, tries=TRIES, transport=host, clock=clock, sleep=clock.sleep, rng=random.Random(1), tell=told.append
    )
    return made, clock


def give_up(send: Sender, times: int, host: str = "venue") -> list[str]:
    lines = []
    for i in range(times):
        with pytest.raises(Retryable) as caught:
            send.send(request(host=host, path=f"/{i}"), judge)
        lines.append(str(caught.value))
    return lines


def test_a_host_that_is_down_is_asked_no_more_and_every_later_request_has_the_same_line() -> None:
    venue, told = Switched(), list[str]()
    send, clock = sender(venue, told)
    give_up(send, GIVEN_UP)
    asked, slept = venue.asked, len(clock.slept)
    lines = give_up(send, 50)
    assert venue.asked == asked == GIVEN_UP * TRIES and len(clock.slept) == slept
    assert len(set(lines)) == 1 and "venue is down: 3 requests in a row" in lines[0] and "again later" in lines[0]


def test_people_hear_once_what_is_waited_for() -> None:
    told: list[str] = []
    send, _ = sender(Switched(), told)
    give_up(send, GIVEN_UP + 5)
    assert told == ["venue refuses connections (/0): 2 tries so far, waiting and asking again, 4 times at most"]


def test_one_lost_try_is_not_worth_a_line() -> None:
    told: list[str] = []
    venue = Switched()

    def blinks(*args: object) -> Reply:
        venue.up = venue.asked % 2 == 1
        return venue(*args)  # type: ignore[arg-type]

    send, _ = sender(blinks, told)
    assert [send.send(request(), judge) for _ in range(5)] == [b"good"] * 5 and not told


def test_an_answer_between_shows_that_the_host_is_up() -> None:
    venue = Switched()
    send, _ = sender(venue, [])
    for _ in range(4):
        give_up(send, GIVEN_UP - 1)
        venue.up = True
        assert send.send(request(), judge) == b"good"
        venue.up = False


def test_that_something_is_not_there_is_an_answer_too() -> None:
    venue = Switched()

    def absent(*args: object) -> Reply:
        venue(*args)  # type: ignore[arg-type]
        return Reply(404, {}, b"")

    send, _ = sender(absent, [])
    give_up(send, GIVEN_UP - 1)
    venue.up = True
    with pytest.raises(NotReady):
        send.send(request(), judge)
    venue.up = False
    assert "is down" not in give_up(send, 1)[0]


def test_one_host_down_says_nothing_of_another() -> None:
    down = Switched()

    def one_up(request: Request, *rest: object) -> Reply:
        return Reply(200, {}, b"good") if request.host == "other" else down(request, *rest)  # type: ignore[arg-type]

    send, _ = sender(one_up, [])
    give_up(send, GIVEN_UP + 1)
    assert send.send(request(host="other"), judge) == b"good"


def test_after_a_while_one_try_looks_whether_the_host_is_up_again() -> None:
    venue = Switched()
    send, clock = sender(venue, [])
    give_up(send, GIVEN_UP)
    clock.now += PROBE
    asked = venue.asked
    give_up(send, 2)
    assert venue.asked == asked + 1  # one try of one request: the others need not wait for it
    clock.now += PROBE
    venue.up = True
    assert send.send(request(), judge) == b"good" and send.send(request(), judge) == b"good"


def test_an_archive_that_is_down_fails_a_year_in_one_line_and_later_the_same_command_brings_it(tmp_path: Path) -> None:
    wanted, hourly = days_between(date(2024, 1, 1), date(2024, 12, 31)), timeframe("1h")
    now, shelf = day_start(date(2025, 6, 1)), lakes.a_shelf(tmp_path / "lake", "1h")
    Archive(tmp_path / "archive").days("BTCUSDT", hourly, wanted[:2])
    with served(tmp_path / "archive") as url:
        hosts = dict.fromkeys(("binance_vision", "binance_fapi", "binance_spot"), url)
        source = Binance(BinanceConf(hosts=Hosts(**hosts)), route="daily", clock=lambda: now)
        venue, told, clock = Switched(), list[str](), Clock()
        with Sender(
            source.hosts, pools=source.pools, transport=venue, clock=clock, sleep=clock.sleep, tell=told.append
        ) as down:
            summary = ingest(source, down, shelf, wanted, Choice(workers=1), lambda: now)
        assert len(summary.failed) == len(wanted) and venue.asked <= GIVEN_UP * 6 and clock.now - 1000 < 200
        assert len(summary.trouble()) <= GIVEN_UP and "is down" in summary.trouble()[-1] and len(told) == 1
        with Sender(source.hosts, pools=source.pools) as up:
            ingest(source, up, shelf, wanted[:2], Choice(), lambda: now)
    assert sorted(days.committed(shelf)) == wanted[:2]


def test_a_long_wait_for_a_limit_is_told_once_with_the_limit() -> None:
    clock, told = Clock(), list[str]()
    budget = Budget(Pool(2, 300), "venue", clock=clock, sleep=clock.sleep, tell=told.append)
    assert [budget.take() > 0 for _ in range(4)] == [False, False, True, False]
    assert told == ["venue: waiting 300 s, by its limit of 2 in 300 s"]
    short, none = Budget(Pool(1, 5), "venue", clock=clock, sleep=clock.sleep, tell=told.append), len(told)
    short.take(), short.take()
    assert len(told) == none
