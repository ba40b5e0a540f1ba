"""Which names a symbol may have, and which folder it lives in."""

from __future__ import annotations

import re

from meta.errors import Usage

# Archive names may be non-ASCII (a Chinese meme coin); folders stay ASCII, so those are refused by name.
SYMBOL = re.compile(r"[A-Z0-9]{1,40}(?:[_-][A-Z0-9]{1,24}){0,4}")

# A market of some exchange, as ccxt writes it, and the folder its days live in. Spot has two words between the _,
# a contract three, so that spot and perpetual of one name never meet:
#     binance      BTC/USDT               BTC-USDT_BINANCE
#     binanceusdm  BTC/USDT:USDT          BTC-USDT_USDT_BINANCEUSDM
#     binanceusdm  BTC/USDT:USDT-250328   BTC-USDT_USDT-250328_BINANCEUSDM
WORD = "[A-Z0-9]{1,24}"
UNIFIED = re.compile(f"({WORD})/({WORD})(?::({WORD})(?:-([0-9]{{6}}))?)?")
FOLDER = re.compile(f"({WORD})-({WORD})(?:_({WORD})(?:-([0-9]{{6}}))?)?_({WORD})")


def symbol(name: str) -> str:
    """Is this a symbol we may keep a folder for? Returns it upper-cased.

    Raises Usage where it is not (path separators, dots, blanks, non-ASCII).
    """
    folded = name.upper()
    if not name.isascii() or not SYMBOL.fullmatch(folded):
        raise Usage(f"symbol {name!r} is not a venue symbol such as BTCUSDT: letters, digits, single - or _")
    return folded


def market_folder(exchange: str, market: str) -> str:
    """Which folder is a market's, given as ccxt writes it (BTC/USDT:USDT)? `market_of` is its inverse.

    Raises Usage where the name is none, or the folder could not be told back from it (lower case, dots, options).
    """
    found = UNIFIED.fullmatch(market)
    if found is None or not re.fullmatch(WORD, exchange.upper()) or exchange != exchange.lower():
        raise Usage(
            f"market {market!r} of {exchange!r} has no folder: give BASE/QUOTE for spot, BASE/QUOTE:SETTLE for a "
            "perpetual, -YYMMDD after it for a dated contract, in capitals and digits"
        )
    base, quote, settle, expiry = found.groups()
    contract = f"_{settle}" + (f"-{expiry}" if expiry else "") if settle else ""
    return f"{base}-{quote}{contract}_{exchange.upper()}"


def market_of(folder: str) -> tuple[str, str]:
    """Which exchange and market does a folder made by `market_folder` mean? Raises Usage where it is none."""
    found = FOLDER.fullmatch(folder)
    if found is None:
        raise Usage(
            f"symbol {folder!r} names no exchange and market; give --exchange and a market such as BTC/USDT:USDT, "
            "or a folder such as BTC-USDT_USDT_BINANCEUSDM"
        )
    base, quote, settle, expiry, exchange = found.groups()
    contract = f":{settle}" + (f"-{expiry}" if expiry else "") if settle else ""
    return exchange.lower(), f"{base}/{quote}{contract}"
