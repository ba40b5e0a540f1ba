"""An odd answer is asked for a second time before it is believed."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from datetime import date, timedelta

from lake.layout import Shelf
from p1_ingest.fetch import Fetcher, State
from p1_ingest.sources.base import Series

EDGE_DAYS = 3  # how far beyond the range bars are looked for around an empty day


@dataclass
class Doubt:
    """What is not believed at its first saying, over one run for these days."""

    fetcher: Fetcher
    series: Sequence[Series]
    shelf: Shelf
    wanted: Sequence[date]
    _edges: dict[int, bool] = field(default_factory=dict)

    def of_empty(self, day: date, with_bars: Set[date]) -> str:
        """Why is a day not believed to have no bar? "" where bars stand on both sides, and it says so again."""
        before = any(other < day for other in with_bars) or self._beyond(self.wanted[0], -1)
        after = before and (any(other > day for other in with_bars) or self._beyond(self.wanted[-1], 1))
        if not after:
            return "no bar, and none on one side of it: not listed then, or not traded yet"
        return self._asked_again(day)

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
