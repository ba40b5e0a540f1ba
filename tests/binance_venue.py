"""A stand-in for Binance's REST hosts on loopback, over the same made-up market as `tests.archive`."""

from __future__ import annotations

import contextlib
import http.server
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from meta.timeframes import DAY, HOUR, day_of, timeframe
from tests import loopback
from tests.archive import STEP, bar, metric, premiums, settlements

KLINES = {
    "/fapi/v1/klines": "klines",
    "/fapi/v1/markPriceKlines": "mark",
    "/fapi/v1/indexPriceKlines": "index",
    "/fapi/v1/premiumIndexKlines": "premium",
    "/api/v3/klines": "spot",
}
METRICS = {  # path -> (name in the answer, place in the archive's row, shift of the label)
    "/futures/data/topLongShortAccountRatio": ("longShortRatio", 4, 0),
    "/futures/data/topLongShortPositionRatio": ("longShortRatio", 5, 0),
    "/futures/data/globalLongShortAccountRatio": ("longShortRatio", 6, 0),
    "/futures/data/takerlongshortRatio": ("buySellRatio", 7, STEP),
}


def contract(symbol: str, status: str = "TRADING", since: int = 0, kind: str = "PERPETUAL") -> dict[str, Any]:
    """A row of exchangeInfo."""
    return {"symbol": symbol, "contractType": kind, "status": status, "onboardDate": since, "quoteAsset": "USDT"}


@dataclass
class Venue:
    """What the venue knows: its clock, its symbols; `asked` lists the paths it was asked for; `refuses` a status.

    contracts : rows of exchangeInfo beside the symbols.
    """

    now: int
    symbols: tuple[str, ...] = ("BTCUSDT",)
    hours: int = 8
    refuses: int = 0
    contracts: tuple[dict[str, Any], ...] = ()
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        """The status and JSON body of one GET."""
        self.asked.append(path)
        if self.refuses:
            return self.refuses, {"code": 0, "msg": "Service unavailable from a restricted location"}
        if path == "/fapi/v1/exchangeInfo":
            return 200, {"symbols": [*map(contract, self.symbols), *self.contracts]}
        symbol = query.get("symbol") or query.get("pair", "")
        if symbol not in self.symbols:
            return 400, {"code": -1121, "msg": "Invalid symbol."}
        start, end, limit = (int(query[name]) for name in ("startTime", "endTime", "limit"))
        if path in KLINES:
            return 200, self._klines(KLINES[path], symbol, query["interval"], start, end)[: min(limit, 1500)]
        if path == "/fapi/v1/fundingRate":
            return 200, self._settlements(symbol, start, end)[: min(limit, 1000)]
        if start < self.now - 30 * DAY:
            return 400, {"code": -1130, "msg": "parameter 'startTime' is invalid."}
        return 200, self._metrics(path, symbol, start, end)[: min(limit, 500)]

    def _klines(self, series: str, symbol: str, interval: str, start: int, end: int) -> list[list[Any]]:
        tf = timeframe(interval)
        rows = [bar(symbol, at, tf) for at in range(-(-start // tf.ms) * tf.ms, min(end, self.now) + 1, tf.ms)]
        rows = premiums(rows) if series == "premium" else rows
        return [[int(row[0]), *row[1:6], int(row[6]), row[7], int(row[8]), *row[9:]] for row in rows]

    def _settlements(self, symbol: str, start: int, end: int) -> list[dict[str, Any]]:
        months = sorted({day_of(at).replace(day=1) for at in range(start, end + HOUR, HOUR)})
        rows = [row for month in months for row in settlements(symbol, month, self.hours)]
        return [
            {"symbol": symbol, "fundingRate": row[2], "fundingTime": int(row[0]), "markPrice": ""}
            for row in rows
            if start <= int(row[0]) <= min(end, self.now)
        ]

    def _metrics(self, path: str, symbol: str, start: int, end: int) -> list[dict[str, Any]]:
        labels = range(-(-start // STEP) * STEP, min(end, self.now) + 1, STEP)
        if path == "/futures/data/openInterestHist":
            rows = [(at, metric(symbol, at)) for at in labels]
            return [
                {"symbol": symbol, "sumOpenInterest": row[2], "sumOpenInterestValue": row[3], "timestamp": str(at)}
                for at, row in rows
            ]
        name, place, shift = METRICS[path]
        return [{name: metric(symbol, at, shift)[place], "timestamp": at} for at in labels]


@contextlib.contextmanager
def open_venue(venue: Venue) -> Iterator[str]:
    """The venue on loopback: yields its base URL."""

    class Handler(loopback.Quiet, http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            status, said = venue.answer(url.path, dict(parse_qsl(url.query)))
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with loopback.listening(Handler) as url:
        yield url
