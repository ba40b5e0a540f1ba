"""A venue, a clock that only moves when somebody sleeps, and a follower between them."""

from __future__ import annotations

import json
import random
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from lake.layout import Shelf
from lake.layout import shelf as shelf_of
from meta.datasets import DATASETS
from meta.timeframes import timeframe
from p1_ingest.follow import Follow
from p1_ingest.follow_cli import PROBE
from p1_ingest.follower import follower
from p1_ingest.hearing import Hearing
from p1_ingest.http import Sender
from p1_ingest.known import Change
from p1_ingest.pace import Pace
from p1_ingest.sim.quirks import CALM, Quirks
from p1_ingest.sim.server import SimVenue
from p1_ingest.sources.base import Source
from p1_ingest.venue_clock import VenueClock
from p1_ingest.voice import Voice
from p1_ingest.wanted import Choice

Answered = tuple[int, dict[str, str], bytes]
Mood = Callable[[str, dict[str, str], Callable[[], Answered]], Answered]


class Ended(BaseException):
    """The time that was to be lived through is over: as a signal would, it comes while the process sleeps."""


class Fast:
    """A clock (UTC ms) that sleeping moves; at `until` it ends who sleeps.

    at : what happens when, once each. moved : hears the time when it has moved.
    """

    def __init__(self, now: int, until: int) -> None:
        self.ms, self.until = now, until
        self.at: list[tuple[int, Callable[[], object]]] = []
        self.moved: Callable[[int], object] = lambda ms: None
        self._slept, self._lock = 0, threading.RLock()

    def __call__(self) -> int:
        return self.ms

    def seconds(self) -> float:
        """As a monotonic clock has it: jumps do not count."""
        return self._slept / 1000

    def sleep(self, seconds: float) -> None:
        with self._lock:  # threads that wait between two requests sleep too
            if self.ms >= self.until:
                raise Ended
            step = max(round(seconds * 1000), 1)
            self.ms, self._slept = self.ms + step, self._slept + step
            self.moved(self.ms)
            while self.at and self.at[0][0] <= self.ms:
                self.at.pop(0)[1]()


@dataclass
class Heard:
    """What a follower said: lines for people, a line a bar, JSON bars and when they came, changes."""

    said: list[str] = field(default_factory=list)
    bars: list[str] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    changes: list[tuple[str, Change, int]] = field(default_factory=list)
    clock: Callable[[], int] = int

    def voice(self) -> Voice:
        def emit(line: bytes) -> None:
            self.lines.append(line)
            self.times.append(self.clock())

        def changed(shelf: Shelf, changes: Sequence[Change], at: int) -> None:
            self.changes += [(shelf.symbol, change, at) for change in changes]

        return Voice(self.said.append, self.bars.append, emit, changed)

    def json(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


def shelf(root: Path, tf: str = "1h", symbol: str = "BTCUSDT") -> Shelf:
    return shelf_of(root, DATASETS["bars"], timeframe(tf), symbol)


@contextmanager
def sending(source: Source, record: Hearing, clock: Fast, **seams: Any):  # type: ignore[no-untyped-def]
    seams = {
        "rng": random.Random(1),
        "tries": 2,
        "record": record.heard,
        "failed": record.failed,
        "probe": PROBE,
    } | seams
    with Sender(source.hosts, pools=source.pools, clock=clock.seconds, sleep=clock.sleep, **seams) as sender:
        yield sender


def follow(
    source: Source,
    shelves: Iterable[Shelf],
    clock: Fast,
    heard: Heard,
    before: str = "",
    lag: int = 5_000,
    patience: int = 20_000,
    **seams: Any,
) -> Heard:
    """Keep up with these symbols until the clock ends it, as the command does; returns what was heard."""
    places, heard.clock = list(shelves), clock
    voice = heard.voice()
    record = Hearing(places[0].root, source.name, VenueClock(clock, voice.say))
    followers = [
        follower(one, Pace(one.symbol, one.tf, lag, patience), voice, source, before, clock()) for one in places
    ]
    with sending(source, record, clock, **seams) as sender:
        made = Follow(source, sender, record, followers, Choice(workers=2), clock.sleep, voice.say)
        with suppress(Ended):
            made.run()
    return heard


def free_port() -> int:
    """A port of loopback that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Moody(SimVenue):
    """The stand-in venue, with moods: `mood(path, query)` may reply in its place, or change what it replied."""

    def __init__(self, clock: Fast, quirks: Quirks = CALM) -> None:
        super().__init__(quirks, clock, port=free_port())
        self.mood: Mood = lambda path, query, reply: reply()

    def reply(self, target: str, key: str | None) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(target)
        return self.mood(parts.path, dict(parse_qsl(parts.query)), lambda: super(Moody, self).reply(target, key))


def without_newest(reply: Answered, tf: int, now: int) -> Answered:
    """The same rows less those of bars that closed at or after this instant (UTC ms)."""
    status, headers, body = reply
    said = json.loads(body)
    said["data"] = [row for row in said["data"] if row["time"] + tf < now]
    return status, headers, json.dumps(said).encode()
