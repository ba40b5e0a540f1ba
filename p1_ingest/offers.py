"""What does each source offer, at which cost, and does it answer today?"""

from __future__ import annotations

import importlib.util
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta

from lake import settings
from meta.columns import BARS
from meta.errors import NotReady, PerplakeError, Usage
from meta.timeframes import MINUTE, Timeframe, days_between
from p1_ingest import venues
from p1_ingest.grid import STAMPS
from p1_ingest.http import Sender
from p1_ingest.sources.base import Request, Source
from p1_ingest.wanted import chunks, last_settled

PUBLISHED = 3  # days after which an archive has its files
DEEPER = 3  # how often a source is asked what else could be asked
WHOLE_HISTORY = {
    "binance": "whole history from the archive; REST for the newest days",
    "sim": "whole history, made up",
    "ccxt": "as far as the exchange keeps it",
}


@dataclass(frozen=True)
class Offered:
    """One source, for one symbol, timeframe and number of days.

    key : the environment variable its key goes into, "" for none. requests, minutes : what the days cost, at least;
    None where that cannot be told without asking.
    """

    name: str
    synthetic: bool
    key: str
    key_is_set: bool
    columns: tuple[str, ...]
    left_out: dict[str, str]
    depth: str
    limits: str
    requests: int | None
    minutes: float | None
    note: str = ""

    def data(self) -> dict[str, object]:
        """How is it told to machines?"""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """How is it told to people?"""
        key = f"key {self.key} ({'set' if self.key_is_set else 'not set'})" if self.key else "no key"
        yield f"{self.name}: {key}{', SYNTHETIC data' if self.synthetic else ''}"
        yield f"  depth    {self.depth}"
        yield f"  limits   {self.limits}"
        if self.requests is not None:
            yield f"  cost     {self.requests} requests, {self.minutes:.1f} minutes by its limits"
        yield f"  columns  {' '.join(self.columns)}"
        for why, names in _by_reason(self.left_out):
            yield f"  without  {' '.join(names)}: {why}"
        if self.note:
            yield f"  note     {self.note}"


def offered(name: str, symbol: str, tf: Timeframe, days: int) -> Offered:
    """What does this source offer? Told from conf alone; nobody is asked. Raises Usage."""
    if name == venues.CCXT:
        return _any_exchange()
    source = venues.described(name)
    last = last_settled(source, venues.now_ms())
    wanted = days_between(last - timedelta(days=days - 1), last)
    requests = list(_requests(source, symbol, tf, wanted))
    weights = Counter[str]()
    for request in requests:
        weights[request.pool or request.host] += request.weight
    limited = [pool.seconds * weights[n] / pool.limit / 60 for n, pool in source.pools.items() if pool.limit]
    told = {column for series in source.series(symbol, tf) for column in series.columns}
    told |= {stamp for column, stamp in STAMPS.items() if column in told}
    key = next((host.key_name for host in source.hosts.values() if host.key_name), "")
    return Offered(
        name,
        source.synthetic,
        key,
        bool(key and settings.key(key)),
        tuple(column.name for column in BARS if column.name in told),
        source.left_out(symbol, tf),
        WHOLE_HISTORY.get(name) or _by_plan(tf),
        _limits(source),
        len(requests),
        max(limited, default=0.0),
    )


def _requests(source: Source, symbol: str, tf: Timeframe, wanted: Sequence[date]) -> Iterator[Request]:
    """Every request for these days, as an ingest makes them, digests included."""
    for chunk in chunks(wanted):
        for one in source.series(symbol, tf):
            for request in source.ask(one, symbol, tf, chunk):
                yield request
                if (digest := source.companion(request)) is not None:
                    yield digest


def _by_plan(tf: Timeframe) -> str:
    from p1_ingest.sources.coinglass_conf import coinglass_conf

    plans = coinglass_conf().plans
    told = [f"{plan.title()} {plans[plan][tf.name] or 'all'}" for plan in plans if tf.name in plans[plan]]
    return f"days of {tf} by plan: {', '.join(told)}" if told else f"no plan serves {tf}: resample it"


def _limits(source: Source) -> str:
    told = [f"{name} {pool.limit} in {pool.seconds:g} s" for name, pool in source.pools.items() if pool.limit]
    return ", ".join(told) or "none"


def _any_exchange() -> Offered:
    from p1_ingest.sources.ccxt_offer import COLUMNS

    columns = tuple(column for names in COLUMNS.values() for column in names)
    there = importlib.util.find_spec("ccxt") is not None
    note = "" if there else "the extra is not installed: pip install 'ccxt>=4.5.90'"
    limits = "ccxt's own for each exchange, and those in conf/sources.yaml"
    ask = "--exchange ID --check tells whether one answers"
    rest = {
        c.name: "no unified call" for c in BARS if c.kind != "key" and c.name not in columns + tuple(STAMPS.values())
    }
    return Offered("ccxt", False, "", False, columns, rest, WHOLE_HISTORY["ccxt"], limits, None, None, note or ask)


def _by_reason(left_out: dict[str, str]) -> list[tuple[str, list[str]]]:
    grouped: dict[str, list[str]] = {}
    for name, why in left_out.items():
        grouped.setdefault(why, []).append(name)
    return list(grouped.items())


@dataclass(frozen=True)
class Checked:
    """One thing that was tried: reach of a host, the key, or the plan; and how it went."""

    what: str
    well: bool
    told: str

    def line(self) -> str:
        """How is it told to people?"""
        return f"{self.what}: {'' if self.well else 'TROUBLE: '}{self.told}"


def checked(
    source: Source, sender: Sender, symbol: str, tf: Timeframe, clock: Callable[[], float] = time.monotonic
) -> Iterator[Checked]:
    """Does this source answer: each host, the key, the plan? One answer each, whatever goes wrong."""
    now = venues.now_ms()
    asks = {request.host: request for request in reversed(_samples(source, symbol, tf, now))}
    for name, host in source.hosts.items():
        if host.key_name:
            there = bool(settings.key(host.key_name))
            yield Checked(f"{source.name} key", there, f"{host.key_name} is {'set' if there else 'not set'}")
            if not there:
                continue
        if name in asks:
            yield _reached(source, sender, asks[name], clock)
    yield from _listed(source, sender, symbol, tf)
    try:
        line = source.gate(tf, now, lambda request: sender.send(request, source.judge)).line
    except PerplakeError as error:
        yield Checked(f"{source.name} plan", False, str(error))
    else:
        yield Checked(f"{source.name} plan", True, line or f"no plan: all of {tf} it keeps")


def _listed(source: Source, sender: Sender, symbol: str, tf: Timeframe) -> Iterator[Checked]:
    """How far its listing reaches. One that does not answer is no trouble: only more has to be asked."""
    try:
        told = source.reach(symbol, tf, lambda request: sender.send(request, source.judge))
    except PerplakeError as error:
        told = f"does not tell ({error}); what it has is found by asking file by file"
    if told:
        yield Checked(f"{source.name} listing", True, told)


def _samples(source: Source, symbol: str, tf: Timeframe, now: int) -> list[Request]:
    """Requests for one day that lead to every host there is: what is asked first, and what would be asked instead."""
    day = last_settled(source, now - PUBLISHED * 24 * 60 * MINUTE)
    found = [request for one in source.series(symbol, tf) for request in source.ask(one, symbol, tf, [day])]
    more = found
    for _ in range(DEEPER):
        more = [other for request in more for other in source.instead(request, [day])]
        found = found + more
    return found


def _reached(source: Source, sender: Sender, request: Request, clock: Callable[[], float]) -> Checked:
    what, began = f"{source.name} reach {request.host}", clock()
    try:
        body = sender.send(request, source.judge)
        rows = len(source.read(request, body).at)
    except NotReady as error:
        return Checked(what, True, f"answers in {clock() - began:.2f} s ({error})")
    except Usage as error:
        return Checked(what, False, f"not asked: {error}")
    except PerplakeError as error:
        return Checked(what, False, str(error))
    return Checked(what, True, f"answers in {clock() - began:.2f} s ({rows} rows of {request.series})")
