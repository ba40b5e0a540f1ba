"""Features are built for every day whose inputs or rules are not those it was made of, and for no other."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from lake import commit, days, frames, fresh, notes, orphans
from lake.cli import Span
from lake.frames import Grid, first_position
from lake.layout import Shelf
from lake.manifest import Entry, Provenance
from lake.parts import schema_of
from lake.roots import source_name
from meta.errors import NotReady
from meta.timeframes import Timeframe
from p2_features import compute
from p2_features.choice import Asked, Choice, chosen

CHUNK = 400  # days computed at once: the look-back is read again for each chunk, and memory stays flat
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
    known_bars = days.committed(bars)
    wanted = span.of(list(known_bars))
    if not wanted:
        raise NotReady(_no_bars(bars, span, list(known_bars)))
    choice = chosen(shelf, bars, asked)
    built = Built(shelf.symbol, shelf.tf.name, tuple(f.name for f in choice.features), choice.left_out)
    built.command = days.command(shelf)
    with commit.writing(shelf, wait) as writer:
        notes.write(shelf, notes.FEATURES, choice.note())
        candidates = [day for day in wanted if _warm(day, known_bars, choice, bars)]
        built.warming = len(wanted) - len(candidates)
        stale = [day for day in candidates if not _is_fresh(shelf, day, known_bars, choice)]
        built.fresh = len(candidates) - len(stale)
        done = 0
        for chunk in runs(stale):
            _compute(writer, bars, chunk, choice, built)
            built.committed += writer.publish()
            done += len(chunk)
            tell(f"{shelf}: {chunk[0]} … {chunk[-1]}: {done} of {len(stale)} days")
        built.orphans = orphans.take_away(writer, span, {*candidates} - built.cold, prune)
    return built


def _no_bars(bars: Shelf, span: Span, known: list[date]) -> str:
    if known:
        return f"{bars} holds {known[0]} … {known[-1]}, and no day of that range; choose another, or ingest it"
    return f"{bars} has no committed day in {bars.root}; run `{days.command(bars)}`"


def _inputs(
    day: date, entries: Mapping[date, Entry] | Mapping[date, Entry | None], choice: Choice, tf: Timeframe
) -> str:
    return fresh.features_inputs(day, fresh.days_back(choice.reach, tf), entries, choice.names)


def _is_fresh(shelf: Shelf, day: date, known_bars: Mapping[date, Entry], choice: Choice) -> bool:
    return fresh.is_fresh(days.entry(shelf, day), _inputs(day, known_bars, choice, shelf.tf), choice.code())


def _warm(day: date, known_bars: Mapping[date, Entry], choice: Choice, bars: Shelf) -> bool:
    """Can any row of this day have a bar in t - 2W … t - N? By the manifests' first and last ts."""
    first = first_position(day, bars.tf)
    oldest, newest = first - 2 * choice.window, first + bars.tf.per_day - 1 - choice.warmup
    for back in range(fresh.days_back(choice.reach, bars.tf) + 1):
        known = known_bars.get(day - timedelta(days=back))
        if known and known.rows and _position(known.min_ts, bars) <= newest and _position(known.max_ts, bars) >= oldest:
            return True
    return False


def _position(stamp: str, bars: Shelf) -> int:
    return int(np.datetime64(stamp.rstrip("Z"), "ms").astype(np.int64)) // bars.tf.ms


def runs(stale: Sequence[date], most: int = CHUNK) -> Iterator[list[date]]:
    """Days in stretches near enough to share their look-back, each at most `most` days from end to end."""
    chunk: list[date] = []
    for day in stale:
        if chunk and ((day - chunk[-1]).days > 30 or (day - chunk[0]).days >= most):
            yield chunk
            chunk = []
        chunk.append(day)
    if chunk:
        yield chunk


def _compute(writer: commit.Writer, bars: Shelf, chunk: list[date], choice: Choice, built: Built) -> None:
    """Read the chunk's reach, compute, and stage its days."""
    start = chunk[0] - timedelta(days=fresh.days_back(choice.reach, bars.tf))
    grid = frames.grid(bars, start, chunk[-1], choice.inputs)
    computed = compute.compute(choice.features, grid.columns, grid.first, threads=os.cpu_count() or 1)
    warm = compute.seen_before(grid.present, 2 * choice.window, choice.warmup)
    mask = computed.complete & warm
    for stretch in _unbroken(chunk):
        _count(stretch, grid, computed, warm, choice, built)
    for day in chunk:
        at = grid.day(day)
        if not warm[at].any():  # wholly inside the warm-up: not a day of the dataset
            built.warming += 1
            built.cold.add(day)
            continue
        inputs = _inputs(day, grid.entries, choice, bars.tf)
        table = _table(choice, computed, grid, at, mask, bars.symbol)
        if not writer.stage(day, table, Provenance(_source(grid, day, choice), inputs, choice.code())):
            built.unchanged += 1


def _unbroken(chunk: list[date]) -> Iterator[tuple[date, date]]:
    """The first and last day of each stretch without a hole."""
    for _, group in itertools.groupby(enumerate(chunk), key=lambda pair: pair[1].toordinal() - pair[0]):
        stretch = [day for _, day in group]
        yield stretch[0], stretch[-1]


def _count(
    stretch: tuple[date, date], grid: Grid, computed: compute.Computed, warm: np.ndarray, choice: Choice, built: Built
) -> None:
    """How many rows come of a stretch of days, why are the others not written, and what does each feature cost?"""
    at = slice(grid.day(stretch[0]).start, grid.day(stretch[1]).stop)
    span = (grid.first + at.start, grid.first + at.stop)
    mask, reasons = compute.rows(computed, grid.present, grid.first, choice.warmup, choice.window, span)
    built.reasons += reasons
    built.rows += int(mask[at].sum())
    usable = (grid.present & warm)[at]
    built.bars += int(usable.sum())
    for feature in choice.features:
        values = computed.values[feature.name][at]
        if feature.type != "bool":
            built.cost[feature.name] += int((usable & np.isnan(values)).sum())


def _table(
    choice: Choice, computed: compute.Computed, grid: Grid, at: slice, mask: np.ndarray, symbol: str
) -> pa.Table:
    keep = mask[at]
    schema = schema_of(choice.columns)
    ts = pa.array(grid.ts()[at][keep], pa.int64()).cast(pa.timestamp("ms", "UTC"))
    values = [pa.array(computed.values[f.name][at][keep]) for f in choice.features]
    return pa.Table.from_arrays([pa.array([symbol] * len(ts), pa.string()), ts, *values], schema=schema)


def _source(grid: Grid, day: date, choice: Choice) -> str:
    """Which sources do the bars of this day's reach come from?"""
    back = fresh.days_back(choice.reach, grid.tf)
    cells = {entry.source for each, entry in grid.entries.items() if entry and 0 <= (day - each).days <= back}
    names = sorted({source_name(cell) for cell in cells})
    mark = " SYNTHETIC" if any("SYNTHETIC" in cell.split(":")[0] for cell in cells) else ""
    return f"{' + '.join(names)}{mark}: P1 bars"


def costly(built: Built) -> Iterator[str]:
    """Which features cost more rows than is usual, and what can be done about it?"""
    for name, lost in built.cost.most_common():
        if built.bars and lost > COSTLY * built.bars:
            way_out = f"{built.command} --without {name}"
            fact = f"{name} is missing on {lost:,} of {built.bars:,} bars, and rows are written whole or not at all"
            yield f"{built.symbol} {built.tf}: {fact}; `{way_out}` keeps those rows"
