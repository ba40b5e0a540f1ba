"""A source is two pure functions: what to ask, and what the answer says.

Sending, retrying, recording and replaying belong to `p1_ingest.http` and `p1_ingest.record`; putting answers on the bar
grid belongs to `p1_ingest.grid`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, Protocol

import numpy as np

from meta.timeframes import DAY, Timeframe, day_start
from p1_ingest.budget import Pool

Kind = Literal["bar", "sample", "settlement"]


@dataclass(frozen=True)
class Series:
    """One stream of values a source offers for a symbol.

    kind: `bar` — a row a bar, `at` is the bar's close; `sample` — a state at the instant `at`, native every
    `native_ms`; `settlement` — a funding settlement stamped `at`, with funding_now and funding_interval_hours.
    `variant` goes into the manifest's source cell (scope and meaning, never the route). `required` series make the
    bars; a day whose required series has no row has no bars.
    """

    name: str
    columns: tuple[str, ...]
    kind: Kind = "bar"
    variant: str = ""
    required: bool = False
    native_ms: int = 0


@dataclass(frozen=True)
class Request:
    """One GET: which host (a name in `Source.hosts`), path and parameters, and which days need its answer.

    `start`, `end`: the bar opens (UTC ms, half-open) the answer is to cover; rows outside are rejected.
    `weight` counts against `pool`. `expects` is json, zip or text.
    """

    series: str
    host: str
    path: str
    params: tuple[tuple[str, str], ...]
    days: tuple[date, ...]
    start: int
    end: int
    symbol: str = ""
    tf: str = ""
    pool: str = ""
    weight: int = 1
    expects: Literal["json", "zip", "text"] = "json"
    route: str = ""  # archive-daily, archive-monthly, rest …: for the raw record and messages, never in a manifest


@dataclass(frozen=True)
class Reply:
    """What came back over the wire; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What a body says.

    at : (n,) int64, UTC ms, ascending and unique (see Series.kind for its meaning)
    values : column name -> (n,) float64, NaN where the source does not say
    counts : rows dropped or mended, by reason (duplicate, outside, malformed …)
    """

    series: str
    at: np.ndarray
    values: dict[str, np.ndarray]
    counts: Counter[str] = field(default_factory=Counter)
    variant: str = ""
    note: str = ""  # what the record should say of this body, e.g. the label convention of a metrics file

    def has(self, day: date) -> bool:
        """Does any row lie in (start of this UTC day, its end]?"""
        start = day_start(day)
        first = int(self.at.searchsorted(start, side="right"))
        return first < len(self.at) and int(self.at[first]) <= start + DAY


@dataclass(frozen=True)
class Host:
    """A base URL, and the header its key goes into (the key itself stays with the sender)."""

    url: str
    key_header: str = ""
    key_name: str = ""  # environment variable that holds the key
    public_key: str = ""  # a key that is no secret (the stand-in venue takes any)


@dataclass(frozen=True)
class Gate:
    """What the plan allows: the oldest instant (UTC ms) it serves at this timeframe, and one line that explains it."""

    oldest: int | None = None
    line: str = ""


class Listing:
    """What a venue's own list of its files says, over one run. This one is of a venue that keeps none."""

    def look_up(self, gone: Sequence[Request], coming: Sequence[Request], fetch: Callable[[Request], bytes]) -> str:
        """Learn what is listed beside files that answered 404 and those to be asked for instead; a line for people."""
        return ""

    def denies(self, request: Request) -> str:
        """Is it known that this file is not there? Says how, "" where it is not known."""
        return ""

    def has(self, series: str) -> bool | None:
        """Does the venue hold any file of this series? None where nobody looked."""
        return None


class Source(Protocol):
    """What every venue module offers; see tests/conformance.py for what it must keep.

    Subclass it: the questions most venues have nothing to say to come with that answer.
    """

    name: str
    synthetic: bool
    hosts: dict[str, Host]
    settle_lag_ms: int
    pools: dict[str, Pool]  # what `http.Sender` may spend, by Request.pool or host
    files: str = ""  # the host that keeps files which may be replaced in place; "" where there is none

    def today(self) -> Source:
        """Who answers for a day that is not over? Often the source itself. Raises Usage where nobody does."""
        return self

    def series(self, symbol: str, tf: Timeframe) -> tuple[Series, ...]:
        """What does the source declare it offers for this symbol at this timeframe?"""

    def left_out(self, symbol: str, tf: Timeframe) -> dict[str, str]:
        """Which bar columns does it not offer for this symbol, and why (column -> reason)?"""

    def rules(self, symbol: str, tf: Timeframe) -> str:
        """Which settings of this source reach the symbol's values (scopes, fields, scales)? Any text tells them."""
        return ""

    def gate(self, tf: Timeframe, now: int, fetch: Callable[[Request], bytes]) -> Gate:
        """What does the plan allow? Raises VenueRefused where this timeframe is not served at all."""

    def ask(self, series: Series, symbol: str, tf: Timeframe, days: Sequence[date]) -> list[Request]:
        """Which requests answer this series for these (ascending) days?"""

    def judge(self, request: Request, reply: Reply) -> None:
        """Is this reply an answer? Raises Retryable, VenueRefused, NotReady (unpublished, 404) or BadPayload if not."""

    def read(self, request: Request, body: bytes) -> Answer:
        """What does this body say? Raises BadPayload."""

    def instead(self, request: Request, days: Sequence[date], disbelieved: bool = False) -> list[Request]:
        """What else can be asked for the days this request's answer lacked (404, or no row)? Often nothing.

        disbelieved : it came, and is not what it should be (another digest, no sound file).
        """
        return []

    def companion(self, request: Request) -> Request | None:
        """Which request brings the digest published for this one's answer? None where none is published."""
        return None

    def verify(self, request: Request, body: bytes, checksum: bytes | None, accept: bool = False) -> str:
        """Is this body the one its published digest describes (None: the digest answered 404)?

        Returns "" or a note for the record. Raises BadPayload on a mismatch, unless `accept`.
        """
        return ""

    def listing(self) -> Listing | None:
        """Which list of its files does the venue keep? A new one for each run; None where there is none."""
        return None

    def reach(self, symbol: str, tf: Timeframe, fetch: Callable[[Request], bytes]) -> str:
        """From when to when is there something of each series, by the venue's own list? "" where it keeps none."""
        return ""

    def settle(self, answers: dict[str, list[Answer]], tf: Timeframe) -> dict[str, list[Answer]]:
        """What do the answers mean once they are seen together (label conventions)? Usually what they said."""
        return answers

    def spared(self, request: Request, settled: dict[str, list[Answer]], days: Sequence[date]) -> list[date]:
        """Which of these days can do without this request's answer after all, now that the others are settled?"""
        return []


def merged(answers: Sequence[Answer], columns: Sequence[str]) -> Answer:
    """What do several answers of one series say together? Of two rows at one instant the later answer's stands.

    Differing values under one instant are counted as `restated`.
    """
    at = np.concatenate([answer.at for answer in answers]) if answers else np.zeros(0, np.int64)
    values = {
        name: np.concatenate([a.values.get(name, np.full(len(a.at), np.nan)) for a in answers] or [np.zeros(0)])
        for name in columns
    }
    order = np.argsort(at, kind="stable")
    at, values = at[order], {name: column[order] for name, column in values.items()}
    last = np.ones(len(at), bool)
    last[:-1] = at[1:] != at[:-1]
    counts = sum((answer.counts for answer in answers), Counter[str]())
    differ = np.zeros(len(at), bool)
    for column in values.values():
        same = (column[1:] == column[:-1]) | (np.isnan(column[1:]) & np.isnan(column[:-1]))
        differ[:-1] |= ~last[:-1] & ~same
    if differ.any():
        counts["restated"] += int(differ.sum())
    name = answers[0].series if answers else ""
    return Answer(name, at[last], {key: column[last] for key, column in values.items()}, counts)
