"""Features are built for every day whose inputs or rules are not those it was made of, and for no other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from lake import commit, days, fresh, notes, orphans, run, stretches
from lake.frames import first_position
from lake.layout import Shelf
from lake.manifest import Entry
from lake.run import Engine
from lake.span import Span
from meta.errors import NotReady
from p2_features.choice import Asked, Choice, chosen
from p2_features.chunk import Outcome, Task, computed, inputs

APART = 30  # days between two that still share their look-back
COSTLY = 0.05  # a feature that costs a larger share of the rows than this is named


@dataclass
class Built:
    """What one build did for one symbol and timeframe."""

    symbol: str
    tf: str
    features: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    fresh: int = 0
    committed: list[date] = field(default_factory=list)
    unchanged: int = 0
    rows: int = 0
    bars: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    cost: Counter[str] = field(default_factory=Counter)
    warming: int = 0
    cold: set[date] = field(default_factory=set)  # of those computed: wholly inside the warm-up
    orphans: orphans.Orphans = field(default_factory=orphans.Orphans)
    command: str = ""  # what builds these features again

    def lines(self) -> list[str]:
        """How is it told to people?"""
        name = f"{self.symbol} {self.tf}"
        told = [
            f"{name}: {len(self.features)} features; {len(self.committed)} days written, {self.unchanged} recomputed "
            f"to the same, {self.fresh} fresh, {self.warming} inside the warm-up; "
            f"{self.rows:,} rows of {self.bars:,} bars"
        ]
        told += self.orphans.lines(name)
        told += [f"{name}: not written: {n:,} rows, {why}" for why, n in self.reasons.most_common()]
        told += [f"{name}: without {feature}: {why}" for feature, why in self.left_out.items()]
        return told

    def data(self) -> dict[str, object]:
        """How is it told to machines?"""
        return {
            "symbol": self.symbol,
            "tf": self.tf,
            "features": list(self.features),
            "left_out": dict(self.left_out),
            "days": {
                "written": [str(day) for day in self.committed],
                "unchanged": self.unchanged,
                "fresh": self.fresh,
                "warm-up": self.warming,
                **self.orphans.data(),
            },
            "rows": self.rows,
            "bars": self.bars,
            "not_written": dict(self.reasons),
            "rows_lost_by_feature": {name: n for name, n in self.cost.items() if n},
        }


def build(
    shelf: Shelf,
    bars: Shelf,
    span: Span,
    asked: Asked,
    wait: float = 0.0,
    tell: Callable[[str], None] = lambda line: None,
    prune: bool = False,
) -> Built:
    """Bring this symbol's features up to its bars, within the span.

    Raises NotReady where there are no bars, Usage for impossible choices, Busy, Tampered.
    """
    return run.finished(building(shelf, bars, span, asked, Engine(), wait, tell, prune))


def building(
    shelf: Shelf,
    bars: Shelf,
    span: Span,
    asked: Asked,
    engine: Engine,
    wait: float = 0.0,
    tell: Callable[[str], None] = lambda line: None,
    prune: bool = False,
) -> Generator[None, None, Built]:
    """The same, with others to compute: yields once, when they are at work; then stages and publishes what they return.

    Raises as `build` does.
    """
    known_bars = days.committed(bars)
    wanted = span.of(list(known_bars))
    if not wanted and not orphans.all_may_go(shelf, known_bars, prune):
        raise NotReady(days.none_of(bars, known_bars, "ingest"))
    choice = chosen(shelf, bars, asked)
    built = Built(shelf.symbol, shelf.tf.name, tuple(f.name for f in choice.features), choice.left_out)
    built.command = days.command(shelf)
    with commit.writing(shelf, wait) as writer:
        notes.write(shelf, notes.FEATURES, choice.note())
        code = choice.code()
        notes.write_rules(shelf, code)
        candidates = [day for day in wanted if _warm(day, known_bars, choice, bars)]
        built.warming = len(wanted) - len(candidates)
        stale = [day for day in candidates if not _is_fresh(shelf, day, known_bars, choice, code)]
        built.fresh = len(candidates) - len(stale)
        chunks = stretches.stretches(stale, APART)
        tasks = (Task(bars, tuple(chunk), choice, engine.threads) for chunk in chunks)
        outcomes = run.spread(engine, computed, tasks)
        yield
        built.committed = stretches.published(writer, chunks, outcomes, lambda one: _stage(writer, one, built), tell)
        built.orphans = orphans.take_away(writer, span, {*candidates} - built.cold, prune)
    return built


def _is_fresh(shelf: Shelf, day: date, known_bars: Mapping[date, Entry], choice: Choice, code: str) -> bool:
    known = days.entry(shelf, day)
    return known is not None and fresh.is_fresh(known, inputs(day, known_bars, choice, shelf.tf), code)


def _warm(day: date, known_bars: Mapping[date, Entry], choice: Choice, bars: Shelf) -> bool:
    """Can any row of this day have a bar in t - 2W … t - N? By the manifests' first and last ts."""
    first = first_position(day, bars.tf)
    oldest, newest = first - 2 * choice.window, first + bars.tf.per_day - 1 - choice.warmup
    for back in reversed(range(fresh.days_back(choice.reach, bars.tf) + 1)):  # the oldest mostly tells
        known = known_bars.get(day - timedelta(days=back))
        if known and known.rows and _position(known.min_ts, bars) <= newest and _position(known.max_ts, bars) >= oldest:
            return True
    return False


def _position(stamp: str, bars: Shelf) -> int:
    return int(np.datetime64(stamp.rstrip("Z"), "ms").astype(np.int64)) // bars.tf.ms


def _stage(writer: commit.Writer, outcome: Outcome, built: Built) -> None:
    """Stage what came back, and count it."""
    built.unchanged += writer.stage_all(outcome.days).count(False)
    built.cold |= outcome.cold
    built.warming += len(outcome.cold)
    built.rows += outcome.rows
    built.bars += outcome.bars
    built.reasons += outcome.reasons
    built.cost += outcome.cost


def costly(built: Built) -> Iterator[str]:
    """Which features cost more rows than is usual, and what can be done about it?"""
    for name, lost in built.cost.most_common():
        if built.bars and lost > COSTLY * built.bars:
            way_out = f"{built.command} --without {name}"
            fact = f"{name} is missing on {lost:,} of {built.bars:,} bars, and rows are written whole or not at all"
            yield f"{built.symbol} {built.tf}: {fact}; `{way_out}` keeps those rows"
