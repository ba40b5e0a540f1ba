"""Which symbol is meant by a coin, and what does the lake hold of it?"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from lake import days, roots, settings
from lake.layout import Shelf
from lake.manifest import Entry
from meta.datasets import DATASETS, Dataset
from meta.errors import NotReady, Refused
from meta.markets import PERPS, Market, market
from meta.timeframes import Timeframe


@dataclass(frozen=True)
class Named:
    """How a symbol is named: by its coin (or in full), and where that is not enough by more. None: not said."""

    coin: str
    exchange: str | None = None
    quote: str | None = None
    type: str | None = None

    def fits(self, one: Market) -> bool:
        """Is this market meant?"""
        said = ((self.exchange, one.exchange), (self.quote, one.quote), (self.type, one.type))
        return all(asked is None or asked.lower() == known.lower() for asked, known in said)


@dataclass(frozen=True)
class Held:
    """One symbol of the lake, and its shelves of one dataset that hold days, by timeframe."""

    market: Market
    shelves: dict[Timeframe, Shelf]

    @property
    def finest(self) -> Shelf:
        """Which shelf has the shortest bars?"""
        return self.shelves[min(self.shelves)]

    def timeframes(self) -> str:
        """Which timeframes are held, in words?"""
        return " ".join(map(str, sorted(self.shelves)))


def held(root: Path, dataset: Dataset, named: Named) -> Held:
    """Which symbol of the lake is meant? Where several fit, the USDT perpetual.

    Raises NotReady naming what is held, Refused where another exchange, quote or market type is asked for, or where
    more than one symbol is left.
    """
    shelves = [shelf for shelf in roots.shelves(root, dataset) if shelf.days_on_disk()]
    markets = {shelf.symbol: _market(shelf) for shelf in reversed(shelves)}
    fits = [one for one in markets.values() if named.coin in (one.coin, one.symbol)]
    if not fits:
        raise _unknown(root, dataset, named.coin, list(markets.values()))
    left = [one for one in fits if named.fits(one)]
    if not left:
        raise Refused(
            f"{named.coin} is held as {_listed(fits)}, not as {_asked(named)}; leave --exchange, --quote and "
            "--market-type out, or bring the other market into a lake of its own"
        )
    usual = [one for one in left if (one.quote, one.type) == ("USDT", PERPS)] if len(left) > 1 else left
    if len(usual) != 1:
        raise Refused(
            f"{named.coin} is held as {_listed(left)}; say which: --exchange, --quote, --market-type, or --coin in full"
        )
    return Held(usual[0], {shelf.tf: shelf for shelf in shelves if shelf.symbol == usual[0].symbol})


def newest_first(shelf: Shelf) -> Iterator[tuple[date, Entry]]:
    """The shelf's committed days, from the last back."""
    found = ((day, days.entry(shelf, day)) for day in reversed(shelf.days_on_disk()))
    return ((day, entry) for day, entry in found if entry is not None)


def _market(shelf: Shelf) -> Market:
    """What the name says, and of which exchange or source it is by its newest manifest."""
    known = market(shelf.symbol)
    if known.exchange:
        return known
    source = next((roots.source_name(entry.source) for _, entry in newest_first(shelf.sibling(DATASETS["bars"]))), "")
    return dataclasses.replace(known, exchange=source)


def _unknown(root: Path, dataset: Dataset, coin: str, markets: list[Market]) -> NotReady:
    where = f"lake {settings.shown(root)}"
    if not markets:
        return NotReady(f"{where} holds no {dataset.name}; run `python -m {days.VERBS[dataset.name]}` first")
    coins = sorted({one.coin for one in markets})
    names = {name.lower(): name for one in markets for name in (one.symbol, one.coin)}
    near = difflib.get_close_matches(coin.lower(), names, 1, 0.6)
    hint = f"; did you mean {names[near[0]]}?" if near else "; bring others in with `python -m p1_ingest ingest`"
    return NotReady(f"{where} holds no {dataset.name} of {coin!r}, but those of {' '.join(coins)}{hint}")


def _listed(markets: list[Market]) -> str:
    return ", ".join(f"{one.symbol} ({one})" for one in sorted(markets, key=lambda one: one.symbol))


def _asked(named: Named) -> str:
    return " ".join(word for word in (named.exchange, named.quote, named.type) if word)
