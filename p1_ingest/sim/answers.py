"""What does the stand-in venue answer? CoinGlass v4 as recorded; messages that nobody recorded are marked invented."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from meta.timeframes import DAY, TIMEFRAMES, day_start
from p1_ingest.sim import body, market, quirks
from p1_ingest.sim.coins import COINS, FIRST_DAY, PAIR_VENUES, PERPS, SPOT_VENUES, SPOTS, VENUES, Coin
from p1_ingest.sim.listings import LISTINGS
from p1_ingest.sim.quirks import PLANS, Quirks
from p1_ingest.sim.series import HISTORY, Series
from p1_ingest.sim.walk import DAYS

ZERO_SINCE = day_start(date(2013, 1, 16))  # the real venue's liquidations begin here, all zero for years
UNSIZED = ("perp", "spot", "funding", "funding_oi", "funding_vol", "present")  # the same at a venue of any size
NO_PAIR = (
    "The requested pair does not exist on the exchange. "
    "Please check the documentation to view supported exchanges and pairs."
)
NO_COIN = "The requested coin does not exist. Please check the documentation to view supported coins."  # invented
NO_INTERVAL = "The requested interval is not available for your current API plan."
NO_PATH = (
    "Endpoint not found. Please refer to the API documentation: https://docs.coinglass.com/reference/endpoint-overview"
)


class Refusal(Exception):
    """An error body: its code, and its message as text."""

    def __init__(self, code: str, msg: str) -> None:
        super().__init__(msg)
        self.code = code


@dataclass(frozen=True)
class Ask:
    """A history question, understood.

    start, end : UTC ms or None · weight : size of the venues asked for, against Binance's pair · columns : the market's
    """

    series: Series
    stream: str  # names the question's randomness
    coin: Coin
    frame: str
    start: int | None
    end: int | None
    limit: int
    weight: float
    columns: tuple[str, ...]

    @property
    def tf(self) -> int:
        """How long is a bar, in ms?"""
        return TIMEFRAMES[self.frame].ms


@dataclass(frozen=True)
class Rows:
    """Bars in the order sent: opens (n,) UTC ms, columns as the market's; `forming`: the last one still runs."""

    at: np.ndarray
    columns: market.Bars
    forming: bool


def answer(path: str, query: Mapping[str, str], habits: Quirks, now: int) -> bytes:
    """Which body answers this question at this instant (UTC ms)?

    Raises Refusal with the code and message of the error body.
    """
    if path in LISTINGS:
        return body.listing(LISTINGS[path](query, habits, now))
    if path not in HISTORY:
        raise Refusal("404", NO_PATH)
    ask = understood(path, query, habits)
    rows = found(ask, habits, now)
    mixed = habits.mixed_types and ask.series.mixed and rows.forming
    return body.history(ask.series, ask.coin, rows.at, rows.columns, mixed)


def understood(path: str, query: Mapping[str, str], habits: Quirks) -> Ask:
    """What is asked for? Raises Refusal where a parameter is missing or means nothing here."""
    series = HISTORY[path]
    venue = {"pair": ("exchange",), "venues": ("exchange_list",), "coin": ()}[series.scope]
    for name in (*venue, "symbol", "interval"):
        if not query.get(name):
            raise Refusal("400", f"Required String parameter '{name}' is not present")
    coin, frame = _coin(series, query), query["interval"]
    if frame not in TIMEFRAMES:
        raise Refusal("400", f"The requested interval '{frame}' is not supported.")  # invented
    if frame not in PLANS[habits.plan].depth:
        raise Refusal("403", NO_INTERVAL)
    start, end, limit = (_whole(query, name) for name in ("start_time", "end_time", "limit"))
    rows = min(1000 if limit is None else max(limit, 1), habits.max_limit)
    weight, columns = _weight(series, query), series.columns
    if series.in_coins and query.get("unit") == "coin":
        weight, columns = weight * (1 if series.scope == "pair" else coin.units), series.in_coins
    return Ask(series, f"{path}/{coin.name}", coin, frame, start, end, rows, weight, columns)


def _coin(series: Series, query: Mapping[str, str]) -> Coin:
    symbol = query["symbol"]
    if series.scope == "pair":
        pairs = SPOTS if series.spot else PERPS
        if query["exchange"] not in PAIR_VENUES or symbol not in pairs:
            raise Refusal("400", NO_PAIR)
        return pairs[symbol]
    if symbol not in COINS or (series.spot and not COINS[symbol].spot_share):
        raise Refusal("400", NO_COIN)
    return COINS[symbol]


def _whole(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name, "")
    if text and not re.fullmatch(r"-?[0-9]{1,15}", text):
        raise Refusal("400", f"Failed to convert value of parameter '{name}'")  # invented
    return int(text) if text else None


def _weight(series: Series, query: Mapping[str, str]) -> float:
    """An unknown venue, or a known one with a blank before it, adds nothing and is not complained of."""
    if series.scope == "coin":
        return 1.0
    if series.scope == "pair":
        return PAIR_VENUES[query["exchange"]]
    sizes = SPOT_VENUES if series.spot else VENUES
    return sum(sizes.get(name, 0.0) for name in dict.fromkeys(query["exchange_list"].split(",")))


def found(ask: Ask, habits: Quirks, now: int) -> Rows:
    """Which rows answer, after every habit of the venue?"""
    seen = _seen(ask, habits, now)
    at, closed = seen.at, len(seen.at) - seen.forming
    late = np.zeros(len(at))
    late[:closed] = quirks.provisional(habits, ask.series.habit, ask.stream, at[:closed], ask.tf, now)
    columns = {name: _sized(name, column, ask.weight) for name, column in seen.columns.items()}
    columns = {name: quirks.restated(column, late) for name, column in columns.items() if name != "present"}
    there = seen.columns["present"] & ~quirks.lacking(habits, ask.series.habit, ask.stream, at)
    if ask.series.habit == "liquidation":
        return _limited(_doubled(Rows(at, columns, seen.forming), there, ask, habits), ask, habits)
    rows = np.flatnonzero(there)
    columns = {name: column[..., rows] for name, column in columns.items()}
    return _limited(Rows(at[rows], columns, seen.forming and bool(there[-1])), ask, habits)


def _sized(name: str, column: np.ndarray, weight: float) -> np.ndarray:
    return column if weight == 1.0 or name in UNSIZED else np.rint(column * weight).astype(np.int64)


def _seen(ask: Ask, habits: Quirks, now: int) -> Rows:
    """The market's closed bars within the question's span and, where it reaches there, the forming one."""
    columns = (*ask.columns, "present")
    start, end = _span(ask, habits, now)
    newest = now // ask.tf * ask.tf
    at, cut = market.bars(ask.coin.name, ask.tf, start, min(end, newest), columns)
    if ask.series.habit == "liquidation" and habits.zero_filled:
        at, cut = _with_zeros(ask, start, min(end, newest), at, cut)
    forming = habits.forming and start <= newest < end and now - newest >= habits.boundary_lag
    if not (forming and ask.coin.listed <= newest // DAY < FIRST_DAY + DAYS):
        return Rows(at, cut, False)
    last, row = market.forming(ask.coin.name, ask.tf, now, columns)
    return Rows(np.append(at, last), {name: np.concatenate([cut[name], row[name]], axis=-1) for name in cut}, True)


def _span(ask: Ask, habits: Quirks, now: int) -> tuple[int, int]:
    """Between which instants may bars open? Never more than the answer can need: a page costs a page, not its past."""
    end = now + 1 if ask.end is None else min(ask.end + habits.end_inclusive, now + 1)
    depth = quirks.oldest(habits, ask.frame, now) if ask.series.cut else 0
    start = max(ask.start or 0, depth, ZERO_SINCE)
    reach = ask.limit * ask.tf + 2 * DAY  # two days more, because bars may be missing
    return (max(start, end - reach), end) if _newest_stay(ask, habits) else (start, min(end, start + reach))


def _newest_stay(ask: Ask, habits: Quirks) -> bool:
    return ask.start is None or habits.keeps == "newest"


def _with_zeros(ask: Ask, start: int, end: int, at: np.ndarray, cut: market.Bars) -> tuple[np.ndarray, market.Bars]:
    """Liquidations are 0 where nothing is known: in outages, and before the coin was listed."""
    grid = np.arange(-(-start // ask.tf) * ask.tf, end, ask.tf)
    filled = {name: np.zeros(len(grid), np.int64) for name in ask.columns}
    for name, column in filled.items():
        column[np.searchsorted(grid, at)] = cut[name]
    return grid, filled | {"present": np.ones(len(grid), bool)}


def _doubled(rows: Rows, there: np.ndarray, ask: Ask, habits: Quirks) -> Rows:
    """Some bars come twice, first with a third of their value; the bar after such a one is missing."""
    twice = quirks.doubled(habits, ask.stream, rows.at)
    there = there & ~quirks.doubled(habits, ask.stream, rows.at - ask.tf)
    index = np.flatnonzero(there)
    index = np.repeat(index, 1 + twice[index])
    early = np.append(index[:-1] == index[1:], False)[: len(index)]
    columns = {name: np.where(early, column[index] // 3, column[index]) for name, column in rows.columns.items()}
    return Rows(rows.at[index], columns, rows.forming and bool(there[-1]))


def _limited(rows: Rows, ask: Ask, habits: Quirks) -> Rows:
    """No more rows than asked for."""
    count = len(rows.at)
    part = slice(max(count - ask.limit, 0), None) if _newest_stay(ask, habits) else slice(ask.limit)
    columns = {name: column[..., part] for name, column in rows.columns.items()}
    return Rows(rows.at[part], columns, rows.forming and (part.stop is None or part.stop >= count))
