"""How far has price lately moved in one bar, in its own currency?"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ABREAST = 64  # days in one table: it stays in a near cache, and the days before them are read again once a table


@njit(cache=True, nogil=True)
def past_true_range(high: Floats, low: Floats, close: Floats) -> Floats:
    """How far did each bar reach, the jump from the bar before included?

    high, low, close: (n,) float64, quote currency; NaN = absent bar.
    Returns (n,) float64, quote currency: max(high-low, |high-C|, |low-C|), C the close of the previous present bar;
    NaN at absent bars and at the first present one.
    """
    out = np.full(close.size, np.nan)
    after_gap = 0
    for t in range(1, close.size):  # most bars follow another: vector code, and those after a gap are mended below
        before = close[t - 1]
        reach, rise, fall = high[t] - low[t], abs(high[t] - before), abs(low[t] - before)
        reach = rise if rise > reach else reach
        reach = fall if fall > reach else reach
        present = close[t] == close[t]
        out[t] = reach if present & (before == before) else np.nan
        after_gap += 1 if present & (before != before) else 0
    if after_gap:
        before = np.nan
        for t in range(close.size):
            if close[t] == close[t]:
                if out[t] != out[t] and before == before:
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
def _simple(reach: Floats, close: Floats, bars: int, bars_per_day: int, day_offset: int, days_back: int) -> Floats:
    """The plain mean of the last `bars` ranges, where all of them lie in the day's reach.

    Summed anew and oldest first each time, so that no start shows in the bits.
    """
    out = np.full(close.size, np.nan)
    last = np.empty(bars)
    begun = np.empty(bars, np.int64)  # where each range's own previous close stands
    before = -1
    seen = 0
    for t in range(close.size):
        if np.isnan(close[t]):
            continue
        if before >= 0:
            last[seen % bars] = reach[t]
            begun[seen % bars] = before
            seen += 1
        before = t
        start = ((t + day_offset) // bars_per_day - days_back) * bars_per_day - day_offset
        if seen >= bars and begun[seen % bars] >= start:
            total = 0.0
            for k in range(seen, seen + bars):
                total += last[k % bars]
            out[t] = total / bars
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _begin(x: Floats, mean: Floats, seen: Floats, bars: float) -> int:
    """Every lane's next bar, some of them still without their seed; returns how many."""
    lacking = 0
    for lane in range(mean.size):
        k = seen[lane] + 1.0
        total = (mean[lane] * (bars - 1.0) if k > bars else mean[lane]) + x[lane]
        value = total / (bars if k >= bars else 1.0)
        present = x[lane] == x[lane]
        mean[lane] = value if present & (k >= 1.0) else mean[lane]
        k = k if present else seen[lane]
        seen[lane] = k
        lacking += 1 if k < bars else 0
    return lacking


@njit(cache=True, nogil=True, error_model="numpy")
def _go_on(x: Floats, mean: Floats, bars: float) -> None:
    """Every lane's next bar, all of them past their seed.

    Multiplying by 1/bars with two fused corrections gives the same bits, and 3 % of a labelling's time: not worth it.
    """
    for lane in range(mean.size):
        value = (mean[lane] * (bars - 1.0) + x[lane]) / bars
        mean[lane] = value if x[lane] == x[lane] else mean[lane]


@njit(cache=True, nogil=True, error_model="numpy")
def _wilder_lanes(table: Floats, days: int, days_back: int, bars: int) -> Floats:
    """_wilder for many days at once: table[j, d] is bar j of day d, lane d's run goes from day d to d + days_back."""
    per_day, lanes = table.shape[0], table.shape[1] - days_back
    mean, seen = np.zeros(lanes), np.full(lanes, -1.0)
    seen[days:] = bars  # nothing to wait for in the lanes that only fill up the last vector
    out = np.empty((per_day, lanes))
    lacking = lanes
    for back in range(days_back + 1):
        for j in range(per_day):
            x = table[j, back : back + lanes]
            if lacking:
                lacking = _begin(x, mean, seen, float(bars))
            else:
                _go_on(x, mean, float(bars))
            if back == days_back:
                row = out[j]
                for lane in range(lanes):
                    row[lane] = mean[lane] if (x[lane] == x[lane]) & (seen[lane] >= bars) else np.nan
    return out


@njit(cache=True, nogil=True)
def _day_table(reach: Floats, first: int, per_day: int, day_offset: int, first_day: int, days: int) -> Floats:
    """table[j, d] is the range of bar j of day first_day + d; NaN where the array does not reach.

    first: position of the history's first bar, which has no range; 0 stands there, for a run passes it over anyway.
    """
    table = np.full((per_day, days), np.nan)
    for d in range(days):
        start = (first_day + d) * per_day - day_offset
        for t in range(max(start, 0), min(start + per_day, reach.size)):
            table[t - start, d] = reach[t]
        if 0 <= first - start < per_day and first < reach.size:
            table[first - start, d] = 0.0
    return table


@njit(cache=True, nogil=True)
def _from_day_table(table: Floats, per_day: int, day_offset: int, first_day: int, out: Floats) -> None:
    for d in range(table.shape[1]):
        start = (first_day + d) * per_day - day_offset
        for t in range(max(start, 0), min(start + per_day, out.size)):
            out[t] = table[t - start, d]


@njit(cache=True, nogil=True)
def _wilder_by_day(
    reach: Floats, close: Floats, bars: int, per_day: int, day_offset: int, days_back: int, since: int
) -> Floats:
    """Days lie side by side in a table, so that one instruction serves the same bar of many days."""
    out = np.full(close.size, np.nan)
    days = -(-(close.size + day_offset) // per_day)
    first_day = (since + day_offset) // per_day
    if first_day < days_back:  # the history's first days: their runs begin where it does
        stop = min(days_back * per_day - day_offset, close.size)
        _wilder(reach, close, bars, 0, max(first_day * per_day - day_offset, 0), stop, out)
    first = 0
    while first < close.size and np.isnan(close[first]):
        first += 1
    for day in range(max(first_day, days_back), days, ABREAST):
        lanes = -(-min(days - day, ABREAST) // 8) * 8  # whole vectors; days beyond the array are all NaN
        table = _day_table(reach, first, per_day, day_offset, day - days_back, days_back + lanes)
        averages = _wilder_lanes(table, days - day, days_back, bars)
        _from_day_table(averages, per_day, day_offset, day, out)
    return out


def past_atr(high: Floats, low: Floats, close: Floats, bars: int = 14, simple: bool = False) -> Floats:
    """How far does a bar reach on average, seen from each bar, counting from the first one given?

    high, low, close: (n,) float64, quote currency; NaN = absent bar. bars: the averaging length n.
    simple: False for Wilder with TA-Lib's seeding (mean of the first n true ranges, then (ATR·(n−1)+TR)/n), True for
    the mean of the last n true ranges.
    Returns (n,) float64, quote currency; NaN at absent bars (passed over) and before n true ranges are known.
    """
    reach = past_true_range(high, low, close)
    if simple:
        return _simple(reach, close, bars, close.size, 0, 0)
    out = np.empty(close.size)
    _wilder(reach, close, bars, 0, 0, close.size, out)
    return out


def past_atr_by_day(
    high: Floats,
    low: Floats,
    close: Floats,
    bars: int,
    bars_per_day: int,
    day_offset: int,
    days_back: int,
    simple: bool = False,
    since: int = 0,
) -> Floats:
    """What is each bar's ATR, when every day starts its own recursion `days_back` days before itself?

    As past_atr, with bars_per_day grid positions a day and position 0 being number `day_offset` of its day. Day D
    reads days D − days_back … D alone, so its values carry no trace of where the array begins before that. Days that
    end before position `since` may be left out (NaN).
    """
    reach = past_true_range(high, low, close)
    if simple:
        return _simple(reach, close, bars, bars_per_day, day_offset, days_back)
    return _wilder_by_day(reach, close, bars, bars_per_day, day_offset, days_back, since)


def past_realised_by_day(close: Floats, bars: int, bars_per_day: int, day_offset: int, days_back: int) -> Floats:
    """How far does the close move per bar, by the root mean square of the last `bars` log returns?

    As past_atr_by_day in its days. Returns (n,) float64, quote currency: √(mean r²)·close; NaN at absent bars and
    before `bars` returns are known.
    """
    means = _simple(past_squared_return(close), close, bars, bars_per_day, day_offset, days_back)
    return np.sqrt(means) * close
