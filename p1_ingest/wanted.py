"""Which days does a run ask for? Those that are settled, within the plan, and absent or in need of another look."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from lake import fresh
from lake.manifest import Entry
from lake.parts import schema_digest
from lake.span import Span
from meta.datasets import DATASETS
from meta.errors import NotReady
from meta.timeframes import Timeframe, day_of, day_start, days_between
from p1_ingest.bars import SCHEMA
from p1_ingest.http import Sender
from p1_ingest.sources.base import Source

CODE_SETTINGS = {"grid": 2}  # goes up when a rule that reaches P1's values changes


@dataclass(frozen=True)
class Choice:
    """How to ingest: which committed days to leave alone, and what to accept.

    exactly : ask for these days, whatever is committed, as a recorded run did. leave : days not to write over.
    again : days to ask for though they are committed. candles_only : ask for the series that make the bars, no other.
    """

    refresh_tail: int = 2
    skip_present: bool = True
    force: bool = False
    wait: float = 0.0
    workers: int = 4
    accept_checksum: bool = False
    exactly: tuple[date, ...] | None = None
    leave: frozenset[date] = frozenset()
    again: frozenset[date] = frozenset()
    candles_only: bool = False

    def settings(self) -> dict[str, bool]:
        """Which of these choices reach the lake, once the days to ask for are known?"""
        return {"force": self.force, "accept_checksum": self.accept_checksum} | _if_so(candles_only=self.candles_only)


def _if_so(**said: bool) -> dict[str, bool]:
    return {name: value for name, value in said.items() if value}


def code(source: Source, symbol: str, tf: Timeframe, candles_only: bool = False) -> str:
    """Which digest stands for P1's rules today: ours, and the source's settings that reach this symbol's values?"""
    settings = {**CODE_SETTINGS, "source": source.rules(symbol, tf), **_if_so(candles_only=candles_only)}
    return fresh.code_digest(DATASETS["bars"], schema_digest(SCHEMA), settings)


def last_settled(source: Source, now: int) -> date:
    """Which is the newest day this source has settled by now (UTC ms)?"""
    return day_of(now - source.settle_lag_ms) - timedelta(days=1)


def wanted_days(source: Source, span: Span, now: int, default_days: int) -> list[date]:
    """Which settled days does the command ask for? Raises NotReady where none of them is settled yet."""
    last = last_settled(source, now)
    end = min(span.end, last) if span.end else last
    start = span.start or end - timedelta(days=(span.days or default_days) - 1)
    if start > end:
        raise NotReady(f"{start} is not settled yet: the newest whole day of {source.name} is {last}; ask again later")
    return days_between(start, end)


def within_plan(source: Source, sender: Sender, tf: Timeframe, wanted: list[date], now: int) -> tuple[list[date], str]:
    """Which of these days does the plan serve, and the one line that says so?"""
    gate = source.gate(tf, now, lambda request: sender.send(request, source.judge))
    kept = [day for day in wanted if gate.oldest is None or day_start(day) >= gate.oldest]
    if len(kept) == len(wanted):
        return kept, gate.line
    cut = f"{len(wanted) - len(kept)} older days of {wanted[0]} … {wanted[-1]} are beyond it and stay uncommitted"
    return kept, f"{gate.line}: {cut}"


def to_ask(known: dict[date, Entry], wanted: list[date], choice: Choice, *today: str) -> list[date]:
    """Which days are asked for? Those absent, of other rules than today's `code`s, among the last `refresh_tail`, and
    those the choice wants again."""
    if choice.exactly is not None:
        return list(choice.exactly)
    if not choice.skip_present:
        return wanted
    again = choice.again.union(wanted[-choice.refresh_tail :] if choice.refresh_tail else ())
    return [day for day in wanted if day in again or day not in known or known[day].code not in today]


def chunks(asked: Sequence[date]) -> list[list[date]]:
    """Days by calendar month: what one round of requests is about."""
    return [list(group) for _, group in itertools.groupby(asked, key=lambda day: (day.year, day.month))]
