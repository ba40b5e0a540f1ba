"""REST gives what the archive has not published yet: the same columns, asked for in windows that fit one page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np

from meta.errors import BadPayload
from meta.timeframes import DAY, MINUTE, Timeframe, day_of, day_start
from p1_ingest.budget import Pool
from p1_ingest.payload import numbers, parse
from p1_ingest.sources.base import Answer, Request
from p1_ingest.sources.binance_rows import AS_PUBLISHED, answer_of, bar_answer, hours_since, milliseconds, needed

FUTURES, SPOT = "binance_fapi", "binance_spot"
DATA, FUNDING = "binance_data", "binance_funding"  # pools beside the hosts' own, which the weight header leaves out
POOLS = {
    FUTURES: Pool(2400, 60),
    SPOT: Pool(6000, 60),
    DATA: Pool(1000, 300, heard=False),
    FUNDING: Pool(500, 300, heard=False),
}
STEP = 5 * MINUTE  # between two rows of metrics
REST, TAIL = "rest", "rest-tail"  # the routes: chosen, or for what the archive lacks
TAIL_DAYS, METRICS_DAYS = 45, 30  # what is older the archive has, or nobody; the metrics' wall is the venue's own

PATHS = {
    "klines": "/fapi/v1/klines",
    "mark": "/fapi/v1/markPriceKlines",
    "index": "/fapi/v1/indexPriceKlines",
    "premium": "/fapi/v1/premiumIndexKlines",
    "spot": "/api/v3/klines",
    "funding": "/fapi/v1/fundingRate",
}
METRICS = {
    "/futures/data/openInterestHist": {"oi_base": "sumOpenInterest", "oi_now": "sumOpenInterestValue"},
    "/futures/data/topLongShortAccountRatio": {"ls_top_account": "longShortRatio"},
    "/futures/data/topLongShortPositionRatio": {"ls_top_position": "longShortRatio"},
    "/futures/data/globalLongShortAccountRatio": {"ls_global": "longShortRatio"},
    "/futures/data/takerlongshortRatio": {"ls_taker": "buySellRatio"},
}
FIELDS = {
    "open_time": 0, "open": 1, "high": 2, "low": 3, "close": 4, "volume": 5, "close_time": 6,
    "quote_volume": 7, "count": 8, "taker_buy_volume": 9, "taker_buy_quote_volume": 10,
}  # fmt: skip
# The cheapest rows per weight on the futures host come in pages of 499; spot pages cost 2 whatever their length.
PAGE = {FUTURES: 499, SPOT: 1000}
MOST_SETTLEMENTS = 1000
INFERRED = "intervals from the settlements' distances"  # the note of REST's settlements, which have none of their own


def asked(series: str, symbol: str, pair: str, tf: Timeframe, days: Sequence[date], route: str = REST) -> list[Request]:
    """Which requests bring this series for these days?"""
    if series == "metrics":
        return [request for day in days for request in _metrics(symbol, tf, day, route)]
    runs = _runs(days)
    if series == "funding":
        return [request for run in runs for request in _settlements(symbol, tf, run, route)]
    return [request for run in runs for request in _klines(series, symbol, pair, tf, run, route)]


def read(request: Request, body: bytes) -> Answer:
    """What does this page say? Raises BadPayload."""
    where = f"binance {request.path} {request.symbol}"
    rows = parse(body, where)
    if not isinstance(rows, list):
        raise BadPayload(f"{where}: the answer is no list; nothing of it is used")
    if request.series == "metrics":
        return _read_metrics(request, where, rows)
    return _read_settlements(request, where, rows) if request.series == "funding" else _read_bars(request, where, rows)


def _runs(days: Sequence[date]) -> list[list[date]]:
    """The days in stretches without a gap."""
    runs: list[list[date]] = []
    for day in days:
        if runs and day - runs[-1][-1] == timedelta(days=1):
            runs[-1].append(day)
        else:
            runs.append([day])
    return runs


def _klines(series: str, symbol: str, pair: str, tf: Timeframe, run: Sequence[date], route: str) -> list[Request]:
    host = SPOT if series == "spot" else FUTURES
    key = "pair" if series == "index" else "symbol"
    first, last, window = day_start(run[0]), day_start(run[-1]) + DAY, PAGE[host] * tf.ms
    found = []
    for start in range(first, last, window):
        end = min(start + window, last)
        bars = (end - start) // tf.ms
        params = _params({key: pair, "interval": tf.name}, start, end - 1, bars)
        days = [day for day in run if day_start(day) < end and day_start(day) + DAY > start]
        weight = 2 if host == SPOT or bars >= 100 else 1
        found.append(
            Request(
                series, host, PATHS[series], params, tuple(days), start, end, symbol, tf.name, host, weight, route=route
            )
        )
    return found


def _settlements(symbol: str, tf: Timeframe, run: Sequence[date], route: str) -> list[Request]:
    """A day earlier too: the rate in force at midnight, and the interval that the first row ends."""
    found = []
    most = timedelta(days=MOST_SETTLEMENTS // 24 - 2)
    for i in range(0, len(run), most.days):
        days = run[i : i + most.days]
        start, end = day_start(days[0]) - DAY, day_start(days[-1]) + DAY
        params = _params({"symbol": symbol}, start, end - 1, MOST_SETTLEMENTS)
        found.append(
            Request(
                "funding",
                FUTURES,
                PATHS["funding"],
                params,
                tuple(days),
                start,
                end,
                symbol,
                tf.name,
                FUNDING,
                route=route,
            )
        )
    return found


def _metrics(symbol: str, tf: Timeframe, day: date, route: str) -> list[Request]:
    start, end = day_start(day), day_start(day) + DAY
    if tf.ms < STEP:
        start -= STEP  # the row of midnight, which such bars begin with, may be labelled five minutes earlier
    params = _params({"symbol": symbol, "period": "5m"}, start, end, 500)
    return [
        Request("metrics", FUTURES, path, params, (day,), start, end, symbol, tf.name, DATA, route=route)
        for path in METRICS
    ]


def _params(what: dict[str, str], start: int, last: int, limit: int) -> tuple[tuple[str, str], ...]:
    """Both ends are included, as the venue counts."""
    return (*what.items(), ("startTime", str(start)), ("endTime", str(last)), ("limit", str(limit)))


def _read_bars(request: Request, where: str, rows: list[Any]) -> Answer:
    fields = ("open_time", "close_time", *needed(request.series))
    least = 1 + max(FIELDS[name] for name in fields)
    if not all(isinstance(row, list) and len(row) >= least for row in rows):
        raise BadPayload(f"{where}: a row is no list of {least} fields or more; nothing of it is used")
    raw = {name: numbers([row[FIELDS[name]] for row in rows]) for name in fields}
    raw, counts = _stamped(raw, "open_time")
    return bar_answer(request, where, raw, counts)


def _read_settlements(request: Request, where: str, rows: list[Any]) -> Answer:
    raw = _fields(rows, where, request.symbol, {"at": "fundingTime", "funding_now": "fundingRate"})
    raw, counts = _stamped(raw, "at")
    at = milliseconds(raw.pop("at").astype(np.int64))
    span = (request.start, request.end)
    found = answer_of(request, where, at, raw, counts, span, INFERRED, solid=("funding_now",))
    found.values["funding_interval_hours"] = hours_since(found.at)
    return found


def _read_metrics(request: Request, where: str, rows: list[Any]) -> Answer:
    raw = _fields(rows, where, request.symbol, {"at": "timestamp", **METRICS[request.path]})
    raw, counts = _stamped(raw, "at")
    at = milliseconds(raw.pop("at").astype(np.int64))
    return answer_of(request, where, at, raw, counts, (request.start, request.end + 1), AS_PUBLISHED)


def _fields(rows: list[Any], where: str, symbol: str, names: dict[str, str]) -> dict[str, np.ndarray]:
    if not all(isinstance(row, dict) and set(names.values()) <= set(row) for row in rows):
        raise BadPayload(f"{where}: a row lacks one of {', '.join(names.values())}; nothing of it is used")
    if any(row.get("symbol", symbol) != symbol for row in rows):
        raise BadPayload(f"{where}: rows of another symbol; nothing of it is used")
    return {ours: numbers([row[theirs] for row in rows]) for ours, theirs in names.items()}


def _stamped(raw: dict[str, np.ndarray], stamp: str) -> tuple[dict[str, np.ndarray], Counter[str]]:
    """The rows whose stamp is a whole number, and how many were not."""
    whole = (raw[stamp] >= 0) & (raw[stamp] < 2**53) & (raw[stamp] % 1 == 0)
    return {name: column[whole] for name, column in raw.items()}, Counter(no_stamp=int((~whole).sum()))


def without_repeats(settlements: Sequence[Answer]) -> list[Answer]:
    """What is left of REST's settlements where the archive's, told apart by the minute, stand too?

    Both routes jitter by some ms, so one settlement may have two stamps.
    """
    told = [answer.at // MINUTE for answer in settlements if INFERRED not in answer.note]
    known = np.concatenate(told) if told else np.zeros(0, np.int64)
    return [_kept(a, ~np.isin(a.at // MINUTE, known)) if INFERRED in a.note else a for a in settlements]


def _kept(answer: Answer, rows: np.ndarray) -> Answer:
    return replace(answer, at=answer.at[rows], values={name: column[rows] for name, column in answer.values.items()})


def within_tail(series: str, days: Sequence[date], now: int) -> list[date]:
    """Which of these days may REST have while the archive does not yet?"""
    oldest = day_of(now) - timedelta(days=METRICS_DAYS if series == "metrics" else TAIL_DAYS)
    return [day for day in days if day > oldest]
