"""Which features would cost too many rows: those whose inputs too few of the committed bars have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from lake import days
from lake.days import Day
from lake.layout import Shelf
from meta.errors import NotReady
from p2_features.feature import Feature

MARK = "by coverage: "  # a reason that begins so was decided by --coverage, and stays decided


def thin(features: Sequence[Feature], bars: Shelf, least: float) -> tuple[dict[str, str], tuple[date, date]]:
    """Which features have an input on a smaller share of all committed bars than `least`, and why; and over which days?

    Raises NotReady where no bar is committed, Tampered.
    """
    known, have, rows = list(days.committed(bars)), Counter[str](), 0
    columns = {name for feature in features for name in feature.required}
    for day in known:
        read = days.need(bars, day)
        have.update(_had(read, columns))
        rows += read.entry.rows
    if not rows:
        raise NotReady(f"{bars} has no committed bar to judge coverage by; run `{days.command(bars)}`")
    span = (known[0], known[-1])
    found = {}
    for feature in features:
        worst = min(feature.required, key=lambda name: have[name], default="")
        if worst and have[worst] < least * rows:
            share = f"{worst} is there on {have[worst] / rows:.2%} of the bars of {span[0]} … {span[1]}"
            found[feature.name] = f"{MARK}{share}, less than {least:.0%}"
    return found, span


def _had(day: Day, columns: set[str]) -> Mapping[str, int]:
    """On how many bars of a day is each of these columns?"""
    table = day.table()
    return {name: _finite(table.column(name)) for name in columns & set(table.column_names)}


def _finite(column: pa.ChunkedArray) -> int:
    if pa.types.is_floating(column.type):
        return pc.sum(pc.is_finite(column)).as_py() or 0
    return len(column) - column.null_count
