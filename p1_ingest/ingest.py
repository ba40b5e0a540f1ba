"""Days come in: what is missing or still settling is asked for, and each day that was fully answered is committed."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta

from lake import commit, days, fresh, notes
from lake.cli import Span
from lake.layout import Shelf
from lake.manifest import Entry, Provenance
from lake.parts import schema_digest
from lake.roots import source_name
from meta.errors import BadPayload, NotReady, Refused
from meta.timeframes import Timeframe, day_of, day_start, days_between
from p1_ingest.bars import SCHEMA, DayOfBars, absent_series, day_of_bars, together
from p1_ingest.fetch import Fetched, Fetcher, State
from p1_ingest.http import Sender
from p1_ingest.record import Asked, Record
from p1_ingest.sources.base import Listing, Series, Source
from p1_ingest.summary import Summary

CODE_SETTINGS = {"grid": 1}  # goes up when a rule that reaches P1's values changes
NEVER_SERVED = "its files answered 404 on every day asked for"
NOT_LISTED = "the venue lists no file of it"
EDGE_DAYS = 3  # how far beyond the range bars are looked for around an empty day


@dataclass(frozen=True)
class Choice:
    """How to ingest: which committed days to leave alone, and what to accept.

    exactly : ask for these days, whatever is committed, as a recorded run did. leave : days not to write over.
    again : days to ask for though they are committed.
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

    def settings(self) -> dict[str, bool]:
        """Which of these choices reach the lake, once the days to ask for are known?"""
        return {"force": self.force, "accept_checksum": self.accept_checksum}


def code(source: Source, symbol: str, tf: Timeframe) -> str:
    """Which digest stands for P1's rules today: ours, and the source's settings that reach this symbol's values?"""
    from meta.datasets import DATASETS

    settings = {**CODE_SETTINGS, "source": source.rules(symbol, tf)}
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


def to_ask(known: dict[date, Entry], wanted: list[date], choice: Choice, today: str) -> list[date]:
    """Which days are asked for? Those absent, of other rules than today's `code`, among the last `refresh_tail`, and
    those the choice wants again."""
    if choice.exactly is not None:
        return list(choice.exactly)
    if not choice.skip_present:
        return wanted
    again = choice.again.union(wanted[-choice.refresh_tail :] if choice.refresh_tail else ())
    return [day for day in wanted if day in again or day not in known or known[day].code != today]


def chunks(asked: Sequence[date]) -> list[list[date]]:
    """Days by calendar month: what one round of requests is about."""
    return [list(group) for _, group in itertools.groupby(asked, key=lambda day: (day.year, day.month))]


def ingest(
    source: Source,
    sender: Sender,
    shelf: Shelf,
    wanted: list[date],
    choice: Choice,
    now: Callable[[], int],
    tell: Callable[[str], None] = lambda line: None,
    record: Record | None = None,
) -> Summary:
    """Ask for what is missing among `wanted` and commit each day that was fully answered.

    record : keeps what is heard, before a day made of it is published; the sender should report to it.
    Failures that concern a day stay with it, in the summary. Raises VenueRefused, Busy, Refused, Tampered.
    """
    summary = Summary(shelf.symbol, shelf.tf.name)
    series = source.series(shelf.symbol, shelf.tf)
    with commit.writing(shelf, choice.wait) as writer, _workers(choice.workers) as pool:
        known = days.committed(shelf)
        _same_source(shelf, source, known, choice)
        today = code(source, shelf.symbol, shelf.tf)
        asked = to_ask(known, wanted, choice, today)
        summary.asked, summary.present = len(wanted), len(wanted) - len(asked)
        unasked = {"unasked": record.unasked} if record else {}
        fetcher = Fetcher(source, sender, pool, now, choice.accept_checksum, **unasked)
        run = _Run(source, series, shelf, fetcher, writer, choice, summary, {day for day in known if known[day].rows})
        run.never, run.code = _never_served(known), today
        run.record = record
        recording = record.run(shelf, _asked(source, series, choice, now(), wanted, asked)) if record else None
        with recording or contextlib.nullcontext():
            done, began = 0, time.monotonic()
            for chunk, fetched in _ahead(fetcher, series, shelf, chunks(asked)):
                run.take(chunk, fetched)
                done += len(chunk)
                left = (time.monotonic() - began) / done * (len(asked) - done)
                spent = f"{done} of {len(asked)} days, {left:.0f} s left"
                tell(f"{shelf.symbol} {shelf.tf} {chunk[0]} … {chunk[-1]}: {spent}")
            run.finish(wanted)
        if summary.committed or known:
            notes.write(shelf, notes.OFFERED, _offered(source, series, shelf, fetcher.listing))
    return summary


def _asked(
    source: Source, series: Sequence[Series], choice: Choice, now: int, wanted: list[date], asked: list[date]
) -> Asked:
    required = [one.name for one in series if one.required]
    return Asked(now, wanted, asked, source.settle_lag_ms, required, choice.settings())


def _never_served(known: Mapping[date, Entry]) -> set[str]:
    """Which series was no committed day served with?"""
    absent = [absent_series(entry.source) for entry in known.values()]
    return set.intersection(*absent) if absent else set()


def _offered(
    source: Source, series: Sequence[Series], shelf: Shelf, listing: Listing | None = None
) -> dict[str, object]:
    """Which bar columns does the source offer for this symbol, and why not the others?

    The source's own declaration, less the series its listing has no file of; where nobody looked there, less those
    that no committed day could be served with, unless an earlier run had looked.
    """
    never, before = _never_served(days.committed(shelf)), (notes.read(shelf, notes.OFFERED) or {}).get("columns", {})
    columns: dict[str, object] = dict(source.left_out(shelf.symbol, shelf.tf))
    for one in series:
        listed, said = listing.has(one.name) if listing else None, before.get(one.columns[0])
        why: object = True
        if one.name in never and not listed:
            unserved = NOT_LISTED if listed is False else NEVER_SERVED
            why = said if listed is None and said in (True, NOT_LISTED) else unserved
        columns |= dict.fromkeys(one.columns, why)
    return {"source": source.name, "columns": columns}


@contextlib.contextmanager
def _workers(number: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that are waited for when all went well, and left alone when it did not: a dead host takes minutes."""
    pool = ThreadPoolExecutor(number)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _ahead(
    fetcher: Fetcher, series: Sequence[Series], shelf: Shelf, work: list[list[date]]
) -> Iterator[tuple[list[date], Fetched]]:
    """Each chunk with what was said about it; the next one is being fetched while this one is worked on."""
    with _workers(1) as one_ahead:
        coming = None
        for chunk, following in itertools.zip_longest(work, work[1:]):
            now = coming or one_ahead.submit(fetcher.fetch, series, shelf.symbol, shelf.tf, chunk)
            fetched = now.result()
            coming = following and one_ahead.submit(fetcher.fetch, series, shelf.symbol, shelf.tf, following)
            yield chunk, fetched


def _same_source(shelf: Shelf, source: Source, known: dict[date, Entry], choice: Choice) -> None:
    others = {source_name(entry.source) for entry in known.values()} - {source.name}
    if others and not choice.force:
        raise Refused(
            f"{shelf} in {shelf.root} holds {len(known)} days of {', '.join(sorted(others))}; "
            f"days of {source.name} are not mixed in: choose another --lake, or give --force"
        )


@dataclass
class _Run:
    """The work on one symbol: from what was said to committed days."""

    source: Source
    series: Sequence[Series]
    shelf: Shelf
    fetcher: Fetcher
    writer: commit.Writer
    choice: Choice
    summary: Summary
    with_bars: set[date]
    empty: list[tuple[date, DayOfBars, Fetched]] = field(default_factory=list)
    edges: dict[int, bool] = field(default_factory=dict)
    never: set[str] = field(default_factory=set)
    served: set[str] = field(default_factory=set)
    record: Record | None = None
    code: str = ""

    def take(self, chunk: list[date], fetched: Fetched) -> None:
        """Commit the days of this chunk that were fully answered; note why the others were not."""
        names = [one.name for one in self.series]
        whole = together(self.series, fetched.answers)
        self.summary.notes.update(fetched.notes)
        for answer in whole.values():
            self.summary.counts.update({f"{answer.series}: {why}": n for why, n in answer.counts.items()})
        for day in chunk:
            self._learn(day, fetched)
            state = fetched.state(day, names)
            if state is State.WAITS:
                self.summary.waiting[day] = fetched.reasons[day]
            elif state is State.FAILED:
                self.summary.failed[day] = fetched.reasons.get(day, "was not answered")
            else:
                built = self._built(day, fetched, whole)
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

    def _built(self, day: date, fetched: Fetched, whole: dict) -> DayOfBars | None:
        missing = fetched.not_offered(day)
        try:
            return day_of_bars(
                self.source, self.series, fetched.answers, whole, self.shelf.symbol, self.shelf.tf, day, missing
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
            staged = self.writer.stage(day, built.table, provenance, guard=True, allow_shrink=self.choice.force)
        except Refused as error:
            self.summary.failed[day] = str(error)
            return
        if staged and self.writer.staged[-1].old is not None:
            self.summary.changed.append(day)
        if self.record:
            known = self.writer.staged[-1].new if staged else days.entry(self.shelf, day)
            not_offered = fetched.not_offered(day)
            self.record.day(day, known.sha256 if known else "", fetched.evidence(day), not_offered, built.quarantined)
        self.summary.unchanged += not staged
        self.summary.bars += built.table.num_rows
        self.summary.not_offered.update(fetched.not_offered(day))
        self.summary.counts.update({f"kept out: {why}": n for why, n in built.kept_out.items()})
        if built.table.num_rows:
            self.with_bars.add(day)

    def finish(self, wanted: list[date]) -> None:
        """Commit the empty days that are believed: bars stand on both sides, and a second asking says the same."""
        required = [one for one in self.series if one.required]
        for day, built, fetched in self.empty:
            if not (self._bars_before(day, wanted[0]) and self._bars_after(day, wanted[-1])):
                self.summary.waiting[day] = "no bar, and none on one side of it: not listed then, or not traded yet"
            elif (again := self._asked_again(required, day)) != "":
                self.summary.waiting[day] = again
            else:
                self._stage(day, built, fetched)
        if self.record:
            self.record.end(self.summary.failed, self.summary.waiting)
        self._publish()

    def _bars_before(self, day: date, first: date) -> bool:
        return any(other < day for other in self.with_bars) or self._beyond(first, -1)

    def _bars_after(self, day: date, last: date) -> bool:
        return any(other > day for other in self.with_bars) or self._beyond(last, 1)

    def _beyond(self, edge: date, step: int) -> bool:
        """Does the venue show bars just outside the range? Asked once a side."""
        if step not in self.edges:
            days_beyond = sorted(edge + timedelta(days=step * i) for i in range(1, EDGE_DAYS + 1))
            self.edges[step] = self._any_bar([one for one in self.series if one.required], days_beyond)
        return self.edges[step]

    def _asked_again(self, required: list[Series], day: date) -> str:
        """Why is the day not believed to be empty? "" where a second asking was answered, and empty again."""
        said = self.fetcher.fetch(required, self.shelf.symbol, self.shelf.tf, [day])
        if said.state(day, [one.name for one in required]) > State.ANSWERED:
            return f"it was answered empty, and then not at all ({said.reasons.get(day, 'no answer')}); ask again"
        if any(answer.has(day) for answers in said.answers.values() for answer in answers):
            return "it was answered empty once and with bars once; ask again"
        return ""

    def _any_bar(self, required: list[Series], asked: list[date]) -> bool:
        said = self.fetcher.fetch(required, self.shelf.symbol, self.shelf.tf, asked).answers
        return any(answer.has(day) for answers in said.values() for answer in answers for day in asked)
