"""A chunk of days is computed from its bars without a lock and without writing, so that any process may do it."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from lake import frames, fresh
from lake.frames import Grid
from lake.layout import Shelf
from lake.manifest import Entry, Provenance
from lake.parts import schema_of
from lake.roots import source_name
from meta.columns import KEYS
from meta.timeframes import Timeframe, days_between
from p2_features import compute
from p2_features.choice import Choice


@dataclass(frozen=True)
class Task:
    """Which days of which bars, by which choice, with how many threads?"""

    bars: Shelf
    days: tuple[date, ...]
    choice: Choice
    threads: int


@dataclass
class Outcome:
    """The days computed, with what each was made of; those wholly inside the warm-up; and how many rows.

    reasons: rows not written, by reason. cost: of `bars` present after the warm-up, how many lack each feature.
    """

    days: list[tuple[date, pa.Table, Provenance]] = field(default_factory=list)
    cold: set[date] = field(default_factory=set)
    rows: int = 0
    bars: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    cost: Counter[str] = field(default_factory=Counter)


def computed(task: Task) -> Outcome:
    """What are the features of these days? Raises Tampered."""
    bars, choice, outcome = task.bars, task.choice, Outcome()
    start = task.days[0] - timedelta(days=fresh.days_back(choice.reach, bars.tf))
    grid = frames.grid(bars, start, task.days[-1], choice.inputs)
    found = compute.compute(choice.features, grid.columns, grid.first, task.threads)
    warm = compute.seen_before(grid.present, 2 * choice.window, choice.warmup)
    mask, code, schema = found.complete & warm, choice.code(), schema_of(choice.columns)
    for stretch in _unbroken(task.days):
        _count(stretch, grid, found, warm, choice, outcome)
    for day in task.days:
        at = grid.day(day)
        if not warm[at].any():  # wholly inside the warm-up: not a day of the dataset
            outcome.cold.add(day)
            continue
        made_of = Provenance(_source(grid, day, choice), inputs(day, grid.entries, choice, bars.tf), code)
        outcome.days.append((day, _table(schema, found, grid, at, mask[at], bars.symbol), made_of))
    return outcome


def inputs(
    day: date, entries: Mapping[date, Entry] | Mapping[date, Entry | None], choice: Choice, tf: Timeframe
) -> str:
    """Which digest stands for everything this day is made of?"""
    return fresh.features_inputs(day, fresh.days_back(choice.reach, tf), entries, choice.names)


def _unbroken(chunk: tuple[date, ...]) -> Iterator[tuple[date, date]]:
    """The first and last day of each stretch without a hole."""
    for _, group in itertools.groupby(enumerate(chunk), key=lambda pair: pair[1].toordinal() - pair[0]):
        stretch = [day for _, day in group]
        yield stretch[0], stretch[-1]


def _count(
    stretch: tuple[date, date],
    grid: Grid,
    found: compute.Computed,
    warm: np.ndarray,
    choice: Choice,
    outcome: Outcome,
) -> None:
    """How many rows come of a stretch of days, why are the others not written, and what does each feature cost?"""
    at = slice(grid.day(stretch[0]).start, grid.day(stretch[1]).stop)
    span = (grid.first + at.start, grid.first + at.stop)
    mask, reasons = compute.rows(found, grid.present, grid.first, choice.warmup, choice.window, span)
    outcome.reasons += reasons
    outcome.rows += int(mask[at].sum())
    usable = (grid.present & warm)[at]
    outcome.bars += int(usable.sum())
    for feature in choice.features:
        values = found.values[feature.name][at]
        if feature.type != "bool":
            outcome.cost[feature.name] += int((usable & np.isnan(values)).sum())


def _table(
    schema: pa.Schema, found: compute.Computed, grid: Grid, at: slice, keep: np.ndarray, symbol: str
) -> pa.Table:
    ts = pa.array(grid.ts(at)[keep], pa.int64()).cast(pa.timestamp("ms", "UTC"))
    values = [pa.array(found.values[name][at][keep]) for name in schema.names[len(KEYS) :]]
    return pa.Table.from_arrays([pa.array([symbol] * len(ts), pa.string()), ts, *values], schema=schema)


def _source(grid: Grid, day: date, choice: Choice) -> str:
    """Which sources do the bars of this day's reach come from?"""
    back = fresh.days_back(choice.reach, grid.tf)
    reached = (grid.entries.get(each) for each in days_between(day - timedelta(days=back), day))
    cells = {entry.source for entry in reached if entry}
    names = sorted({source_name(cell) for cell in cells})
    mark = " SYNTHETIC" if any("SYNTHETIC" in cell.split(":")[0] for cell in cells) else ""
    return f"{' + '.join(names)}{mark}: P1 bars"
