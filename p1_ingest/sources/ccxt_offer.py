"""What an exchange offers of one market at one timeframe, and how it is asked for it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

from lake.settings import Conf, conf_path, convert, read_yaml
from meta.columns import BARS, PRICES
from meta.errors import BadPayload, Retryable, VenueRefused
from meta.timeframes import DAY, HOUR, TIMEFRAMES, Timeframe, day_start
from p1_ingest.sources.ccxt_exchange import Exchange

METHODS = {"ohlcv": "fetchOHLCV", "funding": "fetchFundingRateHistory", "oi": "fetchOpenInterestHistory"}
CALLS = {"ohlcv": "fetch_ohlcv", "funding": "fetch_funding_rate_history", "oi": "fetch_open_interest_history"}
COLUMNS = {
    "ohlcv": (*PRICES, "volume"),
    "funding": ("funding_now", "funding_interval_hours"),
    "oi": ("oi_now", "oi_base"),
}
STAMPS = {"oi_ts": "oi", "funding_ts": "funding"}
FLOWS = ("quote_volume", "trades", "perp_taker_buy", "perp_taker_sell", "perp_taker_buy_base")


class Limit(Conf, frozen=True, forbid_unknown_fields=True):
    """What some exchanges allow on paths that start so, beside the limit ccxt knows."""

    exchanges: list[str]
    path: str
    requests: int
    seconds: float = 60.0


class CcxtConf(Conf, frozen=True, forbid_unknown_fields=True):
    """The ccxt section of conf/sources.yaml."""

    settle_lag_minutes: int
    page: int
    series: list[Literal["funding", "oi"]]
    oi_periods: list[str]
    oi_snapshots: list[str] = []
    pages: dict[str, int] = {}
    limits: list[Limit] = []

    def __post_init__(self) -> None:
        """Refuse pages that hold no row, and periods nobody knows."""
        if min([self.page, *self.pages.values()]) < 3:
            raise ValueError("a page should hold at least 3 rows")
        if unknown := set(self.oi_periods) - set(TIMEFRAMES):
            raise ValueError(f"oi_periods: {', '.join(sorted(unknown))} is no timeframe")


def ccxt_conf() -> CcxtConf:
    """What does the ccxt section of conf/sources.yaml say?"""
    return convert(read_yaml(conf_path("sources.yaml")).get("ccxt", {}), CcxtConf, "conf/sources.yaml, ccxt")


@dataclass(frozen=True)
class Offer:
    """What is to be had of one market at one timeframe.

    without : column of the unified series -> why there is none; period : open interest's own, where there is any;
    late : ms after its stamp at which an open interest is known; rows : series -> rows in one answer at most
    """

    exchange: str
    market: str
    tf: Timeframe
    without: Mapping[str, str]
    period: Timeframe | None
    late: int
    rows: Mapping[str, int]

    def columns(self, series: str) -> tuple[str, ...]:
        """Which columns does this series bring?"""
        return tuple(column for column in COLUMNS[series] if column not in self.without)

    def left_out(self) -> dict[str, str]:
        """Which bar columns are not to be had, and why?"""
        unified = {column for names in COLUMNS.values() for column in names} | set(STAMPS)
        flow = "ccxt's unified candles say open, high, low, close and volume alone"
        other = "ccxt unifies none of it"
        found = {c.name: flow if c.name in FLOWS else other for c in BARS if c.kind != "key" and c.name not in unified}
        gone = {stamp: self.without[COLUMNS[s][0]] for stamp, s in STAMPS.items() if not self.columns(s)}
        return found | dict(self.without) | gone

    def step(self, series: str) -> int:
        """How far apart do this series' rows stand (ms)? Settlements: the least."""
        return {"ohlcv": self.tf.ms, "funding": HOUR, "oi": self.period.ms if self.period else DAY}[series]

    def args(self, series: str, start: int, end: int) -> tuple[Any, ...]:
        """Which arguments make the unified method cover this span?

        Without `until`, which not every exchange takes: rows beyond the end are dropped instead.
        """
        if series == "ohlcv":
            return self.market, self.tf.name, start, (end - start) // self.tf.ms
        if series == "funding":
            return self.market, start, min(self.rows[series], (end - start) // HOUR + 1)
        period = self.period or self.tf
        return self.market, period.name, start - self.late, (end - start) // period.ms + 1

    def windows(self, series: str, days: Sequence[date]) -> Iterator[tuple[tuple[date, ...], int, int]]:
        """Runs of adjacent days, or parts of one, that fit a page: the days, and the span (UTC ms) to ask for.

        Of settlements a day earlier too, for the rate in force at midnight and the interval the first one ends.
        """
        per_day = DAY // self.step(series)
        before, spare = {"ohlcv": (0, 0), "funding": (DAY, 25), "oi": (0, 1)}[series]
        room = self.rows[series] - spare
        parts = -(-per_day // room) if series != "funding" else 1
        for group in _runs(days, max(1, room // per_day)):
            start, rows = day_start(group[0]), len(group) * per_day
            for part in range(parts):
                first, last = rows * part // parts, rows * (part + 1) // parts
                yield group, start + first * DAY // per_day - before, start + last * DAY // per_day


def offer(exchange: Exchange, conf: CcxtConf, market: str, tf: Timeframe) -> Offer:
    """What does this exchange offer of this market? Raises Usage where it lists none of that name."""
    period = _period(exchange, conf, market, tf)
    late = 0 if exchange.name in conf.oi_snapshots or period is None else period.ms
    rows = {
        name: conf.pages.get(exchange.name) or exchange.page(market, METHODS[name]) or conf.page for name in METHODS
    }
    return Offer(exchange.name, market, tf, _without(exchange, conf, market, period), period, late, rows)


def _without(exchange: Exchange, conf: CcxtConf, name: str, period: Timeframe | None) -> dict[str, str]:
    market, without = exchange.market(name), dict[str, str]()
    for series in ("funding", "oi"):
        if not market.get("contract") or (series == "funding" and not market.get("swap")):
            why = f"{name} is no perpetual"
        elif series not in conf.series:
            why = "left out in conf/sources.yaml, ccxt"
        elif not exchange.has(METHODS[series]):
            why = f"{exchange.name} offers no {METHODS[series]} through ccxt"
        elif series == "oi" and period is None:
            why = f"{exchange.name} takes none of the periods {', '.join(conf.oi_periods)} for open interest"
        else:
            continue
        without |= dict.fromkeys(COLUMNS[series], why)
    size = market.get("contractSize")
    if market.get("inverse"):
        why = f"{name} is inverse, and whether its amounts are contracts, coins or money ccxt does not say"
        without |= dict.fromkeys(("volume", "oi_now", "oi_base"), why)
    elif size not in (None, 1, 1.0):
        why = f"one contract of {name} is {size:g} coins, and which of them is counted ccxt does not say"
        without = {"volume": why, "oi_base": why} | without
    return without


def _period(exchange: Exchange, conf: CcxtConf, market: str, tf: Timeframe) -> Timeframe | None:
    """Open interest's period: the bar's own, else the longest that divides it, else the shortest that is longer."""
    if "oi" not in conf.series or not exchange.has(METHODS["oi"]) or not exchange.market(market).get("contract"):
        return None
    known = [TIMEFRAMES[name] for name in conf.oi_periods if name in exchange.timeframes]
    inside = sorted((one for one in known if tf.ms % one.ms == 0), reverse=True)
    beyond = sorted(one for one in known if one.ms > tf.ms)
    for one in (*inside, *beyond):
        try:
            exchange.would(CALLS["oi"], market, one.name, DAY, 3)
        except (VenueRefused, BadPayload, Retryable):
            continue  # ccxt knows that this exchange does not take it
        return one
    return None


def _runs(days: Sequence[date], most: int) -> Iterator[tuple[date, ...]]:
    """Adjacent days, at most so many at a time."""
    for _, pairs in itertools.groupby(enumerate(days), lambda pair: pair[1] - timedelta(days=pair[0])):
        run = [day for _, day in pairs]
        for first in range(0, len(run), most):
            yield tuple(run[first : first + most])
