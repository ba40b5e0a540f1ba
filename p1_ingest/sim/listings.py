"""What does the stand-in venue say of itself? Subscription, coins, exchanges, pairs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from meta.timeframes import DAY
from p1_ingest.sim.coins import COINS, PAIR_VENUES, VENUES, Coin
from p1_ingest.sim.quirks import Quirks

Query = Mapping[str, str]


def _known(now: int) -> list[Coin]:
    return [coin for coin in COINS.values() if coin.listed * DAY <= now]


def subscription(query: Query, quirks: Quirks, now: int) -> object:
    """What has this key bought?"""
    return {"level": quirks.plan, "expire_time": now // DAY * DAY + 365 * DAY, "expired": False}


def futures_coins(query: Query, quirks: Quirks, now: int) -> object:
    """Which coins have a perpetual?"""
    return [coin.name for coin in _known(now)]


def spot_coins(query: Query, quirks: Quirks, now: int) -> object:
    """Which coins have a spot pair?"""
    return [coin.name for coin in _known(now) if coin.spot_share]


def exchanges(query: Query, quirks: Quirks, now: int) -> object:
    """Which exchanges are there?"""
    return list(VENUES)


def futures_pairs(query: Query, quirks: Quirks, now: int) -> object:
    """Which perpetuals does each exchange have, by its own names?"""
    rows = [
        {
            "instrument_id": coin.perp,
            "base_asset": coin.name,
            "quote_asset": "USDT",
            "settlement_currency": "USDT",
            "max_leverage": 125 if coin.turnover > 1e9 else 75,
            "funding_interval": coin.funding_hours,
            "price_tick_size": float(f"1e-{coin.decimals}"),
            "onboard_date": coin.listed * DAY,
        }
        for coin in _known(now)
    ]
    return {name: rows for name in PAIR_VENUES if query.get("exchange", name) == name}


def spot_pairs(query: Query, quirks: Quirks, now: int) -> object:
    """Which spot pairs does each exchange have?"""
    coins = [coin for coin in _known(now) if coin.spot_share]
    rows = [{"instrument_id": coin.spot, "base_asset": coin.name, "quote_asset": "USDT"} for coin in coins]
    return {name: rows for name in PAIR_VENUES if query.get("exchange", name) == name}


LISTINGS: dict[str, Callable[[Query, Quirks, int], object]] = {
    "/api/user/account/subscription": subscription,
    "/api/futures/supported-coins": futures_coins,
    "/api/futures/supported-exchanges": exchanges,
    "/api/futures/supported-exchange-pairs": futures_pairs,
    "/api/spot/supported-coins": spot_coins,
    "/api/spot/supported-exchange-pairs": spot_pairs,
}
