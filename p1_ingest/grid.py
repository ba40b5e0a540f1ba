"""What a venue said, laid on the bar grid: which value does each bar take?

The rules are FORMULAS, "P1: which source value a bar takes". Nothing is filled, and nothing later than a bar's close is
looked at.
"""

from __future__ import annotations

import numpy as np

from meta.columns import BAR_COLUMNS, BARS
from meta.timeframes import DAY, HOUR, MINUTE, Timeframe
from p1_ingest.sources.base import Answer, Series

SETTLEMENT_LOOKBACK = 3 * DAY  # settlements older than this before a day's start say nothing about the day
SETTLEMENT_GRACE = 10 * MINUTE
UNKNOWN_INTERVAL = 8.0  # hours, for the due time only
INTERVALS = next(column.span for column in BARS if column.name == "funding_interval_hours")  # beyond them: unknown

STAMPS = {
    "oi_now": "oi_ts",
    "oi_base": "oi_ts",
    "ls_top_account": "ls_ts",
    "ls_top_position": "ls_ts",
    "ls_global": "ls_ts",
    "ls_taker": "ls_ts",
    "funding_now": "funding_ts",
}


def laid(series: Series, answer: Answer, close: np.ndarray, tf: Timeframe) -> dict[str, np.ndarray]:
    """Which value does each bar take from this series?

    close : (n,) int64, the bars' closes, UTC ms, ascending, of one day
    Returns column -> (n,) float64, NaN where there is none; stamp columns in UTC ms.
    """
    row = {"bar": _same, "sample": _newest, "settlement": _known}[series.kind](series, answer, close, tf)
    found = row >= 0
    out = {}
    for name in series.columns:
        if name in answer.values and name in BAR_COLUMNS:
            out[name] = (
                np.where(found, answer.values[name][row], np.nan) if len(answer.at) else np.full(len(close), np.nan)
            )
    for name, stamp in STAMPS.items():
        if name in out:
            told = found & ~np.isnan(out[name])
            stamps = np.where(told, answer.at[row], np.nan) if len(answer.at) else np.full(len(close), np.nan)
            out[stamp] = np.where(np.isnan(out.get(stamp, stamps)), stamps, out.get(stamp, stamps))
    return out


def _same(series: Series, answer: Answer, close: np.ndarray, tf: Timeframe) -> np.ndarray:
    """The venue's own row for that bar."""
    row = np.searchsorted(answer.at, close)
    inside = np.minimum(row, max(len(answer.at) - 1, 0))
    return np.where((row < len(answer.at)) & (answer.at[inside] == close), row, -1) if len(answer.at) else _none(close)


def _newest(series: Series, answer: Answer, close: np.ndarray, tf: Timeframe) -> np.ndarray:
    """The newest row whose instant lies in (ts - max(tf, native period), ts]; older ones never."""
    if not len(answer.at):
        return _none(close)
    row = np.searchsorted(answer.at, close, side="right") - 1
    recent = answer.at[np.maximum(row, 0)] > close - max(tf.ms, series.native_ms)
    return np.where((row >= 0) & recent, row, -1)


def _known(series: Series, answer: Answer, close: np.ndarray, tf: Timeframe) -> np.ndarray:
    """The last settlement known at ts, until the next one is due and ten minutes more.

    A settlement is known one minute after its stamp, floored to the minute (stamps jitter by some ms). When the
    interval changes, the longer of old and new counts.
    """
    stamp = answer.at
    if not len(stamp):
        return _none(close)
    floored = stamp // MINUTE * MINUTE
    told = answer.values.get("funding_interval_hours", np.full(len(stamp), np.nan))
    hours = np.where((told >= INTERVALS[0]) & (told <= INTERVALS[1]), told, UNKNOWN_INTERVAL)
    before = np.concatenate([hours[:1], hours[:-1]])
    gone = floored + (np.maximum(hours, before) * HOUR).astype(np.int64) + SETTLEMENT_GRACE
    row = np.searchsorted(floored + MINUTE, close, side="right") - 1
    at = np.maximum(row, 0)
    return np.where((row >= 0) & (close <= gone[at]) & (stamp[at] > close[0] - tf.ms - SETTLEMENT_LOOKBACK), row, -1)


def _none(close: np.ndarray) -> np.ndarray:
    return np.full(len(close), -1)
