"""How long does a bar's features take: in the batch build, and the moment a live bar closes?"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from lake import days, disk, frames, fresh, notes, settings
from lake.checks import Check, Report
from lake.frames import Grid
from lake.layout import Shelf
from lake.progress import counted
from meta.errors import NotReady, Tampered
from p2_features.choice import Asked, Choice, chosen
from p2_features.compute import compute
from p2_features.stream import Engine

LIMIT_MS = 50.0
HISTORY = "p2_bench_history.csv"  # beside the report: one line a run and symbol
RUNS = 5  # of the batch; the median counts
LIVE_BARS = 1000  # timed one by one
METHOD = "batch: all features over the bars and their look-back, median of {runs} runs; one bar: live engine"

TOLD = (
    Check("ns_per_bar", "batch: time per bar, without reading files", form="ns"),
    Check("p50_us", "one live bar: median", form="µs"),
    Check("p99_us", "one live bar: 99 of 100 take less", form="µs"),
    Check("max_us", "one live bar: the slowest", form="µs"),
    Check("ms_per_bar", "the slower of batch and 99 % of live bars", f"<= {LIMIT_MS}", form="ms"),
)


@dataclass(frozen=True)
class Timing:
    """One row of the CSV: how long the features of one symbol and timeframe took."""

    symbol: str
    tf: str
    features: int
    bars: int
    method: str
    ns_per_bar: float
    p50_us: float
    p99_us: float
    max_us: float
    ms_per_bar: float
    limit_ms: float
    passed: bool

    def report(self) -> Report:
        """How is it told as checks?"""
        facts = {"tf": self.tf, "features": self.features, "bars": self.bars, "method": self.method}
        title = f"P2 {self.tf} {self.symbol}: {self.features} features over {self.bars:,} bars"
        return Report(self.symbol, title, facts, [check.found(getattr(self, check.name)) for check in TOLD])


def timed(
    shelf: Shelf,
    bars: Shelf,
    wanted: Sequence[date],
    runs: int = RUNS,
    live: int = LIVE_BARS,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> Timing:
    """How long do the features of these days take, by a clock of ns? Raises NotReady where there is no day or bar."""
    if not wanted or notes.read(shelf, notes.FEATURES) is None:
        raise NotReady(f"{shelf} has no committed day there; run `{days.command(shelf)}`")
    if not days.committed(bars):
        raise NotReady(f"{bars} has no committed day in {settings.shown(bars.root)}; name the bars with --bars")
    choice = chosen(shelf, bars, Asked())
    start = wanted[0] - timedelta(days=fresh.days_back(choice.reach, bars.tf))
    grid = frames.grid(bars, start, wanted[-1], choice.inputs)
    grid = _from_first_bar(grid, bars, wanted)
    batch = batch_ns(choice, grid, runs, clock) / len(grid)
    one = live_us(choice, grid, min(live, len(grid) // 2), clock)
    p50, p99, most = (round(float(value), 3) for value in (*np.percentile(one, [50, 99]), one.max()))
    worst = round(max(batch / 1e6, p99 / 1e3), 6)
    shape = (shelf.symbol, shelf.tf.name, len(choice.features), len(grid), METHOD.format(runs=runs))
    return Timing(*shape, round(batch, 3), p50, p99, most, worst, LIMIT_MS, worst <= LIMIT_MS)


def _from_first_bar(grid: Grid, bars: Shelf, wanted: Sequence[date]) -> Grid:
    """Without the empty grid before the first bar: absent bars are cheaper than real ones."""
    if not grid.present.any():
        raise NotReady(f"{bars} holds no bar in {wanted[0]} … {wanted[-1]} or before; name other bars with --bars")
    skip = int(np.argmax(grid.present))
    columns = {name: np.ascontiguousarray(column[skip:]) for name, column in grid.columns.items()}
    return Grid(grid.tf, grid.first + skip, columns, grid.present[skip:], grid.committed[skip:], grid.entries)


def batch_ns(choice: Choice, grid: Grid, runs: int, clock: Callable[[], int]) -> float:
    """How long does the whole computation take on one core, ns? The median of several runs after a first one."""
    took = []
    for _ in counted(range(runs + 1), runs + 1, "runs"):
        began = clock()
        compute(choice.features, grid.columns, grid.first)
        took.append(clock() - began)
    return float(np.median(took[1:]))


def live_us(choice: Choice, grid: Grid, most: int, clock: Callable[[], int]) -> np.ndarray:
    """How long does each of the last `most` bars take as it closes, the state before it known? (most,) float64, µs."""
    engine, ts, seeded = Engine(choice.features, choice.warmup, choice.window), grid.ts(), len(grid) - most
    engine.seed("", {name: column[:seeded] for name, column in grid.columns.items()}, grid.first)
    took = np.empty(most)
    for i in range(most):
        at = seeded + i
        bar = {name: float(column[at]) for name, column in grid.columns.items()}
        began = clock()
        engine.step("", int(ts[at]), bar)
        took[i] = (clock() - began) / 1e3
    return took


def written(timings: Sequence[Timing]) -> str:
    """How is the CSV written? A header, and a row for each symbol."""
    out = io.StringIO()
    names = ["pass" if field.name == "passed" else field.name for field in fields(Timing)]
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(names)
    rows.writerows(
        [str(cell).lower() if isinstance(cell, bool) else cell for cell in asdict(t).values()] for t in timings
    )
    return out.getvalue()


def remember(path: Path, timings: Sequence[Timing], now: str) -> None:
    """Add these, taken at this instant (ISO 8601), to what earlier runs took: the CSV's columns, `time` before them."""
    head, *rows = written(timings).splitlines(keepends=True)
    begun = path.exists()
    lines = [*([] if begun else [f"time,{head}"]), *(f"{now},{row}" for row in rows)]
    disk.append(path, "".join(lines).encode())


def measured(path: Path, symbol: str, tf: str) -> float | None:
    """Which ms_per_bar does this CSV tell for a symbol? None where there is no such file or row. Raises Tampered."""
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        found = [float(row["ms_per_bar"]) for row in rows if (row["symbol"], row["tf"]) == (symbol, tf)]
    except FileNotFoundError:
        return None
    except (KeyError, ValueError, TypeError):
        raise Tampered(f"{path} is not a bench report; remove it, or run `python -m p2_features bench` again") from None
    return max(found, default=None)
