"""One look at a venue: which bars of days that are not over have closed, made as a committed day's are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import date

from lake.layout import Shelf
from meta.errors import Retryable
from p1_ingest.bars import day_of_bars, together
from p1_ingest.fetch import Fetcher
from p1_ingest.fetched import Fetched, State
from p1_ingest.http import Sender
from p1_ingest.known import Bars, bars_of, joined
from p1_ingest.sources.base import Series, Source


@dataclass(frozen=True)
class Look:
    """What a venue showed: bars that had closed by `at` (UTC ms), and the series it did not answer, with the reason."""

    at: int
    bars: Bars
    unanswered: Mapping[str, str]


def look(
    source: Source,
    sender: Sender,
    pool: Executor,
    shelf: Shelf,
    days: Sequence[date],
    at: int,
    after_failure: bool = False,
) -> Look:
    """Which bars of these days have closed by `at`, the instant of asking?

    after_failure : ask for the bars alone at first; a host that was down is not asked for more until it has answered.
    Raises Retryable where the series that make the bars are not answered, BadPayload where their bars are not believed,
    VenueRefused.
    """
    series = source.series(shelf.symbol, shelf.tf)
    fetcher = Fetcher(source, sender, pool, lambda: at)
    if after_failure:
        _answered(fetcher, [one for one in series if one.required], shelf, days)
    said, unanswered = _answered(fetcher, series, shelf, days)
    whole = together(series, said.answers)
    built = [day_of_bars(source, series, said.answers, whole, shelf.symbol, shelf.tf, day) for day in days]
    bars = joined([bars_of(one.table) for one in built])
    return Look(at, bars.where(bars.ts <= at), unanswered)


def _answered(
    fetcher: Fetcher, series: Sequence[Series], shelf: Shelf, days: Sequence[date]
) -> tuple[Fetched, dict[str, str]]:
    """What was said, and why some series said nothing. Raises Retryable where one that makes the bars did not."""
    said = fetcher.fetch(series, shelf.symbol, shelf.tf, days)
    silent = {one.name: why for one in series if (why := _unanswered(said, one, days))}
    for one in series:
        if one.required and one.name in silent:
            raise Retryable(silent[one.name])
    return said, silent


def _unanswered(said: Fetched, one: Series, days: Sequence[date]) -> str:
    """Why did this series not answer for one of these days? "" where it did."""
    for day in days:
        if said.states.get((one.name, day), State.FAILED) in (State.FAILED, State.WAITS):
            return said.reasons.get(day, "it was not answered")
    return ""
