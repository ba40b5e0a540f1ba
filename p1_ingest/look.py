"""One look at a venue: which bars of days that are not over have closed, made as a committed day's are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import date

import numpy as np

from lake.layout import Shelf
from meta.errors import Retryable
from p1_ingest.bars import day_of_bars, together
from p1_ingest.fetch import Fetched, Fetcher, State
from p1_ingest.http import Sender
from p1_ingest.known import NO_BARS, Bars, bars_of
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
    required = [one for one in series if one.required]
    fetcher = Fetcher(source, sender, pool, lambda: at)
    for asked in (required, series) if after_failure else (series,):
        said = fetcher.fetch(asked, shelf.symbol, shelf.tf, days)
        unanswered = {one.name: why for one in asked if (why := _unanswered(said, one, days))}
        for one in required:
            if one.name in unanswered:
                raise Retryable(unanswered[one.name])
    whole = together(series, said.answers)
    found = [
        bars_of(day_of_bars(source, series, said.answers, whole, shelf.symbol, shelf.tf, day).table) for day in days
    ]
    together_ = Bars(
        np.concatenate([NO_BARS.ts, *(bars.ts for bars in found)]),
        np.concatenate([NO_BARS.values, *(bars.values for bars in found)]),
    )
    return Look(at, together_.where(together_.ts <= at), unanswered)


def _unanswered(said: Fetched, one: Series, days: Sequence[date]) -> str:
    """Why did this series not answer for one of these days? "" where it did."""
    for day in days:
        if said.states.get((one.name, day), State.FAILED) in (State.FAILED, State.WAITS):
            return said.reasons.get(day, "it was not answered")
    return ""
