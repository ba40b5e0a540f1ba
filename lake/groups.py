"""Longer bars come from shorter ones: right-closed, and only where every member is there."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

import numpy as np
import pyarrow as pa

from lake.parts import stamps
from meta.columns import BAR_COLUMNS
from meta.errors import Usage
from meta.timeframes import TIMEFRAMES, Timeframe, day_start

PLACES = 9  # decimals tried in whole numbers before Decimal; venues print up to 8
DIGITS = 1e15  # below this a number of that many decimals is the shortest that is printed
EXACT = 2.0**53


def members(source: Timeframe, target: Timeframe) -> int:
    """How many bars of `source` make one of `target`? Raises Usage where they do not fit, naming what would."""
    if target in longer(source):
        return target.ms // source.ms
    fits = " ".join(map(str, longer(source))) or "nothing longer"
    raise Usage(f"{target} is not made of whole {source} bars; --to may be {fits}")


def longer(source: Timeframe) -> list[Timeframe]:
    """Which timeframes are made of whole bars of this one?"""
    return [tf for tf in TIMEFRAMES.values() if tf.ms > source.ms and tf.ms % source.ms == 0]


def grouped(bars: pa.Table, day: date, source: Timeframe, target: Timeframe) -> pa.Table:
    """Which longer bars does this day of bars (one symbol, ts ascending, as in the lake) make?

    A bar covers (ts - target, ts] and is there where all its members are. By the kind of a column: the first, the
    highest, the lowest or the last member's value, or the members' sum; null where that value, or any summand, is null.
    A column that is none of the bars' is a state: the last member's value.
    """
    k = members(source, target)
    position = (stamps(bars).to_numpy() - day_start(day)) // source.ms - 1
    complete = np.bincount(position // k, minlength=target.per_day) == k
    taken = bars.take(pa.array(np.flatnonzero(complete[position // k])))
    return pa.Table.from_arrays(
        [_column(taken.column(field.name), _kind(field.name), k, field.type) for field in bars.schema],
        schema=bars.schema,
    )


def _kind(name: str) -> str:
    return BAR_COLUMNS[name].kind if name in BAR_COLUMNS else "last"


def _column(values: pa.ChunkedArray, kind: str, k: int, type_: pa.DataType) -> pa.Array:
    """One column of whole groups of `k`, combined by its kind."""
    if kind in ("key", "last", "first"):
        at = 0 if kind == "first" else k - 1
        return values.take(pa.array(np.arange(at, len(values), k))).combine_chunks().cast(type_)
    null = values.is_null().to_numpy().reshape(-1, k).any(axis=1)
    cells = values.fill_null(0).to_numpy().reshape(-1, k)
    if kind == "flow":
        found = cells.sum(axis=1) if pa.types.is_integer(type_) else sums(cells, ~null)
    else:
        found = cells.max(axis=1) if kind == "max" else cells.min(axis=1)
    return pa.array(found, type_, mask=null)


def sums(cells: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The sum of each row's numbers as they are printed, rounded once: what the venue says of the longer bar.

    cells : (n, k) float64. wanted : (n,) bool; the other rows are 0.
    math.fsum adds the nearest doubles instead, whose own errors leave one sum in thousands a bit beside the venue's.
    """
    found, left = np.zeros(len(cells)), np.flatnonzero(wanted)
    for unit in 10.0 ** np.arange(PLACES):
        # Whole numbers of the last decimal add without error, and their quotient by a power of ten is rounded once.
        whole = np.rint(cells[left] * unit)
        size = np.abs(whole)
        exact = ((whole / unit == cells[left]) & (size < DIGITS)).all(axis=1) & (size.sum(axis=1) < EXACT)
        found[left[exact]] = whole[exact].sum(axis=1) / unit
        left = left[~exact]
    found[left] = [_printed(row) for row in cells[left].tolist()]
    return found


def unit_of(numbers: np.ndarray) -> float | None:
    """By which power of ten are these whole numbers that add without error, as they are printed? None for none."""
    for unit in 10.0 ** np.arange(PLACES):
        size = np.abs(np.rint(numbers * unit))
        if np.array_equal(size / unit, np.abs(numbers)) and size.max(initial=0) < DIGITS and size.sum() < EXACT:
            return float(unit)
    return None


def _printed(row: Iterable[float]) -> float:
    return float(sum(map(Decimal, map(repr, row))))
