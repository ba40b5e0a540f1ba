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
from meta.timeframes import DAY, Timeframe, day_start
from p1_ingest.fetch import Fetcher, State
from p1_ingest.ingest import _workers, ingest
from p1_ingest.sources.base import Answer, Gate, Request, Series, Source
from p1_ingest.wanted import Choice
from tests import lakes

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
    with pytest.raises(KeyboardInterrupt), _workers(1) as pool:
        pool.submit(release.wait, 30)
        queued = pool.submit(seen.append, "asked after the interruption")
        raise KeyboardInterrupt
    assert queued.cancelled()
    release.set()
    assert not seen
