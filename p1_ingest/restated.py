"""Bars that say something else before their day is committed are kept as they were said first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from lake import changes, revisions
from lake.layout import Shelf
from meta.timeframes import day_of
from p1_ingest.known import Change


def keep(
    shelf: Shelf, source: str, told: Sequence[Change], gone: Sequence[int], first: Mapping[int, int], at: int
) -> None:
    """Keep these changes of live bars, as known from `at` (UTC ms) on.

    gone : closes of bars that are not there any more. first : close -> when that bar was first seen, where it is known.
    """
    whole = [Change(ts, changes.BAR, 1.0, np.nan) for ts in gone]
    every = sorted([*whole, *told], key=lambda one: one.ts)  # of one bar: the bar itself, then its columns
    for day in dict.fromkeys(day_of(one.ts - 1) for one in every):
        of_day = [one for one in every if day_of(one.ts - 1) == day]
        revisions.add_live(shelf, day, source, _cells(of_day), [first.get(one.ts) for one in of_day], at)


def _cells(told: Sequence[Change]) -> pa.Table:
    old, new = (np.array(side) for side in zip(*((one.old, one.new) for one in told), strict=True))
    sides = [pa.array(values, mask=np.isnan(values)) for values in (old, new)]
    stamped = pa.array([one.ts for one in told], pa.int64()).cast(changes.STAMP)
    return pa.Table.from_arrays([stamped, pa.array([one.column for one in told]), *sides], schema=changes.SCHEMA)
