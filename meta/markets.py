"""What a symbol's name says: which coin, in which quote currency, on which kind of market."""

from __future__ import annotations

import re
from dataclasses import dataclass

from meta.symbols import FOLDER, market_of

PERPS, SPOT, FUTURES = TYPES = ("perps", "spot", "futures")

# Longest first, so that BTCUSDT is BTC in USDT. A coin that is quoted in itself has no such name.
QUOTES = ("FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USD", "BTC", "ETH", "BNB", "EUR")
VENUE = re.compile(rf"([A-Z0-9]+?)({'|'.join(QUOTES)})(?:_(PERP|[0-9]{{6}}))?")


@dataclass(frozen=True)
class Market:
    """A symbol taken apart. `quote` is empty where the name does not say; `exchange` where a folder names none."""

    symbol: str
    coin: str
    quote: str
    type: str
    exchange: str = ""

    def __str__(self) -> str:
        return " ".join(word for word in (self.exchange, f"{self.coin}/{self.quote}".rstrip("/"), self.type) if word)


def market(symbol: str) -> Market:
    """What does this symbol, a venue's own (BTCUSDT) or a ccxt market's folder, say of its market?"""
    if FOLDER.fullmatch(symbol):
        exchange, name = market_of(symbol)
        pair, _, contract = name.partition(":")
        coin, _, quote = pair.partition("/")
        dated = re.search(r"-[0-9]{6}$", contract)
        return Market(symbol, coin, quote, (FUTURES if dated else PERPS) if contract else SPOT, exchange)
    found = VENUE.fullmatch(symbol)
    if found is None:
        return Market(symbol, symbol, "", PERPS)
    coin, quote, contract = found.groups()
    return Market(symbol, coin, quote, FUTURES if contract and contract != "PERP" else PERPS)
