"""What a page says first: how much there is, how much of it is there, and whether anything is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from meta.timeframes import Timeframe
from reports import history
from reports.forms import brief, written
from reports.held import Held
from reports.page import Fact, Section

POINTS = 60  # of the small line that stands for a price


@dataclass(frozen=True)
class Glance:
    """One symbol at one timeframe in a few numbers; `verdicts` are of its check reports, by phase."""

    symbol: str
    tf: Timeframe
    source: str
    first: date
    last: date
    bars: int
    expected: int
    newest: int
    close: float
    line: Sequence[float | None]
    features: int
    labels: int
    up: float | None
    stale: int
    damaged: int
    verdicts: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What its page is called, without the ending."""
        return f"{self.symbol}_{self.tf}"


def glance(held: Held, reports: Path) -> Glance:
    """What stands out about the symbol?"""
    days = held.days
    bars, newest, close = held.row("SELECT count(*), max(open_ms), arg_max(close, open_ms) FROM bars")
    features, labels = held.count("features"), held.count("labels")
    up = held.row("SELECT avg((label = 1)::INT) FROM labels")[0] if labels else None
    states = held.states.values()
    return Glance(
        held.symbol, held.tf, held.states["bars"].source, days[0], days[-1], bars, len(days) * held.tf.per_day,
        newest + held.tf.ms, close, _line(held, len(days)), features, labels, brief(up),
        sum(len(one.stale) for one in states), sum(len(one.damaged) for one in states),
        dict(history.verdicts(held, reports)),
    )  # fmt: skip


def _line(held: Held, days: int) -> list[float | None]:
    """The close at so many instants, evenly spread over the days."""
    step = -(-days * 86_400_000 // POINTS)
    sql = f"SELECT (open_ms - {held.start}) // {step} AS i, arg_max(close, open_ms) FROM bars GROUP BY i"
    found = dict(held.ask(sql))
    return [brief(found.get(i)) for i in range(POINTS)]


def section(held: Held, seen: Glance) -> Section:
    """The first section of a page."""
    return Section("overview", "Overview", "Instants are UTC; a bar is known by its close.", facts=list(_facts(seen)))


def _facts(seen: Glance) -> Iterator[Fact]:
    yield Fact("bars there", seen.bars / seen.expected, "ratio", f"{seen.bars:,} of {seen.expected:,}")
    yield Fact("newest bar", seen.newest, "time", "its close, UTC")
    yield Fact("last price", seen.close, "price", "quote currency")
    share = f"{written(seen.features / seen.bars, 'ratio')} of the bars"
    yield Fact("rows of features", seen.features, "count", share)
    balance = "none built here" if seen.up is None else f"{written(seen.up, 'ratio')} are 1"
    yield Fact("labels", seen.labels, "count", balance)
    wrong = seen.stale + seen.damaged
    told = "see Freshness" if wrong else "every day is fresh and whole"
    yield Fact("unsound days", wrong, "count", told)
    if seen.verdicts:
        worst = max(seen.verdicts.values(), key=lambda said: {"ok": 0, "warn": 1}.get(said, 2))
        yield Fact("checks", worst, "text", ", ".join(f"{phase} {said}" for phase, said in seen.verdicts.items()))
