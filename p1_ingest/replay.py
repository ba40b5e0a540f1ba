"""A recorded venue answers as it did: the same requests, the same bodies, and no network."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

from lake import days, raw
from lake.layout import Shelf
from lake.manifest import digest
from meta.errors import BadPayload, NotReady, Refused, Tampered
from meta.timeframes import days_between
from p1_ingest.sources.base import Reply, Request, Source
from p1_ingest.wanted import Choice, code

Key = tuple[str, str, tuple[tuple[str, str], ...]]  # host, path, params


class Replay:
    """A transport that answers from the record of one source.

    After `turn(run)` a request gets what that run heard, in the order it asked; before it, the newest answer there is.
    """

    def __init__(self, root: Path, source: str) -> None:
        self.root, self.runs, self.last = root, list[raw.Run](), 0
        self._heard: dict[str, dict[Key, list[raw.Answer]]] = defaultdict(lambda: defaultdict(list))
        self._newest: dict[Key, raw.Answer] = {}
        self._ended: set[str] = set()
        for line in raw.lines(root):
            if isinstance(line, raw.End):
                self._ended.add(line.run)
            elif isinstance(line, raw.Run | raw.Answer) and line.source == source:
                self._take(line)
        if not self._newest:
            raise NotReady(
                f"{raw.folder(root)} holds nothing of {source}; ingest it with the network first, or give --raw"
            )
        self.runs.sort(key=lambda run: run.time)
        self._run: raw.Run | None = None
        self._asked: Counter[Key] = Counter()

    def _take(self, line: raw.Run | raw.Answer) -> None:
        self.last = max(self.last, milliseconds(line.time))
        if isinstance(line, raw.Run):
            self.runs.append(line)
        else:
            key = (line.host, line.path, line.params)
            self._heard[line.run][key].append(line)
            self._newest[key] = line

    def turn(self, run: raw.Run) -> None:
        """From now on, answer as that run heard it."""
        self._run, self._asked = run, Counter()

    def was_cut_short(self, run: raw.Run) -> bool:
        """Did this run never come to its end?"""
        return run.run not in self._ended

    def __call__(self, request: Request, url: str, headers: Mapping[str, str], left: float) -> Reply:
        """What did the venue reply? Raises Refused where this was never recorded, Tampered where its body is damaged,
        BadPayload where no answer was accepted then either."""
        line = self._line((request.host, request.path, request.params))
        if line is None:
            name = raw.told(request.host, request.path, request.params)
            when = f" in the run of {self._run.time}" if self._run else ""
            raise Refused(
                f"{name} was never recorded{when} in {self.root}; ingest with the network, or replay other days"
            )
        if not line.status:
            raise BadPayload(line.why)
        told = {"etag": line.etag, "last-modified": line.modified}
        return Reply(line.status, {name: value for name, value in told.items() if value}, self._body(line))

    def _body(self, line: raw.Answer) -> bytes:
        if not line.text:
            return raw.body(self.root, line.sha256) if line.sha256 else b""
        if digest(line.text.encode()) != line.sha256:
            raise Tampered(f"raw/index: the text of {line.name} is not what was kept; ingest its days again")
        return line.text.encode()

    def _line(self, key: Key) -> raw.Answer | None:
        if self._run is None:
            return self._newest.get(key)
        heard = self._heard[self._run.run].get(key)
        if not heard:
            return None
        self._asked[key] += 1
        return heard[min(self._asked[key], len(heard)) - 1]


def sources(root: Path) -> list[str]:
    """Which sources were recorded here?"""
    return sorted({line.source for line in raw.lines(root, "run") if isinstance(line, raw.Run)})


def milliseconds(stamp: str) -> int:
    """Which instant (UTC ms) does a line of the index name?"""
    return round(datetime.fromisoformat(stamp).timestamp() * 1000)


def of_shelf(runs: Sequence[raw.Run], shelf: Shelf) -> list[raw.Run]:
    """Which of these runs were about this shelf's symbol and timeframe?"""
    return [run for run in runs if (run.symbol, run.tf) == (shelf.symbol, shelf.tf.name)]


def untouched(shelf: Shelf, source: Source) -> frozenset[date]:
    """Which committed days need no rebuilding: those of today's rules?"""
    today = code(source, shelf.symbol, shelf.tf)
    return frozenset(day for day, known in days.committed(shelf).items() if known.code == today)


def choice_of(run: raw.Run, choice: Choice, leave: frozenset[date]) -> tuple[list[date], Choice]:
    """Which days did this run want, and with which choices did it ask?"""
    exactly = tuple(_days(run.asked))
    wanted = days_between(date.fromisoformat(run.first), date.fromisoformat(run.last)) if run.first else []
    return wanted, replace(choice, exactly=exactly, leave=leave, again=frozenset(), **run.settings)


def _days(spans: raw.Spans) -> Iterator[date]:
    for first, last in spans:
        yield from days_between(date.fromisoformat(first), date.fromisoformat(last))
