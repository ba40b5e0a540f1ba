"""Which sources are there, and how is one opened?"""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from meta.errors import Usage
from p1_ingest.http import Sender
from p1_ingest.sources.base import Source

NAMES = ("coinglass", "binance", "sim")


def now_ms() -> int:
    """What time is it, UTC ms?"""
    return time.time_ns() // 1_000_000


@contextmanager
def opened(
    name: str, *, url: str | None = None, log: Callable[[str], None] | None = None
) -> Iterator[tuple[Source, Sender]]:
    """A source and its sender. `sim` starts the stand-in venue on loopback for as long as it is open.

    Raises Usage for a name there is no source of.
    """
    if name == "sim":
        from p1_ingest.sim.server import SimVenue
        from p1_ingest.sources.coinglass import sim_source

        with SimVenue() as venue, _sending(sim_source(venue.url), log) as pair:
            yield pair
        return
    with _sending(_real(name, url), log) as pair:
        yield pair


def _real(name: str, url: str | None) -> Source:
    if name == "coinglass":
        from p1_ingest.sources.coinglass import coinglass_source

        return coinglass_source(url)
    if name == "binance":
        from p1_ingest.sources.binance import Binance, binance_conf

        return Binance(binance_conf())
    near = difflib.get_close_matches(name, NAMES, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise Usage(f"there is no source {name!r}: choose one of auto {' '.join(NAMES)}{hint}")


@contextmanager
def _sending(source: Source, log: Callable[[str], None] | None) -> Iterator[tuple[Source, Sender]]:
    with Sender(source.hosts, pools=source.pools, log=log) as sender:
        yield source, sender
