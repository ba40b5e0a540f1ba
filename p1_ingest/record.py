"""The record hears every answer of a run, and tells the lake's index of it before anything of it is committed."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from lake import raw
from lake.layout import Shelf
from lake.manifest import digest
from meta.timeframes import utc
from p1_ingest.sources.base import Reply, Request

Reasons = Mapping[date, str]
SHORT = 512  # bytes
_numbers = itertools.count()


@dataclass(frozen=True)
class Evidence:
    """What one day is made of: series -> sha256 of its bodies, what was noted of them, and rows they lost by reason."""

    bodies: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notes: Sequence[str] = ()
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """What a run asks for: the days wanted, those asked for, and what else the lake's days depend on.

    now : the instant the run is of, UTC ms. lag : the source's settle lag, ms. required : the series that make the
    bars. settings : the run's choices.
    """

    now: int
    wanted: Sequence[date]
    asked: Sequence[date]
    lag: int
    required: Sequence[str]
    settings: Mapping[str, bool]


class Record:
    """Hears what one source says to one lake, run after run. Threads of a run may share it.

    now : UTC ms, stamped on every line.
    """

    def __init__(self, root: Path, source: str, now: Callable[[], int]) -> None:
        self.root, self._source, self._now = root, source, now
        self._run, self._tf, self._symbol = "", "", ""
        self._lines: list[raw.Line] = []
        self._lock = threading.Lock()

    def heard(self, request: Request, body: bytes, reply: Reply) -> None:
        """Keep an accepted answer. Of a 404 no body: the pages that come with one differ each time and say nothing."""
        text, sha = _line(request, body), ""
        if reply.status != 404:
            sha = digest(body) if text else raw.keep(self.root, body)
        size = len(body) if sha else 0
        etag, modified = reply.headers.get("etag", ""), reply.headers.get("last-modified", "")
        told = {"sha256": sha, "size": size, "text": text if sha else "", "etag": etag, "modified": modified}
        self._answer(request, status=reply.status, **told)

    def failed(self, request: Request, why: str) -> None:
        """Keep that no answer was accepted."""
        self._answer(request, status=0, why=why)

    def unasked(self, request: Request, why: str) -> None:
        """Keep that this was not asked for, as the venue's listing denies it: whoever replays hears a 404."""
        self._answer(request, status=404, why=why)

    @contextmanager
    def run(self, shelf: Shelf, asked: Asked) -> Iterator[None]:
        """One ingest; all it hears is told when it ends, however it ends."""
        now, days = utc(asked.now), [str(day) for day in asked.wanted] or [""]
        self._run, self._tf, self._symbol = f"{now}-{os.getpid():x}-{next(_numbers):x}", shelf.tf.name, shelf.symbol
        spans, required, settings = raw.spans(asked.asked), tuple(asked.required), dict(asked.settings)
        self._add(
            raw.Run(
                self._run, now, *self._head()[2:], self._source, days[0], days[-1], spans, asked.lag, required, settings
            )
        )
        try:
            yield
        except BaseException:
            with contextlib.suppress(OSError):  # what failed first is what the caller needs to hear
                self.tell()
            raise
        else:
            self.tell()
        finally:
            self._run = ""

    def day(
        self,
        day: date,
        part: str,
        evidence: Evidence,
        not_offered: Sequence[str],
        quarantined: Mapping[int, str],
        nulled: Mapping[str, int],
    ) -> None:
        """Note what the part of this day (its sha256) is made of.

        quarantined : ts, UTC ms -> why the bar was kept out. nulled : values that were made null, by rule.
        """
        bodies = {name: tuple(shas) for name, shas in evidence.bodies.items()}
        out = {utc(ts): why for ts, why in quarantined.items()}
        told = tuple(not_offered), tuple(evidence.notes), out, dict(evidence.counts)
        self._add(raw.Day(*self._head(), str(day), part, bodies, *told, nulled=dict(nulled)))

    def end(self, failed: Reasons, waiting: Reasons) -> None:
        """Note that the run came to its end, and which days stayed out."""
        self._add(raw.End(*self._head(), _by_span(failed), _by_span(waiting)))

    def tell(self) -> None:
        """Make durable all that was heard so far: what is made of it may be published after this, and not before."""
        with self._lock:
            lines, self._lines = self._lines, []
        raw.tell(self.root, lines)

    def _head(self) -> tuple[str, str, str, str]:
        return self._run, utc(self._now()), self._tf, self._symbol

    def _answer(self, request: Request, **said: object) -> None:
        asked = {name: getattr(request, name) for name in ("host", "path", "params", "start", "end", "route")}
        of = {"series": request.series, "tf": request.tf, "symbol": request.symbol, "days": raw.spans(request.days)}
        self._add(raw.Answer(run=self._run, time=utc(self._now()), source=self._source, **asked, **of, **said))  # type: ignore[arg-type]

    def _add(self, line: raw.Line) -> None:
        with self._lock:
            self._lines.append(line)


def _line(request: Request, body: bytes) -> str:
    """The text of a short body, a published digest: a file and two folders would be a hundred times its size."""
    try:
        return body.decode() if request.expects == "text" and len(body) <= SHORT else ""
    except UnicodeDecodeError:
        return ""


def _by_span(reasons: Reasons) -> tuple[tuple[str, str, str], ...]:
    grouped: dict[str, list[date]] = {}
    for day, why in sorted(reasons.items()):
        grouped.setdefault(why, []).append(day)
    return tuple((first, last, why) for why, days in grouped.items() for first, last in raw.spans(days))
