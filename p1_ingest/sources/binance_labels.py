"""A metrics label means the instant it names, or five minutes later: each file's own implied price decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from meta.timeframes import MINUTE, Timeframe
from p1_ingest.sources.base import Answer, merged
from p1_ingest.sources.binance_files import AS_PUBLISHED

STEP = 5 * MINUTE
FEWEST = 3  # comparable rows below which nothing is decided
CLEAR = 0.75  # the nearer reading's median must be below this share of the other's, or nothing is decided
OI, RATIOS = ("oi_now", "oi_base"), ("ls_top_account", "ls_top_position", "ls_global", "ls_taker")


def settled(metrics: Answer, bars: Answer, tf: Timeframe) -> Answer:
    """What does this metrics file say, each row at the instant it describes?

    metrics : `at` holds the labels as published
    bars : the perp klines around it (`at` the close; open, volume and perp_taker_buy_base)

    Undecided labels are read as five minutes later: stale, never early. So are labels that the taker ratio places later
    than the implied price does. Formula: FORMULAS, Binance metrics label.
    """
    price = _medians(
        metrics, metrics.values["oi_now"] / _positive(metrics.values["oi_base"]), bars.at - tf.ms, bars.values["open"]
    )
    flows = _medians(metrics, metrics.values["ls_taker"], bars.at, _taker_ratio(bars)) if tf.ms == STEP else None
    by_price, by_flow = _nearer(price), _nearer(flows)
    shift = 0 if by_price == 0 and by_flow in (0, None) else STEP
    note = f"labels at {'T' if shift == 0 else 'T+5m'}, " + _evidence(by_price, price, by_flow)
    return replace(metrics, at=metrics.at + shift, note=note)


def settle(metrics: Sequence[Answer], klines: Sequence[Answer], tf: Timeframe) -> list[Answer]:
    """What do these metrics files say, each settled by the klines of its own days?"""
    bars = merged(klines, ("open", "volume", "perp_taker_buy_base"))
    return [settled(a, bars, tf) if a.note == AS_PUBLISHED else a for a in metrics]


def _positive(column: np.ndarray) -> np.ndarray:
    return np.where(column > 0, column, np.nan)


def _taker_ratio(bars: Answer) -> np.ndarray:
    buy = bars.values["perp_taker_buy_base"]
    return buy / _positive(bars.values["volume"] - buy)


def _medians(metrics: Answer, said: np.ndarray, at: np.ndarray, seen: np.ndarray) -> tuple[float, float]:
    """Median |log(said / seen)| with the labels read as T and as T+5m; NaN where too few rows compare."""
    near = []
    for shift in (0, STEP):
        place = np.minimum(np.searchsorted(at, metrics.at + shift), max(len(at) - 1, 0))
        met = at[place] == metrics.at + shift if len(at) else np.zeros(len(metrics.at), bool)
        gap = np.abs(np.log(_positive(said[met])) - np.log(_positive(seen[place[met]])))
        gap = gap[np.isfinite(gap)]
        near.append(float(np.median(gap)) if len(gap) >= FEWEST else np.nan)
    return near[0], near[1]


def _nearer(medians: tuple[float, float] | None) -> int | None:
    """The shift whose median is clearly the smaller, None where neither is."""
    if medians is None or np.isnan(medians).any():
        return None
    at_t, later = medians
    return 0 if at_t < CLEAR * later else STEP if later < CLEAR * at_t else None


def _evidence(by_price: int | None, price: tuple[float, float], by_flow: int | None) -> str:
    if np.isnan(price).any():
        return "undecided: too few bars and implied prices to compare"
    medians = f"implied price {price[0] * 1e4:.2f} bp from the open at T, {price[1] * 1e4:.2f} at T+5m"
    if by_price is None:
        return f"undecided: {medians}"
    return f"{medians}; taker ratio " + (
        "silent" if by_flow is None else "agrees" if by_flow == by_price else "disagrees"
    )
