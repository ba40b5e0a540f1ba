"""A market that never was: what it says of a bar depends on coin and bar alone, never on who asked what before."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from meta.timeframes import DAY, MINUTE
from p1_ingest.sim.coins import COINS, FIRST_DAY
from p1_ingest.sim.minutes import Minutes, minutes
from p1_ingest.sim.walk import DAYS, MINUTES

Bars = dict[str, np.ndarray]


def gathered(tape: Minutes, first: int, bars: int, size: int) -> Bars:
    """Which bars do these minutes make? `bars` bars of `size` minutes from minute `first` on.

    Prices and paths become (4, bars) open, high, low, close; flows (bars,) sums; `present` (bars,) bool.
    """
    span = slice(first, first + bars * size)
    present = tape.present[span].reshape(bars, size)
    row = np.arange(bars)
    opens, closes = present.argmax(axis=1), size - 1 - present[:, ::-1].argmax(axis=1)
    out: Bars = {"present": np.asarray(present.any(axis=1))}
    for name, price in tape.prices.items():
        opened, high, low, close = (part[span].reshape(bars, size) for part in price)
        top = np.where(present, high, 0).max(axis=1)
        bottom = np.where(present, low, np.iinfo(np.int64).max).min(axis=1)
        out[name] = np.stack([opened[row, opens], top, bottom, close[row, closes]])
    for name, flow in tape.flows.items():
        out[name] = flow[span].reshape(bars, size).sum(axis=1)
    for name, path in tape.paths.items():
        inner, end = path[span].reshape(bars, size), path[first + size : first + bars * size + 1 : size]
        top, bottom = np.maximum(inner.max(axis=1), end), np.minimum(inner.min(axis=1), end)
        out[name] = np.stack([inner[:, 0], top, bottom, end])
    return out


def _day_bars(name: str, day: int, size: int) -> Bars:
    return gathered(minutes(name, day), 0, MINUTES // size, size)


# Days kept in memory, by bar length: some 50 MB each, and the nine series of 80 days at 5m are computed once.
_KEPT = {least: lru_cache(maxsize=days)(_day_bars) for least, days in ((60, 4096), (15, 1024), (5, 512), (1, 96))}


def day_bars(name: str, day: int, size: int) -> Bars:
    """Which bars of `size` minutes does this day hold, whatever the time now? See `gathered`."""
    return next(kept for least, kept in _KEPT.items() if size >= least)(name, day, size)


def bars(name: str, tf: int, start: int, end: int, columns: tuple[str, ...]) -> tuple[np.ndarray, Bars]:
    """Which bars of length `tf` (ms) open in [start, end)? Their opens (n,) UTC ms, and the columns named.

    `present` says which of them there are; all before the coin's listing are not.
    """
    last = (FIRST_DAY + DAYS) * DAY
    first = min(max(-(-start // tf) * tf, COINS[name].listed * DAY), last - tf)
    end = min(-(-end // tf) * tf, last)
    end = max(end, first)
    days = [day_bars(name, day, tf // MINUTE) for day in range(first // DAY, max(-(-end // DAY), first // DAY + 1))]
    skip, count = first % DAY // tf, (end - first) // tf
    cut = {c: np.concatenate([day[c] for day in days], axis=-1)[..., skip : skip + count] for c in columns}
    return first + tf * np.arange(count), cut


def forming(name: str, tf: int, now: int, columns: tuple[str, ...]) -> tuple[np.ndarray, Bars]:
    """What can be seen at `now` of the bar it lies in? As `bars`, one row; the running minute counts in part."""
    opened = now // tf * tf
    day, first, minute = opened // DAY, opened % DAY // MINUTE, now % DAY // MINUTE
    tape, part = minutes(name, day), (now % MINUTE) / MINUTE
    prices = {key: price.copy() for key, price in tape.prices.items()}
    for price in prices.values():
        start, _, _, end = price[:, minute]
        reached = start + int((end - start) * part)
        price[:, minute] = start, max(start, reached), min(start, reached), reached
    flows = {key: flow.copy() for key, flow in tape.flows.items()}
    for flow in flows.values():
        flow[minute] = int(flow[minute] * part)
    flows["volume"], flows["spot_volume"] = flows["buy"] + flows["sell"], flows["spot_buy"] + flows["spot_sell"]
    paths = {key: path.copy() for key, path in tape.paths.items()}
    for path in paths.values():
        path[minute + 1] = path[minute] + int((path[minute + 1] - path[minute]) * part)
    row = gathered(Minutes(prices, flows, paths, tape.present), first, 1, minute - first + 1)
    return np.array([opened]), {column: row[column] for column in columns}
