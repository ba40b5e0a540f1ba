"""A universe is defined by what each day's own klines say, and written once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from lake import settings, universes
from lake.span import parsed_day
from meta.errors import NotReady, Usage
from meta.timeframes import Timeframe, days_between, timeframe
from meta.universe import VERSION, Evidence, Universe, compatible
from p1_ingest import venues
from p1_ingest.budget import Pool
from p1_ingest.sources import binance_archive as archive
from p1_ingest.sources import binance_listing as listing
from p1_ingest.sources import binance_rest as rest
from p1_ingest.universe import requested, truth
from p1_ingest.universe.evidence import Venue, listings, tapes
from p1_ingest.universe.top import Top, lookback, selected
from p1_ingest.wanted import last_settled

HOSTS = (archive.HOST, listing.HOST, rest.FUTURES)
QUOTES = ("USDT",)
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Rate:
    """How fast the venue is asked: threads, seconds between two requests to a host, and requests a minute to it."""

    workers: int = 5
    delay: float = 0.0
    per_minute: int = 1800

    def pools(self, own: Mapping[str, Pool]) -> dict[str, Pool]:
        """The source's limits, with these over them."""
        told = {name: own.get(name, Pool()) for name in HOSTS}
        lower = {name: min(pool.limit, self.per_minute) or self.per_minute for name, pool in told.items()}
        return {**own, **{name: replace(told[name], limit=lower[name], apart=self.delay) for name in HOSTS}}


def define_universe(
    symbols: str | Iterable[str] = (),
    start_date: str | date = "",
    end_date: str | date = "",
    output_path: str | Path = "universe.json",
    force: bool = False,
    description: str | None = None,
    *,
    symbols_file: str | Path | None = None,
    all_symbols: bool = False,
    quotes: Sequence[str] = QUOTES,
    interval: str | Timeframe = "5m",
    top: int | None = None,
    by: str = "turnover",
    lookback_days: int | str = "30d",
    compat: bool = False,
    accept_checksum: bool = False,
    daily_check_workers: int = 5,
    daily_check_request_delay: float = 0.0,
    daily_check_max_requests_per_minute: int = 1800,
    progress: Tell = lambda line: None,
    log: Tell | None = None,
    now: Callable[[], int] = venues.now_ms,
) -> Universe:
    """Which of these symbols could be traded on which day? Asked of Binance's archive, and written to `output_path`.

    symbols : names, `A,B` and `@file`, mixed. progress : called with a line now and then. log : with one a request.
    Raises Refused where the file stands already and `force` is not given, Usage, and what the asking does; nothing is
    written then.
    """
    tf = timeframe(str(interval))
    chosen = None if top is None else _top(top, by, lookback_days, compat)
    days, path = _days(start_date, end_date), Path(output_path)
    inline = [symbols] if isinstance(symbols, str) else symbols
    names = requested.named(inline, Path(symbols_file) if symbols_file else None)
    if bool(names) == all_symbols:
        raise Usage("give symbols, or --all for every one the archive has; one of the two")
    universes.is_free(path, force)
    rate = Rate(daily_check_workers, daily_check_request_delay, daily_check_max_requests_per_minute)
    with _asking(tf, rate, accept_checksum, now, log, progress) as venue:
        _settled(venue, days)
        found = _defined(venue, names or requested.of_archive(venue, quotes, progress), days, chosen, progress)
    told = Universe(VERSION, created_at=settings.made_at(now()), description=description, **found)  # type: ignore[arg-type]
    told = compatible(told) if compat else told
    universes.write(path, told, force)
    return told


def _top(number: int, by: str, back: int | str, compat: bool) -> Top:
    if compat:
        raise Usage("--compat has no word for symbols that --top leaves out; leave one of the two out")
    return Top(number, by, back if isinstance(back, int) else lookback(back))


def _days(start: str | date, end: str | date) -> list[date]:
    first, last = (
        day if isinstance(day, date) else parsed_day(day, flag)
        for day, flag in ((start, "--start-date"), (end, "--end-date"))
    )
    if first > last:
        raise Usage(f"--start-date {first} lies after --end-date {last}; swap them")
    return days_between(first, last)


@contextmanager
def _asking(
    tf: Timeframe, rate: Rate, accept: bool, now: Callable[[], int], log: Tell | None, tell: Tell
) -> Iterator[Venue]:
    moment = now()
    with venues.opened("binance", log=log, tell=tell, clock=lambda: moment, pools=rate.pools) as (source, sender):
        yield Venue(source, sender, tf, moment, rate.workers, accept)


def _settled(venue: Venue, days: Sequence[date]) -> None:
    last = last_settled(venue.source, venue.now)
    if days[-1] > last:
        raise NotReady(f"{days[-1]} is not over yet: the newest whole day of binance is {last}; end the range there")


def _defined(venue: Venue, names: list[str], days: list[date], top: Top | None, tell: Tell) -> dict[str, object]:
    """Everything the file says but when and why it was written."""
    tell(f"{len(names)} symbols, {days[0]} … {days[-1]}: looking at what the archive lists of them")
    known = listings(venue, names)
    if known is None:
        tell(
            "the archive's listing does not answer: of days beyond the asked ones nothing is known, so that what is "
            "not listed yet, delisted or unknown is told as no_kline_on_date"
        )
    looked = days_between(top.window(days[0])[0], days[-1]) if top else days
    found = tapes(venue, names, looked, known, tell)
    told = truth.snapshots(found, days)
    if top:
        told = selected(told, found, top)
    evidence = {name: truth.known(tape, days) for name, tape in found.items()}
    return {
        "requested_symbols": tuple(names),
        "start_date": str(days[0]),
        "end_date": str(days[-1]),
        "daily_snapshots": tuple(told),
        "evidence": Evidence(venue.tf.name, known is not None, evidence),
    }


def counted(universe: Universe) -> dict[str, Any]:
    """How many symbols, days and symbol-days by what became of them?"""
    why = Counter(reason for snapshot in universe.daily_snapshots for reason in snapshot.missing_symbols.values())
    return {
        "schema_version": universe.schema_version,
        "symbols": len(universe.requested_symbols),
        "days": len(universe.daily_snapshots),
        "days_without_symbols": sum(not snapshot.active_symbols for snapshot in universe.daily_snapshots),
        "active": sum(len(snapshot.active_symbols) for snapshot in universe.daily_snapshots),
        "missing": dict(sorted(why.items())),
    }


def lines(universe: Universe) -> list[str]:
    """How is a universe told to people?"""
    n = counted(universe)
    told = (
        f"{n['symbols']} symbols x {n['days']} days = {n['symbols'] * n['days']:,} symbol-days: {n['active']:,} active"
    )
    found = [told + "".join(f", {many:,} {reason}" for reason, many in n["missing"].items())]
    if n["days_without_symbols"]:
        found.append(f"{n['days_without_symbols']} days have no active symbol")
    return found
