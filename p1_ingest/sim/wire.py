"""What does the stand-in venue answer? CoinGlass v4 as publicly recorded: paths, parameters, typing, refusals."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np

from meta.timeframes import DAY, TIMEFRAMES, day_start
from p1_ingest.sim import market, quirks
from p1_ingest.sim.coins import COINS, FIRST_DAY, PAIR_VENUES, PERPS, SPOT_VENUES, SPOTS, VENUES, Coin
from p1_ingest.sim.quirks import PLANS, Quirks

OHLC = ("open", "high", "low", "close")
ZERO_SINCE = day_start(date(2013, 1, 16))
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
    """An error body: code and msg."""

    def __init__(self, code: str, msg: str) -> None:
        super().__init__(msg)
        self.code = code


@dataclass(frozen=True)
class Endpoint:
    """One history series.

    scope : pair (exchange + pair), venues (exchange_list + coin) or coin · series : its name in quirks
    columns : the market's, in the order of `fields` · decimals : of their integers, None: the pair's tick
    quoted : strings, else numbers · cut : the plan's depth applies
    """

    scope: Literal["pair", "venues", "coin"]
    series: str
    columns: tuple[str, ...]
    fields: tuple[str, ...]
    decimals: tuple[int | None, ...]
    quoted: bool = True
    spot: bool = False
    cut: bool = True
    by_unit: Mapping[str, tuple[tuple[str, ...], tuple[int, ...]]] | None = None
    mixed: bool = False


_INTEREST = {"usd": (("oi_usd",), (0,)), "coin": (("oi",), (4,))}
_PAIR_INTEREST = {"usd": (("oi_pair_usd",), (0,)), "coin": (("oi_pair",), (4,))}
_TAKER = {"usd": (("buy", "sell"), (4, 4)), "coin": (("buy_base", "sell_base"), (4, 4))}
_TAKER_FIELDS = ("taker_buy_volume_usd", "taker_sell_volume_usd")
_SUM_FIELDS = ("aggregated_buy_volume_usd", "aggregated_sell_volume_usd")
_SHUT = ("liq_long", "liq_short")

HISTORY = {
    "/api/futures/price/history": Endpoint(
        "pair", "price", ("perp", "volume"), (*OHLC, "volume_usd"), (None, 4), cut=False
    ),
    "/api/spot/price/history": Endpoint(
        "pair", "price", ("spot", "spot_volume"), (*OHLC, "volume_usd"), (None, 4), quoted=False, spot=True, cut=False,
        mixed=True,
    ),
    "/api/futures/open-interest/aggregated-history": Endpoint(
        "coin", "interest", ("oi_usd",), OHLC, (0,), by_unit=_INTEREST, mixed=True
    ),
    "/api/futures/open-interest/history": Endpoint(
        "pair", "interest", ("oi_pair_usd",), OHLC, (0,), by_unit=_PAIR_INTEREST
    ),
    "/api/futures/funding-rate/oi-weight-history": Endpoint(
        "coin", "funding_oi", ("funding_oi",), OHLC, (6,), mixed=True
    ),
    "/api/futures/funding-rate/vol-weight-history": Endpoint("coin", "funding_vol", ("funding_vol",), OHLC, (6,)),
    "/api/futures/funding-rate/history": Endpoint("pair", "funding", ("funding",), OHLC, (6,), cut=False),
    "/api/futures/taker-buy-sell-volume/history": Endpoint(
        "pair", "taker", ("buy_base", "sell_base"), _TAKER_FIELDS, (4, 4)
    ),
    "/api/futures/v2/taker-buy-sell-volume/history": Endpoint("pair", "taker", ("buy", "sell"), _TAKER_FIELDS, (4, 4)),
    "/api/futures/aggregated-taker-buy-sell-volume/history": Endpoint(
        "venues", "taker", ("buy", "sell"), _SUM_FIELDS, (4, 4), quoted=False, by_unit=_TAKER
    ),
    "/api/spot/taker-buy-sell-volume/history": Endpoint(
        "pair", "spot", ("spot_buy", "spot_sell"), _TAKER_FIELDS, (4, 4), spot=True, mixed=True
    ),
    "/api/spot/aggregated-taker-buy-sell-volume/history": Endpoint(
        "venues", "spot", ("spot_buy", "spot_sell"), _SUM_FIELDS, (4, 4), quoted=False, spot=True
    ),
    "/api/futures/liquidation/history": Endpoint(
        "pair", "liquidation", _SHUT, ("long_liquidation_usd", "short_liquidation_usd"), (4, 4)
    ),
    "/api/futures/liquidation/aggregated-history": Endpoint(
        "venues", "liquidation", _SHUT, ("aggregated_long_liquidation_usd", "aggregated_short_liquidation_usd"), (4, 4),
        quoted=False,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Ask:
    """A history question, understood."""

    coin: Coin
    frame: str
    tf: int
    start: int | None
    end: int | None
    limit: int
    weight: float  # the venues asked for, against Binance's pair
    unit: str


@dataclass(frozen=True)
class Table:
    """The answer before it is written: bar opens (n,), and integer columns as in `market`."""

    at: np.ndarray
    columns: market.Bars
    forming: bool


def answer(path: str, query: Mapping[str, str], quirk: Quirks, now: int) -> bytes:
    """Which body answers this question at this instant (UTC ms)?

    Raises Refusal with the code and message of the error body.
    """
    if path in HISTORY:
        endpoint = HISTORY[path]
        ask = understood(endpoint, query, quirk)
        return written(endpoint, ask, table(path, endpoint, ask, quirk, now), quirk)
    if path in LISTS:
        return (
            b'{"code":"0","msg":"success","data":'
            + json.dumps(LISTS[path](query, quirk, now), separators=(",", ":")).encode()
            + b"}"
        )
    raise Refusal("404", NO_PATH)


def understood(endpoint: Endpoint, query: Mapping[str, str], quirk: Quirks) -> Ask:
    """What is asked for? Raises Refusal where a parameter is missing or means nothing here."""
    kind = {"pair": "exchange", "venues": "exchange_list"}.get(endpoint.scope)
    for name in filter(None, (kind, "symbol", "interval")):
        if not query.get(name):
            raise Refusal("400", f"Required String parameter '{name}' is not present")
    coin = _coin(endpoint, query)
    frame = query["interval"]
    if frame not in TIMEFRAMES:
        raise Refusal("400", f"The requested interval '{frame}' is not supported.")  # invented
    if frame not in PLANS[quirk.plan].depth:
        raise Refusal("403", NO_INTERVAL)
    start, end, limit = (_whole(query, name) for name in ("start_time", "end_time", "limit"))
    rows = min(max(limit if limit is not None else 1000, 1), quirk.max_limit)
    weight = _weight(endpoint, query)
    return Ask(coin, frame, TIMEFRAMES[frame].ms, start, end, rows, weight, query.get("unit", "usd"))


def _coin(endpoint: Endpoint, query: Mapping[str, str]) -> Coin:
    symbol = query["symbol"]
    if endpoint.scope == "pair":
        pairs = SPOTS if endpoint.spot else PERPS
        if query["exchange"] not in PAIR_VENUES or symbol not in pairs:
            raise Refusal("400", NO_PAIR)
        return pairs[symbol]
    if symbol not in COINS or (endpoint.spot and not COINS[symbol].spot_share):
        raise Refusal("400", NO_COIN)
    return COINS[symbol]


def _whole(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    if not text.isascii() or not text.lstrip("-").isdigit() or len(text) > 18:
        raise Refusal("400", f"Failed to convert value of parameter '{name}'")  # invented
    return int(text)


def _weight(endpoint: Endpoint, query: Mapping[str, str]) -> float:
    """An unknown venue, or a known one with a blank before it, adds nothing and is not complained of."""
    if endpoint.scope == "pair":
        return PAIR_VENUES[query["exchange"]]
    if endpoint.scope == "coin":
        return 1.0
    sizes = SPOT_VENUES if endpoint.spot else VENUES
    return sum(sizes.get(name, 0.0) for name in dict.fromkeys(query["exchange_list"].split(",")))


def table(path: str, endpoint: Endpoint, ask: Ask, quirk: Quirks, now: int) -> Table:
    """Which rows answer, after every habit of the venue?"""
    columns = endpoint.columns
    if endpoint.by_unit:
        columns = endpoint.by_unit.get(ask.unit, endpoint.by_unit["usd"])[0]
    at, cut, forming = _seen(ask, quirk, now, (*columns, "present"), _span(endpoint, ask, quirk, now))
    if ask.weight != 1.0:
        cut |= {name: np.rint(cut[name] * ask.weight).astype(np.int64) for name in columns if cut[name].ndim == 1}
        cut |= {name: _scaled(cut[name], ask.weight) for name in columns if name.startswith("oi_pair")}
    stream = f"{path}/{ask.coin.name}"
    closed = len(at) - forming
    missing = np.zeros(len(at))
    missing[:closed] = quirks.provisional(quirk, endpoint.series, stream, at[:closed], ask.tf, now)
    late = ("volume",) if endpoint.series == "price" else columns
    cut |= {name: quirks.restated(cut[name], missing) for name in columns if name.endswith(late)}
    keep = cut.pop("present") & ~quirks.lacking(quirk, endpoint.series, stream, at)
    return _kept(endpoint, ask, quirk, Table(at, cut, bool(forming)), keep, stream)


def _scaled(column: np.ndarray, weight: float) -> np.ndarray:
    return np.rint(column * weight).astype(np.int64)


def _span(endpoint: Endpoint, ask: Ask, quirk: Quirks, now: int) -> tuple[int, int]:
    """Between which instants may bars open? Never more than the answer can need, so that a page costs a page."""
    end = now if ask.end is None else min(ask.end + quirk.end_inclusive, now)
    start = max(ask.start or 0, quirks.oldest(quirk, ask.frame, now) if endpoint.cut else 0)
    first = ZERO_SINCE if endpoint.series == "liquidation" and quirk.zero_filled else FIRST_DAY * DAY
    start = max(start, first)
    reach = ask.limit * ask.tf + 2 * DAY  # two days more: bars may be missing
    return (max(start, end - reach), end) if quirk.keeps == "newest" else (start, min(end, start + reach))


def _seen(
    ask: Ask, quirk: Quirks, now: int, columns: tuple[str, ...], span: tuple[int, int]
) -> tuple[np.ndarray, market.Bars, int]:
    """The closed bars of the span and, where it reaches there, the forming one: opens, columns, 1 if it is there."""
    start, end = span
    newest = now // ask.tf * ask.tf
    at, cut = market.bars(ask.coin.name, ask.tf, start, min(end, newest), columns)
    if not (quirk.forming and start <= newest < end and now - newest >= quirk.boundary_lag):
        return at, cut, 0
    if not ask.coin.listed <= newest // DAY < FIRST_DAY + market.DAYS:
        return at, cut, 0
    last, row = market.forming(ask.coin.name, ask.tf, now, columns)
    return np.append(at, last), {name: np.concatenate([cut[name], row[name]], axis=-1) for name in columns}, 1


def _kept(endpoint: Endpoint, ask: Ask, quirk: Quirks, seen: Table, keep: np.ndarray, stream: str) -> Table:
    """The rows that are sent: what is missing left out (or zero), some liquidations twice, no more than `limit`."""
    at, cut = seen.at, seen.columns
    order = np.arange(len(at))
    if endpoint.series == "liquidation":
        if quirk.zero_filled:
            keep = np.ones(len(at), bool)
        twice = quirks.doubled(quirk, stream, at)
        keep = keep & ~np.append(False, twice[:-1])[: len(at)]
        order = np.repeat(order, 1 + (twice & keep))
        keep = keep[order]
        stale = np.append(order[:-1] == order[1:], False)[: len(order)]
        cut = {name: np.where(stale, column[order] // 3, column[order]) for name, column in cut.items()}
        at = at[order]
    rows = np.flatnonzero(keep)
    rows = rows[-ask.limit :] if quirk.keeps == "newest" else rows[: ask.limit]
    forming = seen.forming and len(rows) > 0 and rows[-1] == len(at) - 1
    return Table(at[rows], {name: column[..., rows] for name, column in cut.items()}, bool(forming))


def written(endpoint: Endpoint, ask: Ask, found: Table, quirk: Quirks) -> bytes:
    """How is this table sent? One JSON body, without `msg`, as most series have it."""
    decimals: tuple[int | None, ...] = endpoint.decimals
    if endpoint.by_unit:
        decimals = endpoint.by_unit.get(ask.unit, endpoint.by_unit["usd"])[1]
    tick = ask.coin.spot_decimals if endpoint.spot else ask.coin.decimals
    texts: list[list[str]] = []
    for column, places in zip(found.columns.values(), decimals, strict=True):
        parts = column if column.ndim == 2 else column[None, :]
        texts += [_texts(part, tick if places is None else places) for part in parts]
    mark = '"' if endpoint.quoted else ""
    row = '{"time":%d,' + ",".join(f'"{field}":{mark}%s{mark}' for field in endpoint.fields) + "}"
    rows = [row % values for values in zip(found.at.tolist(), *texts, strict=True)]
    if quirk.mixed_types and endpoint.mixed and found.forming:
        rows[-1] = _mixed(endpoint, int(found.at[-1]), [text[-1] for text in texts])
    return ('{"code":"0","data":[' + ",".join(rows) + "]}").encode()


def _mixed(endpoint: Endpoint, at: int, texts: list[str]) -> str:
    """The forming bar as recorded: its low typed unlike its neighbours; open interest unquoted and with decimals."""
    quoted = [endpoint.quoted] * len(texts)
    odd = 2 if len(texts) > 2 else 0
    quoted[odd] = not endpoint.quoted
    if endpoint.series == "interest":
        quoted = [False] * len(texts)
        texts = [text if "." in text else f"{text}.2341" for text in texts]
    cells = [f'"{f}":"{t}"' if q else f'"{f}":{t}' for f, t, q in zip(endpoint.fields, texts, quoted, strict=True)]
    return f'{{"time":{at},' + ",".join(cells) + "}"


def _texts(values: np.ndarray, decimals: int) -> list[str]:
    """Decimal texts of scaled integers, without trailing zeros and never in powers of ten."""
    if not decimals:
        return [str(value) for value in values.tolist()]
    exact = (values / 10.0**decimals).tolist()
    if decimals > 4:
        return [f"{value:.{decimals}f}".rstrip("0").rstrip(".") for value in exact]
    return [text[:-2] if text.endswith(".0") else text for text in map(repr, exact)]


Listing = Callable[[Mapping[str, str], Quirks, int], object]


def _subscription(query: Mapping[str, str], quirk: Quirks, now: int) -> object:
    level = "PROFESSIONAL" if quirk.plan == "UNLIMITED" else quirk.plan
    return {"level": level, "expire_time": now // DAY * DAY + 365 * DAY, "expired": False}


def _perp_pairs(query: Mapping[str, str], quirk: Quirks, now: int) -> object:
    rows = [
        {
            "instrument_id": coin.perp,
            "base_asset": coin.name,
            "quote_asset": "USDT",
            "settlement_currency": "USDT",
            "max_leverage": 125 if coin.turnover > 1e9 else 75,
            "funding_interval": coin.funding_hours,
            "price_tick_size": 10.0**-coin.decimals,
            "onboard_date": coin.listed * DAY,
        }
        for coin in _known(now)
    ]
    return {venue: rows for venue in PAIR_VENUES if query.get("exchange", venue) == venue}


def _spot_pairs(query: Mapping[str, str], quirk: Quirks, now: int) -> object:
    rows = [
        {"instrument_id": coin.spot, "base_asset": coin.name, "quote_asset": "USDT"}
        for coin in _known(now)
        if coin.spot_share
    ]
    return {venue: rows for venue in PAIR_VENUES if query.get("exchange", venue) == venue}


def _known(now: int) -> list[Coin]:
    return [coin for coin in COINS.values() if coin.listed * DAY <= now]


LISTS: dict[str, Listing] = {
    "/api/user/account/subscription": _subscription,
    "/api/futures/supported-coins": lambda query, quirk, now: [coin.name for coin in _known(now)],
    "/api/spot/supported-coins": lambda query, quirk, now: [coin.name for coin in _known(now) if coin.spot_share],
    "/api/futures/supported-exchanges": lambda query, quirk, now: list(VENUES),
    "/api/futures/supported-exchange-pairs": _perp_pairs,
    "/api/spot/supported-exchange-pairs": _spot_pairs,
}
