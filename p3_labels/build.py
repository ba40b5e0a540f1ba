"""Labels are written a day at a time, once every path that starts in the day is resolved, and never before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from lake import commit, days, frames, fresh, orphans
from lake.cli import Span
from lake.frames import Grid
from lake.layout import Shelf
from lake.manifest import Entry, Provenance
from lake.parts import schema_of, stamps
from lake.roots import source_name
from meta.columns import PRICES
from meta.errors import NotReady
from meta.timeframes import TIMEFRAMES, day_of
from p3_labels.barriers import OUTCOMES, REASONS, Bars, Labels, net_return, triple_barrier
from p3_labels.events import Own
from p3_labels.rules import Rules

CHUNK = 400  # days labelled at once; memory stays flat
OPEN_ENDED = {REASONS.index("unresolved"), REASONS.index("waits")}


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
            "days": {**told, "waiting": waiting, **self.orphans.data()},
            "rows": self.rows,
            "outcomes": dict(self.outcomes),
            "not_labelled": {why: n for why, n in self.reasons.items() if why != "labelled"},
        }


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
    known = days.committed(work.features)
    wanted = span.of(list(known))
    if not wanted:
        raise NotReady(_no_features(work.features, list(known)))
    bars = days.committed(work.bars)
    if not bars:
        raise NotReady(f"{work.bars} has no committed day in {work.bars.root}; name the bars with --bars")
    built = Built(work.shelf.symbol, work.shelf.tf.name)
    with commit.writing(work.shelf, wait) as writer:
        minutes = days.committed(work.minutes) if work.minutes else {}
        own = work.rules.events.own(work.shelf.symbol, work.shelf.tf)
        stale = [day for day in wanted if not _is_fresh(work, day, known[day], bars, minutes, own)]
        built.fresh = len(wanted) - len(stale)
        done = 0
        for chunk in runs(stale):
            _label(writer, work, chunk, own, built)
            built.committed += writer.publish()
            done += len(chunk)
            tell(f"{work.shelf}: {chunk[0]} … {chunk[-1]}: {done} of {len(stale)} days")
        built.orphans = orphans.take_away(writer, span, {*wanted} - {*built.waiting}, prune)
    return built


def _no_features(features: Shelf, known: list[date]) -> str:
    if known:
        return f"{features} holds {known[0]} … {known[-1]}, and no day of that range; choose another, or build it"
    return f"{features} has no committed day in {features.root}; run `{days.command(features)}`"


def runs(stale: Sequence[date]) -> Iterator[list[date]]:
    """Days in stretches near enough to share what is read around them, each at most CHUNK days."""
    chunk: list[date] = []
    for day in stale:
        if chunk and ((day - chunk[-1]).days > 10 or (day - chunk[0]).days >= CHUNK):
            yield chunk
            chunk = []
        chunk.append(day)
    if chunk:
        yield chunk


def _inputs(
    work: Work,
    walked: tuple[date, date],
    keys: str,
    bars: Mapping[date, Entry] | Mapping[date, Entry | None],
    minutes: Mapping[date, Entry] | Mapping[date, Entry | None],
    events: str,
) -> str:
    read = {"bars": bars, "bars 1m": minutes} if work.minutes else {"bars": bars}
    return fresh.labels_inputs(walked, keys, read, events)


def _is_fresh(
    work: Work,
    day: date,
    keys: Entry,
    bars: Mapping[date, Entry],
    minutes: Mapping[date, Entry],
    own: Own | None,
) -> bool:
    """Is the committed day of these inputs and rules? Which days its paths walked stands in its own manifest."""
    known = days.entry(work.shelf, day)
    walked = fresh.walked(known.source) if known else None
    return walked is not None and fresh.is_fresh(
        known, _inputs(work, walked, keys.keys, bars, minutes, _digest(own, day)), work.rules.code()
    )


def _digest(own: Own | None, day: date) -> str:
    return own.of(day).digest() if own else ""


def _label(writer: commit.Writer, work: Work, chunk: list[date], own: Own | None, built: Built) -> None:
    """Read what the chunk's paths can reach, label, and stage the days that are resolved."""
    start, end = chunk[0] - timedelta(days=work.back), chunk[-1] + timedelta(days=work.ahead)
    grid = frames.grid(work.bars, start, end, PRICES)
    fine = frames.grid(work.minutes, start, end, PRICES) if work.minutes else None
    found = [days.need(work.features, day) for day in chunk]
    bars = _bars(grid)
    events, side = _asked(work, own, found, bars, built)
    bounds = np.cumsum([0, *(len(one) for one in events)])
    every = np.concatenate(events)
    labels = triple_barrier(bars, every, work.rules.barriers, minutes=_bars(fine) if fine else None, side=side)
    sides = None if side is None else side[np.searchsorted(every, labels.position)]
    for i, day in enumerate(chunk):
        status = labels.status[bounds[i] : bounds[i + 1]]
        counts = Counter({REASONS[code]: int(n) for code, n in enumerate(np.bincount(status)) if n})
        if grid.entries[day] is None or OPEN_ENDED & set(status.tolist()):
            built.waiting.append(day)
            continue
        rows = np.flatnonzero((labels.position >= grid.day(day).start) & (labels.position < grid.day(day).stop))
        walked = (day - timedelta(days=work.back), _last_walked(work, day, labels, rows, events[i], status, grid))
        digest = _digest(own, day)
        inputs = _inputs(work, walked, found[i].entry.keys, grid.entries, fine.entries if fine else {}, digest)
        source = _source(grid, walked) + work.rules.events.cell(digest)
        if not writer.stage(day, _table(work, labels, rows, sides), Provenance(source, inputs, work.rules.code())):
            built.unchanged += 1
        built.reasons += counts
        built.rows += len(rows)
        built.outcomes += Counter(OUTCOMES[code] for code in labels.outcome[rows].tolist())


def _asked(
    work: Work, own: Own | None, found: Sequence[days.Day], bars: Bars, built: Built
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
        built.reasons["no features"] += int((~has).sum())
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
    cells = [entry.source for day, entry in grid.entries.items() if entry and walked[0] <= day <= walked[1]]
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
