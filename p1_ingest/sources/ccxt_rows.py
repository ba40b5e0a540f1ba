"""What ccxt's unified rows mean for bars: closes instead of opens, instants instead of labels, nothing filled."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from meta.columns import PRICES
from meta.errors import BadPayload, NotReady
from meta.timeframes import utc
from p1_ingest.payload import numbers
from p1_ingest.sources.base import Answer, Request
from p1_ingest.sources.binance_rows import answer_of, hours_since
from p1_ingest.sources.ccxt_offer import Offer

ROUND, ODD_PAGES = 50, (60, 66, 90, 120, 144, 180, 240, 720, 1440)  # exchanges cut pages at such numbers of rows


def read(request: Request, what: str, rows: Any, offer: Offer) -> Answer:
    """What do these unified rows say? Raises BadPayload, NotReady where none is of the span that was asked for."""
    if not isinstance(rows, list):
        raise BadPayload(f"{what}: ccxt makes no list of it; nothing of it is used")
    return {"ohlcv": _candles, "funding": _settlements, "oi": _interest}[request.series](request, what, rows, offer)


def _candles(request: Request, what: str, rows: list[Any], offer: Offer) -> Answer:
    if not all(isinstance(row, list | tuple) and len(row) >= 6 for row in rows):
        raise BadPayload(f"{what}: a candle is no list of six; nothing of it is used")
    raw = {name: numbers([row[i] for row in rows]) for i, name in enumerate(("at", *PRICES, "volume"))}
    at, values, counts = _stamped(raw, offer.tf.ms)
    values = {name: values[name] for name in offer.columns("ohlcv")}
    found = answer_of(request, what, at, values, counts, (request.start, request.end), solid=PRICES)
    _not_cut(found.at, (request.start, request.end - offer.tf.ms), offer.tf.ms, what)
    return replace(found, at=found.at + offer.tf.ms)


def _settlements(request: Request, what: str, rows: list[Any], offer: Offer) -> Answer:
    at, values, counts = _stamped(_fields(rows, what, {"at": "timestamp", "funding_now": "fundingRate"}), 1)
    span = (request.start, request.end)
    _some_inside(at, span, what)
    found = answer_of(request, what, at, values, counts, span, solid=("funding_now",))
    found.values["funding_interval_hours"] = hours_since(found.at)
    return found


def _interest(request: Request, what: str, rows: list[Any], offer: Offer) -> Answer:
    names = {"at": "timestamp", "oi_now": "openInterestValue", "oi_base": "openInterestAmount"}
    at, values, counts = _stamped(_fields(rows, what, names), 1)
    at, span = at + offer.late, (request.start, request.end + 1)
    _some_inside(at, span, what)
    values = {name: values[name] for name in offer.columns("oi")}
    found, step = answer_of(request, what, at, values, counts, span), offer.step("oi")
    _not_cut(found.at, (request.start + step, request.end), step, what)
    return found


def _stamped(raw: dict[str, np.ndarray], step: int) -> tuple[np.ndarray, dict[str, np.ndarray], Counter[str]]:
    """The rows whose stamp `at` is a whole number of `step` ms: stamps (n,) int64, columns, and how many were not."""
    whole = (raw["at"] > 0) & (raw["at"] < 2**53) & (raw["at"] % step == 0)
    kept = {name: column[whole] for name, column in raw.items()}
    return kept.pop("at").astype(np.int64), kept, Counter(off_grid=int((~whole).sum()))


def _fields(rows: list[Any], what: str, names: dict[str, str]) -> dict[str, np.ndarray]:
    if not all(isinstance(row, dict) for row in rows):
        raise BadPayload(f"{what}: a row is no object; nothing of it is used")
    return {ours: numbers([row.get(theirs) for row in rows]) for ours, theirs in names.items()}


def _some_inside(at: np.ndarray, span: tuple[int, int], what: str) -> None:
    """An exchange that shows its newest rows, whatever is asked, has no history to offer of days before."""
    if len(at) and not ((at >= span[0]) & (at < span[1])).any():
        raise NotReady(
            f"{what}: nothing is kept of {utc(span[0])[:10]}, the first row is of {utc(int(at.min()))[:16]}Z"
        )


def _not_cut(at: np.ndarray, span: tuple[int, int], step: int, what: str) -> None:
    """Refuse rows that look cut to a shorter page than was asked for: half a day would pass for a whole one.

    at : (n,) int64, stamps; span : the first and the last one asked for. Cut means a round number of rows without a
    gap that reach one end of the span alone.
    """
    n, asked = len(at), (span[1] - span[0]) // step + 1
    if not 0 < n < asked or (n % ROUND and n not in ODD_PAGES) or int(at[-1] - at[0]) != (n - 1) * step:
        return
    if (at[0] <= span[0]) != (at[-1] >= span[1]):
        raise BadPayload(
            f"{what}: {n} rows where {asked} were asked for, as if pages were shorter; give the page's length in "
            "conf/sources.yaml, ccxt: pages (any other one for a market that began or ended just there)"
        )
