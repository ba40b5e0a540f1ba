"""Made-up bars for P3: on a coarse tick, so that barriers are touched exactly, with gaps, ties and days not there."""

from __future__ import annotations

import numpy as np

from p3_labels.barriers import Bars

STEP = 5 * 60_000


def bars_from(rows, tape=None, *, first=1, step_ms=STEP):
    """Bars of rows (open, high, low, close), None = absent; tape: is each row's day committed?"""
    table = np.array([row or (np.nan,) * 4 for row in rows], dtype=np.float64).reshape(-1, 4)
    tape = np.ones(len(rows), bool) if tape is None else np.asarray(tape, bool)
    return Bars(first, step_ms, *(np.ascontiguousarray(column) for column in table.T), tape)


def random_bars(rng, n, *, tick=0.25, missing=0.03, closed=0.0, gappy_opens=0.2, first=1, step_ms=STEP):
    """A walk on a tick grid. missing: share of gaps (1–6 bars long) begun; closed: share of days not committed."""
    close = np.maximum(100 + tick * np.cumsum(rng.integers(-6, 7, n)), 20 * tick)
    jump = tick * rng.integers(-5, 6, n) * (rng.random(n) < gappy_opens)
    open_ = np.maximum(np.concatenate(([100.0], close[:-1])) + jump, tick)
    high = np.maximum(open_, close) + tick * rng.integers(0, 5, n)
    low = np.maximum(np.minimum(open_, close) - tick * rng.integers(0, 5, n), tick)
    tape = np.ones(n, bool)
    absent = np.zeros(n, bool)
    for start in np.flatnonzero(rng.random(n) < missing):
        absent[start : start + rng.integers(1, 7)] = True
    day = (np.arange(n) + (first - 1)) // (86_400_000 // step_ms)
    if closed:
        tape = ~np.isin(day, np.flatnonzero(rng.random(day.max() + 1) < closed))
    for column in (open_, high, low, close):
        column[absent | ~tape] = np.nan
    return Bars(first, step_ms, open_, high, low, close, tape)


def cut(bars, n):
    """The same bars with the tape ending before position n."""
    return Bars(
        bars.first, bars.step_ms, bars.open[:n], bars.high[:n], bars.low[:n], bars.close[:n], bars.open_tape[:n]
    )


def rows_of(bars):
    """The bars as rows (open, high, low, close), None = absent."""
    columns = zip(bars.open.tolist(), bars.high.tolist(), bars.low.tolist(), bars.close.tolist(), strict=True)
    return [None if row[3] != row[3] else row for row in columns]


def random_minutes(rng, bars, *, missing=0.05, tick=0.25):
    """One-minute bars of the same stretch, kept within each bar's range but on no path in particular."""
    per_bar = bars.step_ms // 60_000
    low, high = np.repeat(bars.low, per_bar), np.repeat(bars.high, per_bar)
    steps = np.floor((high - low) / tick)
    o, c, a, b = (low + tick * np.floor(rng.random(low.size) * (steps + 1)) for _ in range(4))
    table = [o, np.max([o, c, a, b], 0), np.min([o, c, a, b], 0), c]
    for column in table:
        column[rng.random(low.size) < missing] = np.nan
    gone = np.isnan(table).any(0)
    for column in table:
        column[gone] = np.nan
    tape = np.repeat(bars.open_tape, per_bar)
    return Bars((bars.first - 1) * per_bar + 1, 60_000, *table, tape)
