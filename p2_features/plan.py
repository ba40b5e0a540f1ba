"""All features of a timeframe laid out flat: what the live kernel is handed beside the bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from p2_features.compute import assembled
from p2_features.expressions import Program
from p2_features.feature import Feature, Past, Sums
from p2_features.kernels import live_bar as live
from p2_features.kernels import live_past as past_of
from p2_features.kernels.live_tails import tail_size

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
KINDS = {"zscore": live.ZSCORE, "percentile": live.PERCENTILE}


@dataclass(frozen=True)
class Memory:
    """All that one symbol's features remember, one array; and views of what the last bar came to.

    ring : (reach + 1, columns) float64, the last bars by position. out : (features,) float64.
    """

    whole: Floats
    ring: Floats
    out: Floats

    @property
    def written(self) -> bool:
        """Does the batch build write a row for the last bar?"""
        return self.whole.item(live.WRITTEN) == 1.0

    def warm_since(self) -> int:
        """Which is the newest bar that is old enough to end a warm-up?"""
        return int(self.whole.view(np.int64)[live.WARM])


@dataclass(frozen=True)
class Plan:
    """The features of one timeframe as the live kernel reads them (see kernels/live_bar.py).

    `columns`: the bar columns it takes, in order; `reach`: the bars before t that a memory has to have seen.
    """

    columns: tuple[str, ...]
    reach: int
    table: Ints
    _fresh: Floats

    def memory(self) -> Memory:
        """What is remembered of a symbol of which nothing is known yet?"""
        new = self._fresh.copy()
        start, wide = self.table[live.RING], self.table[live.WIDE]
        ring = new[start : start + (self.reach + 1) * wide].reshape(self.reach + 1, wide)
        return Memory(new, ring[:, : len(self.columns)], new[live.OUT : live.OUT + self._features])

    def is_warm(self, memory: Memory, position: int) -> bool:
        """Is the warm-up over at this absolute grid position, the last one the memory has seen?"""
        return memory.warm_since() >= position - int(self.table[live.OLDEST])

    @property
    def _features(self) -> int:
        return int(self.table[live.END] - self.table[live.FEATURES]) // live.FEATURE_WIDE


def plan_for(features: Sequence[Feature], warmup: int, window: int) -> Plan:
    """How are these features (all of one timeframe) laid out? warmup N and window W in bars, as in compute.rows."""
    inputs = (name for feature in features for name in feature.inputs)
    columns = tuple(dict.fromkeys(["close", *inputs]))
    reach = max([2 * window, *(feature.reach for feature in features)])
    draft = _Draft({name: i for i, name in enumerate(columns)})
    draft.size = live.OUT + len(features)
    for feature in features:
        draft.add(feature)
    depth = max(program.depth for program in draft.every)
    values = max(len(draft.programs), *(len(f.sums.programs) for f in features if f.sums), 1)
    stack = draft.room(depth + 1)
    head = {
        live.BARS: len(columns), live.WIDE: draft.wide, live.SIZE: reach + 1, live.TF_MS: features[0].tf.ms,
        live.STACK: stack, live.VALUES: draft.room(values), live.RING: draft.room((reach + 1) * draft.wide),
        live.OLDEST: 2 * window, live.NEWEST: warmup, live.CLOSE: 0,
    }  # fmt: skip
    fresh = np.full(draft.size, np.nan)
    whole = fresh.view(np.int64)
    for start, count, wide, skip in draft.zeros:
        whole[start : start + count * wide].reshape(count, wide)[:, skip:] = 0
    whole[[live.WARM, *draft.long_ago]] = past_of.LONG_AGO
    return Plan(columns, reach, draft.table(head), fresh)


@dataclass
class _Draft:
    """A plan while it is written: its tables, and how many numbers a symbol's memory will hold.

    zeros: parts of memory that begin at zero instead of missing: where, how many cells, their width, what of it stays.
    """

    rows: dict[str, int]
    size: int = 0
    every: list[Program] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    sums: list[list[int]] = field(default_factory=list)
    programs: list[tuple[int, int]] = field(default_factory=list)
    features: list[list[int]] = field(default_factory=list)
    shared: dict[tuple[object, ...], int] = field(default_factory=dict)
    summed: dict[tuple[object, ...], int] = field(default_factory=dict)
    zeros: list[tuple[int, int, int, int]] = field(default_factory=list)
    long_ago: list[int] = field(default_factory=list)
    wide: int = 0

    def __post_init__(self) -> None:
        self.wide = len(self.rows)

    def room(self, numbers: int) -> int:
        """Where does so much new memory begin?"""
        self.size += numbers
        return self.size - numbers

    def add(self, feature: Feature) -> None:
        """Lay out one feature. Programs and sums that are the same over the same columns are run once."""
        rows = self.rows
        if feature.sums:
            first = self.sum_of(feature.sums)
            rows = {**rows, **{name: first + j for j, name in enumerate(feature.sums.programs)}}
        code = _over(feature.program, rows)
        if code not in self.shared:
            self.shared[code] = len(self.programs)
            self.programs.append(self.program(feature.program, rows))
        past = feature.past
        if past is None:
            asked = [live.PLAIN, 0, 0, 0, 0, 0, 0, 0]
        else:
            tail = int(tail_size(past.window, past.low, past.high))
            bounds = np.array([past.low, past.high], np.float64).view(np.int64).tolist()
            asked = [KINDS[past.then], past.window, past.least_quantile, past.least]
            asked += [self.remembered(past, tail), tail, *bounds]
        self.features.append([self.shared[code], *asked])

    def sum_of(self, sums: Sums) -> int:
        """Lay out these sums; in which column of the ring will the first of them stand?"""
        code = (sums.bars, sums.least, *(_over(program, self.rows) for program in sums.programs.values()))
        if code not in self.summed:
            k = len(sums.programs)
            cell = 2 * k + 1
            at = self.room((sums.bars + 1) * cell + k + 1)
            self.zeros += [(at, sums.bars + 1, cell, k), (at + (sums.bars + 1) * cell, 1, k + 1, 0)]
            inner = [number for program in sums.programs.values() for number in self.program(program, self.rows)]
            self.sums.append([k, sums.bars, sums.least, at, self.wide, *inner])
            self.summed[code] = self.wide
            self.wide += k
        return self.summed[code]

    def program(self, program: Program, rows: Mapping[str, int]) -> tuple[int, int]:
        """Lay out a program's steps; where do they start and stop, from the first one's place on?"""
        code, numbers = assembled(program, rows)
        start = len(self.steps)
        self.steps += np.column_stack([code, numbers.view(np.int64)]).ravel().tolist()
        self.every.append(program)
        return start, len(self.steps)

    def remembered(self, past: Past, tail: int) -> int:
        """Where does what is remembered for this past begin? What starts at zero or long ago is marked."""
        if past.then == "percentile":
            ring = past.window + 1
            at = self.room(past_of.RUNS + 2 * ring)
            self.zeros += [(at, 1, past_of.MARK, 0), (at + past_of.RUNS + ring, 1, ring, 0)]
            return at
        at = self.room(past_of.CELLS + past.window * past_of.CELL + 2 * tail)
        cells = (at + past_of.CELLS, past.window, past_of.CELL, past_of.N_OLD)
        self.zeros += [(at, 1, past_of.CELLS, 0), cells]
        self.long_ago += [at + past_of.LAST, at + past_of.TURN]
        return at

    def table(self, head: Mapping[int, int]) -> Ints:
        """The plan: its head, the tables, and the steps behind them."""
        sums = [number for entry in self.sums for number in entry]
        starts = np.cumsum([live.HEAD, len(sums), 2 * len(self.programs), live.FEATURE_WIDE * len(self.features)])
        steps = int(starts[3])
        for entry in self.sums:
            entry[live.SUM_WIDE :] = [at + steps for at in entry[live.SUM_WIDE :]]
        head = {**head, **dict(zip((live.SUMS, live.PROGRAMS, live.FEATURES, live.END), starts.tolist(), strict=True))}
        return np.array(
            [
                *(head[i] for i in range(live.HEAD)),
                *(number for entry in self.sums for number in entry),
                *(at + steps for pair in self.programs for at in pair),
                *(number for entry in self.features for number in entry),
                *self.steps,
            ],
            np.int64,
        )


def _over(program: Program, rows: Mapping[str, int]) -> tuple[object, ...]:
    """What tells programs over certain columns of the ring apart?"""
    return tuple((s[0], rows.get(s[1]) if s[0] == "load" else None, *s[1:]) for s in program.instructions)
