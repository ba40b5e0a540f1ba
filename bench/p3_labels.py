"""How fast are ATR and labels next to vectorised numpy and mlfinpy? `python -m bench.p3_labels`

All sides run in turn (A B A B …) in one process on one thread; times are medians of process CPU time, in nanoseconds
per label. numpy does equal work, whole bars assumed: Wilder's ATR of every day from its own start with all days side
by side, then one step of all paths still under way at a time, with exits and excursions. mlfinpy reads closes only, is
given its target, and answers fewer events because it needs so long. The process keeps the memory it was given
(bench/_memory.py).
"""

from __future__ import annotations

import importlib
import io
import statistics
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from types import ModuleType

import numpy as np

from bench._memory import kept
from p3_labels.barriers import Barriers, Bars, barrier_unit, triple_barrier
from p3_labels.kernels.first_touch import first_touch

BARS, MONTH, LOOK_BACK, ROUNDS = 105_120, 30 * 288, 3 * 288, 7
K, H, N = 1.2, 36, 14
STEP = 300_000

ALL = "all of it"  # ATR, barriers, first touch and the rows, a year at once, as a build does
Work = Callable[[], object]


def walk(n: int, seed: int = 0) -> Bars:
    """A year of 5m bars with the character of BTCUSDT: 20 to 60 bp of true range, hourly and daily swings of it."""
    rng = np.random.default_rng(seed)
    swing = 1e-3 * np.exp(0.5 * np.sin(np.arange(n) / 500) + 0.4 * np.sin(np.arange(n) / 40))
    steps = rng.standard_normal((n, 30)) * (swing / np.sqrt(30))[:, None]
    price = np.round(100_000 * np.exp(np.cumsum(steps.ravel())).reshape(n, 30), 1)
    open_ = np.concatenate(([100_000.0], price[:-1, -1]))
    high, low = np.maximum(open_, price.max(1)), np.minimum(open_, price.min(1))
    return Bars(1, STEP, open_, high, low, price[:, -1].copy(), np.ones(n, bool))


def part(bars: Bars, lo: int, hi: int) -> Bars:
    """Positions lo … hi−1 of these bars."""
    columns = (bars.open, bars.high, bars.low, bars.close, bars.open_tape)
    return Bars(bars.first + lo, bars.step_ms, *(column[lo:hi] for column in columns))


def month_by_month(bars: Bars, settings: Barriers) -> int:
    """Label the year as a build does, a month at a time with the look-back and the horizon around it."""
    rows = 0
    for first in range(LOOK_BACK, bars.close.size - H, MONTH):
        stop = min(first + MONTH, bars.close.size - H)
        near = part(bars, first - LOOK_BACK, stop + H)
        rows += triple_barrier(near, np.arange(LOOK_BACK, stop - first + LOOK_BACK), settings).ts.size
    return rows


def numpy_atr(bars: Bars) -> np.ndarray:
    """Wilder's ATR, every day (but the first three) started three days before itself, all days side by side."""
    before = np.concatenate(([np.nan], bars.close[:-1]))
    reach = np.maximum(bars.high - bars.low, np.maximum(abs(bars.high - before), abs(bars.low - before)))
    table = np.ascontiguousarray(reach.reshape(-1, 288).T)
    lanes = table.shape[1] - 3
    out = np.full_like(table, np.nan)
    mean = table[1 : N + 1, :lanes].mean(0)
    for row in range(N + 1, 4 * 288):
        back, j = divmod(row, 288)
        mean = (mean * (N - 1) + table[j, back : back + lanes]) / N
        if back == 3:
            out[j, 3:] = mean
    return out.T.ravel()


def numpy_touch(bars: Bars, events: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> tuple[np.ndarray, ...]:
    """First touch of all paths a step at a time; the paths done drop out."""
    m = events.size
    held, exit_ = np.full(m, H, np.int32), bars.close[events + H].copy()
    outcome = np.full(m, 2, np.int8)
    top, bottom = bars.close[events].copy(), bars.close[events].copy()
    left = np.arange(m)
    for step in range(1, H + 1):
        at = events[left] + step
        o, h, lo, up, dn = bars.open[at], bars.high[at], bars.low[at], upper[left], lower[left]
        above, below, reached, fell = o >= up, o <= dn, h >= up, lo <= dn
        by_open = above | below
        top[left] = np.maximum(top[left], np.where(by_open, o, h))
        bottom[left] = np.minimum(bottom[left], np.where(by_open, o, lo))
        done = reached | fell | by_open
        price = np.where(by_open, o, np.where(reached & fell, bars.close[at], np.where(reached, up, dn)))
        code = np.where(above, 0, np.where(below, 1, np.where(reached & fell, 3, np.where(reached, 0, 1))))
        ended = left[done]
        held[ended], exit_[ended], outcome[ended] = step, price[done], code[done]
        left = left[~done]
        if not left.size:
            break
    entry = bars.close[events]
    return outcome, held, exit_, np.log(exit_ / entry), np.log(top / entry), np.log(bottom / entry)


def numpy_labels(bars: Bars, events: np.ndarray) -> tuple[np.ndarray, ...]:
    """ATR, barriers and first touch in numpy alone."""
    unit, entry = numpy_atr(bars)[events], bars.close[events]
    return numpy_touch(bars, events, entry + K * unit, entry - K * unit)


def mlfinpy_work(labeling: ModuleType, bars: Bars, events: np.ndarray, unit: np.ndarray) -> Work:
    """The same question by closes: its target is the barrier's width as a return."""
    import pandas as pd

    index = pd.to_datetime(bars.ts, unit="ms")
    close = pd.Series(bars.close, index)
    stamps = index[events]
    target = pd.Series(unit[events] / bars.close[events], stamps)
    ends = pd.Series(index[events + H], stamps)

    def work() -> object:
        silence = io.StringIO()
        with warnings.catch_warnings(), redirect_stdout(silence), redirect_stderr(silence):
            warnings.simplefilter("ignore")
            touched = labeling.get_events(close, stamps, [K, K], target, 0.0, 1, ends, verbose=False)
            return labeling.get_bins(touched, close)

    return work


def in_turn(works: dict[str, tuple[Work, int]], rounds: int = ROUNDS) -> dict[str, float]:
    """Nanoseconds per label of each, all run in turn, the median of the rounds.

    A turn of the quick ones is as many runs as take about as long as one of the slowest, a hundred at most: one run
    alone would time the caches that the side before it left behind.
    """
    for work, _ in works.values():  # compiled by then
        work()
    alone = {name: max(_timed(work), 1e-6) for name, (work, _) in works.items()}
    times = {name: max(1, min(100, round(max(alone.values()) / alone[name]))) for name in works}
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, (work, labels) in works.items():
            taken[name].append(_timed(work, times[name]) / labels * 1e9)
    return {name: statistics.median(each) for name, each in taken.items()}


def _timed(work: Work, times: int = 1) -> float:
    begin = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - begin) / times


def main() -> None:
    """Print the table."""
    kept()
    bars, settings = walk(BARS), Barriers(k_up=K, k_down=K, H=H, atr_window=N)
    events = np.arange(LOOK_BACK, BARS - H)
    unit = barrier_unit(bars, settings)
    entry = bars.close[events]
    upper, lower = entry + K * unit[events], entry - K * unit[events]
    labels = triple_barrier(bars, events, settings)
    theirs = numpy_labels(bars, events)
    for mine, other in zip((labels.outcome, labels.bars_held, labels.exit), theirs, strict=False):
        np.testing.assert_array_equal(mine, other)
    month = events[:MONTH]
    near = part(bars, 0, LOOK_BACK + MONTH + H)
    near_prices, prices = ((b.open, b.high, b.low, b.close, b.open_tape) for b in (near, bars))
    few = (month, upper[:MONTH], lower[:MONTH], H, 0)

    def touch_after_atr() -> object:
        barrier_unit(bars, settings)
        return first_touch(*prices, events, upper, lower, H, 0)

    works: dict[str, tuple[Work, int]] = {
        ALL: (lambda: triple_barrier(bars, events, settings), events.size),
        "numpy, all of it": (lambda: numpy_labels(bars, events), events.size),
        "ATR and first touch": (touch_after_atr, events.size),
        "ATR": (lambda: barrier_unit(bars, settings), events.size),
        "numpy, ATR": (lambda: numpy_atr(bars), events.size),
        "first touch, a month": (lambda: first_touch(*near_prices, *few), MONTH),
        "numpy, first touch, a month": (lambda: numpy_touch(near, *few[:3]), MONTH),
        "first touch, a month, plain loop": (lambda: first_touch(*near_prices, *few, True), MONTH),
        "all of it, month by month": (lambda: month_by_month(bars, settings), events.size),
    }
    print(f"{events.size} labels of {BARS} bars, H={H}, k={K}, median hold {np.median(labels.bars_held):.0f} bars")
    taken = in_turn(works)
    try:
        labeling = importlib.import_module("mlfinpy.labeling.labeling")
    except ImportError:
        print("mlfinpy is not installed here, left out")
    else:
        some = events[:1000]
        pair = {"mlfinpy, 1000 events": (mlfinpy_work(labeling, near, some, unit), some.size), ALL: works[ALL]}
        taken |= {"mlfinpy, 1000 events": in_turn(pair, 3)["mlfinpy, 1000 events"]}
    for name, ns in taken.items():
        print(f"  {name:<34} {ns:>10.1f} ns a label   {ns / taken[ALL]:>9.2f} × {ALL}")


if __name__ == "__main__":
    main()
