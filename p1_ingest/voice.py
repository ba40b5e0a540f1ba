"""Who hears what is found out: people, a line a bar; `stream`, bars as JSON lines; whoever keeps revisions, changes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from lake.layout import Shelf
from meta.timeframes import utc
from p1_ingest.known import NAMES, Bars, Change, Taken, lines

MANY = 3  # bars found at once from which on one line tells of all of them
REMEMBERED = 1000  # lines that are not said twice


@dataclass(frozen=True)
class Voice:
    """Where goes what is found out?

    say : what happens, for people. bar : one line a bar, for people. emit : bars as JSON lines, for `stream`.
    changed : bars that were told of and say something else now, and since when (UTC ms) that is known.
    """

    say: Callable[[str], object]
    bar: Callable[[str], object]
    emit: Callable[[bytes], object] = lambda line: None
    changed: Callable[[Shelf, Sequence[Change], int], object] = lambda shelf, changes, at: None
    _said: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def once(self, line: str) -> None:
        """Tell people something that would be true again and again."""
        if line and line not in self._said:
            self._said.append(line)
            self.say(line)

    def tell(self, shelf: Shelf, found: Taken, at: int) -> None:
        """Tell everybody of the bars that are new or say something else, as known at this instant (UTC ms)."""
        for line in lines(shelf.symbol, shelf.tf, found.bars, found.told):
            self.emit(line)
        self._tell_changes(shelf, found.changes)
        self._tell_fresh(shelf, found, at)
        if found.changes:
            self.changed(shelf, found.changes, at)

    def _tell_changes(self, shelf: Shelf, changes: Sequence[Change]) -> None:
        by_bar: dict[int, list[Change]] = {}
        for change in changes:
            by_bar.setdefault(change.ts, []).append(change)
        name = f"{shelf.symbol} {shelf.tf}"
        if len(by_bar) > MANY:
            self.bar(f"{name}: {len(by_bar):,} bars of {utc(min(by_bar))} … {utc(max(by_bar))} restated")
            return
        for ts, of_bar in by_bar.items():
            said = ", ".join(f"{one.column} {_value(one.old)} -> {_value(one.new)}" for one in of_bar)
            self.bar(f"{name} {utc(ts)} restated: {said}")

    def _tell_fresh(self, shelf: Shelf, found: Taken, at: int) -> None:
        name = f"{shelf.symbol} {shelf.tf}"
        if len(found.fresh) > MANY:
            self.bar(f"{name}: {len(found.fresh):,} bars of {utc(found.fresh[0])} … {utc(found.fresh[-1])}")
            return
        for ts in found.fresh:
            self.bar(f"{name} {utc(ts)} {_told(found.bars, ts)}, {(at - ts) / 1000:.1f} s after its close")


def _told(bars: Bars, ts: int) -> str:
    values: Mapping[str, float] = dict(zip(NAMES, bars.values[int(np.searchsorted(bars.ts, ts))].tolist(), strict=True))
    return f"close {_value(values['close'])}, {sum(value == value for value in values.values())} columns"


def _value(value: float) -> str:
    return "nothing" if value != value else f"{value:.10g}"
