"""A row is kept when its stamp lies where it was asked for and its numbers are numbers, whichever way it came."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from meta.errors import BadPayload
from meta.timeframes import HOUR, MINUTE, Timeframe, timeframe, utc
from p1_ingest.sources.base import Answer, Request, merged

MICROSECONDS = 100_000_000_000_000  # stamps from here on are µs: in ms this is the year 5138
CENT, SLACK = 0.01, 0.005  # USDT and share of turnover by which taker turnover may exceed it: rounding, not a fault

BAR = ("open", "high", "low", "close", "volume", "quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume")
TURNOVER = ("quote_volume", "taker_buy_quote_volume")
PRICE = {"mark": "mark_price", "index": "index_price", "premium": "premium"}
PERIODS = (1, 2, 4, 8)  # hours a funding period may have
AS_PUBLISHED = "labels as published"  # the note of metrics whose label convention is not settled yet


def needed(series: str) -> tuple[str, ...]:
    """Which of a kline's twelve fields does this series take its columns from?"""
    return {"klines": BAR, "spot": TURNOVER}.get(series, ("close",))


def milliseconds(stamps: np.ndarray) -> np.ndarray:
    """Which instants (ms) do these epoch stamps, ms or µs by their magnitude, mean? NaN stays NaN."""
    return np.where(stamps >= MICROSECONDS, stamps // 1000, stamps)


def bar_answer(request: Request, where: str, raw: dict[str, np.ndarray], counts: Counter[str]) -> Answer:
    """What do these kline rows say?

    raw : kline field -> (n,), any order; open_time a whole number in every row, the others float64, NaN or infinite
    where the row does not say: such a row is quarantined, but for close_time

    Raises BadPayload for bars of another length, and where no row lies in the asked span.
    """
    tf, opens = timeframe(request.tf), milliseconds(raw["open_time"].astype(np.int64))
    _of_length(where, tf, opens, raw["close_time"])
    values, aligned = _bar_values(request.series, raw), opens % tf.ms == 0
    counts["off_grid"] += int((~aligned).sum())
    kept = {name: column[aligned] for name, column in values.items()}
    found = answer_of(request, where, opens[aligned], kept, counts, (request.start, request.end), solid=tuple(kept))
    return replace(found, at=found.at + tf.ms)


def _of_length(where: str, tf: Timeframe, opens: np.ndarray, closes: np.ndarray) -> None:
    """Refuse bars of another length; by their median, for the odd bar around an outage is cut short."""
    told = np.isfinite(closes)
    length = np.median(milliseconds(closes[told]) - opens[told] + 1) if told.any() else tf.ms
    if round(length) != tf.ms:
        raise BadPayload(f"{where} holds bars of {length / MINUTE:g} minutes, not {tf}; fetch it again")


def _bar_values(series: str, raw: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    if series in PRICE:
        return {PRICE[series]: raw["close"]}
    buy, sell = raw["taker_buy_quote_volume"], raw["quote_volume"] - raw["taker_buy_quote_volume"]
    # What lies further below zero stays as it is, for the bar to be seen as impossible and set aside.
    sell = np.where((sell < 0) & (sell >= -np.maximum(CENT, SLACK * raw["quote_volume"])), 0.0, sell)
    if series == "spot":
        return {"spot_taker_buy": buy, "spot_taker_sell": sell}
    bar = {name: raw[name] for name in ("open", "high", "low", "close", "volume", "quote_volume")}
    taker = {"perp_taker_buy": buy, "perp_taker_sell": sell, "perp_taker_buy_base": raw["taker_buy_volume"]}
    return bar | {"trades": raw["count"]} | taker


def hours_since(at: np.ndarray) -> np.ndarray:
    """Which funding period does each settlement end, in hours, where the venue does not say?

    The distance to the settlement before; NaN for the first, and where that is no period. Never the distance to the one
    after: that is not known yet when the rate is.
    """
    gaps = np.round(np.diff(at, prepend=np.int64(at[0] if len(at) else 0)) / HOUR)
    return np.where(np.isin(gaps, PERIODS), gaps, np.nan)


def answer_of(
    request: Request, where: str, at: np.ndarray, values: dict[str, np.ndarray], counts: Counter[str],
    span: tuple[int, int], note: str = "", solid: tuple[str, ...] = (),
) -> Answer:  # fmt: skip
    """What do these rows say once they are in order, each instant once, and all of them where they were asked for?

    span : the half-open instants asked for; rows outside are dropped and counted
    solid : the columns a row must have finite values in, else it is quarantined (counted not_a_number)

    Raises BadPayload where there are rows and all of them lie outside.
    """
    inside = (at >= span[0]) & (at < span[1])
    if len(at) and not inside.any():
        first = utc(int(at[0])) if 0 <= at[0] < MICROSECONDS else str(int(at[0]))
        raise BadPayload(f"{where} has no row from {utc(span[0])} on, its first is {first}; fetch it again")
    finite = np.ones(len(at), bool)
    for name in solid:
        finite &= np.isfinite(values[name])
    counts["outside"] += int((~inside).sum())
    counts["not_a_number"] += int((inside & ~finite).sum())
    counts, keep = +counts, inside & finite
    at, values = at[keep], {name: column[keep] for name, column in values.items()}
    ordered = Answer(request.series, at, values, counts, note=note)
    return ordered if (np.diff(at) > 0).all() else _each_once(ordered)


def _each_once(answer: Answer) -> Answer:
    """Ascending, the later of two rows at one instant kept."""
    found, before = merged([answer], tuple(answer.values)), len(answer.at)
    restated = found.counts["restated"] - answer.counts["restated"]
    if same := before - len(found.at) - restated:
        found.counts["duplicate"] += same
    return replace(found, note=answer.note, variant=answer.variant)
