"""One run over one symbol: from what was said of days to committed days, each whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from lake import commit, days, fresh
from lake.changes import BAR
from lake.layout import Shelf
from lake.manifest import Provenance
from meta.errors import BadPayload, Refused
from p1_ingest.bars import DayOfBars, day_of_bars
from p1_ingest.doubt import Doubt
from p1_ingest.fetched import Fetched, State
from p1_ingest.grid import STAMPS
from p1_ingest.record import Record
from p1_ingest.sources.base import Series, Source
from p1_ingest.summary import Summary
from p1_ingest.wanted import Choice


@dataclass
class Run:
    """The work on one symbol.

    code : the digest of today's rules. never : series that no committed day could be served with. with_bars : the days
    that have bars, committed earlier or now.
    """

    source: Source
    series: Sequence[Series]
    shelf: Shelf
    writer: commit.Writer
    choice: Choice
    summary: Summary
    code: str
    never: set[str]
    with_bars: set[date]
    record: Record | None = None
    served: set[str] = field(default_factory=set)
    empty: list[tuple[date, DayOfBars, Fetched]] = field(default_factory=list)

    def take(self, chunk: list[date], fetched: Fetched) -> None:
        """Commit the days of this chunk that were fully answered; note why the others were not."""
        names = [one.name for one in self.series]
        self.summary.notes.update(fetched.notes)
        twice = "days looked cut short, and were believed when asked for twice"
        self.summary.counts.update({f"{name}: {twice}": n for name, n in fetched.twice.items()})
        for answer in fetched.whole.values():
            self.summary.counts.update({f"{answer.series}: {why}": n for why, n in answer.counts.items()})
        for day in chunk:
            self._learn(day, fetched)
            state = fetched.state(day, names)
            if state is State.WAITS:
                self.summary.waiting[day] = fetched.reasons[day]
            elif state is State.FAILED:
                self.summary.failed[day] = fetched.reasons.get(day, "was not answered")
            else:
                built = self._built(day, fetched)
                if built is not None and built.table.num_rows:
                    self._stage(day, built, fetched)
                elif built is not None:
                    self.empty.append((day, built, fetched))
        self._publish()

    def _publish(self) -> None:
        """The record first: a day must not be in the lake without its link to what it was made of."""
        if self.record:
            self.record.tell()
        self.summary.committed += self.writer.publish()

    def _learn(self, day: date, fetched: Fetched) -> None:
        """A series that no earlier day could be served with is not waited for: a coin without a spot pair has none."""
        fetched.give_up(day, fetched.waits_for(day) & self.never - {one.name for one in self.series if one.required})
        absent = set(fetched.not_offered(day))
        self.served |= {one.name for one in self.series if fetched.states.get((one.name, day)) is State.ANSWERED}
        self.never = (self.never | absent) - self.served

    def _built(self, day: date, fetched: Fetched) -> DayOfBars | None:
        missing = fetched.not_offered(day)
        try:
            return day_of_bars(
                self.source, self.series, fetched.answers, fetched.whole, self.shelf.symbol, self.shelf.tf, day, missing
            )
        except BadPayload as error:
            self.summary.failed[day] = str(error)
            return None

    def _stage(self, day: date, built: DayOfBars, fetched: Fetched) -> None:
        if day in self.choice.leave:
            self.summary.present += 1
            return
        provenance = Provenance(built.source, fresh.NO_INPUTS, self.code)
        try:
            allowed, bodies = self.choice.force, self._bodies(fetched, day)
            staged = self.writer.stage(day, built.table, provenance, guard=True, allow_shrink=allowed, bodies=bodies)
        except Refused as error:
            self.summary.failed[day] = str(error)
            return
        if staged and self.writer.staged[-1].old is not None:
            self.summary.changed.append(day)
        if self.record:
            known = self.writer.staged[-1].new if staged else days.entry(self.shelf, day)
            told = fetched.evidence(day), fetched.not_offered(day), built.quarantined, built.nulled
            self.record.day(day, known.sha256 if known else "", *told)
        self.summary.unchanged += not staged
        self.summary.bars += built.table.num_rows
        self.summary.not_offered.update(fetched.not_offered(day))
        self.summary.counts.update(built.kept_out)
        if built.table.num_rows:
            self.with_bars.add(day)

    def _bodies(self, fetched: Fetched, day: date) -> dict[str, str]:
        """Which bodies does each column's day come from, those of the bars themselves too?"""
        found: dict[str, str] = {}
        said = fetched.bodies.get(day, {}) if self.record else {}
        for one in self.series:
            names = [*one.columns, *(STAMPS[name] for name in one.columns if name in STAMPS)]
            names += [BAR] if one.required else []
            found |= dict.fromkeys(names, " ".join(said[one.name])) if one.name in said else {}
        return found

    def finish(self, doubt: Doubt) -> None:
        """Commit the empty days that are believed."""
        for day, built, fetched in self.empty:
            if why := doubt.of_empty(day, self.with_bars):
                self.summary.waiting[day] = why
            else:
                self._stage(day, built, fetched)
        if self.record:
            self.record.end(self.summary.failed, self.summary.waiting)
        self._publish()
