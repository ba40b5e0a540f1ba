"""The largest symbols of a day, by what was known when it began: totals over days that all lie before it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from meta.errors import Usage
from meta.timeframes import days_between
from meta.universe import Selection, Snapshot
from p1_ingest.universe.evidence import Tape

BY = {"turnover": "quote_volume", "trades": "trades"}


@dataclass(frozen=True)
class Top:
    """How many symbols a day, by which total, over how many days before it."""

    number: int
    by: str = "turnover"
    lookback: int = 30

    def window(self, day: date) -> list[date]:
        """Over which days is a day's choice made? The last of them ends as the day begins."""
        return days_between(day - timedelta(days=self.lookback), day - timedelta(days=1))


def lookback(text: str) -> int:
    """How many days does `30d` mean? Raises Usage."""
    found = re.fullmatch(r"([1-9][0-9]{0,3})d?", text.strip(), re.ASCII)
    if not found:
        raise Usage(f"--lookback {text!r} is no number of days; write it like 30d")
    return int(found[1])


def selected(snapshots: Sequence[Snapshot], tapes: Mapping[str, Tape], top: Top) -> list[Snapshot]:
    """The same days with the largest of the active symbols alone; the others are missing as `not_in_top`."""
    return [_selected(snapshot, tapes, top) for snapshot in snapshots]


def _selected(snapshot: Snapshot, tapes: Mapping[str, Tape], top: Top) -> Snapshot:
    window = top.window(date.fromisoformat(snapshot.date))
    totals = {name: _total(tapes[name], window, BY[top.by]) for name in snapshot.active_symbols}
    ranked = sorted(totals, key=lambda name: (-totals[name][0], name))
    chosen, left = ranked[: top.number], ranked[top.number :]
    missing = {**snapshot.missing_symbols, **dict.fromkeys(left, "not_in_top")}
    selection = Selection(
        top.by, str(window[0]), str(window[-1]), {n: totals[n] for n in chosen}, {n: totals[n] for n in left[:1]}
    )
    active = tuple(name for name in snapshot.active_symbols if name in set(chosen))
    in_order = {name: missing[name] for name in tapes if name in missing}
    return Snapshot(snapshot.date, active, in_order, selection)


def _total(tape: Tape, window: Sequence[date], column: str) -> tuple[float, int]:
    told = [tape.totals[day][column] for day in window if day in tape.totals]
    return math.fsum(told), len(told)
