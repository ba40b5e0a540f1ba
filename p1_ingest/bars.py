"""A day of bars: every series the venue offers, joined on the close, nothing filled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from lake.parts import schema_of
from meta.columns import BARS
from meta.timeframes import Timeframe, day_start
from p1_ingest import quarantine
from p1_ingest.grid import laid
from p1_ingest.sources.base import Answer, Series, Source, merged

SCHEMA = schema_of(BARS)
ABSENT = "; not offered: "


@dataclass(frozen=True)
class DayOfBars:
    """One day as it will be committed: its table, the manifest's source cell, and what was not believed.

    quarantined : ts (ms) of bars kept out -> why. nulled : how many values of other bars were made null, by rule.
    """

    table: pa.Table
    source: str
    quarantined: dict[int, str]
    nulled: Counter[str]

    @property
    def kept_out(self) -> Counter[str]:
        """How much is kept out, by reason?"""
        bars = Counter({f"kept out: {why}": n for why, n in Counter(self.quarantined.values()).items()})
        return bars + Counter({f"set to null: {why}": n for why, n in self.nulled.items()})


def together(series: Sequence[Series], answers: Mapping[str, Sequence[Answer]]) -> dict[str, Answer]:
    """What does each series say over all its answers?"""
    return {one.name: merged(answers.get(one.name, ()), one.columns) for one in series}


def day_of_bars(
    source: Source,
    series: Sequence[Series],
    answers: Mapping[str, Sequence[Answer]],
    whole: Mapping[str, Answer],
    symbol: str,
    tf: Timeframe,
    day: date,
    not_offered: Sequence[str] = (),
) -> DayOfBars:
    """Which bars does this day have?

    answers : series -> as answered; whole : the same `together`. Raises BadPayload where too many bars are impossible.
    """
    close = day_start(day) + tf.ms * np.arange(1, tf.per_day + 1, dtype=np.int64)
    columns: dict[str, np.ndarray] = {}
    for one in series:
        columns |= laid(one, whole[one.name], close, tf)
    keep, out = quarantine.kept(columns, f"{source.name} {symbol} {tf} {day}")
    columns, nulled = quarantine.without_impossible(columns, keep)
    arrays = [as_arrow(column.type, columns.get(column.name), keep) for column in SCHEMA_COLUMNS]
    symbols = pa.array([symbol] * int(keep.sum()), pa.string())
    stamps = pa.array(close[keep], pa.int64()).cast(pa.timestamp("ms", "UTC"))
    table = pa.Table.from_arrays([symbols, stamps, *arrays], schema=SCHEMA)
    cell = _source_cell(source, series, answers, day, not_offered)
    return DayOfBars(table, cell, {int(close[i]): why for i, why in out.items()}, nulled)


SCHEMA_COLUMNS = [SCHEMA.field(i) for i in range(2, len(SCHEMA))]


def as_arrow(kind: pa.DataType, values: np.ndarray | None, keep: np.ndarray) -> pa.Array:
    """How is a column kept? NaN becomes null, and what is whole by nature becomes an integer."""
    if values is None:
        return pa.nulls(int(keep.sum()), kind)
    kept = values[keep]
    if pa.types.is_floating(kind):
        return pa.array(kept, kind, mask=np.isnan(kept))
    whole = np.nan_to_num(kept).astype(np.int64)
    return pa.array(whole, pa.int64(), mask=np.isnan(kept)).cast(kind)


def _source_cell(
    source: Source,
    series: Sequence[Series],
    answers: Mapping[str, Sequence[Answer]],
    day: date,
    not_offered: Sequence[str],
) -> str:
    """Which source said this, by which series and variants? Never the route it came by."""
    told = []
    for one in series:
        if one.name in not_offered:
            continue
        said = {answer.variant or one.variant for answer in answers.get(one.name, ()) if answer.has(day)}
        variant = " + ".join(sorted(said - {""})) or one.variant
        told.append(f"{one.name} ({variant})" if variant else one.name)
    head = f"{source.name} SYNTHETIC" if source.synthetic else source.name
    absent = f"{ABSENT}{', '.join(not_offered)}" if not_offered else ""
    return f"{head}: {', '.join(told)}{absent}"


def absent_series(cell: str) -> set[str]:
    """Which series does a manifest's source cell say were not offered?"""
    return set(cell.split(ABSENT, 1)[1].split(", ")) if ABSENT in cell else set()
