"""What is known of a symbol's klines: the days the archive lists, and for each asked day its own bars."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import numpy as np

from lake.progress import Pace
from meta.errors import BadPayload, NotReady, Retryable, VenueRefused
from meta.timeframes import DAY, Timeframe, day_of, day_start
from p1_ingest.fetch import OLD, Fetcher
from p1_ingest.fetched import State
from p1_ingest.http import Sender
from p1_ingest.ingest import workers
from p1_ingest.sources import binance_contracts as contracts
from p1_ingest.sources.base import Answer, Request, Source, merged

SUMMED = ("quote_volume", "trades")
KLINES = "klines"
LINES = 20  # of progress, about
CONTROL = "BTCUSDT"  # its newest day tells how far the list reaches, where those asked for died long ago


@dataclass(frozen=True)
class Venue:
    """Whom to ask, with how many threads, at which interval; `now` (UTC ms) is the instant the asking is of."""

    source: Source
    sender: Sender
    tf: Timeframe
    now: int
    workers: int
    accept_checksum: bool = False

    def fetch(self, request: Request) -> bytes:
        """What is the answer to this request? Raises what the sender does."""
        return self.sender.send(request, self.source.judge)


@dataclass(frozen=True)
class Listings:
    """The days the archive lists klines of, by symbol; believed up to `until`, but for symbols it is `stale` on."""

    days: Mapping[str, frozenset[date]]
    until: date
    stale: frozenset[str] = frozenset()

    def denies(self, symbol: str, day: date) -> bool:
        """Is it known from the list alone that there are no klines of this day?"""
        return day <= self.until and symbol not in self.stale and day not in self.days[symbol]


@dataclass(frozen=True)
class Tape:
    """What is known of one symbol's klines.

    listed : the days the archive lists, None where its listing does not answer. first : asked day with bars -> open of
    its first one, UTC ms. totals : the same days -> SUMMED column -> the day's sum. unverified : day -> what is wrong
    with its file. undecided : days that no answer tells of yet. hinted : of those, what the list of contracts settled.
    """

    symbol: str
    listed: frozenset[date] | None = None
    first: dict[date, int] = field(default_factory=dict)
    totals: dict[date, dict[str, float]] = field(default_factory=dict)
    unverified: dict[date, str] = field(default_factory=dict)
    undecided: tuple[date, ...] = ()
    hinted: tuple[date, ...] = ()

    def days(self) -> list[date]:
        """On which days were there klines, as far as is known? Ascending."""
        return sorted({*(self.listed or ()), *self.first, *self.unverified})


def listings(venue: Venue, symbols: Sequence[str]) -> Listings | None:
    """What does the archive list of these symbols? None where its listing does not answer at all.

    It may be stale, so it is believed as far as its newest day of any of them, and of one more, less the days a file
    may come late; and of each symbol only where no digest answers for the days just outside those it lists.
    Raises what the sender does where it fell silent half-way: what is written must not depend on that.
    """

    def listed(name: str) -> frozenset[date]:
        return frozenset(contracts.listed(name, venue.tf, venue.fetch))

    try:
        days = {CONTROL: listed(CONTROL)}
    except (NotReady, BadPayload, Retryable, VenueRefused):
        return None
    with workers(venue.workers) as pool:
        others = [name for name in symbols if name != CONTROL]
        days |= dict(zip(others, pool.map(listed, others), strict=True))
        newest = max((max(known) for known in days.values() if known), default=date.min)
        until = date.min if newest == date.min else min(newest, day_of(venue.now)) - timedelta(days=OLD // DAY)
        outside = [(name, day) for name in symbols for day in _outside(days[name], until)]
        there = pool.map(lambda one: contracts.is_published(one[0], venue.tf, one[1], venue.fetch), outside)
        stale = frozenset(name for (name, _), found in zip(outside, there, strict=True) if found)
    return Listings(days, until, stale)


def _outside(known: frozenset[date], until: date) -> list[date]:
    """The days just before and after the listed ones, as far as the list is believed."""
    around = [min(known) - timedelta(days=1), max(known) + timedelta(days=1)] if known else []
    return [day for day in around if day <= until]


def tapes(
    venue: Venue, symbols: Sequence[str], days: Sequence[date], known: Listings | None, tell: Callable[[str], None]
) -> dict[str, Tape]:
    """What do the klines of these (ascending) days say, symbol by symbol?

    Raises Retryable and VenueRefused where a day could not be asked for, NotReady where no evidence decides a day yet:
    nothing is left open.
    """
    found, pace = {}, Pace(len(symbols), "symbols")
    with workers(venue.workers) as symbols_at_once, workers(venue.workers) as files_at_once:
        asked = {symbols_at_once.submit(_tape, venue, files_at_once, name, days, known): name for name in symbols}
        for done, one in enumerate(as_completed(asked), 1):
            found[asked[one]] = one.result()
            if done % max(1, len(symbols) // LINES) == 0 or done == len(symbols):
                tell(pace.at(done))
    return _decided(venue, {name: found[name] for name in symbols})


def _tape(venue: Venue, pool: Executor, symbol: str, days: Sequence[date], known: Listings | None) -> Tape:
    fetcher = Fetcher(venue.source, venue.sender, pool, lambda: venue.now, venue.accept_checksum)
    tape, undecided = Tape(symbol, known.days[symbol] if known else None), set[date]()
    asked = [day for day in days if known is None or not known.denies(symbol, day)]
    for _, year in itertools.groupby(asked, key=lambda day: day.year):
        undecided |= _asked(venue, fetcher, tape, list(year))
    return replace(tape, undecided=tuple(sorted(undecided)))


def _asked(venue: Venue, fetcher: Fetcher, tape: Tape, chunk: Sequence[date]) -> set[date]:
    """Note what is said of these days, and return those not published yet. Raises Retryable for no answer at all."""
    series = [one for one in venue.source.series(tape.symbol, venue.tf) if one.required]
    fetched = fetcher.fetch(series, tape.symbol, venue.tf, chunk)
    states = {day: fetched.state(day, [KLINES]) for day in chunk}
    failed = {day: fetched.reasons.get(day, "was not answered") for day in chunk if states[day] is State.FAILED}
    if unheard := sorted(day for day in failed if day in fetched.unheard or day not in fetched.reasons):
        raise Retryable(f"{tape.symbol} {unheard[0]}: {failed[unheard[0]]}; nothing is written")
    tape.unverified.update(failed)
    _summed(tape, merged(fetched.answers.get(KLINES, ()), SUMMED), chunk, venue.tf)
    return {day for day in chunk if states[day] is State.WAITS}


def _summed(tape: Tape, answer: Answer, chunk: Iterable[date], tf: Timeframe) -> None:
    """Note each day's first bar and its totals; sums are exact, so that no route and no order changes a bit."""
    for day in chunk:
        bounds = day_start(day), day_start(day) + DAY
        first, last = np.searchsorted(answer.at, bounds, side="right")
        if last > first:
            tape.first[day] = int(answer.at[first]) - tf.ms
            told = {name: answer.values[name][first:last] for name in SUMMED}
            tape.totals[day] = {name: math.fsum(values[np.isfinite(values)]) for name, values in told.items()}


def _decided(venue: Venue, found: dict[str, Tape]) -> dict[str, Tape]:
    """The same with the open days settled by the venue's list of today's contracts. Raises NotReady where it cannot."""
    still_open = {name: tape.undecided for name, tape in found.items() if tape.undecided}
    if not still_open:
        return found
    name, days = next(iter(still_open.items()))
    later = "end the range before it, or ask again later"
    try:
        today = contracts.contracts(venue.fetch(contracts.info_request()))
    except (Retryable, BadPayload, NotReady, VenueRefused):
        raise NotReady(
            f"{name} {days[0]}: its klines are not published yet, and REST does not answer; {later}"
        ) from None
    for name, days in still_open.items():
        contract = today.get(name)
        unclear = [day for day in days if contract and contract.trading and contract.since <= day]
        if unclear:
            raise NotReady(f"{name} {unclear[0]}: it trades, and its klines are not published yet; {later}")
        found[name] = replace(found[name], hinted=days)
    return found
