"""One symbol is kept up with: its bars as they close, its days once they are settled, and what is restated of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from lake import days, live
from lake.ending import line_of
from lake.layout import Shelf
from lake.roots import source_name
from meta.errors import Refused, Tampered
from meta.timeframes import DAY, day_of, day_start, days_between
from p1_ingest import restated
from p1_ingest.http import Sender
from p1_ingest.ingest import ingest
from p1_ingest.known import NAMES, NO_BARS, Bars, Change, Taken, bars_of, decided, taken
from p1_ingest.look import Look
from p1_ingest.pace import Pace
from p1_ingest.record import Record
from p1_ingest.sources.base import Source
from p1_ingest.summary import Summary
from p1_ingest.voice import Voice
from p1_ingest.wanted import Choice, last_settled, within_plan

CATCH_UP = 31  # days: a lake that ends before them is `ingest`'s to bring up to date
KEPT = 8  # days of bars in live/: an archive's files are waited for no longer than seven
RECENT = 12  # bars in which a column has been seen that the newest one is expected to have


@dataclass
class Follower:
    """The work on one symbol at one timeframe.

    bars : what is known of days that are not committed, and stands in live/ too. first : the first day that is ours to
    bring. due, promote_at : when the venue is looked at next, and when days are promoted next (UTC ms). owed : days
    could not be promoted because the venue did not answer; they come before the next bars. answered : when it last did.
    source : its name.
    """

    shelf: Shelf
    pace: Pace
    voice: Voice
    first: date
    bars: Bars = NO_BARS
    source: str = ""
    due: int = 0
    promote_at: int = 0
    newest: int = 0
    lag: int = 0
    answered: int = 0
    failures: int = 0
    promotions_failed: int = 0
    owed: bool = False
    told_bars: int = 0
    restated: int = 0
    errors: int = 0
    trouble: str = ""
    committed: str = ""
    _late: set[str] = field(default_factory=set)
    _seen: dict[int, int] = field(default_factory=dict)  # close -> when that bar was first seen

    @property
    def name(self) -> str:
        """What is it called in lines for people?"""
        return f"{self.shelf.symbol} {self.shelf.tf}"

    def days(self, at: int) -> list[date]:
        """Which days are looked at, at this instant (UTC ms)? The newest bar's, and the one before until committed."""
        last = day_of(self.pace.due(at) - 1)
        around = [last - timedelta(days=1), last]
        return [day for day in around if day >= self.first and not days.is_committed(self.shelf, day)]

    def take(self, look: Look) -> None:
        """Tell of the bars that are new or other than before, keep them, and decide when to look again."""
        close, read = self.pace.due(look.at), look.bars
        lacking = self._lacking(close, read)
        waits = bool(lacking) and self.pace.is_patient(look.at)
        if waits:
            read = read.where(read.ts < close)
        found = taken(self.bars, read)
        self._revise(found, (), look.at)
        self._tell(found, look.at)
        if close in found.fresh:
            self.lag = look.at - close
        self._keep(found.bars)
        self.failures = 0
        self.trouble = "; ".join(f"{name}: {why}" for name, why in look.unanswered.items())
        self.errors += len(look.unanswered)
        for name, why in look.unanswered.items():
            fact = why.partition(";")[0]
            self.voice.once(f"{self.name}: {name} is not answered, its columns are null meanwhile: {fact}")
        self.due = self.pace.soon(look.at) if waits else self.pace.next(look.at)

    def settle(self, at: int) -> None:
        """Let go of the bars whose days are committed by now, whoever did it; where a day says otherwise, tell."""
        for day in sorted({day_of(int(ts) - 1) for ts in self.bars.ts}):
            if days.is_committed(self.shelf, day):
                self._decided(day, None, at)

    def promote(
        self, source: Source, sender: Sender, choice: Choice, record: Record, now: Callable[[], int]
    ) -> Summary | None:
        """Commit the days that are settled, ask again for the last ones, and tell of what they say otherwise.

        None where there is no day to ask for. Raises what `ingest` and `within_plan` raise.
        """
        at = now()
        wanted, line = within_plan(source, sender, self.shelf.tf, self.wanted(source, at), at)
        self.voice.once(line)
        if not wanted:
            return None
        before = {day: self._committed(day) for day in wanted if days.is_committed(self.shelf, day)}
        summary = ingest(source, sender, self.shelf, wanted, choice, now, record=record)
        for day in sorted(summary.committed):
            self._decided(day, before.get(day), at)
            self.committed = str(day)
        self.settle(at)
        return summary

    def wanted(self, source: Source, at: int) -> list[date]:
        """Which settled days should be committed by now (UTC ms)? None before those of our own or of the lake's end."""
        last = last_settled(source, at)
        window = days_between(last - timedelta(days=CATCH_UP - 1), last)
        start = next((day for day in window if days.is_committed(self.shelf, day)), self.first)
        return days_between(start, last) if start <= last else []

    def _lacking(self, close: int, read: Bars) -> list[str]:
        """Which columns does the newest bar lack that bars before it have? All of them where it is not there."""
        before = self.bars.between(close - RECENT * self.shelf.tf.ms - 1, close - 1)
        row = read.between(close - 1, close).values
        values = row[0] if len(row) else np.full(len(NAMES), np.nan)
        seen = ~np.isnan(before.values).all(axis=0) if len(before) else ~np.isnan(values)
        if not len(row) and not len(before):
            return list(NAMES)
        return [NAMES[i] for i in np.flatnonzero(seen & np.isnan(values))]

    def _tell(self, found: Taken, at: int) -> None:
        self._tell_late(found.changes)
        self.voice.tell(self.shelf, found, at)
        self.told_bars += len(found.fresh)
        self.restated += len({change.ts for change in found.changes})
        self.newest = max([self.newest, *found.fresh])

    def _tell_late(self, changes: Sequence[Change]) -> None:
        """Once a column: it comes so late that bars go out without it."""
        late = dict.fromkeys(one.column for one in changes if one.old != one.old and one.column not in self._late)
        if late:
            self._late.update(late)
            after = (self.pace.after_close + self.pace.patience) / 1000
            self.voice.say(
                f"{self.name}: {' '.join(late)}: not there {after:.0f} s after a close; "
                "such a bar goes out without, and again once it is whole"
            )

    def _decided(self, day: date, before: Bars | None, at: int) -> None:
        """before : what the day said when it was committed earlier: what changed of that is kept by the commit."""
        old, final = before or self._of(day), self._committed(day)
        found = decided(old, final)
        if not before:
            self._revise(found, np.setdiff1d(old.ts, final.ts).tolist(), at)
        self._tell(found, at)
        start = day_start(day)
        self._keep(self.bars.where((self.bars.ts <= start) | (self.bars.ts > start + DAY)))

    def _committed(self, day: date) -> Bars:
        return bars_of(days.need(self.shelf, day).table())

    def _of(self, day: date) -> Bars:
        return self.bars.between(day_start(day), day_start(day) + DAY)

    def _keep(self, bars: Bars) -> None:
        """Keep these bars, and put them into live/. A disk that is full for now is no reason to miss any."""
        oldest = int(bars.ts[-1]) - KEPT * DAY if len(bars) else 0
        before, self.bars = self.bars, bars.where(bars.ts > oldest)
        self._seen = {ts: at for ts, at in self._seen.items() if ts > oldest}
        if not _same(before, self.bars):
            self._written("live/", lambda: live.write(self.shelf, self.bars.table(self.shelf.symbol)))

    def _revise(self, found: Taken, gone: Sequence[int], at: int) -> None:
        """Keep what these bars said before."""
        if found.changes or gone:
            told = self.source, found.changes, gone, self._seen, at
            self._written("revisions/", lambda: restated.keep(self.shelf, *told))
        self._seen |= dict.fromkeys(found.fresh, at)

    def _written(self, where: str, write: Callable[[], None]) -> None:
        try:
            write()
        except (OSError, Tampered) as error:
            self.errors += 1
            self.trouble = f"{where} was not written: {line_of(error)}"
            self.voice.once(f"warning: {self.name}: {self.trouble}")


def follower(shelf: Shelf, pace: Pace, voice: Voice, source: Source, before: str, now: int) -> Follower:
    """Who keeps up with this symbol from now (UTC ms) on, from where the lake and live/ end?

    before : the source that live/ was filled from, "" where nobody knows. The caller holds the right to follow.
    Raises Refused where the lake's days are another source's.
    """
    live.clean(shelf)
    last = next((day for day in reversed(shelf.days_on_disk()) if days.is_committed(shelf, day)), None)
    if last is not None:
        _same_source(shelf, days.entry(shelf, last).source, source)  # type: ignore[union-attr]
    today = day_of(pace.due(now) - 1)
    bars = _kept(shelf, voice) if before == source.name else NO_BARS
    first = min([today, *(day_of(int(ts) - 1) for ts in bars.ts[:1])])
    if last is not None and today - last <= timedelta(days=CATCH_UP):
        first = last + timedelta(days=1)
    elif last is not None:
        voice.say(
            f"{shelf.symbol} {shelf.tf}: the lake ends {last}; days from {today} on are followed, "
            f"`{days.command(shelf)} --start {last}` brings those between"
        )
    made = Follower(shelf, pace, voice, first, bars, source.name, committed=str(last or ""))
    made.newest = int(bars.ts[-1]) if len(bars) else 0
    return made


def _kept(shelf: Shelf, voice: Voice) -> Bars:
    try:
        table = live.read(shelf)
    except Tampered as error:  # nothing of it is lost that the venue would not say again
        voice.say(f"warning: {error}")
        return NO_BARS
    return bars_of(table) if table is not None else NO_BARS


def _same_source(shelf: Shelf, cell: str, source: Source) -> None:
    if source_name(cell) != source.name:
        raise Refused(
            f"{shelf} in {shelf.root} holds days of {source_name(cell)}; "
            f"bars of {source.name} are not mixed in: choose another --lake or --source"
        )


def _same(one: Bars, other: Bars) -> bool:
    return np.array_equal(one.ts, other.ts) and np.array_equal(one.values, other.values, equal_nan=True)
