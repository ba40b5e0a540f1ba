"""An odd answer is asked for a second time before it is believed: a day without bars, a series cut short."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from lake.layout import Shelf
from meta.timeframes import day_start
from p1_ingest.fetch import Fetcher
from p1_ingest.fetched import Fetched, State
from p1_ingest.grid import laid
from p1_ingest.sources.base import Series

EDGE_DAYS = 3  # how far beyond the range bars are looked for around an empty day
FULL = 0.9  # of a day's bars: what has fewer values looks cut short where the day before or after has more
ONE = timedelta(days=1)
Shares = Mapping[date, Mapping[str, float]]


@dataclass
class Doubt:
    """What is not believed at its first saying, over one run for these days."""

    fetcher: Fetcher
    series: Sequence[Series]
    shelf: Shelf
    wanted: Sequence[date]
    _edges: dict[int, bool] = field(default_factory=dict)
    _before: dict[date, dict[str, float]] = field(default_factory=dict)  # the last day fetched, as neighbour

    def fetch(self, days: Sequence[date]) -> Fetched:
        """What is said about these (ascending) days? A series that looks cut short is asked for twice: its day waits
        unless both answers say the same."""
        fetched = self.fetcher.fetch(self.series, self.shelf.symbol, self.shelf.tf, days)
        shares = self._shares(fetched, days)
        odd = {one.name: set(self._odd(one, fetched, {**self._before, **shares})) for one in self.series}
        self._before = {days[-1]: shares[days[-1]]}
        doubted = sorted(set().union(*odd.values()))
        if doubted:
            asked = [one for one in self.series if one.required or odd[one.name]]
            again = self.fetcher.fetch(asked, self.shelf.symbol, self.shelf.tf, doubted)
            for one in asked:
                for day in odd[one.name]:
                    self._settle(one, day, fetched, again)
        return fetched

    def of_empty(self, day: date, with_bars: Set[date]) -> str:
        """Why is a day not believed to have no bar? "" where bars stand on both sides, and it says so again."""
        before = any(other < day for other in with_bars) or self._beyond(self.wanted[0], -1)
        after = before and (any(other > day for other in with_bars) or self._beyond(self.wanted[-1], 1))
        if not after:
            return "no bar, and none on one side of it: not listed then, or not traded yet"
        return self._asked_again(day)

    def _shares(self, fetched: Fetched, days: Sequence[date]) -> dict[date, dict[str, float]]:
        """Which share of each day's bars has a value, column by column? Of prices: which share of the bars is there?
        Nothing of a day that has no bar, and of series that were not answered."""
        close = np.concatenate([self._grid(day) for day in days])
        at = {name: column for one in self.series for name, column in self._laid(one, fetched, close).items()}
        there = ~np.isnan(at["close"]).reshape(len(days), -1)
        found: dict[date, dict[str, float]] = {day: {} for day in days}
        for series, name in [(one, name) for one in self.series for name in one.columns if name in at]:
            said, bars = ~np.isnan(at[name]).reshape(len(days), -1), there | series.required
            share = (said & bars).sum(axis=1) / np.maximum(bars.sum(axis=1), 1)
            for i in np.flatnonzero(there.any(axis=1)).tolist():
                if fetched.states.get((series.name, days[i])) in (State.ANSWERED, State.NOT_OFFERED):
                    found[days[i]][name] = float(share[i])
        return found

    def _odd(self, one: Series, fetched: Fetched, shares: Shares) -> Iterator[date]:
        """On which days does this series look cut short: where a neighbour is full, or none is known? With those days,
        any others that the same bodies are about."""
        answered = [day for day in shares if fetched.states.get((one.name, day)) is State.ANSWERED]
        thin = {day: [c for c in one.columns if shares[day].get(c, 1.0) < FULL] for day in answered}
        beside = {day for day, columns in thin.items() if any(_stands_out(c, day, shares) for c in columns)}
        bodies = {sha for day in beside for sha in fetched.bodies[day].get(one.name, ())}
        for day, columns in thin.items():
            if columns and (day in beside or bodies.intersection(fetched.bodies[day].get(one.name, ()))):
                yield day

    def _settle(self, one: Series, day: date, fetched: Fetched, again: Fetched) -> None:
        """Believe the day as it is where it is said twice; else let it wait."""
        first, second = (self._laid(one, said, self._grid(day)) for said in (fetched, again))
        if again.state(day, [one.name]) is not State.ANSWERED:
            fetched.doubt(one.name, day, f"{one.name} looks cut short, and was not answered when asked again")
        elif any(not np.array_equal(first[c], second[c], equal_nan=True) for c in one.columns if c in first):
            fetched.doubt(one.name, day, f"{one.name} looks cut short, and says something else when asked again")
        else:
            fetched.twice[one.name] += 1

    def _grid(self, day: date) -> np.ndarray:
        return day_start(day) + self.shelf.tf.ms * np.arange(1, self.shelf.tf.per_day + 1, dtype=np.int64)

    def _laid(self, one: Series, said: Fetched, close: np.ndarray) -> dict[str, np.ndarray]:
        return laid(one, said.whole[one.name], close, self.shelf.tf)

    @property
    def _required(self) -> list[Series]:
        return [one for one in self.series if one.required]

    def _beyond(self, edge: date, step: int) -> bool:
        """Does the venue show bars just outside the range? Asked once a side."""
        if step not in self._edges:
            days_beyond = sorted(edge + timedelta(days=step * i) for i in range(1, EDGE_DAYS + 1))
            self._edges[step] = self._any_bar(days_beyond)
        return self._edges[step]

    def _asked_again(self, day: date) -> str:
        """Why is the day not believed to be empty? "" where a second asking was answered, and empty again."""
        said = self.fetcher.fetch(self._required, self.shelf.symbol, self.shelf.tf, [day])
        if said.state(day, [one.name for one in self._required]) > State.ANSWERED:
            return f"it was answered empty, and then not at all ({said.reasons.get(day, 'no answer')}); ask again"
        if any(answer.has(day) for answers in said.answers.values() for answer in answers):
            return "it was answered empty once and with bars once; ask again"
        return ""

    def _any_bar(self, asked: Sequence[date]) -> bool:
        said = self.fetcher.fetch(self._required, self.shelf.symbol, self.shelf.tf, asked).answers
        return any(answer.has(day) for answers in said.values() for answer in answers for day in asked)


def _stands_out(column: str, day: date, shares: Shares) -> bool:
    """Is this column, short on the day, full the day before or after? Also where neither is known."""
    beside = [shares[other].get(column) for other in (day - ONE, day + ONE) if other in shares]
    known = [share for share in beside if share is not None]
    return not known or max(known) >= FULL
