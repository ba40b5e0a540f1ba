"""How does the stand-in venue misbehave? Every habit of the real one is a switch, and a function of what was asked.

What is drawn at random depends on symbol, series, bar and (for restatements) the bar's age alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from meta.errors import Usage
from meta.timeframes import DAY, HOUR
from p1_ingest.sim import dice

FRAMES = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d")


@dataclass(frozen=True)
class Plan:
    """What a subscription buys: calls a minute, and days of history by timeframe (absent: it is refused)."""

    level: str
    per_minute: int
    depth: dict[str, int | None]


def _plan(level: str, per_minute: int, *days: int | None) -> Plan:
    """`days` for the longest timeframes of FRAMES, as many as the plan serves."""
    return Plan(level, per_minute, dict(zip(FRAMES[-len(days) :], days, strict=True)))


PLANS = {
    plan.level: plan
    for plan in (
        _plan("ENTERPRISE", 60_000, *[None] * 12),  # its limits are not public: here, none
        _plan("HOBBYIST", 30, 180, 360, 360, 360, None),
        _plan("STARTUP", 80, 90, 180, 180, 180, 360, 360, 360, None),
        _plan("STANDARD", 300, 6, 20, 30, 90, 180, 360, 360, 360, 360, 360, 360, None),
        _plan("PROFESSIONAL", 1200, 12, 40, 60, 180, 360, 720, 720, 720, 720, 720, 720, None),
    )
}


@dataclass(frozen=True)
class Quirks:
    """One venue's habits; rates are shares in 0…1, lengths are milliseconds."""

    keys: frozenset[str] | None = None  # None: any key that is not empty
    bad_key: Literal["400", "401"] = "400"
    no_plan: bool = False  # the key is good, nothing is bought
    refusal_status: int = 200  # HTTP status beside code 401
    plan: str = "ENTERPRISE"
    rate_limit: int | None = None  # calls a key may make in a clock minute; None: the plan's
    rate_status: Literal[200, 429] = 200

    max_limit: int = 1000
    keeps: Literal["newest", "oldest"] = "newest"  # which rows stay where the window holds more than `limit`
    end_inclusive: bool = False
    forming: bool = True
    boundary_lag: int = 15_000  # how long after its start the forming bar is not yet served
    mixed_types: bool = True

    restated: float = 1.0  # scales the recorded share of just-closed bars that still change
    restated_bars: int = 1  # how many bars a just-closed bar stays provisional
    restated_deep: float = 0.001  # share of bars that become final only hours later
    restated_within: int = DAY

    zero_filled: bool = True  # liquidations answer 0 where nothing is known
    duplicates: float = 0.0005  # share of liquidation bars sent twice, their neighbour missing
    gaps: float = 0.0005  # share of single bars that open interest and weighted funding lack
    missing_days: float = 0.025  # share of days that oi-weight lacks whole

    server_errors: float = 0.004  # share of questions answered 500 the first time
    empty_pages: float = 0.0  # share of questions answered with no row the first time

    def __post_init__(self) -> None:
        if self.plan not in PLANS:
            raise Usage(f"stand-in venue: plan {self.plan!r} is not one of {' '.join(PLANS)}")

    @property
    def per_minute(self) -> int:
        """How many calls may a key make in a minute?"""
        return PLANS[self.plan].per_minute if self.rate_limit is None else self.rate_limit


HEALTHY = Quirks()
CALM = replace(
    HEALTHY, restated=0.0, restated_deep=0.0, duplicates=0.0, gaps=0.0, missing_days=0.0, server_errors=0.0,
    boundary_lag=0, mixed_types=False,
)  # fmt: skip

# Share of just-closed 4h bars seen to change, and about how much (55 recorded snapshots, Aug-Nov 2025).
_RESTATED = {
    "price": (0.9, 6e-5),
    "interest": (0.6, 0.8),
    "funding_oi": (0.25, 0.8),
    "funding_vol": (0.45, 0.8),
    "taker": (0.9, 1e-4),
    "spot": (0.3, 1.4e-2),
    "liquidation": (0.2, 0.9),
}


def provisional(quirks: Quirks, series: str, stream: str, at: np.ndarray, tf: int, now: int) -> np.ndarray:
    """How far from final is each bar still? (n,) float64: 0 final, else the share of its last part not yet in it.

    at : (n,) int64, bar opens, UTC ms. A bar once final stays so.
    """
    if series not in _RESTATED:
        return np.zeros(len(at))
    share, size = _RESTATED[series]
    age = now - (at + tf)
    draw = [dice.uniform(dice.key("restated", stream, tf, i), at // tf) for i in range(4)]
    newest = (draw[0] < share * quirks.restated) & (age < quirks.restated_bars * tf)
    deep = (draw[1] < quirks.restated_deep) & (age < draw[2] * quirks.restated_within)
    return np.where(newest | deep, size * (0.1 + 0.9 * draw[3]), 0.0)


def restated(column: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """What does a column say before it is final? Flows lack a part; a state's close still lies nearer its open."""
    if column.ndim == 1:
        return column - np.rint(column * missing).astype(np.int64)
    opened, high, low, close = column
    early = close + np.rint((opened - close) * missing).astype(np.int64)
    return np.stack([opened, high, low, early])


def lacking(quirks: Quirks, series: str, stream: str, at: np.ndarray) -> np.ndarray:
    """Which bars does this series not have? (n,) bool."""
    lost = np.zeros(len(at), bool)
    if series in ("interest", "funding_oi", "funding_vol"):
        lost |= dice.uniform(dice.key("gap", stream), at) < quirks.gaps
    if series == "funding_oi":
        lost |= dice.uniform(dice.key("day", stream), at // DAY) < quirks.missing_days
    return lost


def doubled(quirks: Quirks, stream: str, at: np.ndarray) -> np.ndarray:
    """Which bars come twice, the bar after them being missing? (n,) bool."""
    return dice.uniform(dice.key("double", stream), at) < quirks.duplicates


def fails_first(rate: float, word: str, question: str) -> bool:
    """Does this question fail in this way the first time it is asked?"""
    return bool(dice.uniform(dice.key(word, question), np.zeros(1, np.int64))[0] < rate)


def oldest(quirks: Quirks, frame: str, now: int) -> int:
    """How far back (UTC ms) does the plan reach at this timeframe? Older bars are left out without a word."""
    days = PLANS[quirks.plan].depth[frame]
    return 0 if days is None else now - days * 24 * HOUR
