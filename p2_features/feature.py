"""One feature at one timeframe: a program over bars, and what is asked of its past."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from meta.timeframes import Timeframe
from p2_features.expressions import Program

LANGUAGE = 1  # goes up when the same expression, transform or settings come to mean other values
Then = Literal["zscore", "percentile"]


@dataclass(frozen=True)
class Sums:
    """Programs whose values are summed over the last `bars` bars, t included, of which all have `least` or more."""

    programs: Mapping[str, Program]
    bars: int
    least: int


@dataclass(frozen=True)
class Past:
    """What is asked of a value's past: a z-score or percentile over `window` bars, and how many have to be known."""

    then: Then
    window: int
    low: float
    high: float
    least_quantile: int
    least: int

    @property
    def reach(self) -> int:
        """How many bars before t does it look at? A z-score's past is clipped by quantiles of its own past."""
        return 2 * self.window if self.then == "zscore" else self.window


@dataclass(frozen=True)
class Feature:
    """One column of features: x = program(bars and sums), then what `past` says of x.

    `inputs`: every bar column it reads; `required`: those it cannot do without; `imputed`: those it carries over short
    gaps. `type`: double, or bool for a flag, which is never missing. `value_reach`: how many bars before t can change
    x; `unnormalised_reach`: the same without statistics, which are `past` and the weeks of usual(x).
    """

    name: str
    tf: Timeframe
    type: str
    unit: str
    meaning: str
    formula: str
    source: str
    inputs: tuple[str, ...]
    required: tuple[str, ...]
    imputed: tuple[str, ...]
    program: Program
    sums: Sums | None
    past: Past | None
    value_reach: int
    unnormalised_reach: int

    @property
    def reach(self) -> int:
        """How many bars before t can change the feature at t?"""
        return self.value_reach + (self.past.reach if self.past else 0)

    def digest(self) -> str:
        """Which hex digest stands for everything that reaches this feature's values?"""
        said = [LANGUAGE, self.name, self.tf.ms, self.type, *self.computation()]
        return hashlib.sha256(json.dumps(said, separators=(",", ":")).encode()).hexdigest()

    def computation(self) -> tuple[Any, ...]:
        """What is computed, whatever it is called? Lists of names, whole numbers and floats in hex."""
        sums, past = self.sums, self.past
        return (
            _written(self.program),
            sums and [sums.bars, sums.least, [[name, _written(program)] for name, program in sums.programs.items()]],
            past and [past.then, past.window, past.least, *(_bounds(past) if past.then == "zscore" else [])],
        )


def _written(program: Program) -> list[list[Any]]:
    return [[part.hex() if isinstance(part, float) else part for part in step] for step in program.instructions]


def _bounds(past: Past) -> list[Any]:
    return [float(past.low).hex(), float(past.high).hex(), past.least_quantile]
