"""Bars in, features out: arrays only."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from p2_features.expressions import CLOCKS, Program
from p2_features.feature import Feature
from p2_features.kernels.past_expression import BLOCK, OPCODES, past_expression
from p2_features.kernels.past_percentile import past_percentile
from p2_features.kernels.past_sum import past_sum
from p2_features.kernels.past_zscore import past_winsorized_zscore

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Computed:
    """The features over one slice of the grid, n bars.

    `values`: name -> (n,) float64, NaN where missing, or bool for a flag; `present`: (n,) bool, is there a bar;
    `complete`: (n,) bool, is there a bar and every feature; `bars`: what they were computed from.
    """

    features: tuple[Feature, ...]
    values: Mapping[str, NDArray]
    bars: Mapping[str, Floats]
    present: Flags
    complete: Flags

    def missing(self) -> Counter[str]:
        """How many present bars lack each feature?"""
        lacking = {f.name: int((self.present & np.isnan(self.values[f.name])).sum()) for f in _valued(self.features)}
        return Counter({name: count for name, count in lacking.items() if count})


def compute(features: Sequence[Feature], bars: Mapping[str, Floats], first: int, threads: int = 1) -> Computed:
    """What are these features (all of one timeframe) over a slice of the grid?

    bars: column -> (n,) float64 on the grid, NaN is missing; a bar is present where close is; an input not given is
    missing throughout. first: absolute grid position (ts ms // tf ms) of element 0. What lies before the slice counts
    as absent: rows less than a feature's reach after its start are not what a longer slice would give. The number of
    threads changes no bit.
    """
    present = ~np.isnan(bars["close"])

    asked = {_raw_of(feature): feature for feature in features}  # what several features make of one thing is run once

    def raw(feature: Feature) -> Floats:
        return _raw(feature, bars, first, present.size)

    with ThreadPoolExecutor(threads) if threads > 1 else nullcontext() as pool:
        mapped = map if pool is None else pool.map
        made = dict(zip(asked, mapped(raw, asked.values()), strict=True))
        found = list(mapped(lambda feature: _finished(feature, made[_raw_of(feature)], first), features))
    values = {feature.name: x for feature, x in zip(features, found, strict=True)}
    complete = present.copy()
    for feature in _valued(features):
        complete &= ~np.isnan(values[feature.name])
    return Computed(tuple(features), values, bars, present, complete)


def value(feature: Feature, bars: Mapping[str, Floats], first: int, size: int) -> NDArray:
    """What is this one feature over the slice? (size,) float64, or bool for a flag."""
    return _finished(feature, _raw(feature, bars, first, size), first)


def _raw_of(feature: Feature) -> Program | str:
    """By what is the value told apart of which a feature takes the past?"""
    return feature.name if feature.sums else feature.program


def _raw(feature: Feature, bars: Mapping[str, Floats], first: int, size: int) -> Floats:
    """What is its value, before anything is asked of its past?"""
    given = dict(bars)
    if feature.sums:
        inner = [evaluated(x, bars, first, feature.tf.ms, size) for x in feature.sums.programs.values()]
        totals = past_sum(np.stack(inner), first, feature.sums.bars, feature.sums.least)
        given.update(zip(feature.sums.programs, totals, strict=True))
    return evaluated(feature.program, given, first, feature.tf.ms, size)


def _finished(feature: Feature, x: Floats, first: int) -> NDArray:
    past = feature.past
    if feature.type == "bool":
        return x == 1.0
    if past is None:
        return x
    if past.then == "percentile":
        return past_percentile(x, past.window, past.least)
    return past_winsorized_zscore(x, first, past.window, past.low, past.high, past.least_quantile, past.least)


def evaluated(program: Program, columns: Mapping[str, Floats], first: int, tf_ms: int, size: int) -> Floats:
    """What is this program's value at each of `size` bars? Columns not given are missing."""
    rows = np.empty((max(len(program.columns), 1), size))
    for i, name in enumerate(program.columns):
        rows[i] = columns.get(name, math.nan)
    code, numbers = assembled(program, {name: i for i, name in enumerate(program.columns)})
    out = np.empty(size)
    past_expression(code, numbers, rows, first, tf_ms, 0, size, np.empty((program.depth, BLOCK)), out)
    return out


def assembled(program: Program, rows: Mapping[str, int]) -> tuple[NDArray[np.int64], Floats]:
    """How does the stack machine read this program, when column c is row rows[c] of its array?

    Returns code (m, 3) int64 and numbers (m,) float64, as in past_expression.
    """
    code = np.zeros((len(program.instructions), 3), np.int64)
    numbers = np.zeros(len(program.instructions))
    for i, (name, *rest) in enumerate(program.instructions):
        code[i, 0] = OPCODES[name]
        if name == "load":
            code[i, 1:] = rows[rest[0]], rest[1]
        elif name in CLOCKS:
            code[i, 2] = rest[0]
        elif name == "number":
            numbers[i] = rest[0]
    return code, numbers


def rows(
    computed: Computed, present: Flags, first: int, warmup: int, window: int, span: tuple[int, int] | None = None
) -> tuple[Flags, Counter[str]]:
    """Which rows are written, and why are the others not?

    A row is written where its bar and every feature are present and some bar is present in t - 2W … t - N (N =
    `warmup`, at most 2W = 2 x `window`); the grid before the slice counts as absent. Returns (n,) bool and, over the
    absolute grid positions span[0] … span[1]-1 (default: the slice, whose element 0 is `first`), how many rows are
    missing by reason: gap (no bar), warm-up, missing NAME, NAME being the input of the first missing feature that the
    bar lacks, or else that feature, whose past lacks something.
    """
    warm = seen_before(present, 2 * window, warmup)
    low, high = (0, present.size) if span is None else (max(span[0] - first, 0), max(span[1] - first, 0))
    at = slice(low, high)
    left = (present & warm & ~computed.complete)[at]
    reasons = Counter({"gap": int((~present[at]).sum()), "warm-up": int((present & ~warm)[at].sum())})
    for feature in _valued(computed.features):
        lacking = left & np.isnan(computed.values[feature.name][at])
        left &= ~lacking
        for name in feature.required:
            blamed = lacking & np.isnan(computed.bars[name][at]) if name in computed.bars else lacking
            reasons[f"missing {name}"] += int(blamed.sum())
            lacking = lacking & ~blamed
        reasons[f"missing {feature.name}"] += int(lacking.sum())
    return computed.complete & warm, +reasons


def seen_before(present: Flags, oldest: int, newest: int) -> Flags:
    """At which bars t is some bar present in t - oldest … t - newest? (n,) bool; before the slice none is."""
    counts = np.concatenate(([0], np.cumsum(present)))  # counts[i]: present bars before element i
    t = np.arange(present.size)
    return counts[np.maximum(t - newest + 1, 0)] > counts[np.maximum(t - oldest, 0)]


def _valued(features: Sequence[Feature]) -> list[Feature]:
    return [feature for feature in features if feature.type != "bool"]
