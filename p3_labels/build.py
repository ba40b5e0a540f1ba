"""Labels are written a day at a time, once every path that starts in the day is resolved, and never before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import date

from lake import commit, days, fresh, notes, orphans, run, stretches
from lake.manifest import Entry
from lake.run import Engine
from lake.span import Span
from meta.errors import NotReady
from p3_labels.chunk import Outcome, Task, Work, digest_of, inputs, labelled
from p3_labels.events import Own

APART = 10  # days between two that still share what is read around them


@dataclass
class Built:
    """What one build did for one symbol and timeframe."""

    symbol: str
    tf: str
    fresh: int = 0
    committed: list[date] = field(default_factory=list)
    unchanged: int = 0
    waiting: list[date] = field(default_factory=list)
    rows: int = 0
    replaced: int = 0  # days that stood there by other rules
    reasons: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    orphans: orphans.Orphans = field(default_factory=orphans.Orphans)

    def lines(self) -> list[str]:
        """How is it told to people?"""
        name = f"{self.symbol} {self.tf}"
        told = [
            f"{name}: {len(self.committed)} days written, {self.unchanged} recomputed to the same, {self.fresh} fresh, "
            f"{len(self.waiting)} waiting for more tape; {self.rows:,} labels"
        ]
        if self.rows:
            told.append(f"{name}: " + ", ".join(f"{o} {n / self.rows:.2%}" for o, n in self.outcomes.most_common()))
        if self.replaced:
            told.append(f"{name}: {self.replaced} of these days had labels of other rules, which are replaced")
        told += self.orphans.lines(name)
        told += [f"{name}: no label on {n:,} rows: {why}" for why, n in self.reasons.items() if n and why != "labelled"]
        return told

    def data(self) -> dict[str, object]:
        """How is it told to machines?"""
        told = {"written": [str(d) for d in self.committed], "unchanged": self.unchanged, "fresh": self.fresh}
        waiting = [str(day) for day in self.waiting]
        return {
            "symbol": self.symbol,
            "tf": self.tf,
            "days": {**told, "of_other_rules": self.replaced, "waiting": waiting, **self.orphans.data()},
            "rows": self.rows,
            "outcomes": dict(self.outcomes),
            "not_labelled": {why: n for why, n in self.reasons.items() if why != "labelled"},
        }


def build(
    work: Work,
    span: Span,
    wait: float = 0.0,
    tell: Callable[[str], None] = lambda line: None,
    prune: bool = False,
) -> Built:
    """Bring this symbol's labels up to its features and bars, within the span.

    Raises NotReady where there are no features or bars, Busy, Tampered.
    """
    return run.finished(building(work, span, Engine(), wait, tell, prune))


def building(
    work: Work,
    span: Span,
    engine: Engine,
    wait: float = 0.0,
    tell: Callable[[str], None] = lambda line: None,
    prune: bool = False,
) -> Generator[None, None, Built]:
    """The same, with others to compute: yields once, when they are at work; then stages and publishes what they return.

    Raises as `build` does.
    """
    known = days.committed(work.features)
    wanted = span.of(list(known))
    if not wanted and not orphans.all_may_go(work.shelf, known, prune):
        raise NotReady(days.none_of(work.features, known, "build"))
    bars = days.committed(work.bars)
    if wanted and not bars:
        raise NotReady(f"{work.bars} has no committed day in {work.bars.root}; name the bars with --bars")
    built = Built(work.shelf.symbol, work.shelf.tf.name)
    with commit.writing(work.shelf, wait) as writer:
        code = work.rules.code()
        notes.write_rules(work.shelf, code)
        minutes = days.committed(work.minutes) if work.minutes else {}
        own = work.rules.events.own(work.shelf.symbol, work.shelf.tf)
        stale = [day for day in wanted if not _is_fresh(work, day, known[day], bars, minutes, own, code)]
        built.fresh = len(wanted) - len(stale)
        stood = (days.entry(work.shelf, day) for day in stale)
        built.replaced = sum(known is not None and known.code != code for known in stood)
        chunks = stretches.stretches(stale, APART)
        outcomes = run.spread(engine, labelled, (Task(work, tuple(chunk), own) for chunk in chunks))
        yield
        built.committed = stretches.published(writer, chunks, outcomes, lambda one: _stage(writer, one, built), tell)
        built.orphans = orphans.take_away(writer, span, {*wanted} - {*built.waiting}, prune)
    return built


def _is_fresh(
    work: Work,
    day: date,
    keys: Entry,
    bars: Mapping[date, Entry],
    minutes: Mapping[date, Entry],
    own: Own | None,
    code: str,
) -> bool:
    """Is the committed day of these inputs and rules? Which days its paths walked stands in its own manifest."""
    known = days.entry(work.shelf, day)
    walked = fresh.walked(known.source) if known else None
    return walked is not None and fresh.is_fresh(
        known, inputs(work, walked, keys.keys, bars, minutes, digest_of(own, day)), code
    )


def _stage(writer: commit.Writer, outcome: Outcome, built: Built) -> None:
    """Stage what came back, and count it."""
    built.unchanged += writer.stage_all(outcome.days).count(False)
    built.waiting += outcome.waiting
    built.rows += outcome.rows
    built.reasons += outcome.reasons
    built.outcomes += outcome.outcomes
