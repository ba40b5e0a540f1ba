"""Which contracts are there? The archive's folders name all that ever were, exchangeInfo those of today."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from meta.errors import BadPayload
from meta.timeframes import Timeframe, day_of, days_between
from p1_ingest.payload import parse
from p1_ingest.sources import binance_archive as archive
from p1_ingest.sources import binance_listing as listing
from p1_ingest.sources.base import Request
from p1_ingest.sources.binance_rest import FUTURES

INFO = "/fapi/v1/exchangeInfo"
PERPETUAL = ("PERPETUAL", "TRADIFI_PERPETUAL")

Fetch = Callable[[Request], bytes]


@dataclass(frozen=True)
class Contract:
    """A perpetual as the venue tells of it today; `since` is the day it was listed."""

    symbol: str
    trading: bool
    since: date
    quote: str


def folders(fetch: Fetch) -> list[str]:
    """Which symbols has the archive klines of, delisted and dated ones too? Raises as `listing.keys` does."""
    folder = archive.FOLDERS["klines"]
    return list(listing.folders(f"data/{folder.market}/daily/{folder.type}/", "klines", fetch))


def listed(symbol: str, tf: Timeframe, fetch: Fetch) -> list[date]:
    """Of which days does the archive list klines? Ascending; by its months where it lists no single day.

    Raises as `listing.keys` does.
    """
    some = date(2020, 1, 1)
    daily = archive.day_file("klines", symbol, symbol, tf, some, [])
    found = [date.fromisoformat(stamp) for stamp in listing.stamps(daily, fetch)]
    if found:
        return found
    monthly = archive.month_file("klines", symbol, symbol, tf, some, [])
    months = [date.fromisoformat(f"{stamp}-01") for stamp in listing.stamps(monthly, fetch)]
    return [day for month in months for day in days_between(month, archive.next_month(month) - timedelta(days=1))]


def is_published(symbol: str, tf: Timeframe, day: date, fetch: Fetch) -> bool:
    """Does the digest of this day's klines answer, whatever the listing says?"""
    return listing.is_there(archive.day_file("klines", symbol, symbol, tf, day, []), str(day), fetch)


def info_request() -> Request:
    """Which request brings today's list of contracts?"""
    return Request("contracts", FUTURES, INFO, (), (), 0, 0, pool=FUTURES)


def contracts(body: bytes) -> dict[str, Contract]:
    """Which perpetuals does exchangeInfo name? Raises BadPayload."""
    told = parse(body, "binance exchangeInfo")
    rows = told.get("symbols") if isinstance(told, dict) else None
    if not isinstance(rows, list):
        raise BadPayload("binance exchangeInfo names no symbols; nothing of it is used")
    return {one.symbol: one for row in rows if (one := _contract(row))}


def _contract(row: Any) -> Contract | None:
    try:
        if row["contractType"] not in PERPETUAL:
            return None
        return Contract(
            str(row["symbol"]), row["status"] == "TRADING", day_of(int(row["onboardDate"])), row["quoteAsset"]
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        raise BadPayload(
            "binance exchangeInfo: a symbol lacks its type, status or onboardDate; nothing of it is used"
        ) from None
