"""Was a symbol there on a day? Told by the klines of that day, and where there are none, why."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from datetime import date

from lake.raw import spans
from meta.timeframes import day_start, utc
from meta.universe import Known, Snapshot
from p1_ingest.universe.evidence import Tape

GONE_DAYS = 7  # without klines for so long a symbol was delisted, whatever comes later under its name


def snapshots(tapes: Mapping[str, Tape], days: Sequence[date]) -> list[Snapshot]:
    """Which of these symbols were active on each day, and why were the others not?"""
    with_klines = {name: tape.days() for name, tape in tapes.items()}
    found = []
    for day in days:
        why = {name: missing(tape, with_klines[name], day) for name, tape in tapes.items()}
        active = tuple(name for name, reason in why.items() if not reason)
        found.append(Snapshot(str(day), active, {name: reason for name, reason in why.items() if reason}))
    return found


def missing(tape: Tape, with_klines: Sequence[date], day: date) -> str:
    """Why was this symbol not there, "" where it was: where it traded from the day's first bar on.

    with_klines : all days it is known to have klines of, ascending. A day that ends early is whole enough: who held
    the contract that morning was there when it was delisted.
    """
    if day in tape.unverified:
        return "unverified_kline"
    if day in tape.first:
        return "" if tape.first[day] == day_start(day) else "partial_day"
    at = bisect.bisect_left(with_klines, day)
    before, after = with_klines[:at], with_klines[bisect.bisect_right(with_klines, day) :]
    if tape.listed is None and not (before and after):
        return "no_kline_on_date"  # of what lies beyond the asked days nothing is known
    if not before and not after:
        return "no_kline_on_date" if with_klines else "unknown_symbol"
    if not before or not after:
        return "delisted" if before else "not_listed_yet"
    return "between_listings" if (after[0] - before[-1]).days > GONE_DAYS else "no_kline_on_date"


def known(tape: Tape, days: Sequence[date]) -> Known:
    """What stands in the file as evidence of this symbol? Nothing of what came after the last of these days."""
    asked, until = set(days), days[-1]
    late = {day: at for day, at in tape.first.items() if day in asked and at != day_start(day)}
    unlisted = sorted(asked & set(tape.first) - (tape.listed or set(tape.first)))
    return Known(
        klines=spans([day for day in tape.days() if day <= until]),
        first_bars={str(day): utc(at) for day, at in sorted(late.items())},
        unverified={str(day): why for day, why in sorted(tape.unverified.items()) if day in asked},
        unlisted=spans(unlisted),
        hinted=spans([day for day in tape.hinted if day in asked]),
    )
