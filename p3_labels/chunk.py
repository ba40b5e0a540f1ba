"""A chunk of days is labelled from its bars without a lock and without writing, so that any process may do it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from lake import days, frames, fresh
from lake.frames import Grid
from lake.layout import Shelf
from lake.manifest import Entry, Provenance
from lake.parts import schema_of, stamps
from lake.roots import source_name
from meta.columns import PRICES
from meta.timeframes import TIMEFRAMES, day_of, days_between
from p3_labels.barriers import OUTCOMES, REASONS, Bars, Labels, net_return, triple_barrier
from p3_labels.events import Own
from p3_labels.rules import Rules

OPEN_ENDED = {REASONS.index("unresolved"), REASONS.index("waits")}


@dataclass(frozen=True)
class Work:
    """The three shelves of one symbol, and the rules; `minutes` holds the 1m bars where ties are resolved by them."""

    shelf: Shelf
    features: Shelf
    bars: Shelf
    rules: Rules

    @property
    def minutes(self) -> Shelf | None:
        """Where are the 1m bars, if the rules ask for them?"""
        if self.rules.barriers.tie != "resolve":
            return None
        here = self.bars
        return Shelf(here.root, here.root / "parquet" / "1m" / here.symbol, here.dataset, TIMEFRAMES["1m"], here.symbol)

    @property
    def back(self) -> int:
        """How many days before its own does a day's average true range start?"""
        return self.rules.barriers.days_back(self.bars.tf.ms)

    @property
    def ahead(self) -> int:
        """How many days after its own can a day's paths reach?"""
        return -(-self.rules.barriers.H // self.bars.tf.per_day)


@dataclass(frozen=True)
class Task:
    """Which days of which work, and the symbol's events where a file names them?"""

    work: Work
    days: tuple[date, ...]
    own: Own | None


@dataclass
class Outcome:
    """The days labelled, with what each was made of; those that wait for more tape; rows, and why others have none."""

    days: list[tuple[date, pa.Table, Provenance]] = field(default_factory=list)
    waiting: list[date] = field(default_factory=list)
    rows: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)


def inputs(
    work: Work,
    walked: tuple[date, date],
    keys: str,
    bars: Mapping[date, Entry] | Mapping[date, Entry | None],
    minutes: Mapping[date, Entry] | Mapping[date, Entry | None],
    events: str,
) -> str:
    """Which digest stands for everything this day is made of?"""
    read = {"bars": bars, "bars 1m": minutes} if work.minutes else {"bars": bars}
    return fresh.labels_inputs(walked, keys, read, events)


def digest_of(own: Own | None, day: date) -> str:
    """Which digest stands for the day's events of a file? Empty without one."""
    return own.of(day).digest() if own else ""


def labelled(task: Task) -> Outcome:
    """What are the labels of these days, of those that are resolved? Raises Tampered."""
    work, chunk, own, outcome = task.work, task.days, task.own, Outcome()
    start, end = chunk[0] - timedelta(days=work.back), chunk[-1] + timedelta(days=work.ahead)
    grid = frames.grid(work.bars, start, end, PRICES)
    fine = frames.grid(work.minutes, start, end, PRICES) if work.minutes else None
    found = [days.need(work.features, day) for day in chunk]
    bars = _bars(grid)
    events, side = _asked(work, own, found, bars, outcome)
    bounds = np.cumsum([0, *(len(one) for one in events)])
    every = np.concatenate(events)
    labels = triple_barrier(bars, every, work.rules.barriers, minutes=_bars(fine) if fine else None, side=side)
    sides = None if side is None else side[np.searchsorted(every, labels.position)]
    rules = work.rules.code()
    for i, day in enumerate(chunk):
        status = labels.status[bounds[i] : bounds[i + 1]]
        counts = Counter({REASONS[code]: int(n) for code, n in enumerate(np.bincount(status)) if n})
        if grid.entries[day] is None or OPEN_ENDED & set(status.tolist()):
            outcome.waiting.append(day)
            continue
        rows = np.flatnonzero((labels.position >= grid.day(day).start) & (labels.position < grid.day(day).stop))
        walked = (day - timedelta(days=work.back), _last_walked(work, day, labels, rows, events[i], status, grid))
        digest = digest_of(own, day)
        made_of = inputs(work, walked, found[i].entry.keys, grid.entries, fine.entries if fine else {}, digest)
        source = _source(grid, walked) + work.rules.events.cell(digest)
        table = _table(work, labels, rows, sides)
        outcome.days.append((day, table, Provenance(source, made_of, rules)))
        outcome.reasons += counts
        outcome.rows += len(rows)
        outcome.outcomes += Counter(OUTCOMES[code] for code in labels.outcome[rows].tolist())
    return outcome


def _asked(
    work: Work, own: Own | None, found: Sequence[days.Day], bars: Bars, outcome: Outcome
) -> tuple[list[np.ndarray], np.ndarray | None]:
    """Which positions of the bars are events, day by day, and on which side, where a file says? P2's rows at most."""
    rows = [stamps(day.table(["ts"])).to_numpy() // bars.step_ms - bars.first for day in found]
    if own is None:
        ends = np.cumsum([len(one) for one in rows])[:-1]
        picked = work.rules.events.picks(bars, np.concatenate(rows))
        return [one[keep] for one, keep in zip(rows, np.split(picked, ends), strict=True)], None
    events, sides = [], []
    for day, at in zip(found, rows, strict=True):
        mine = own.of(day.day)
        position = mine.ts // bars.step_ms - bars.first
        has = np.isin(position, at)
        outcome.reasons["no features"] += int((~has).sum())
        events.append(position[has])
        sides.append(mine.side[has] if mine.side is not None else np.zeros(0, np.int8))
    return events, np.concatenate(sides) if own.side is not None else None


def _bars(grid: Grid) -> Bars:
    at = grid.columns
    return Bars(grid.first, grid.tf.ms, at["open"], at["high"], at["low"], at["close"], grid.committed)


def _last_walked(
    work: Work, day: date, labels: Labels, rows: np.ndarray, events: np.ndarray, status: np.ndarray, grid: Grid
) -> date:
    """In which day does the last bar lie that any of these paths looked at?"""
    ends = [int(labels.t1[rows].max())] if len(rows) else []
    lost = events[status == REASONS.index("gap")]
    if len(lost):
        ends.append(int(lost.max() + grid.first + work.rules.barriers.H) * grid.tf.ms)
    return max([day, *(day_of(end - grid.tf.ms) for end in ends)])


def _source(grid: Grid, walked: tuple[date, date]) -> str:
    cells = [entry.source for day in days_between(*walked) if (entry := grid.entries.get(day))]
    names = sorted({source_name(cell) for cell in cells})
    mark = " SYNTHETIC" if any("SYNTHETIC" in cell.split(":")[0] for cell in cells) else ""
    return f"{' + '.join(names)}{mark}: {fresh.walks(*walked)}, P2 keys"


def _table(work: Work, labels: Labels, rows: np.ndarray, sides: np.ndarray | None) -> pa.Table:
    schema = schema_of(work.rules.columns)
    arrays = {
        "symbol": pa.array([work.shelf.symbol] * len(rows), pa.string()),
        "outcome": pa.array([OUTCOMES[code] for code in labels.outcome[rows]], pa.string()),
    }
    side = 1 if sides is None else sides[rows]
    if work.rules.events.sided:
        arrays["side"] = pa.array(side)
    if work.rules.cost_bp:
        arrays["ret_net"] = pa.array(net_return(labels.ret[rows], work.rules.cost_bp, side))
    columns = [arrays[f.name] if f.name in arrays else pa.array(getattr(labels, f.name)[rows]) for f in schema]
    return pa.Table.from_arrays([column.cast(f.type) for column, f in zip(columns, schema, strict=True)], schema=schema)
