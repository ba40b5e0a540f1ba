"""Which input does a row of features lack? Read off the features' formulas and the bars around the row."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from lake import frames
from lake.frames import Grid
from lake.layout import Shelf
from meta.columns import BAR_COLUMNS
from meta.timeframes import MINUTE, TIMEFRAMES, Timeframe, day_of

CARRIED = 3  # bars a value may be carried, where a formula carries it
SHARE = 10 / 12  # of the bars of a sum that must be there
EITHER = re.compile(r"either\([^,]*,")  # what stands first may be missing
PAST = re.compile(r"past\((\w+), (\w+)\)")
SUM = re.compile(r"sum over (\d+)m of")
WORD = re.compile(r"[a-z_]+")


def lacking(bars: Shelf, said: Mapping[str, Any], ts: int) -> dict[str, str]:
    """Which inputs does the row at `ts` (UTC ms) lack, by FEATURES.json's formulas? Column -> for what, and how."""
    formulas = {name: str(one["formula"]) for name, one in said.get("features", {}).items() if name[0] != "_"}
    columns = sorted({word for formula in formulas.values() for word in WORD.findall(formula)} & set(BAR_COLUMNS))
    window = int(said.get("window", 0))
    grid = frames.grid(bars, day_of(ts - (window + 1) * bars.tf.ms), day_of(ts - bars.tf.ms), columns)
    at, found = ts // bars.tf.ms - grid.first, dict[str, str]()
    for feature, formula in formulas.items():
        for column, how in _lacks(formula, grid, at, window):
            found.setdefault(column, f"{feature} needs it: {how}")
    return found


def _lacks(formula: str, grid: Grid, at: int, window: int) -> list[tuple[str, str]]:
    """Which columns does this formula miss at element `at` of the grid, and how?"""
    plain = EITHER.sub("either(", formula)
    summed = SUM.search(plain)
    found = []
    for column in dict.fromkeys(word for word in WORD.findall(plain) if word in grid.columns):
        values = grid.columns[column]
        if summed:
            how = _too_few(values, at, int(summed[1]) * MINUTE // grid.tf.ms)
        elif "carried(" in plain:
            gone = not np.isfinite(values[max(at - CARRIED, 0) : at + 1]).any()
            how = f"null there, and on the {CARRIED} bars before" if gone else ""
        else:
            how = "null there" if np.isnan(values[at]) else ""
        how = how or _past(plain, column, values, grid.tf, at)
        if not how and ("zscore(" in plain or "percentile(" in plain):
            known = int(np.isfinite(values[max(at - window, 0) : at]).sum())
            how = f"{known} values in the {window} bars before it, half are needed" if known < window // 2 else ""
        if how:
            found.append((column, how))
    return found


def _too_few(values: np.ndarray, at: int, m: int) -> str:
    known, least = int(np.isfinite(values[max(at - m + 1, 0) : at + 1]).sum()), math.ceil(SHARE * m)
    return f"{known} of the last {m} bars have it, {least} are needed" if known < least else ""


def _past(formula: str, column: str, values: np.ndarray, tf: Timeframe, at: int) -> str:
    """Is a bar some way back missing that this formula looks at?"""
    for name, back in PAST.findall(formula):
        bars = int(back) if back.isdigit() else TIMEFRAMES[back].ms // tf.ms if back in TIMEFRAMES else 0
        if name == column and bars and (at < bars or np.isnan(values[at - bars])):
            return f"null {bars} bars before"
    return ""
