"""Which tables does a command line ask for: which intervals, made of which of the lake's bars?"""

from __future__ import annotations

from collections.abc import Iterator

from lake import days
from lake.groups import longer
from lake.layout import Shelf
from lake.settings import lake_conf
from meta.errors import NotReady, Usage
from meta.timeframes import TIMEFRAMES, Timeframe, timeframe
from reports.exports import columns, rows
from reports.exports.about import Export
from reports.exports.between import Asked, Between
from reports.exports.held import Held

ALL = "all"
USUAL = ("1m", "15m", "4h", "1d")  # what `all` means besides what is held, as far as it can be made


def exports(kind: str, known: Held, intervals: str | None, asked: Asked) -> Iterator[Export]:
    """Every table asked for, one after the other. Raises Usage for an unknown interval, NotReady for one too fine."""
    between = asked.between(known.shelves.values())
    if kind in ("features", "labels", "train"):
        for tf in _held(known, intervals):
            shelf = known.shelves[tf]
            pieces = rows.of_training(shelf, between) if kind == "train" else rows.of_days(shelf, between)
            yield Export(kind, known.market, shelf, between, pieces, tf.name)
        return
    wanted = columns.of_bars(kind)
    if intervals is None:  # funding and open interest have no interval of their own
        shelf = known.finest
        pieces = rows.of_bars(shelf, shelf.tf, between, wanted)
        yield Export(kind, known.market, shelf, between, pieces, None, wanted)
        return
    for tf in _made(known, intervals):
        shelf = _source(known, tf, between)
        yield Export(kind, known.market, shelf, between, rows.of_bars(shelf, tf, between, wanted), tf.name, wanted)


def _named(intervals: str) -> list[Timeframe]:
    named = list(dict.fromkeys(timeframe(name.strip()) for name in intervals.split(",") if name.strip()))
    if not named:
        raise Usage(f"--intervals {intervals!r} names nothing; name one, or all")
    return named


def _held(known: Held, intervals: str | None) -> list[Timeframe]:
    """Features and labels are of the bars they were made of: these intervals, as far as they are held."""
    if intervals == ALL:
        return sorted(known.shelves)
    wanted = _named(intervals) if intervals is not None else [timeframe(lake_conf().tf)]
    for tf in wanted:
        if tf not in known.shelves:
            shelf = known.finest
            held = f"{shelf.dataset.phase} {known.market.symbol} is held at {known.timeframes()}, not at {tf}"
            raise NotReady(f"{held}; run `python -m {days.VERBS[shelf.dataset.name]} --tf {tf}`, or give --intervals")
    return wanted


def _made(known: Held, intervals: str) -> list[Timeframe]:
    """Which intervals are meant, each of which is held or made of a shorter one that is? Raises NotReady if not."""
    can = {*known.shelves, *(tf for held in known.shelves for tf in longer(held))}
    if intervals == ALL:
        return sorted({*known.shelves, *(tf for name in USUAL if (tf := TIMEFRAMES[name]) in can)})
    wanted = _named(intervals)
    for tf in wanted:
        if tf not in can:
            fact = f"{known.market.symbol} is held at {known.timeframes()}, and {tf} is not made of whole bars of these"
            raise NotReady(f"{fact}; `{_command(known.finest, tf)}` brings it")
    return wanted


def _command(shelf: Shelf, tf: Timeframe) -> str:
    return days.command(shelf).replace(f"--tf {shelf.tf}", f"--tf {tf}")


def _source(known: Held, tf: Timeframe, between: Between) -> Shelf:
    """Which bars is an interval made of? Those that hold most days of the range: of these its own, else the finest."""
    fit = [shelf for held, shelf in known.shelves.items() if held == tf or tf in longer(held)]
    return max(fit, key=lambda shelf: (len(between.days(shelf.days_on_disk())), shelf.tf == tf, -shelf.tf.ms))
