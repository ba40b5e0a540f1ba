"""A stand-in for binanceusdm as ccxt asks it: the hosts of `tests.binance_venue`, and the list of its markets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from meta.timeframes import DAY, timeframe
from tests.binance_venue import Venue

MARKETS, INTEREST = "/fapi/v1/exchangeInfo", "/futures/data/openInterestHist"


def market(symbol: str, base: str, contract: str = "PERPETUAL") -> dict[str, Any]:
    """One entry of exchangeInfo, as much of it as ccxt needs."""
    return {
        "symbol": symbol, "pair": symbol.partition("_")[0], "contractType": contract, "status": "TRADING",
        "baseAsset": base, "quoteAsset": "USDT", "marginAsset": "USDT", "onboardDate": 1569398400000,
        "deliveryDate": 1743148800000 if "_" in symbol else 4133404800000, "pricePrecision": 2, "quantityPrecision": 3,
        "baseAssetPrecision": 8, "quotePrecision": 8, "orderTypes": ["LIMIT"], "timeInForce": ["GTC"],
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.10", "maxPrice": "1000000", "tickSize": "0.10"},
            {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
        ],
    }  # fmt: skip


@dataclass
class CcxtVenue(Venue):
    """The venue, which also lists its markets, and takes a call without an end for one up to now."""

    page: int = 1500  # the most candles it gives, whatever was asked

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        """The status and JSON body of one GET."""
        if path == MARKETS and not self.refuses:
            self.asked.append(path)
            return 200, {"symbols": [market("BTCUSDT", "BTC"), market("BTCUSDT_250328", "BTC", "CURRENT_QUARTER")]}
        whole = {"endTime": str(self.now), **query}
        if path != INTEREST or self.refuses:
            status, said = super().answer(path, whole)
            return status, said[: self.page] if path == "/fapi/v1/klines" and status == 200 else said
        start, end, step = int(whole["startTime"]), int(whole["endTime"]), timeframe(whole["period"]).ms
        if start < self.now - 30 * DAY:
            return 400, {"code": -1130, "msg": "parameter 'startTime' is invalid."}
        self.asked.append(path)
        rows = [row for row in self._metrics(path, whole["symbol"], start, end) if int(row["timestamp"]) % step == 0]
        return 200, rows[: int(whole["limit"])]
