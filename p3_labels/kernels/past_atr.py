"""How far has price lately moved in one bar, in its own currency?"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@njit(cache=True, nogil=True)
def past_true_range(high: Floats, low: Floats, close: Floats) -> Floats:
    """How far did each bar reach, the jump from the bar before included?

    high, low, close: (n,) float64, quote currency; NaN = absent bar.
    Returns (n,) float64, quote currency: max(high-low, |high-C|, |low-C|), C the close of the previous present bar;
    NaN at absent bars and at the first present one.
    """
    out = np.full(close.size, np.nan)
    before = np.nan
    for t in range(close.size):
        if np.isnan(close[t]):
            continue
        if not np.isnan(before):
            out[t] = max(high[t] - low[t], abs(high[t] - before), abs(low[t] - before))
        before = close[t]
    return out


@njit(cache=True, nogil=True)
def past_squared_return(close: Floats) -> Floats:
    """How large was each bar's log return, squared?

    close: (n,) float64, quote currency; NaN = absent bar.
    Returns (n,) float64: ln(close / C)², C the close of the previous present bar; NaN where there is none.
    """
    out = np.full(close.size, np.nan)
    before = np.nan
    for t in range(close.size):
        if np.isnan(close[t]):
            continue
        if not np.isnan(before):
            step = math.log(close[t] / before)
            out[t] = step * step
        before = close[t]
    return out


@njit(cache=True, nogil=True)
def _wilder(reach: Floats, close: Floats, bars: int, start: int, first: int, stop: int, out: Floats) -> None:
    """Write out[first:stop] from a recursion that knows nothing before `start`."""
    begun = False
    seeded = 0
    mean = 0.0
    for t in range(start, stop):
        present = not np.isnan(close[t])
        if present and begun:
            seeded += 1
            if seeded <= bars:
                mean += reach[t]
                if seeded == bars:
                    mean /= bars
            else:
                mean = (mean * (bars - 1) + reach[t]) / bars
        begun = begun or present
        if t >= first:
            out[t] = mean if present and seeded >= bars else np.nan


@njit(cache=True, nogil=True)
def _simple(reach: Floats, close: Floats, bars: int, start: int, first: int, stop: int, out: Floats) -> None:
    """As _wilder, the plain mean of the last `bars` ranges, summed oldest first so that no start shows in the bits."""
    last = np.empty(bars)
    begun = False
    seen = 0
    for t in range(start, stop):
        present = not np.isnan(close[t])
        if present and begun:
            last[seen % bars] = reach[t]
            seen += 1
        begun = begun or present
        if t >= first:
            out[t] = np.nan
            if present and seen >= bars:
                total = 0.0
                for k in range(seen, seen + bars):
                    total += last[k % bars]
                out[t] = total / bars


@njit(cache=True, nogil=True)
def _by_day(
    reach: Floats, close: Floats, bars: int, bars_per_day: int, day_offset: int, days_back: int, simple: bool
) -> Floats:
    out = np.full(close.size, np.nan)
    first = 0
    while first < close.size:
        day = (first + day_offset) // bars_per_day
        stop = min((day + 1) * bars_per_day - day_offset, close.size)
        start = max((day - days_back) * bars_per_day - day_offset, 0)
        if simple:
            _simple(reach, close, bars, start, first, stop, out)
        else:
            _wilder(reach, close, bars, start, first, stop, out)
        first = stop
    return out


@njit(cache=True, nogil=True)
def past_atr(high: Floats, low: Floats, close: Floats, bars: int = 14, simple: bool = False) -> Floats:
    """How far does a bar reach on average, seen from each bar, counting from the first one given?

    high, low, close: (n,) float64, quote currency; NaN = absent bar. bars: the averaging length n.
    simple: False for Wilder with TA-Lib's seeding (mean of the first n true ranges, then (ATR·(n−1)+TR)/n), True for
    the mean of the last n true ranges.
    Returns (n,) float64, quote currency; NaN at absent bars (passed over) and before n true ranges are known.
    """
    out = np.empty(close.size)
    reach = past_true_range(high, low, close)
    if simple:
        _simple(reach, close, bars, 0, 0, close.size, out)
    else:
        _wilder(reach, close, bars, 0, 0, close.size, out)
    return out


@njit(cache=True, nogil=True)
def past_atr_by_day(
    high: Floats,
    low: Floats,
    close: Floats,
    bars: int,
    bars_per_day: int,
    day_offset: int,
    days_back: int,
    simple: bool = False,
) -> Floats:
    """What is each bar's ATR, when every day starts its own recursion `days_back` days before itself?

    As past_atr, with bars_per_day grid positions a day and position 0 being number `day_offset` of its day. Day D
    reads days D − days_back … D alone, so its values carry no trace of where the array begins before that.
    """
    reach = past_true_range(high, low, close)
    return _by_day(reach, close, bars, bars_per_day, day_offset, days_back, simple)


@njit(cache=True, nogil=True)
def past_realised_by_day(close: Floats, bars: int, bars_per_day: int, day_offset: int, days_back: int) -> Floats:
    """How far does the close move per bar, by the root mean square of the last `bars` log returns?

    As past_atr_by_day in its days. Returns (n,) float64, quote currency: √(mean r²)·close; NaN at absent bars and
    before `bars` returns are known.
    """
    out = _by_day(past_squared_return(close), close, bars, bars_per_day, day_offset, days_back, True)
    for t in range(close.size):
        out[t] = math.sqrt(out[t]) * close[t]
    return out
