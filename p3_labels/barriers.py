"""What happened after each bar, told by whichever barrier price touched first."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meta.errors import Usage
from meta.timeframes import DAY, MINUTE
from p3_labels.kernels import first_ending as ending
from p3_labels.kernels import first_walk as walk
from p3_labels.kernels.first_barriers import after_stamps, first_barriers
from p3_labels.kernels.first_minute import first_minute
from p3_labels.kernels.first_touch import Touches, first_touch
from p3_labels.kernels.log_ratio import log_ratio
from p3_labels.kernels.past_atr import past_atr_by_day, past_realised_by_day
from p3_labels.kernels.past_cusum import past_cusum_by_day

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

OUTCOMES = ("up", "down", "timeout", "tie")  # the names of the kernel's outcome codes
REASONS = ("labelled", "unresolved", "gap", "waits", "no_atr", "narrow")  # … and of an event's status
TIES = {"wait": ending.WAIT, "stop": ending.STOP, "nearest": ending.NEAREST, "resolve": ending.WAIT}
METHODS = ("wilder", "sma")
UNITS = ("atr", "realised")


@dataclass(frozen=True)
class Barriers:
    """Where the barriers stand and how their path is read.

    k_up, k_down: multiples of the unit. H: horizon in bars. unit: `atr`, averaged by `method`, or `realised` for
    √(mean r²)·close, either over atr_window bars. tie: wait, stop, nearest or resolve. min_barrier_bp: the nearer
    barrier's least distance from the entry, in basis points.
    """

    k_up: float = 1.2
    k_down: float = 1.2
    H: int = 36
    atr_window: int = 14
    tie: str = "wait"
    min_barrier_bp: float = 0.0
    unit: str = "atr"
    method: str = "wilder"

    def check(self) -> Barriers:
        """Do these settings make sense? Returns them; raises Usage naming the one that does not."""
        for name in ("k_up", "k_down"):
            _require(0 < getattr(self, name) < math.inf, name, getattr(self, name), "a finite multiple above 0")
        _require(self.H >= 1, "H", self.H, "a number of bars, 1 or more")
        _require(self.atr_window >= 1, "atr_window", self.atr_window, "a number of bars, 1 or more")
        _require(0 <= self.min_barrier_bp < math.inf, "min_barrier_bp", self.min_barrier_bp, "basis points, 0 or more")
        for name, choices in (("tie", tuple(TIES)), ("unit", UNITS), ("method", METHODS)):
            _require(getattr(self, name) in choices, name, getattr(self, name), "one of " + " ".join(choices))
        return self

    def days_back(self, step_ms: int) -> int:
        """How many days before its own does a day's unit start? max(3, ⌈10·n·tf / 1 day⌉)."""
        return max(3, -(-10 * self.atr_window * step_ms // DAY))


def _require(holds: bool, name: str, value: object, wanted: str) -> None:
    if not holds:
        raise Usage(f"triple-barrier: {name} = {value!r} makes no barrier; give {wanted}")


@dataclass(frozen=True)
class Bars:
    """One symbol's bars on the regular grid: position i is the bar whose ts is (first + i)·step_ms.

    open, high, low, close: (n,) float64, quote currency; NaN = absent bar. open_tape: (n,) bool, True where the day
    holding the position is committed; the first False after an event ends its tape.
    """

    first: int
    step_ms: int
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    open_tape: NDArray[np.bool_]

    @property
    def ts(self) -> Ints:
        """At which instant (UTC ms) does each position's bar close?"""
        return (self.first + np.arange(self.close.size, dtype=np.int64)) * self.step_ms

    @property
    def per_day(self) -> int:
        """How many positions does a day hold?"""
        return DAY // self.step_ms

    @property
    def day_offset(self) -> int:
        """Which number in its day (by the bar's open) has position 0?"""
        return (self.first - 1) % self.per_day


@dataclass(frozen=True)
class Labels:
    """The labelled events as columns, one row each in the order given, and what became of the others.

    ts, t1: int64 UTC ms. label: int8. outcome: int8 index into OUTCOMES. bars_held: int32 grid steps. entry, atr (the
    unit at the entry), upper, lower, exit: float64 quote currency. ret, mfe, mae: float64 log returns. path_gap: bool.
    position: int64, where in the bars each row was entered. status: int8 index into REASONS for every event asked.
    """

    ts: Ints
    label: NDArray[np.int8]
    outcome: NDArray[np.int8]
    t1: Ints
    bars_held: NDArray[np.int32]
    entry: Floats
    atr: Floats
    upper: Floats
    lower: Floats
    exit: Floats
    ret: Floats
    mfe: Floats
    mae: Floats
    path_gap: NDArray[np.bool_]
    position: Ints
    status: NDArray[np.int8]

    @property
    def counts(self) -> dict[str, int]:
        """How many events came to each end?"""
        return dict(zip(REASONS, np.bincount(self.status, minlength=len(REASONS)).tolist(), strict=True))


def barrier_unit(bars: Bars, settings: Barriers, since: int = 0) -> Floats:
    """How wide is one unit of barrier at each bar? (n,) float64, quote currency; NaN where not yet known.

    Days that end before position `since` may be left out.
    """
    grid = (settings.atr_window, bars.per_day, bars.day_offset, settings.days_back(bars.step_ms))
    if settings.unit == "realised":
        return past_realised_by_day(bars.close, *grid)
    return past_atr_by_day(bars.high, bars.low, bars.close, *grid, settings.method == "sma", since)


def cusum_events(bars: Bars, threshold: float, days_back: int = 3) -> Ints:
    """At which positions has the cumulated log return since the last event passed `threshold`?

    Every day runs its own symmetric filter from `days_back` days before. Returns (m,) int64, rising. Raises Usage.
    """
    if not 0 < threshold < math.inf:
        raise Usage(f"triple-barrier: a CUSUM threshold of {threshold!r} samples nothing; give a log return above 0")
    return np.flatnonzero(past_cusum_by_day(bars.close, threshold, bars.per_day, bars.day_offset, days_back))


def triple_barrier(
    bars: Bars,
    events: Ints,
    settings: Barriers,
    *,
    minutes: Bars | None = None,
    side: NDArray[np.int8] | None = None,
) -> Labels:
    """Which barrier does price touch first after each event?

    events: (m,) int64 positions in `bars`. side: (m,) int8, +1 or −1, makes meta-labels: 1 where the path went the
    side's way, else 0; a tie under `stop` then goes against the side. minutes: for tie `resolve`, the one-minute bars
    of exactly the same stretch.
    Raises Usage where `resolve` lacks its minutes. Source of the rules: López de Prado, Advances in Financial Machine
    Learning, 3.4, by open, high and low instead of closes.
    """
    since = int(events.min()) if events.size else 0
    unit = barrier_unit(bars, settings, since)
    status, *standing = first_barriers(
        bars.close, unit, events, settings.k_up, settings.k_down, settings.min_barrier_bp
    )
    keep: Ints | slice = np.flatnonzero(status == walk.LABELLED) if status.any() else slice(None)
    at = events[keep]
    entry, unit, upper, lower = (column[keep] for column in standing)
    prices = (bars.open, bars.high, bars.low, bars.close, bars.open_tape)
    touches = first_touch(*prices, at, upper, lower, settings.H, TIES[settings.tie])
    if settings.tie == "resolve":
        _resolve(bars, minutes, at, entry, upper, lower, touches)
    if side is not None:
        _take_side(side[keep], settings.tie == "stop", entry, upper, touches)
    status[keep] = touches.status
    return _rows(bars, at, entry, unit, upper, lower, touches, status)


def net_return(ret: Floats, cost_bp: float, side: NDArray[np.int8] | int = 1) -> Floats:
    """What is left of each log return after a round trip's cost in basis points, traded on `side`?"""
    return side * ret - cost_bp * 1e-4


def _resolve(
    bars: Bars, minutes: Bars | None, at: Ints, entry: Floats, upper: Floats, lower: Floats, touches: Touches
) -> None:
    per_bar = bars.step_ms // MINUTE
    if minutes is None:
        raise Usage("triple-barrier: tie 'resolve' replays one-minute bars; ingest 1m or choose wait, stop or nearest")
    if minutes.close.size != per_bar * bars.close.size or minutes.first != (bars.first - 1) * per_bar + 1:
        raise Usage("triple-barrier: the one-minute bars do not cover the same stretch as the bars they resolve")
    prices = (minutes.open, minutes.high, minutes.low, minutes.close, minutes.open_tape)
    first_minute(*prices, per_bar, at, entry, upper, lower, touches)


def _take_side(side: NDArray[np.int8], stop: bool, entry: Floats, upper: Floats, touches: Touches) -> None:
    if stop:  # a short's stop is the upper barrier
        short = (touches.status == walk.LABELLED) & (touches.outcome == ending.TIE) & (side < 0)
        touches.label[short] = 1
        touches.exit[short] = upper[short]
        touches.ret[short] = [log_ratio(upper[i], entry[i]) for i in np.flatnonzero(short)]
    touches.label[:] = touches.label == side


def _rows(
    bars: Bars,
    at: Ints,
    entry: Floats,
    unit: Floats,
    upper: Floats,
    lower: Floats,
    touches: Touches,
    status: NDArray[np.int8],
) -> Labels:
    done = touches.status == walk.LABELLED if touches.status.any() else slice(None)
    held = touches.held[done]
    ts, t1 = after_stamps(bars.first, bars.step_ms, at[done], held)
    return Labels(
        ts=ts,
        label=touches.label[done],
        outcome=touches.outcome[done],
        t1=t1,
        bars_held=held,
        entry=entry[done],
        atr=unit[done],
        upper=upper[done],
        lower=lower[done],
        exit=touches.exit[done],
        ret=touches.ret[done],
        mfe=touches.mfe[done],
        mae=touches.mae[done],
        path_gap=touches.path_gap[done],
        position=at[done],
        status=status,
    )
