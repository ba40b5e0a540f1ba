"""A day of weights is written once every label whose span can meet one of its own is there, and never before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lake import commit, days, frames, fresh, notes, orphans, stretches
from lake.days import Day
from lake.frames import Grid
from lake.layout import Shelf
from lake.manifest import Entry, Provenance
from lake.parts import schema_digest, schema_of, stamps
from lake.roots import source_name
from lake.span import Span
from meta.columns import WEIGHTS
from meta.datasets import DATASETS
from meta.errors import NotReady, Usage
from meta.timeframes import day_of, days_between
from p3_labels.barriers import Bars
from p3_labels.build import APART
from p3_labels.concurrency import Weights, effective_size, label_weights

SCHEMA = schema_of(WEIGHTS)
Ints = NDArray[np.int64]


@dataclass
class Weighed:
    """What one run did for one symbol and timeframe; unique: (rows,) float64, the uniqueness of what it computed."""

    symbol: str
    tf: str
    fresh: int = 0
    committed: list[date] = field(default_factory=list)
    unchanged: int = 0
    waiting: list[date] = field(default_factory=list)
    unique: list[NDArray[np.float64]] = field(default_factory=list)
    orphans: orphans.Orphans = field(default_factory=orphans.Orphans)

    def _facts(self) -> tuple[int, float, float]:
        rows = np.concatenate(self.unique) if self.unique else np.zeros(0)
        return rows.size, float(rows.mean()) if rows.size else 0.0, effective_size(rows)

    def lines(self) -> list[str]:
        """How is it told to people?"""
        rows, mean, _ = self._facts()
        name = f"{self.symbol} {self.tf}"
        told = [
            f"{name}: {len(self.committed)} days written, {self.unchanged} recomputed to the same, {self.fresh} fresh, "
            f"{len(self.waiting)} waiting for more labels; {rows:,} weights"
        ]
        if rows:
            told.append(f"{name}: mean uniqueness {mean:.4f}, which add up to {mean * rows:,.0f} labels on their own")
        return told + self.orphans.lines(name)

    def data(self) -> dict[str, object]:
        """How is it told to machines?"""
        rows, mean, size = self._facts()
        told = {"written": [str(d) for d in self.committed], "unchanged": self.unchanged, "fresh": self.fresh}
        return {
            "symbol": self.symbol,
            "tf": self.tf,
            "days": {**told, "waiting": [str(day) for day in self.waiting], **self.orphans.data()},
            "rows": rows,
            "mean_uniqueness": mean,
            "effective_size": size,
        }


@dataclass(frozen=True)
class Work:
    """The three shelves of one symbol, and the labels' horizon H in bars."""

    shelf: Shelf
    labels: Shelf
    bars: Shelf
    horizon: int

    @property
    def back(self) -> int:
        """How many days before a day can the spans begin that reach into it? ⌈H·tf / 1 day⌉."""
        return -(-self.horizon // self.bars.tf.per_day)

    def code(self) -> str:
        """Which digest stands for the rules?"""
        return fresh.code_digest(DATASETS["weights"], schema_digest(SCHEMA), {"days_back": self.back})


class Spans(NamedTuple):
    """The labels of a stretch of days: ts, t1 (m,) int64 UTC ms; at: which rows are each day's."""

    ts: Ints
    t1: Ints
    at: dict[date, slice]
    entries: dict[date, Entry]

    def last(self, day: date, step_ms: int) -> date:
        """In which day lies the last bar of this day's spans?"""
        t1 = self.t1[self.at[day]]
        return max(day, day_of(int(t1.max()) - step_ms)) if t1.size else day


def build(
    work: Work,
    span: Span,
    wait: float = 0.0,
    tell: Callable[[str], None] = lambda line: None,
    prune: bool = False,
) -> Weighed:
    """Bring this symbol's weights up to its labels, within the span.

    Raises NotReady where there are no labels, Usage where they outlast the horizon, Busy, Tampered.
    """
    labels, bars = days.committed(work.labels), days.committed(work.bars)
    wanted = span.of(list(labels))
    if not wanted and not orphans.all_may_go(work.shelf, labels, prune):
        raise NotReady(days.none_of(work.labels, labels, "label"))
    done = Weighed(work.shelf.symbol, work.shelf.tf.name)
    with commit.writing(work.shelf, wait) as writer:
        notes.write_rules(work.shelf, work.code())
        stale = [day for day in wanted if not _is_fresh(work, day, labels, bars)]
        done.fresh = len(wanted) - len(stale)
        chunks, first = stretches.stretches(stale, APART), min(labels, default=date.max)
        done.committed = stretches.published(
            writer, chunks, chunks, lambda chunk: _weigh(writer, work, chunk, first, done), tell
        )
        done.orphans = orphans.take_away(writer, span, {*wanted} - {*done.waiting}, prune)
    return done


def _is_fresh(work: Work, day: date, labels: Mapping[date, Entry], bars: Mapping[date, Entry]) -> bool:
    """Is the committed day of these inputs and rules? Which days it met and walked stands in its own manifest."""
    known = days.entry(work.shelf, day)
    met, walked = (fresh.met(known.source), fresh.walked(known.source)) if known else (None, None)
    if met is None or walked is None:
        return False
    return fresh.is_fresh(known, fresh.weights_inputs(met, walked, labels, bars), work.code())


def _weigh(writer: commit.Writer, work: Work, chunk: list[date], first: date, done: Weighed) -> None:
    """Read what the chunk's spans can meet, weigh, and stage the days that nothing is missing for."""
    start, end = chunk[0] - timedelta(days=work.back), chunk[-1] + timedelta(days=work.back)
    spans = _spans(work, days_between(start, end))
    last = max(spans.last(day, work.bars.tf.ms) for day in spans.at)
    grid = frames.grid(work.bars, start, max(last, end), ("close",))
    weights, code, made = label_weights(_bars(grid), spans.ts, spans.t1), work.code(), []
    for day in chunk:
        met = (day - timedelta(days=work.back), spans.last(day, work.bars.tf.ms))
        walked = (day, met[1])
        lacks = any(each not in spans.entries for each in days_between(*met) if each >= first)
        if lacks or any(grid.entries[each] is None for each in days_between(*walked)):
            done.waiting.append(day)
            continue
        at = spans.at[day]
        inputs = fresh.weights_inputs(met, walked, spans.entries, grid.entries)
        provenance = Provenance(_source(grid, met, walked), inputs, code)
        made.append((day, _table(work, spans.ts[at], weights, at), provenance))
        done.unique.append(weights.uniqueness[at])
    done.unchanged += writer.stage_all(made).count(False)


def _spans(work: Work, wanted: Sequence[date]) -> Spans:
    found = [day for day in frames.read_all(work.labels, wanted) if day is not None]
    tables = [day.table(["ts", "t1", "bars_held"]) for day in found]
    for day, table in zip(found, tables, strict=True):
        _within_horizon(work, day, table)
    whole = pa.concat_tables(tables)
    ends = np.cumsum([0, *(table.num_rows for table in tables)])
    at = {day.day: slice(int(ends[i]), int(ends[i + 1])) for i, day in enumerate(found)}
    t1 = whole.column("t1").cast(pa.int64()).to_numpy()
    return Spans(stamps(whole).to_numpy(), t1, at, {day.day: day.entry for day in found})


def _within_horizon(work: Work, day: Day, table: pa.Table) -> None:
    """A longer span would reach into days that do not look for it."""
    held = table.column("bars_held").to_numpy()
    if held.size and held.max() > work.horizon:
        fact = f"{work.labels} {day.day} has a label held for {held.max()} bars, and the horizon is {work.horizon}"
        raise Usage(f"{fact}; give --H as the labels were made with")


def _bars(grid: Grid) -> Bars:
    close = grid.columns["close"]
    return Bars(grid.first, grid.tf.ms, close, close, close, close, grid.committed)


def _source(grid: Grid, met: tuple[date, date], walked: tuple[date, date]) -> str:
    cells = [entry.source for day in days_between(*walked) if (entry := grid.entries.get(day))]
    names = sorted({source_name(cell) for cell in cells})
    mark = " SYNTHETIC" if any("SYNTHETIC" in cell.split(":")[0] for cell in cells) else ""
    return f"{' + '.join(names)}{mark}: {fresh.meets(*met)}, {fresh.walks(*walked)}"


def _table(work: Work, ts: Ints, weights: Weights, at: slice) -> pa.Table:
    arrays = [pa.array([work.shelf.symbol] * len(ts), pa.string()), pa.array(ts)]
    arrays += [pa.array(column[at]) for column in weights]
    return pa.Table.from_arrays([a.cast(f.type) for a, f in zip(arrays, SCHEMA, strict=True)], schema=SCHEMA)
