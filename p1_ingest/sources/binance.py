"""Binance: the keyless archive for depth."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Literal

from lake.settings import Conf, conf_path, convert, read_yaml, variable
from meta.errors import BadPayload, NotReady, Retryable, Usage, VenueRefused
from meta.timeframes import DAY, MINUTE, Timeframe, day_start, timeframe
from p1_ingest.budget import Pool
from p1_ingest.sources import binance_archive as archive
from p1_ingest.sources import binance_files as files
from p1_ingest.sources import binance_labels as labels
from p1_ingest.sources.base import Answer, Gate, Host, Reply, Request, Series, Source

Route = Literal["auto", "daily", "monthly"]
URLS = {"binance_vision": "BINANCE_VISION_URL"}

BARS = ("open", "high", "low", "close", "volume", "quote_volume", "trades")
TAKERS = ("perp_taker_buy", "perp_taker_sell", "perp_taker_buy_base")
OFFERED = (
    Series("klines", (*BARS, *TAKERS), required=True),
    Series("spot", ("spot_taker_buy", "spot_taker_sell")),
    Series("funding", ("funding_now", "funding_interval_hours"), "settlement", "last settled, venue"),
    Series("metrics", (*labels.OI, *labels.RATIOS), "sample", "venue", native_ms=labels.STEP),
    Series("mark", ("mark_price",)),
    Series("index", ("index_price",)),
    Series("premium", ("premium",)),
)
REFUSALS = {
    403: "its firewall; wait, and ask with fewer workers",
    418: "banned for a while after too many requests; wait before asking again",
    451: "not served to this region",
}


class SpotPair(Conf, frozen=True, forbid_unknown_fields=True):
    """The spot pair of a perpetual, and how many of its coins one unit of the perpetual holds.

    Prices and coin amounts of the pair would be multiplied and divided by `scale`; turnover in USDT needs none.
    """

    pair: str
    scale: int = 1


class BinanceConf(Conf, frozen=True, forbid_unknown_fields=True):
    """The binance section of conf/sources.yaml."""

    hosts: dict[str, str]
    route: Route = "auto"
    settle_lag_minutes: int = 60
    spot: dict[str, SpotPair | None] = {}


def binance_conf() -> BinanceConf:
    """What does the binance section of conf/sources.yaml say?"""
    section = read_yaml(conf_path("sources.yaml")).get("binance", {})
    return convert(section, BinanceConf, "conf/sources.yaml, binance")


def wall_clock() -> int:
    """What time is it (UTC ms)?"""
    return time.time_ns() // 1_000_000


class Binance(Source):
    """Binance's USDS-M perpetuals and their spot pairs."""

    name = "binance"
    synthetic = False
    pools: dict[str, Pool] = {}

    def __init__(self, conf: BinanceConf, *, route: Route | None = None, clock: Callable[[], int] = wall_clock) -> None:
        self.hosts = {name: Host(variable(URLS[name]) or url) for name, url in conf.hosts.items() if name in URLS}
        self.pools = {}
        self.settle_lag_ms = conf.settle_lag_minutes * MINUTE
        self._route = route or conf.route
        self._spot = conf.spot
        self._clock = clock

    def series(self, symbol: str, tf: Timeframe) -> tuple[Series, ...]:
        """What does Binance offer for this symbol at this timeframe?

        Raises Usage for a COIN-M contract.
        """
        if symbol.endswith("_PERP"):
            raise Usage(f"{symbol} is a COIN-M contract, and only USDS-M ones are read; give one such as BTCUSDT")
        pair = self._spot_pair(symbol)
        spot = {"spot": pair}
        return tuple(replace(s, variant=spot.get(s.name, s.variant)) for s in OFFERED if pair or s.name != "spot")

    def left_out(self, symbol: str, tf: Timeframe) -> dict[str, str]:
        """Which bar columns does Binance not offer for this symbol, and why?"""
        reasons = dict.fromkeys(("liq_long", "liq_short"), "Binance publishes no liquidations")
        if not self._spot_pair(symbol):
            reasons |= dict.fromkeys(("spot_taker_buy", "spot_taker_sell"), f"{symbol} has no spot pair on Binance")
        return reasons

    def gate(self, tf: Timeframe, now: int, fetch: Callable[[Request], bytes]) -> Gate:
        """What does the plan allow? Everything: the archive is keyless and keeps each symbol's whole history."""
        return Gate()

    def ask(self, series: Series, symbol: str, tf: Timeframe, days: Sequence[date]) -> list[Request]:
        """Which files answer this series for these (ascending) days?

        A day of metrics needs the next day's file too, where its 24:00 row may stand; the first day of a month needs
        the settlements of the month before. Such a file lists each day it serves.
        """
        pair = self._pair(series.name, symbol)
        if series.name == "metrics":
            return self._metrics_files(symbol, tf, days)
        if series.name == "funding":
            return self._funding_files(symbol, tf, days)
        found = []
        for month, asked in archive.by_month(days).items():
            if self._by_month(month, asked):
                found.append(archive.month_file(series.name, symbol, pair, tf, month, asked))
            else:
                found += [archive.day_file(series.name, symbol, pair, tf, day, [day]) for day in asked]
        return found

    def companion(self, request: Request) -> Request | None:
        """Which request brings the digest published for this one's answer, if one is?"""
        return archive.checksum_of(request) if request.expects == "zip" else None

    def verify(self, request: Request, body: bytes, checksum: bytes | None, accept: bool = False) -> str:
        """Is this body the one its published digest describes? `checksum` is None where the digest answered 404.

        Returns "" where it is, else a note for the record: unpublished, or a mismatch that `accept` lets pass.
        Raises BadPayload on a mismatch.
        """
        return archive.sealed(request.path, body, checksum, accept) if request.expects == "zip" else ""

    def judge(self, request: Request, reply: Reply) -> None:
        """Is this reply an answer? Raises Retryable, VenueRefused, NotReady (404) or BadPayload if not."""
        what = f"binance {archive.file_of(request.path)}"
        if reply.status in (403, 418, 451):
            raise VenueRefused(f"{what}: refused with {reply.status} ({REFUSALS[reply.status]})")
        if reply.status in (408, 425, 429) or reply.status >= 500:
            raise Retryable(f"{what}: answered {reply.status}")
        if reply.status == 404:
            raise NotReady(f"{what} is not published at {self.hosts[request.host].url}")
        if reply.status != 200:
            raise BadPayload(f"{what}: answered {reply.status}; check {URLS[request.host]}")
        start = reply.body[:512].lstrip()[:15].lower()
        if start.startswith((b"<!doctype", b"<html", b"<?xml")):
            raise BadPayload(
                f"{what}: a page came instead of the file; check {URLS[request.host]} and what stands between"
            )
        if request.expects == "zip" and not reply.body.startswith(b"PK"):
            raise BadPayload(f"{what}: no zip came; fetch it again")

    def read(self, request: Request, body: bytes) -> Answer:
        """What does this file say? Raises BadPayload."""
        text = archive.unzipped(body, archive.file_of(request.path))
        reader = {"metrics": files.metrics, "funding": files.settlements}.get(request.series, files.bars)
        return reader(text, request)

    def instead(self, request: Request, days: Sequence[date]) -> list[Request]:
        """What else can be asked for the days this file lacked? The other cadence, once; often nothing."""
        if not days or request.series in ("funding", "metrics"):
            return []
        tf, pair = timeframe(request.tf), self._pair(request.series, request.symbol)
        second = (request.series, request.symbol, pair, tf)
        if request.route == archive.MONTHLY:
            return [archive.day_file(*second, day, [day], archive.DAILY + archive.SECOND) for day in days]
        if request.route == archive.DAILY:
            months = archive.by_month(days).items()
            route = archive.MONTHLY + archive.SECOND
            return [archive.month_file(*second, m, asked, route) for m, asked in months if self._is_over(m)]
        return []

    def settle(self, answers: dict[str, list[Answer]], tf: Timeframe) -> dict[str, list[Answer]]:
        """What do the answers mean once seen together? Each metrics file by the convention its implied price shows."""
        return answers | {"metrics": labels.settle(answers.get("metrics", []), answers.get("klines", []), tf)}

    def spared(self, request: Request, settled: dict[str, list[Answer]], days: Sequence[date]) -> list[date]:
        """Which of these days do without this request's answer, now that the others are settled?

        A day of metrics whose 24:00 row stood in its own file does not need the next day's.
        """
        if request.series != "metrics":
            return []
        told = any((answer.at == request.start).any() for answer in settled.get("metrics", []))
        return [day for day in days if told and day_start(day) + DAY == request.start]

    def _metrics_files(self, symbol: str, tf: Timeframe, days: Sequence[date]) -> list[Request]:
        one, asked = timedelta(days=1), set(days)
        files_of = sorted(asked | {day + one for day in asked})
        return [
            archive.day_file("metrics", symbol, symbol, tf, day, [d for d in (day - one, day) if d in asked])
            for day in files_of
        ]

    def _funding_files(self, symbol: str, tf: Timeframe, days: Sequence[date]) -> list[Request]:
        needs: dict[date, list[date]] = {}
        for day in days:
            for month in {(day - timedelta(days=1)).replace(day=1), day.replace(day=1)}:
                needs.setdefault(month, []).append(day)
        return [archive.month_file("funding", symbol, symbol, tf, month, needs[month]) for month in sorted(needs)]

    def _by_month(self, month: date, asked: Sequence[date]) -> bool:
        whole = len(asked) == (archive.next_month(month) - month).days
        return self._is_over(month) and (self._route == "monthly" or (self._route == "auto" and whole))

    def _is_over(self, month: date) -> bool:
        return day_start(archive.next_month(month)) <= self._clock()

    def _pair(self, series: str, symbol: str) -> str:
        return self._spot_pair(symbol) or symbol if series == "spot" else symbol

    def _spot_pair(self, symbol: str) -> str:
        """The spot pair's name, "" where there is none: dated contracts and those conf gives null."""
        if symbol in self._spot:
            found = self._spot[symbol]
            return found.pair if found else ""
        return "" if "_" in symbol else symbol
