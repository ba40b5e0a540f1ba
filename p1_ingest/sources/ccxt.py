"""Any exchange that ccxt knows: its unified candles, funding settlements and open interest, sent by our own sender."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import date

from lake.settings import variable
from meta.errors import BadPayload, NotReady, Refused, Retryable, Usage, VenueRefused
from meta.symbols import market_of
from meta.timeframes import MINUTE, TIMEFRAMES, Timeframe, timeframe
from p1_ingest.budget import Pool
from p1_ingest.payload import said
from p1_ingest.sources import ccxt_rows
from p1_ingest.sources.base import Answer, Gate, Reply, Request, Series, Source
from p1_ingest.sources.ccxt_exchange import NEEDS_KEY, Call, Exchange
from p1_ingest.sources.ccxt_offer import CALLS, METHODS, CcxtConf, Offer, ccxt_conf, offer

OPTIONAL = ("funding", "oi")


def wall_clock() -> int:
    """What time is it (UTC ms)?"""
    return time.time_ns() // 1_000_000


class Ccxt(Source):
    """One exchange, by its ccxt id; symbols are folders as `meta.symbols.market_folder` makes them.

    `learn` tells it the exchange's markets; nothing can be asked before.
    """

    name = "ccxt"
    synthetic = False

    def __init__(
        self, conf: CcxtConf, exchange: str, *, url: str | None = None, clock: Callable[[], int] = wall_clock
    ) -> None:
        self._conf = conf
        self._exchange = Exchange(exchange, clock, url or "")
        self._offers: dict[tuple[str, str], Offer] = {}
        self.hosts = self._exchange.hosts
        self.settle_lag_ms = conf.settle_lag_minutes * MINUTE
        self._limits = {f"{exchange} {one.path}": one for one in conf.limits if exchange in one.exchanges}
        own = {name: Pool(one.requests, one.seconds, heard=False) for name, one in self._limits.items()}
        self.pools = {host: Pool(self._exchange.per_minute) for host in self.hosts} | own

    def learn(self, fetch: Callable[[Request], bytes]) -> None:
        """Learn the exchange's markets, once. Raises what `fetch` raises, and BadPayload."""
        self._exchange.load(lambda call: fetch(self._request("markets", call, (), 0, 0, "", "")))

    def series(self, symbol: str, tf: Timeframe) -> tuple[Series, ...]:
        """What does the exchange offer for this market? Raises Usage where it lists none of that name."""
        offer, scope = self._offer(symbol, tf), f"{self._exchange.name} {self._market(symbol)}"
        found = [
            Series("ohlcv", offer.columns("ohlcv"), variant=scope, required=True),
            Series("funding", offer.columns("funding"), "settlement", f"{scope}, last settled"),
            Series("oi", offer.columns("oi"), "sample", scope, native_ms=offer.step("oi")),
        ]
        return tuple(one for one in found if one.columns)

    def left_out(self, symbol: str, tf: Timeframe) -> dict[str, str]:
        """Which bar columns does it not offer for this market, and why?"""
        return self._offer(symbol, tf).left_out()

    def gate(self, tf: Timeframe, now: int, fetch: Callable[[Request], bytes]) -> Gate:
        """What does the plan allow? All an exchange keeps.

        Raises VenueRefused where it has no candles of this timeframe, naming what to resample.
        """
        if not self._exchange.has(METHODS["ohlcv"]):
            raise VenueRefused(f"{self._exchange.name} offers no candles through ccxt; choose another exchange")
        if tf.name not in self._exchange.timeframes:
            raise VenueRefused(self._no_timeframe(tf))
        return Gate()

    def ask(self, series: Series, symbol: str, tf: Timeframe, days: Sequence[date]) -> list[Request]:
        """Which requests answer this series for these days? Windows of whole days, or parts of one, that fit a page."""
        offer, found = self._offer(symbol, tf), []
        for group, start, end in offer.windows(series.name, days):
            call = self._exchange.would(CALLS[series.name], *offer.args(series.name, start, end))
            found.append(self._request(series.name, call, group, start, end, symbol, tf.name))
        return found

    def judge(self, request: Request, reply: Reply) -> None:
        """Is this reply an answer? Raises Retryable, VenueRefused, NotReady or BadPayload if not."""
        what = self._what(request)
        if reply.status in (403, 404, 418, 451):
            raise VenueRefused(f"{what}: refused with {reply.status} ({request.host}{request.path})")
        if reply.status in (408, 425, 429) or reply.status >= 500:
            raise Retryable(f"{what}: answered {reply.status}")
        try:
            self._exchange.complains(reply.status, reply.headers, reply.body, _call(request), what)
        except VenueRefused as error:
            # A history that ends somewhere is answered as a bad request, in each exchange's own words.
            if request.series in OPTIONAL and NEEDS_KEY not in str(error):
                raise NotReady(str(error)) from None
            raise
        if reply.status != 200:
            raise BadPayload(f"{what}: answered {reply.status}; nothing of it is used")
        if reply.body[:256].lstrip()[:1] not in (b"{", b"["):
            raise BadPayload(f"{what}: answered {said(reply.body[:60].decode(errors='replace'), 40)!r}, no JSON")

    def read(self, request: Request, body: bytes) -> Answer:
        """What does this body say, as ccxt unifies it? Raises BadPayload."""
        offer, what = self._offer(request.symbol, timeframe(request.tf)), self._what(request)
        args = offer.args(request.series, request.start, request.end)
        rows = self._exchange.read(_call(request), body, what, CALLS[request.series], *args)
        return ccxt_rows.read(request, what, rows, offer)

    def _request(
        self, series: str, call: Call, days: Sequence[date], start: int, end: int, symbol: str, tf: str
    ) -> Request:
        pool = next((name for name, one in self._limits.items() if call.path.startswith(one.path)), call.host)
        weight = 1 if pool in self._limits else call.weight
        where = (call.host, call.path, call.params)
        return Request(series, *where, tuple(days), start, end, symbol, tf, pool, weight, route="ccxt")

    def _offer(self, symbol: str, tf: Timeframe) -> Offer:
        known = (symbol, tf.name)
        if known not in self._offers:
            self._offers[known] = offer(self._exchange, self._conf, self._market(symbol), tf)
        return self._offers[known]

    def _market(self, symbol: str) -> str:
        exchange, market = market_of(symbol)
        if exchange != self._exchange.name:
            raise Usage(f"symbol {symbol} is a market of {exchange}, and --exchange is {self._exchange.name}")
        return market

    def _what(self, request: Request) -> str:
        market = self._market(request.symbol) if request.symbol else ""
        return " ".join(filter(None, ["ccxt", self._exchange.name, request.series, market, request.tf]))

    def _no_timeframe(self, tf: Timeframe) -> str:
        known = [one for one in TIMEFRAMES.values() if one.name in self._exchange.timeframes]
        parts = [one.name for one in known if one.ms < tf.ms and tf.ms % one.ms == 0]
        how = f"; ingest {parts[-1]}, then `python -m p1_ingest resample --from {parts[-1]} --to {tf}`" if parts else ""
        return f"{self._exchange.name} has no {tf} candles (it has {' '.join(map(str, known))}){how}"


def ccxt_source(exchange: str, url: str | None = None, clock: Callable[[], int] = wall_clock) -> Ccxt:
    """The exchange of this ccxt id, at `url`, else CCXT_BASE_URL, else where ccxt finds it.

    Raises Refused without ccxt, Usage where it knows no such exchange.
    """
    if not exchange:
        raise Refused("ccxt needs an exchange: give --exchange binanceusdm, or another id of ccxt's")
    return Ccxt(ccxt_conf(), exchange, url=url or variable("CCXT_BASE_URL"), clock=clock)


def _call(request: Request) -> Call:
    return Call(request.host, request.path, request.params)
