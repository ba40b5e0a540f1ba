"""Binance: its keyless archive for depth, REST for what the archive does not have yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Literal

from lake.settings import Conf, conf_path, convert, read_yaml, variable
from meta.errors import Usage
from meta.timeframes import DAY, HOUR, MINUTE, Timeframe, day_of, day_start, timeframe
from p1_ingest.sources import binance_archive as archive
from p1_ingest.sources import binance_files as files
from p1_ingest.sources import binance_labels as labels
from p1_ingest.sources import binance_listing as listing
from p1_ingest.sources import binance_rest as rest
from p1_ingest.sources.base import Answer, Gate, Host, Listing, Reply, Request, Series, Source
from p1_ingest.sources.binance_verdicts import judged

Route = Literal["auto", "daily", "monthly", "rest"]
URLS = {
    archive.HOST: "BINANCE_VISION_URL",
    listing.HOST: "BINANCE_LISTING_URL",
    rest.FUTURES: "BINANCE_FAPI_URL",
    rest.SPOT: "BINANCE_SPOT_URL",
}

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


class SpotPair(Conf, frozen=True, forbid_unknown_fields=True):
    """The spot pair of a perpetual, and how many of its coins one unit of the perpetual holds.

    Prices and coin amounts of the pair would be multiplied and divided by `scale`; turnover in USDT needs none.
    """

    pair: str
    scale: int = 1


class Hosts(Conf, frozen=True, forbid_unknown_fields=True):
    """Where Binance is asked. A mirror of the archive lists its own files: `binance_listing` is of no use with one."""

    binance_vision: str = "https://data.binance.vision"
    binance_fapi: str = "https://fapi.binance.com"
    binance_spot: str = "https://data-api.binance.vision"
    binance_listing: str = ""


class BinanceConf(Conf, frozen=True, forbid_unknown_fields=True):
    """The binance section of conf/sources.yaml."""

    hosts: Hosts = Hosts()
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
    pools = rest.POOLS
    files = archive.HOST

    def __init__(self, conf: BinanceConf, *, route: Route | None = None, clock: Callable[[], int] = wall_clock) -> None:
        self.hosts = {name: Host(variable(env) or getattr(conf.hosts, name)) for name, env in URLS.items()}
        if not variable(URLS[listing.HOST]) and (variable(URLS[archive.HOST]) or not conf.hosts.binance_listing):
            self.hosts[listing.HOST] = self.hosts[archive.HOST]
        self.settle_lag_ms = conf.settle_lag_minutes * MINUTE
        self._conf, self._route = conf, route or conf.route
        self._spot = conf.spot
        self._clock = clock
        self._silent: set[str] = set()

    def today(self) -> Binance:
        """Who answers for a day that is not over? REST, asked for everything. Raises Usage where conf rules it out."""
        if self._route in ("daily", "monthly"):
            raise Usage(
                f"conf/sources.yaml has binance ask its archive alone (route: {self._route}), and the archive has no "
                "day that is not over; set route: auto"
            )
        return Binance(self._conf, route="rest", clock=self._clock)

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

    def rules(self, symbol: str, tf: Timeframe) -> str:
        """Which spot pair makes this symbol's spot flows?"""
        return self._spot_pair(symbol)

    def gate(self, tf: Timeframe, now: int, fetch: Callable[[Request], bytes]) -> Gate:
        """What does the plan allow? Everything: the archive is keyless and keeps each symbol's whole history."""
        return Gate()

    def ask(self, series: Series, symbol: str, tf: Timeframe, days: Sequence[date]) -> list[Request]:
        """Which files, or pages where REST is chosen, answer this series for these (ascending) days?

        A day of metrics needs the next day's file too, where its 24:00 row may stand, and for bars shorter than its
        rows the file before; the first day of a month needs the settlements of the month before. Such a file lists each
        day it serves.
        """
        pair = self._pair(series.name, symbol)
        if self._route == "rest":
            return rest.asked(series.name, symbol, pair, tf, days)
        if series.name == "metrics":
            return self._metrics_files(symbol, tf, days)
        if series.name == "funding":
            return self._funding_asked(symbol, tf, days)
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
        if request.host == listing.HOST:
            listing.judged(reply)
        else:
            judged(request, reply, URLS[request.host])

    def read(self, request: Request, body: bytes) -> Answer:
        """What does this file or page say? Raises BadPayload."""
        if request.expects == "json":
            return rest.read(request, body)
        text = archive.unzipped(body, archive.file_of(request.path))
        reader = {"metrics": files.metrics, "funding": files.settlements}.get(request.series, files.bars)
        return reader(text, request)

    def instead(self, request: Request, days: Sequence[date], disbelieved: bool = False) -> list[Request]:
        """What else can be asked for the days this file lacked? The other cadence, once; then REST, for young days.

        A month's file may be broken where those of its days are sound; a day's own file has none beside it.
        """
        tf, pair = timeframe(request.tf), self._pair(request.series, request.symbol)
        what, months = (request.series, request.symbol, pair, tf), archive.by_month(days).items()
        if request.series not in ("funding", "metrics"):
            if request.route == archive.MONTHLY:
                return [archive.day_file(*what, day, [day], archive.DAILY + archive.SECOND) for day in days]
            over = [(month, asked) for month, asked in months if self._is_over(month) and not disbelieved]
            if request.route == archive.DAILY and over:
                route = archive.MONTHLY + archive.SECOND
                return [archive.month_file(*what, month, asked, route) for month, asked in over]
        if disbelieved or self._route != "auto" or request.expects != "zip":
            return []
        return rest.asked(*what, rest.within_tail(request.series, days, self._clock()), rest.TAIL)

    def listing(self) -> Listing:
        """Which list of its files does the archive keep?"""
        return listing.Folders(self._clock, self._silent)

    def reach(self, symbol: str, tf: Timeframe, fetch: Callable[[Request], bytes]) -> str:
        """From when to when does the archive have files of each series?"""
        now = self._clock()
        found = [self.ask(one, symbol, tf, [day_of(now - listing.RECENT)])[-1] for one in self.series(symbol, tf)]
        return listing.reach([request for request in found if request.host == archive.HOST], fetch, now)

    def settle(self, answers: dict[str, list[Answer]], tf: Timeframe) -> dict[str, list[Answer]]:
        """What do the answers mean once seen together?

        Metrics by the convention that their implied prices show; of a settlement both routes brought, the archive's.
        """
        metrics = labels.settle(answers.get("metrics", []), answers.get("klines", []), tf)
        return answers | {"metrics": metrics, "funding": rest.without_repeats(answers.get("funding", []))}

    def spared(self, request: Request, settled: dict[str, list[Answer]], days: Sequence[date]) -> list[date]:
        """Which of these days do without this request's answer, now that the others are settled?

        A day of metrics whose 24:00 row stood in its own file does not need the next day's; the first day of a month
        that knows the settlement it began with does not need the month before.
        """
        if request.series == "metrics":
            edge, early, late, mine = request.start, 0, 0, DAY
        elif request.series == "funding":
            edge, early, late, mine = request.end, 8 * HOUR, MINUTE, 0
        else:
            return []
        told = any(((a.at >= edge - early) & (a.at <= edge + late)).any() for a in settled.get(request.series, []))
        return [day for day in days if told and day_start(day) + mine == edge]

    def _metrics_files(self, symbol: str, tf: Timeframe, days: Sequence[date]) -> list[Request]:
        one, asked = timedelta(days=1), set(days)
        # Bars shorter than the rows' five minutes begin with a row of midnight, which may stand in the file before.
        around = (-one, 0 * one, one) if tf.ms < labels.STEP else (-one, 0 * one)
        files_of = sorted({day - shift for day in asked for shift in around})
        return [
            archive.day_file("metrics", symbol, symbol, tf, day, [day + s for s in around if day + s in asked])
            for day in files_of
        ]

    def _funding_asked(self, symbol: str, tf: Timeframe, days: Sequence[date]) -> list[Request]:
        needs: dict[date, list[date]] = {}
        for day in days:
            for month in {(day - timedelta(days=1)).replace(day=1), day.replace(day=1)}:
                needs.setdefault(month, []).append(day)
        found = []
        for month in sorted(needs):
            if self._route == "auto" and not self._is_over(month):
                found += rest.asked("funding", symbol, symbol, tf, needs[month], rest.TAIL)
            else:
                found.append(archive.month_file("funding", symbol, symbol, tf, month, needs[month]))
        return found

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
