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
def _simple(
    reach: Floats, close: Floats, bars: int, bars_per_day: int, day_offset: int, days_back: int, out: Floats
) -> None:
    """The plain mean of the last `bars` ranges, where all of them lie in the day's reach.

    Summed anew and oldest first each time, so that no start shows in the bits.
    """
    last = np.empty(bars)
    begun = np.empty(bars, np.int64)  # where each range's own previous close stands
    before = -1
    seen = 0
    for t in range(close.size):
        out[t] = np.nan
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
    """Every lane's next bar, all of them past their seed."""
    for lane in range(mean.size):
        value = (mean[lane] * (bars - 1.0) + x[lane]) / bars
        mean[lane] = value if x[lane] == x[lane] else mean[lane]


@njit(cache=True, nogil=True, error_model="numpy")
def _wilder_lanes(table: Floats, lanes: int, days_back: int, bars: int) -> Floats:
    """_wilder for many days at once: table[j, d] is bar j of day d, lane d's run goes from day d to d + days_back."""
    per_day = table.shape[0]
    mean, seen = np.zeros(lanes), np.full(lanes, -1.0)
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
def _wilder_by_day(
    reach: Floats, close: Floats, bars: int, per_day: int, day_offset: int, days_back: int, since: int, out: Floats
) -> None:
    """Days lie side by side in a table, so that one instruction serves the same bar of many days."""
    days = -(-(close.size + day_offset) // per_day)
    day = (since + day_offset) // per_day
    while day < min(days, days_back):
        first, stop = day * per_day - day_offset, (day + 1) * per_day - day_offset
        _wilder(reach, close, bars, 0, max(first, 0), min(stop, close.size), out)
        day += 1
    if day >= days:
        return
    origin = day - days_back  # the table's first day
    lanes = -(-(days - day) // 8) * 8  # whole vectors; lanes too many repeat the last day
    table = np.empty((per_day, lanes + days_back))
    begun = not np.isnan(close[: max(origin * per_day - day_offset, 0)]).all()
    for d in range(lanes + days_back):
        start = min(origin + d, days - 1) * per_day - day_offset
        for t in range(start, start + per_day):
            x = reach[t] if 0 <= t < close.size else np.nan
            if x != x and not begun and 0 <= t < close.size and not np.isnan(close[t]):
                x = 0.0  # the history's first bar has no range, but a run passes its first bar over anyway
                begun = True
            table[t - start, d] = x
    averages = _wilder_lanes(table, lanes, days_back, bars)
    for d in range(days - day):
        start = (day + d) * per_day - day_offset
        for t in range(max(start, 0), min(start + per_day, close.size)):
            out[t] = averages[t - start, d]


@njit(cache=True, nogil=True)
def _by_day(
    reach: Floats, close: Floats, bars: int, per_day: int, day_offset: int, days_back: int, since: int, simple: bool
) -> Floats:
    out = np.full(close.size, np.nan)
    if simple:
        _simple(reach, close, bars, per_day, day_offset, days_back, out)
    else:
        _wilder_by_day(reach, close, bars, per_day, day_offset, days_back, since, out)
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
        _simple(reach, close, bars, close.size, 0, 0, out)
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
    since: int = 0,
) -> Floats:
    """What is each bar's ATR, when every day starts its own recursion `days_back` days before itself?

    As past_atr, with bars_per_day grid positions a day and position 0 being number `day_offset` of its day. Day D
    reads days D − days_back … D alone, so its values carry no trace of where the array begins before that. Days that
    end before position `since` may be left out (NaN).
    """
    reach = past_true_range(high, low, close)
    return _by_day(reach, close, bars, bars_per_day, day_offset, days_back, since, simple)


@njit(cache=True, nogil=True)
def past_realised_by_day(close: Floats, bars: int, bars_per_day: int, day_offset: int, days_back: int) -> Floats:
    """How far does the close move per bar, by the root mean square of the last `bars` log returns?

    As past_atr_by_day in its days. Returns (n,) float64, quote currency: √(mean r²)·close; NaN at absent bars and
    before `bars` returns are known.
    """
    out = _by_day(past_squared_return(close), close, bars, bars_per_day, day_offset, days_back, 0, True)
    for t in range(close.size):
        out[t] = math.sqrt(out[t]) * close[t]
    return out
