"""What P1 may believe of a venue that answers oddly: an empty day, a neighbour's file, an interruption."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from lake import days
from meta.errors import BadPayload, NotReady
from meta.timeframes import DAY, Timeframe, day_start, timeframe
from p1_ingest.fetch import Fetcher
from p1_ingest.fetched import State
from p1_ingest.http import Sender as Network
from p1_ingest.ingest import ingest, workers
from p1_ingest.record import Record
from p1_ingest.replay import Replay
from p1_ingest.sources.base import Answer, Gate, Request, Series, Source
from p1_ingest.sources.binance import Binance, BinanceConf, Hosts
from p1_ingest.wanted import Choice
from tests import lakes
from tests.archive import METRICS, Archive, csv, metrics, served

TF = "1h"
FIRST = date(2025, 5, 1)
WANTED = [FIRST + timedelta(days=i) for i in range(5)]
HOLE = WANTED[2]


class Venue(Source):
    """A venue of plain days; what it says of the hole, at each asking, is scripted."""

    name, synthetic, hosts, settle_lag_ms, pools = "sim", True, {}, 0, {}

    def __init__(self, hole: list[str], series: tuple[Series, ...]) -> None:
        self.script, self.offered, self.asked = hole, series, Counter[date]()

    def series(self, symbol: str, tf: Timeframe) -> tuple[Series, ...]:
        return self.offered

    def left_out(self, symbol: str, tf: Timeframe) -> dict[str, str]:
        return {}

    def gate(self, tf, now, fetch):  # type: ignore[no-untyped-def]
        return Gate()

    def ask(self, series, symbol, tf, wanted):  # type: ignore[no-untyped-def]
        return [
            Request(series.name, "venue", f"/{day}", (), (day,), day_start(day), day_start(day) + DAY, symbol, tf.name)
            for day in wanted
        ]

    def judge(self, request, reply) -> None:  # type: ignore[no-untyped-def]
        return None

    def read(self, request: Request, body: bytes) -> Answer:
        day = request.days[0]
        at = request.start + np.arange(1, 25, dtype=np.int64) * 3_600_000
        if day == HOLE:
            said = self.script[min(self.asked[day], len(self.script) - 1)]
            self.asked[day] += 1
            if said == "odd":
                raise BadPayload("venue: an odd answer")
            at = at[:0] if said == "empty" else at
        price = np.full(len(at), 100.0)
        return Answer(request.series, at, dict.fromkeys(("open", "high", "low", "close"), price))


class Sender:
    """Sends nothing: `read` knows what it is asked for."""

    def send(self, request: Request, judge: object) -> bytes:
        return b""


PRICE = Series("price", ("open", "high", "low", "close"), required=True)


def committed(root: Path, script: list[str]):  # type: ignore[no-untyped-def]
    shelf = lakes.a_shelf(root, TF)
    summary = ingest(Venue(script, (PRICE,)), Sender(), shelf, WANTED, Choice(), lambda: day_start(date(2025, 6, 1)))  # type: ignore[arg-type]
    return shelf, summary


def test_a_day_answered_empty_twice_between_bars_is_committed_empty(tmp_path: Path) -> None:
    shelf, summary = committed(tmp_path, ["empty", "empty"])
    assert days.need(shelf, HOLE).entry.rows == 0
    assert not summary.waiting


@pytest.mark.parametrize(("script", "why"), [(["empty", "odd"], "not at all"), (["empty", "bars"], "with bars once")])
def test_a_second_asking_that_does_not_say_empty_commits_nothing(tmp_path: Path, script: list[str], why: str) -> None:
    shelf, summary = committed(tmp_path, script)
    assert not days.is_committed(shelf, HOLE)
    assert why in summary.waiting[HOLE]
    assert len(summary.committed) == len(WANTED) - 1


def test_an_odd_answer_commits_nothing(tmp_path: Path) -> None:
    shelf, summary = committed(tmp_path, ["odd"])
    assert not days.is_committed(shelf, HOLE)
    assert "odd" in summary.failed[HOLE]


def test_a_neighbours_file_does_not_answer_for_a_day_whose_own_is_missing() -> None:
    class TwoFiles(Venue):
        def ask(self, series, symbol, tf, wanted):  # type: ignore[no-untyped-def]
            own = super().ask(series, symbol, tf, wanted)
            return [Request(**{**vars(one), "days": (one.days[0], one.days[0] - timedelta(days=1))}) for one in own]

    class Missing(Sender):
        def send(self, request: Request, judge: object) -> bytes:
            if request.path == f"/{HOLE}":
                raise NotReady("404")
            return b""

    oi = Series("metrics", ("oi_now",))
    with ThreadPoolExecutor(1) as pool:
        venue = TwoFiles(["bars"], (oi,))
        said = Fetcher(venue, Missing(), pool, lambda: day_start(date(2025, 6, 1))).fetch(
            (oi,), "X", lakes.timeframe(TF), WANTED
        )  # type: ignore[arg-type]
    assert said.not_offered(HOLE) == ["metrics"]
    assert said.states["metrics", WANTED[3]] is State.ANSWERED


def test_an_interruption_does_not_wait_for_requests_under_way() -> None:
    import threading

    release, seen = threading.Event(), []
    with pytest.raises(KeyboardInterrupt), workers(1) as pool:
        pool.submit(release.wait, 30)
        queued = pool.submit(seen.append, "asked after the interruption")
        raise KeyboardInterrupt
    assert queued.cancelled()
    release.set()
    assert not seen


OI = Series("oi", ("oi_now",))
MANY = [FIRST + timedelta(days=i) for i in range(9)]
Script = dict[int, str]  # day's number -> what it says at its first asking and at its second


class Cut(Venue):
    """A venue with an optional series; what a series says of a day is scripted: f full, h half, e empty, x nonsense."""

    def __init__(self, together: int = 1, **scripts: Script) -> None:
        super().__init__([], (PRICE, OI))
        self.scripts, self.together, self.sent = scripts, together, list[tuple[str, int]]()

    def ask(self, series, symbol, tf, wanted):  # type: ignore[no-untyped-def]
        one = super().ask(series, symbol, tf, wanted)
        return [
            Request(**{**vars(group[0]), "days": tuple(r.days[0] for r in group), "end": group[-1].end})
            for group in (one[i : i + self.together] for i in range(0, len(one), self.together))
        ]

    def read(self, request: Request, body: bytes) -> Answer:
        at = []
        for day in request.days:
            number = (day - FIRST).days
            script = self.scripts.get(request.series, {}).get(number, "f")
            said = script[min(self.sent.count((request.series, number)), len(script) - 1)]
            self.sent.append((request.series, number))
            if said == "x":
                raise BadPayload(f"{request.series}: an odd answer")
            bars = {"f": 24, "h": 12, "e": 0}[said]
            at.append(day_start(day) + np.arange(1, bars + 1, dtype=np.int64) * 3_600_000)
        columns = next(one.columns for one in self.offered if one.name == request.series)
        values = np.full(sum(map(len, at)), 100.0)
        return Answer(request.series, np.concatenate(at), dict.fromkeys(columns, values))

    def again(self, series: str = "oi") -> list[int]:
        """The days that were asked for more than once."""
        return sorted({number for name, number in self.sent if name == series and self.sent.count((name, number)) > 1})


def brought(root: Path, venue: Cut, wanted: list[date] = MANY):  # type: ignore[no-untyped-def]
    shelf, now = lakes.a_shelf(root, TF), day_start(date(2025, 6, 1))
    summary = ingest(venue, NoNetwork(venue), shelf, wanted, Choice(workers=1), lambda: now)  # type: ignore[arg-type]
    return shelf, summary


class NoNetwork(Sender):
    """Every body is another: the request's own name."""

    def __init__(self, venue: Cut) -> None:
        self.venue = venue

    def send(self, request: Request, judge: object) -> bytes:
        return f"{request.series} {request.days} {len(self.venue.sent)}".encode()


def test_normal_days_are_asked_for_once(tmp_path: Path) -> None:
    venue = Cut()
    _, summary = brought(tmp_path, venue)
    assert len(venue.sent) == 2 * len(MANY) and len(summary.committed) == len(MANY) and not summary.counts


@pytest.mark.parametrize("series", ["oi", "price"])
@pytest.mark.parametrize(("number", "said"), [(4, "h"), (0, "h"), (8, "h")])
def test_a_series_cut_short_beside_a_full_day_is_asked_for_twice_and_then_believed(
    tmp_path: Path, series: str, number: int, said: str
) -> None:
    venue = Cut(**{series: {number: said}})
    shelf, summary = brought(tmp_path, venue)
    assert venue.again(series) == [number] and sorted(days.committed(shelf)) == MANY
    assert summary.counts == {f"{series}: days looked cut short, and were believed when asked for twice": 1}


def test_an_optional_series_that_says_nothing_of_a_day_is_asked_for_twice(tmp_path: Path) -> None:
    venue = Cut(oi={4: "e"})
    shelf, _ = brought(tmp_path, venue)
    assert venue.again() == [4] and days.need(shelf, MANY[4]).table()["oi_now"].null_count == 24


@pytest.mark.parametrize(
    ("script", "why"),
    [("hf", "says something else"), ("ef", "says something else"), ("eh", "says something else"),
     ("hx", "was not answered"), ("ex", "was not answered")],
)  # fmt: skip
@pytest.mark.parametrize("number", [0, 4, 8])
def test_a_day_whose_second_saying_differs_waits(tmp_path: Path, script: str, why: str, number: int) -> None:
    shelf, summary = brought(tmp_path, Cut(oi={number: script}))
    assert sorted(days.committed(shelf)) == [day for day in MANY if day != MANY[number]]
    assert summary.waiting == {MANY[number]: f"oi looks cut short, and {why} when asked again"}


def test_a_page_of_several_days_cut_short_is_doubted_as_a_whole(tmp_path: Path) -> None:
    """Days 3 to 5 come in one answer: its middle was cut, and its last day stands beside nothing full."""
    venue = Cut(together=3, oi={3: "ff", 4: "hf", 5: "ef", 6: "e", 7: "e", 8: "e"})
    shelf, summary = brought(tmp_path, venue)
    assert set(summary.waiting) == {MANY[4], MANY[5]} and venue.again() == [4, 5]
    assert days.is_committed(shelf, MANY[3]) and days.is_committed(shelf, MANY[8])


def test_a_series_that_ends_costs_one_more_asking_and_no_more(tmp_path: Path) -> None:
    venue = Cut(oi=dict.fromkeys(range(3, 9), "e"))
    brought(tmp_path, venue)
    assert venue.again() == [3]


def test_a_series_that_is_always_short_is_asked_for_once(tmp_path: Path) -> None:
    venue = Cut(oi=dict.fromkeys(range(9), "h"))
    brought(tmp_path, venue)
    assert not venue.again()


def test_a_day_that_stands_alone_is_doubted_too(tmp_path: Path) -> None:
    venue = Cut(oi={4: "hf"})
    _, summary = brought(tmp_path, venue, [MANY[4]])
    assert list(summary.waiting) == [MANY[4]]


def test_the_day_before_counts_also_where_it_came_with_an_earlier_round(tmp_path: Path) -> None:
    first = FIRST.replace(day=31)
    numbers = [(day - FIRST).days for day in (first, first + timedelta(days=1), first + timedelta(days=2))]
    venue = Cut(oi={numbers[1]: "e", numbers[2]: "e"})
    wanted = [FIRST + timedelta(days=number) for number in numbers]
    now = day_start(date(2025, 7, 1))
    shelf = lakes.a_shelf(tmp_path, TF)
    ingest(venue, NoNetwork(venue), shelf, wanted, Choice(workers=1), lambda: now)  # type: ignore[arg-type]
    assert venue.again() == [numbers[1]]


def test_one_of_several_columns_cut_short_is_seen(tmp_path: Path) -> None:
    class TwoColumns(Cut):
        def __init__(self) -> None:
            super().__init__()
            self.offered = (PRICE, Series("oi", ("oi_now", "oi_base")))

        def read(self, request: Request, body: bytes) -> Answer:
            found = super().read(request, body)
            if request.series == "oi" and request.days[0] == MANY[4]:
                found.values["oi_base"] = np.full(24, np.nan)
            return found

    venue = TwoColumns()
    brought(tmp_path, venue)
    assert venue.again() == [4]


def test_a_doubt_is_no_sign_that_a_series_is_not_offered(tmp_path: Path) -> None:
    """What no earlier day had is given up where it is unpublished, and not where it contradicts itself."""

    class Missing(NoNetwork):
        def send(self, request: Request, judge: object) -> bytes:
            if request.series == "oi" and request.days[0] < MANY[4]:
                raise NotReady("404")
            return super().send(request, judge)

    venue = Cut(oi={4: "hf"})
    shelf, now = lakes.a_shelf(tmp_path, TF), day_start(date(2025, 6, 1))
    summary = ingest(venue, Missing(venue), shelf, MANY, Choice(workers=1), lambda: now)  # type: ignore[arg-type]
    assert list(summary.waiting) == [MANY[4]] and summary.not_offered == {"oi": 4}


def test_short_metrics_of_the_archive_are_read_by_their_bars_both_times_and_replay_alike(tmp_path: Path) -> None:
    """The second asking brings the bars along: without them the labels' meaning would be undecided, and differ."""
    wanted, five, now = MANY[:3], timeframe("5m"), day_start(date(2025, 6, 1))
    archive = Archive(tmp_path / "archive")
    archive.days("BTCUSDT", five, wanted)
    rows = metrics("BTCUSDT", wanted[1], 300_000)[:163]
    archive.put(f"data/futures/um/daily/metrics/BTCUSDT/BTCUSDT-metrics-{wanted[1]}.zip", csv(rows, METRICS))
    lake, again = (lakes.a_shelf(tmp_path / name, "5m") for name in ("lake", "again"))
    with served(tmp_path / "archive") as url:
        source = Binance(BinanceConf(hosts=Hosts(url, url, url)), route="daily", clock=lambda: now)
        record = Record(lake.root, "binance", lambda: now)
        with Network(source.hosts, pools=source.pools, record=record.heard, failed=record.failed) as sender:
            summary = ingest(source, sender, lake, wanted, Choice(), lambda: now, record=record)
    assert sorted(days.committed(lake)) == wanted and not summary.waiting
    assert summary.counts["metrics: days looked cut short, and were believed when asked for twice"] == 1
    replay = Replay(lake.root, "binance")
    replay.turn(replay.runs[0])
    with Network(source.hosts, transport=replay, tries=1) as sender:
        ingest(source, sender, again, wanted, Choice(exactly=tuple(wanted)), lambda: now)
    assert lakes.day_folders(again.root) == lakes.day_folders(lake.root)
