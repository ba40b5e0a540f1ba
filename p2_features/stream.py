"""The features of a bar the moment it closes, with the bits the batch build will write for it."""

from __future__ import annotations

import math
import operator
import struct
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from meta.errors import Refused
from meta.timeframes import utc
from p2_features.feature import Feature
from p2_features.kernels.live_bar import next_bars
from p2_features.plan import Memory, plan_for

Floats = NDArray[np.float64]


class _Symbol:
    """What is remembered of one symbol, and the absolute grid position of its last bar.

    before : what was remembered before that bar, once a newest bar has been restated: the next one may be, too.
    """

    def __init__(self, memory: Memory, columns: int) -> None:
        self.memory = memory
        self.position: int | None = None
        self.before: Floats | None = None
        self.before_position: int | None = None
        self.row = np.empty((1, columns))
        self.room = self.row.data.cast("B")


class Engine:
    """All features of many symbols at one timeframe, a bar at a time.

    A symbol is seeded once with its last `reach` bars; from then on every bar gives what the batch build gives, to the
    bit. What is skipped on the grid counts as absent.
    """

    def __init__(self, features: Sequence[Feature], warmup: int, window: int) -> None:
        """features: all of one timeframe; warmup N and window W in bars, as in compute.rows."""
        self.features = tuple(features)
        self.tf = self.features[0].tf
        self._tf_ms = self.tf.ms
        self._plan = plan_for(self.features, warmup, window)
        self.columns, self.reach, self._table = self._plan.columns, self._plan.reach, self._plan.table
        self._names = [feature.name for feature in self.features]
        self._flags = [feature.name for feature in self.features if feature.type == "bool"]
        self._pick, self._pack = _picker(self.columns), struct.Struct(f"{len(self.columns)}d").pack_into
        self._symbols: dict[str, _Symbol] = {}

    def seed(self, symbol: str, bars: Mapping[str, Floats], first: int) -> None:
        """Start a symbol from bars: column -> (n,) float64 on the grid, NaN is missing; first: position of element 0.

        More than the last reach + 1 are not looked at; with fewer, what lies before counts as absent.
        """
        rows = np.full((len(bars["close"]), len(self.columns)), np.nan)
        for j, name in enumerate(self.columns):
            if name in bars:
                rows[:, j] = bars[name]
        skipped = max(len(rows) - self.reach - 1, 0)
        self._replay(symbol, rows[skipped:], first + skipped)

    def step(self, symbol: str, ts: int, bar: Mapping[str, float | None]) -> dict[str, float | bool] | None:
        """What are the features of the bar that closed at ts (UTC ms)? None where the batch build writes no row.

        bar: column -> value; None, NaN or no mention is missing. Raises Refused where ts is not on the grid or not
        after the symbol's last bar (see `correct`).
        """
        known = self._symbols.get(symbol) or self._added(symbol)
        try:
            self._pack(known.room, 0, *self._pick(bar))
        except (KeyError, struct.error):  # some column is not there, or None; asking each costs as much as the features
            known.row[:] = self.row(bar)
        position, off = divmod(ts, self._tf_ms)
        if off:
            raise self._off_grid(ts)
        self._next(symbol, known, position, known.row)
        return self._row_of(known.memory)

    def row(self, bar: Mapping[str, float | None]) -> Floats:
        """How does `push` take this bar? (1, columns) float64."""
        return np.array([[_known(bar.get(name)) for name in self.columns]])

    def last(self, symbol: str) -> dict[str, float | bool] | None:
        """What are the features of a symbol's last bar? None where the batch build writes no row."""
        return self._row_of(self._symbols[symbol].memory)

    def _row_of(self, memory: Memory) -> dict[str, float | bool] | None:
        if not memory.written:
            return None
        row: dict[str, float | bool] = dict(zip(self._names, memory.out.tolist(), strict=True))
        for name in self._flags:
            row[name] = row[name] == 1.0
        return row

    def why(self, symbol: str) -> str | None:
        """Why does the batch build write no row for a symbol's last bar? In compute.rows' words; None where it does."""
        known = self._symbols[symbol]
        if known.memory.written or known.position is None:
            return None
        bar = dict(zip(self.columns, known.memory.ring[known.position % (self.reach + 1)], strict=True))
        if math.isnan(bar["close"]):
            return "gap"
        if not self._plan.is_warm(known.memory, known.position):
            return "warm-up"
        lacking = next(f for f, value in zip(self.features, known.memory.out, strict=True) if math.isnan(value))
        return f"missing {next((name for name in lacking.required if math.isnan(bar[name])), lacking.name)}"

    def push(self, symbol: str, position: int, row: Floats) -> tuple[bool, Floats]:
        """The same by absolute grid position and a row (1, columns) float64: is it written, and all its features?

        The features are one (n,) float64 that the symbol's next bar overwrites; NaN is missing, a flag is 0 or 1.
        """
        known = self._symbols.get(symbol) or self._added(symbol)
        self._next(symbol, known, position, row)
        return known.memory.written, known.memory.out

    def _next(self, symbol: str, known: _Symbol, position: int, row: Floats) -> None:
        if known.position is None:
            known.position = position - 1
        if position != known.position + 1:
            if position <= known.position:
                raise Refused(f"{symbol} {utc(position * self.tf.ms)} is not after its last bar; hand it to correct()")
            self._skip(known, position)
        known.position = position
        next_bars(position, row, self._table, known.memory.whole)

    def correct(self, symbol: str, ts: int, bar: Mapping[str, float | None]) -> None:
        """Put a late or restated bar in its place, so that all bars to come are computed as if it had come in time.

        Features given since are not given again: the batch build has them; `last` has the newest bar's. A bar beyond
        the reach changes nothing.
        """
        position = self._at(ts)
        known = self._symbols.get(symbol)
        if known and known.before is not None and position == known.position == (known.before_position or 0) + 1:
            np.copyto(known.memory.whole, known.before)
            next_bars(position, self.row(bar), self._table, known.memory.whole)
            return
        rows, first = self.bars(symbol)
        if 0 <= position - first < len(rows):
            rows[position - first] = [_known(bar.get(name)) for name in self.columns]
            self._replay(symbol, rows, first)
            kept, again = known.before if known else None, self._symbols[symbol]
            if kept is not None or position == again.position:
                again.before = np.empty_like(again.memory.whole) if kept is None else kept

    def keep(self, symbol: str) -> None:
        """Make ready for the next bar to be restated, where this symbol's bars are: `correct` then costs a bar's time.

        Otherwise it replays all that is remembered, 7,000 bars' time. A copy of a few MB, so not a part of `step`.
        """
        known = self._symbols.get(symbol)
        if known is not None and known.before is not None:
            np.copyto(known.before, known.memory.whole)
            known.before_position = known.position

    def bars(self, symbol: str) -> tuple[Floats, int]:
        """Which bars (reach + 1, columns) does a symbol remember, and at which position is the first?

        They are its whole state: `seed` with them makes an engine that goes on with the same bits.
        """
        known = self._symbols.get(symbol)
        if known is None or known.position is None:
            raise Refused(f"{symbol} has seen no bar yet; seed it")
        first = known.position - self.reach
        order = np.arange(first, known.position + 1) % (self.reach + 1)
        return known.memory.ring[order], first

    def position(self, symbol: str) -> int | None:
        """At which absolute grid position is a symbol's last bar? None where it has none."""
        known = self._symbols.get(symbol)
        return known.position if known else None

    def _added(self, symbol: str) -> _Symbol:
        known = self._symbols[symbol] = self._new()
        return known

    def _new(self) -> _Symbol:
        return _Symbol(self._plan.memory(), len(self.columns))

    def _replay(self, symbol: str, rows: Floats, first: int) -> None:
        known = self._new()
        self._run(known, rows, first)
        self._symbols[symbol] = known

    def _skip(self, known: _Symbol, position: int) -> None:
        """Let absent bars pass, no more than the features can see."""
        absent = min(position - 1 - (known.position or 0), self.reach + 1)
        if absent == self.reach + 1:
            known.memory = self._plan.memory()
        self._run(known, np.full((absent, len(self.columns)), np.nan), position - absent)

    def _run(self, known: _Symbol, rows: Floats, first: int) -> None:
        next_bars(first, rows, self._table, known.memory.whole)
        if len(rows):
            known.position = first + len(rows) - 1

    def _at(self, ts: int) -> int:
        if ts % self._tf_ms:
            raise self._off_grid(ts)
        return ts // self._tf_ms

    def _off_grid(self, ts: int) -> Refused:
        return Refused(f"{utc(ts)} is no close of a {self.tf} bar; give the bar's close in UTC ms")


def _picker(names: tuple[str, ...]) -> Callable[[Mapping[str, float | None]], tuple[float | None, ...]]:
    """Which values do these names have, all at once?"""
    if len(names) == 1:
        return lambda bar: (bar[names[0]],)
    return operator.itemgetter(*names)


def _known(value: float | None) -> float:
    return math.nan if value is None else float(value)
