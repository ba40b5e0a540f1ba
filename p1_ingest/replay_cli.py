"""A replay on the command line: the runs a lake recorded, once more, with nobody asked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

from lake import cli, ending, layout, roots, settings
from lake.layout import Shelf
from lake.span import Span
from meta.datasets import DATASETS
from meta.errors import NotReady, PerplakeError, Refused, Usage
from meta.timeframes import timeframe
from p1_ingest import replay as replaying
from p1_ingest import venues
from p1_ingest.http import Sender
from p1_ingest.ingest import ingest
from p1_ingest.record import Record
from p1_ingest.replay import Replay
from p1_ingest.sources.base import Source
from p1_ingest.summary import Summary
from p1_ingest.wanted import Choice, wanted_days, within_plan

Told = tuple[list[Summary], list[str]]


def recorded_source(raw: str | None, lake: str | None) -> str:
    """Whose answers does the record hold? Raises NotReady where there are none, Usage where there are several's."""
    root = roots.root(raw or lake)
    names = replaying.sources(root)
    if not names:
        raise NotReady(
            f"{settings.shown(root)} holds no recorded run; ingest with the network first, or give --raw ROOT"
        )
    if len(names) > 1:
        raise Usage(f"{settings.shown(root)} holds runs of {' and '.join(names)}; say which with --source")
    return names[0]


def recorded_shelves(root: Path, raw: Path, source: str, symbols: tuple[str, ...], tfs: tuple[str, ...]) -> list[Shelf]:
    """Which shelves under `root` did the recorded runs write, of those symbols and timeframes where any are named?"""
    chosen = {name.upper() for name in symbols}, set(tfs)
    named = {(run.tf, run.symbol): None for run in Replay(raw, source).runs}
    kept = [(tf, name) for tf, name in named if name in (chosen[0] or {name}) and tf in (chosen[1] or {tf})]
    if not kept:
        raise NotReady(f"{settings.shown(raw)} holds no run of those; it has {_listed(named)}")
    return [layout.shelf(root, DATASETS["bars"], timeframe(tf), name) for tf, name in kept]


def replayed(
    source: str,
    raw: Path,
    shelves: Mapping[Shelf, Span],
    choice: Choice,
    tell: Callable[[str], None],
    log: Callable[[str], None] | None = None,
) -> Told:
    """Bring these shelves to what the record makes of them: every recorded run in its order, or the span where given.

    The same lake's own record is read only; another lake gets a record of its own. Raises what `ingest` does.
    """
    replay = Replay(raw, source)
    root = next(iter(shelves)).root
    moment = venues.Moment(replay.last)
    record = Record(root, source, moment) if raw != root else None
    results, failures = list[Summary](), list[str]()
    with venues.opened(source, clock=moment, log=log, record=record, replay=replay) as (venue, sender):
        cli.say(f"source {venue.name}, as recorded in {settings.shown(raw)}")
        for shelf, span in shelves.items():
            try:
                work = _Work(venue, sender, replay, moment, record, tell)
                results += work.ranged(shelf, span, choice) if span else work.runs(shelf, choice)
            except (PerplakeError, OSError) as error:
                if len(shelves) == 1:
                    raise
                failures.append(f"{shelf.symbol} {shelf.tf}: {ending.line_of(error)}")
    return results, failures


class _Work:
    """One shelf at a time, from a recording."""

    def __init__(
        self,
        venue: Source,
        sender: Sender,
        replay: Replay,
        moment: venues.Moment,
        record: Record | None,
        tell: Callable[[str], None],
    ) -> None:
        self._venue, self._sender, self._replay, self._moment = venue, sender, replay, moment
        self._record, self._tell = record, tell

    def runs(self, shelf: Shelf, choice: Choice, only: Collection[date] | None = None) -> Iterator[Summary]:
        """Every recorded run, each at its own instant and with its own choices; `only` these days are written."""
        leave = replaying.untouched(shelf, self._venue) if choice.skip_present and not choice.force else frozenset()
        for run in replaying.of_shelf(self._replay.runs, shelf):
            self._replay.turn(run)
            self._moment.ms = replaying.milliseconds(run.time)
            wanted, exact = replaying.choice_of(run, choice, leave)
            if only is not None:
                exact = replace(exact, leave=leave | {*wanted}.difference(only))
                if not {*wanted}.intersection(only):
                    continue
            try:
                yield self._ingested(shelf, wanted, exact)
            except Refused as error:
                if not self._replay.was_cut_short(run):
                    raise
                cli.say(f"{shelf}: the run of {run.time} was cut short there: {error}")

    def ranged(self, shelf: Shelf, span: Span, choice: Choice) -> Iterator[Summary]:
        """A range of days: as the runs heard of them that wanted them all, else by the newest answers.

        A run asked for its own range: for another one, a venue of pages is asked other requests than are on record.
        """
        wanted = wanted_days(self._venue, span, self._moment(), settings.lake_conf().days)
        runs = replaying.of_shelf(self._replay.runs, shelf)
        if {*wanted} <= {day for run in runs for day in replaying.choice_of(run, choice, frozenset())[0]}:
            yield from self.runs(shelf, choice, wanted)
            return
        wanted, line = within_plan(self._venue, self._sender, shelf.tf, wanted, self._moment())
        if line:
            cli.say(line)
        if wanted:
            yield self._ingested(shelf, wanted, choice)

    def _ingested(self, shelf: Shelf, wanted: list[date], choice: Choice) -> Summary:
        return ingest(self._venue, self._sender, shelf, wanted, choice, self._moment, self._tell, self._record)


def _listed(named: Mapping[tuple[str, str], None]) -> str:
    return ", ".join(f"{name} {tf}" for tf, name in named) or "none"
