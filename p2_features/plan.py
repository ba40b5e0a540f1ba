"""All features of a timeframe laid out flat: what the live kernel is handed beside the bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from p2_features.compute import assembled
from p2_features.expressions import Program
from p2_features.feature import Feature, Past
from p2_features.kernels import live_bar as live
from p2_features.kernels.live_past import LAST, LONG_AGO, TURN, ZSCORE_SCALARS, ZSCORE_WHOLE
from p2_features.kernels.live_tails import tail_size
from p2_features.kernels.past_expression import BLOCK

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
KINDS = {"zscore": live.ZSCORE, "percentile": live.PERCENTILE}


@dataclass(frozen=True)
class State:
    """What one symbol's features remember: running numbers, and the last bars (n, columns), a ring by position."""

    floats: Floats
    whole: Ints
    history: Floats


@dataclass(frozen=True)
class Plan:
    """The features of one timeframe as the live kernel reads them (see kernels/live_bar.py).

    `columns`: the bar columns it takes, in order; `reach`: the bars before t that a state has to have seen.
    """

    columns: tuple[str, ...]
    reach: int
    whole: Ints
    constants: Floats
    _zeros: tuple[tuple[int, int], ...]
    _long_ago: tuple[int, ...]
    _sizes: tuple[int, int]

    def state(self) -> State:
        """What does a symbol remember of which nothing is known yet?"""
        floats, whole = np.full(self._sizes[0], np.nan), np.zeros(self._sizes[1], np.int64)
        for start, stop in self._zeros:
            floats[start:stop] = 0.0
        whole[list(self._long_ago)] = LONG_AGO
        return State(floats, whole, np.full((self.reach + 1, len(self.columns)), np.nan))

    def is_warm(self, state: State, position: int) -> bool:
        """Is the warm-up over at this absolute grid position, the last one the state has seen?"""
        return bool(state.whole[live.WARM] >= position - self.whole[live.OLDEST])


def plan_for(features: Sequence[Feature], warmup: int, window: int) -> Plan:
    """How are these features (all of one timeframe) laid out? warmup N and window W in bars, as in compute.rows."""
    inputs = (name for feature in features for name in feature.inputs)
    columns = tuple(dict.fromkeys(["close", *inputs]))
    programs = [feature.program for feature in features]
    programs += [program for feature in features if feature.sums for program in feature.sums.programs.values()]
    rows = len(columns) + sum(len(feature.sums.programs) for feature in features if feature.sums)
    slots, depth = max(program.reach for program in programs) + 1, max(program.depth for program in programs)
    draft = _Draft({name: i for i, name in enumerate(columns)}, rows * 2 * slots + (depth + 3) * BLOCK)
    for feature in features:
        draft.add(feature)
    reach = max([2 * window, *(feature.reach for feature in features)])
    head = {
        live.BARS: len(columns), live.ROWS: rows, live.SLOTS: slots, live.TF_MS: features[0].tf.ms, live.DEPTH: depth,
        live.STEPS: len(draft.steps), live.SERIES: len(draft.series), live.SUMS: len(draft.sums),
        live.PROGRAMS: len(draft.programs),
        live.FEATURES: len(features), live.CLOSE: 0, live.OLDEST: 2 * window, live.NEWEST: warmup,
    }  # fmt: skip
    tables = (
        [head[i] for i in range(live.HEAD)],
        *draft.steps,
        *draft.series,
        *draft.sums,
        *draft.programs,
        *draft.features,
    )
    whole = np.concatenate([np.asarray(table, np.int64) for table in tables])
    constants = np.array([*draft.numbers, *draft.bounds])
    return Plan(columns, reach, whole, constants, tuple(draft.zeros), tuple(draft.long_ago), (draft.floats, draft.ints))


@dataclass
class _Draft:
    """A plan while it is written: its tables, and how many numbers its state will hold."""

    rows: dict[str, int]
    floats: int
    ints: int = live.OWN
    steps: list[Ints] = field(default_factory=list)
    numbers: list[float] = field(default_factory=list)
    series: list[tuple[int, ...]] = field(default_factory=list)
    sums: list[tuple[int, ...]] = field(default_factory=list)
    programs: list[tuple[int, int]] = field(default_factory=list)
    shared: dict[tuple[object, ...], int] = field(default_factory=dict)
    features: list[tuple[int, ...]] = field(default_factory=list)
    bounds: list[float] = field(default_factory=list)
    zeros: list[tuple[int, int]] = field(default_factory=list)
    long_ago: list[int] = field(default_factory=lambda: [live.WARM])

    def add(self, feature: Feature) -> None:
        """Lay out one feature. Programs that are the same over the same rows are run once."""
        rows = {**self.rows, **self.summed(feature)}
        code = tuple(
            (step[0], rows.get(step[1]) if step[0] == "load" else None, *step[1:])
            for step in feature.program.instructions
        )
        if code not in self.shared:
            self.shared[code] = len(self.programs)
            self.programs.append(self.program(feature.program, rows))
        past = feature.past
        floats_at, ints_at, size = self.floats, self.ints, self.remembers(past)
        self.floats += size
        self.bounds += [past.low, past.high] if past else [np.nan, np.nan]
        asked = (KINDS[past.then], past.window, past.least_quantile, past.least) if past else (live.PLAIN, 0, 0, 0)
        self.features.append((self.shared[code], *asked, floats_at, ints_at, size))

    def summed(self, feature: Feature) -> Mapping[str, int]:
        """Lay out the feature's sums; in which rows of the matrix will they stand?"""
        if not feature.sums:
            return {}
        first, k, bars = len(self.series), len(feature.sums.programs), feature.sums.bars
        named = {name: len(self.rows) + first + j for j, name in enumerate(feature.sums.programs)}
        for name, program in feature.sums.programs.items():
            self.series.append((*self.program(program, self.rows), named[name]))
        self.sums.append((first, k, bars, feature.sums.least, self.floats, self.ints))
        self.zeros.append((self.floats + k * bars, self.floats + k * (2 * bars + 2)))
        self.floats += k * (2 * bars + 2)
        self.ints += bars + 2
        return named

    def program(self, program: Program, rows: Mapping[str, int]) -> tuple[int, int]:
        code, numbers = assembled(program, rows)
        start = len(self.steps)
        self.steps += list(code)
        self.numbers += list(numbers)
        return start, len(self.steps)

    def remembers(self, past: Past | None) -> int:
        """How many floats does this feature's past take? Marks those that start at zero, and whole numbers."""
        if past is None:
            return 0
        if past.then == "percentile":
            self.ints += 3
            return past.window + 1
        self.long_ago += [self.ints + LAST, self.ints + TURN]
        self.ints += ZSCORE_WHOLE
        self.zeros.append((self.floats + 2 * past.window, self.floats + 5 * past.window + ZSCORE_SCALARS))
        return 5 * past.window + ZSCORE_SCALARS + 2 * tail_size(past.window, past.low, past.high)
