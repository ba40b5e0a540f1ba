"""Days of following, with outages, restatements and a kill, are those of a batch ingest, in memory that stays flat."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from lake import catalog, days
from lake.verify import verify
from meta.timeframes import DAY, HOUR, MINUTE, day_start, days_between, utc
from p1_ingest.known import bars_of, lines
from p1_ingest.sim.quirks import HEALTHY
from p1_ingest.sources.coinglass import sim_source
from tests import lakes
from tests.follow_weeks import Cell
from tests.follows import Moody, shelf
from tests.test_p1_ingest_record import run

Change = tuple[str, str, str, float | None, float | None]  # symbol, ts, column, old, new
PROJECT = Path(__file__).resolve().parent.parent
FIRST = date(2025, 5, 1)
MORNING = day_start(FIRST) + 9 * HOUR + 7 * MINUTE
OUTAGES = ((21 * HOUR, 27 * HOUR), (30 * HOUR, 30 * HOUR + 10 * MINUTE))  # of every third day, from its midnight on


@dataclass(frozen=True)
class Life:
    """How long is lived, at which timeframe, with how many kills, and for which symbols?"""

    tf: str
    days: int
    kill_at: int  # the noon at which the first process is killed
    symbols: tuple[str, ...] = ("BTCUSDT",)


QUICK = Life("2h", 4, 1)
LONG = Life("5m", 9, 3, ("BTCUSDT", "SOLUSDT"))
MONTH = Life("5m", 31, 11)


@pytest.fixture
def root() -> Iterator[Path]:
    with lakes.scratch() as where:
        yield where


def noons(life: Life, root: Path, url: str, kill_at: int = 0) -> list[int]:
    """Live on from the shared time; the memory at each noon. Killed at its `kill_at`-th noon, if that is not 0."""
    until = MORNING + life.days * DAY
    words = [sys.executable, "-m", "tests.follow_weeks", str(root / "live"), url, str(root / "clock"), str(until)]
    found: list[int] = []
    with subprocess.Popen(
        [*words, life.tf, ",".join(life.symbols)], stdout=subprocess.PIPE, text=True, cwd=PROJECT
    ) as made:
        for line in made.stdout or ():
            found.append(json.loads(line)["rss"])
            if kill_at and len(found) == kill_at:
                made.send_signal(signal.SIGKILL)
    assert made.returncode == (-signal.SIGKILL if kill_at else 0)
    return found


def heard_changes(told: list[dict[str, Any]]) -> list[Change]:
    """What changed from one line of a bar to its next, by these lines alone?"""
    last: dict[tuple[str, str], dict[str, Any]] = {}
    found = []
    for line in told:
        before = last.get(key := (line["symbol"], line["ts"]))
        for name in (line.keys() | before.keys()) - {"symbol", "tf", "ts"} if before else ():
            if line.get(name) != before.get(name):
                found.append((*key, name, _number(before.get(name)), _number(line.get(name))))
        last[key] = line
    return found


def kept_changes(root: Path, bars: set[tuple[str, str]]) -> list[Change]:
    """What does the view tell of these bars?"""
    with catalog.opened(root) as lake:
        rows = lake.sql('SELECT symbol, epoch_ms(ts), "column", old, new FROM revisions').fetchall()
    told = [(symbol, utc(ts), *rest) for symbol, ts, *rest in rows]
    return [change for change in told if change[:2] in bars]  # type: ignore[misc]


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        return datetime.fromisoformat(value).timestamp() * 1000
    return None if value is None else float(value)


LIVES = [QUICK, *(pytest.param(life, marks=pytest.mark.long) for life in (LONG, MONTH))]


@pytest.mark.parametrize("life", LIVES, ids=["quick", "long", "month"])
def test_weeks_of_following_are_a_batch_ingest_in_flat_memory(life: Life, root: Path) -> None:
    (root / "live").mkdir()
    cell = Cell(root / "clock", MORNING)
    sound = replace(HEALTHY, server_errors=0.0)
    with Moody(cell, sound) as venue:  # type: ignore[arg-type]

        def mood(path, query, reply):  # type: ignore[no-untyped-def]
            since = (cell() - day_start(FIRST)) % (3 * DAY)
            return (503, {}, b"down") if any(start <= since < end for start, end in OUTAGES) else reply()

        places = [shelf(root / "live", life.tf, symbol) for symbol in life.symbols]
        for place in places:
            run(sim_source(venue.url), place, [FIRST - timedelta(days=1)], now=MORNING)
        venue.mood, venue.quirks = mood, replace(HEALTHY, server_errors=0.01, empty_pages=0.01)
        noons(life, root, venue.url, life.kill_at)
        memory = noons(life, root, venue.url)
        venue.mood, venue.quirks = lambda path, query, reply: reply(), sound
        done = list(days.committed(places[0]))
        final = done[:-1]  # the newest may still be restated, and is asked for again when the next one is committed
        assert final == days_between(FIRST - timedelta(days=1), FIRST + timedelta(days=life.days - 2))
        for place in places:
            run(sim_source(venue.url), shelf(root / "batch", life.tf, place.symbol), final, now=cell())
    found, same = lakes.day_folders(root / "live"), lakes.day_folders(root / "batch")
    assert len(same) == len(final) * len(places)
    assert {name: found[name] for name in same} == same

    told = [json.loads(line) for line in (root / "live" / "heard.jsonl").read_bytes().splitlines()]
    for place in places:
        ours = {line["ts"]: line for line in told if line["symbol"] == place.symbol}
        assert list(ours) == sorted(ours), "no bar was first told of after one that closed later"
        for day in done[1:]:
            bars = bars_of(days.need(place, day).table())
            for line in lines(place.symbol, place.tf, bars, bars.ts.tolist()):
                assert ours[json.loads(line)["ts"]] == json.loads(line)
    assert len(told) > len(ours) * len(places), "some bars were restated"
    changed = heard_changes(told)
    kept = kept_changes(root / "live", {(line["symbol"], line["ts"]) for line in told})
    assert changed and sorted(map(repr, kept)) == sorted(map(repr, changed)), "every change is kept, none invented"
    assert verify(root / "live") == []
    print(f"{len(changed):,} changes of {len(told):,} lines, all kept and none more")
    warm = memory[1:]
    print("MiB at each noon:", [round(one / 2**20, 1) for one in memory])
    assert len(warm) >= 2
    assert median(warm[len(warm) // 2 :]) <= 1.05 * median(warm[: (len(warm) + 1) // 2]), "it grows"
