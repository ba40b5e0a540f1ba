"""Which sources are there, and how is one opened?"""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lake import settings
from meta.errors import Usage
from meta.symbols import market_folder, market_of
from p1_ingest.budget import Pool
from p1_ingest.http import TRIES, Sender, Transport
from p1_ingest.outages import PROBE
from p1_ingest.record import Record
from p1_ingest.replay import Replay
from p1_ingest.sources.base import Host, Source

Limits = Callable[[Mapping[str, Pool]], Mapping[str, Pool]]
NAMES = ("coinglass", "binance", "ccxt", "sim")
CCXT = "ccxt"
NOWHERE = "http://127.0.0.1:9"  # where a recorded venue would be asked, if it were


def now_ms() -> int:
    """What time is it, UTC ms?"""
    return time.time_ns() // 1_000_000


class Moment:
    """What time is it for a run (UTC ms)? It stands still until it is turned: a run is of one instant."""

    def __init__(self, ms: int) -> None:
        self.ms = ms

    def __call__(self) -> int:
        """Which instant is it?"""
        return self.ms


@contextmanager
def opened(
    name: str,
    *,
    url: str | None = None,
    log: Callable[[str], None] | None = None,
    tell: Callable[[str], None] = lambda line: None,
    clock: Callable[[], int] = now_ms,
    record: Record | None = None,
    replay: Replay | None = None,
    tries: int = TRIES,
    transport: Transport | None = None,
    probe: float = PROBE,
    pools: Limits = dict,
) -> Iterator[tuple[Source, Sender]]:
    """A source and its sender. `sim` starts the stand-in venue on loopback for as long as it is open.

    With `replay` nothing is asked but the recording, and no key is needed. log gets each try, tell what is waited for
    long. transport : carries the requests in the network's place. pools : what may be spent, given the source's limits.
    Raises Usage for a name there is no source of.
    """
    seams: dict[str, Any] = {"log": log, "tell": tell, "probe": probe}
    seams |= {"record": record.heard, "failed": record.failed} if record else {}
    if replay is not None:
        source = _source(name, NOWHERE if name == "sim" else url, clock)
        sender = Sender(_keyless(source.hosts), keys={}, transport=replay, tries=1, **seams)
        yield _learnt(source, sender), sender
        return
    if name == "sim":
        from p1_ingest.sim.server import SimVenue

        with SimVenue() as venue, _sending(_source(name, venue.url, clock), tries, transport, pools, seams) as pair:
            yield pair
        return
    with _sending(_source(name, url, clock), tries, transport, pools, seams) as pair:
        yield pair


def described(name: str) -> Source:
    """The source as conf has it, with nobody to talk to."""
    return _source(name, None, now_ms)


def _source(name: str, url: str | None, clock: Callable[[], int]) -> Source:
    if name == "sim":
        from p1_ingest.sources.coinglass import sim_source

        return sim_source(url or NOWHERE)
    if name == "coinglass":
        from p1_ingest.sources.coinglass import coinglass_source

        return coinglass_source(url)
    if name == "binance":
        from p1_ingest.sources.binance import Binance, binance_conf

        return Binance(binance_conf(), clock=clock)
    if name.partition(":")[0] == CCXT:
        from p1_ingest.sources.ccxt import ccxt_source

        return ccxt_source(name.partition(":")[2], url, clock)
    near = difflib.get_close_matches(name, NAMES, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise Usage(f"there is no source {name!r}: choose one of auto {' '.join(NAMES)}{hint}")


@contextmanager
def _sending(
    source: Source, tries: int, transport: Transport | None, pools: Limits, seams: dict[str, Any]
) -> Iterator[tuple[Source, Sender]]:
    with Sender(source.hosts, pools=pools(source.pools), tries=tries, transport=transport, **seams) as sender:
        yield _learnt(source, sender), sender


def _learnt(source: Source, sender: Sender) -> Source:
    """An exchange of ccxt's has to learn its markets first, from the venue or from the recording."""
    if source.name == CCXT:
        from p1_ingest.sources.ccxt import Ccxt

        assert isinstance(source, Ccxt)
        source.learn(lambda request: sender.send(request, source.judge))
    return source


def meant(source: str | None, exchange: str | None, symbols: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """Which source and symbols do the options mean? For ccxt: `ccxt:EXCHANGE`, and folders for markets.

    A folder (BTC-USDT_USDT_BINANCEUSDM) is taken for the market it names. Raises Usage.
    """
    named = source or settings.variable("SOURCE") or settings.lake_conf().source
    name, _, inside = named.partition(":")
    if name != CCXT:
        if exchange:
            raise Usage(f"--exchange goes with --source ccxt, not with {named}")
        return source, symbols
    given = symbols or tuple((settings.variable("SYMBOLS") or "").replace(",", " ").split())
    chosen = exchange or inside or settings.variable("EXCHANGE")
    if not chosen:
        found = {market_of(symbol.upper())[0] for symbol in given if "/" not in symbol}
        if len(found) != 1:
            raise Usage("ccxt needs one exchange: give --exchange binanceusdm, or another id of ccxt's")
        chosen = found.pop()
    return f"{CCXT}:{chosen}", tuple(market_folder(chosen, one) if "/" in one else one for one in given)


def why_sim(asked: str | None) -> str:
    """How is it said that the stand-in venue is in use, and why? `asked`: the source that was named."""
    chosen = (
        "" if asked == "sim" else " (COINGLASS_API_KEY is not set; --source binance brings real data without a key)"
    )
    return f", a stand-in venue on this machine: SYNTHETIC data{chosen}"


def _keyless(hosts: dict[str, Host]) -> dict[str, Host]:
    return {name: Host(host.url) for name, host in hosts.items()}
