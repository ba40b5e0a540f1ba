"""A metrics label means the instant it names, or five minutes later: each file's own implied price decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from meta.timeframes import DAY, MINUTE, Timeframe, day_of, day_start
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
    bars = _of_its_day(metrics, bars, tf)
    implied = metrics.values["oi_now"] / _positive(metrics.values["oi_base"])
    by_price = _nearer(_medians(metrics.at, implied, bars.at - tf.ms, bars.values["open"]))
    by_flow = None
    if tf.ms == STEP:
        by_flow = _nearer(_medians(metrics.at, metrics.values["ls_taker"], bars.at, _taker_ratio(bars)))
    shift = 0 if by_price == 0 and by_flow in (0, None) else STEP
    verdict = f"labels at {'T' if shift == 0 else 'T+5m'}, {_evidence(by_price, by_flow)}"
    return replace(metrics, at=metrics.at + shift, note=metrics.note.replace(AS_PUBLISHED, verdict))


def settle(metrics: Sequence[Answer], klines: Sequence[Answer], tf: Timeframe) -> list[Answer]:
    """What do these metrics files say, each settled by the klines of its own days?"""
    bars = merged(klines, ("open", "volume", "perp_taker_buy_base"))
    return [settled(a, bars, tf) if AS_PUBLISHED in a.note else a for a in metrics]


def _of_its_day(metrics: Answer, bars: Answer, tf: Timeframe) -> Answer:
    """The bars of the file's own day: what else a run asked for must not sway the verdict."""
    if not len(metrics.at):
        return bars
    start = day_start(day_of(int(metrics.at[len(metrics.at) // 2]) - 1))
    own = (bars.at > start) & (bars.at <= start + DAY)
    return replace(bars, at=bars.at[own], values={name: column[own] for name, column in bars.values.items()})


def _positive(column: np.ndarray) -> np.ndarray:
    return np.where(column > 0, column, np.nan)


def _taker_ratio(bars: Answer) -> np.ndarray:
    buy = bars.values["perp_taker_buy_base"]
    return buy / _positive(bars.values["volume"] - buy)


def _medians(labels: np.ndarray, said: np.ndarray, at: np.ndarray, seen: np.ndarray) -> tuple[float, float]:
    """Median |log(said / seen)| with the labels read as T and as T+5m; NaN where too few rows compare."""
    near = []
    for shift in (0, STEP):
        _, ours, theirs = np.intersect1d(labels + shift, at, assume_unique=True, return_indices=True)
        gap = np.abs(np.log(_positive(said[ours])) - np.log(_positive(seen[theirs])))
        gap = gap[np.isfinite(gap)]
        near.append(float(np.median(gap)) if len(gap) >= FEWEST else np.nan)
    return near[0], near[1]


def _nearer(medians: tuple[float, float]) -> int | None:
    """The shift whose median is clearly the smaller, None where neither is."""
    at_t, later = medians
    return 0 if at_t < CLEAR * later else STEP if later < CLEAR * at_t else None


def _evidence(by_price: int | None, by_flow: int | None) -> str:
    if by_price is None:
        return "undecided by implied price"
    return "by implied price, taker ratio " + (
        "silent" if by_flow is None else "agrees" if by_flow == by_price else "disagrees"
    )
