"""Longer bars come from shorter ones: right-closed, and only where every member is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

import numpy as np
import pyarrow as pa

from lake import commit, days, fresh, notes
from lake.cli import Span
from lake.days import Day
from lake.layout import Shelf
from lake.manifest import Entry, Provenance
from lake.parts import schema_digest, stamps
from meta.columns import BAR_COLUMNS
from meta.datasets import DATASETS
from meta.errors import NotReady, Refused, Usage
from meta.timeframes import TIMEFRAMES, Timeframe, day_start
from p1_ingest.bars import SCHEMA
from p1_ingest.wanted import CODE_SETTINGS, chunks

RULES = {**CODE_SETTINGS, "resample": 1}  # goes up when a rule below changes
MARK = "resampled from "  # in a manifest's source cell: which timeframe the bars were made of


@dataclass
class Resampled:
    """What one run did for one symbol and timeframe."""

    symbol: str
    tf: str
    from_tf: str
    committed: list[date] = field(default_factory=list)
    fresh: int = 0
    unchanged: int = 0
    bars: int = 0
    incomplete: int = 0

    def lines(self) -> list[str]:
        """How is it told to people?"""
        name = f"{self.symbol} {self.tf} from {self.from_tf}"
        told = [
            f"{name}: {len(self.committed)} days written, {self.unchanged} resampled to the same, {self.fresh} fresh; "
            f"{self.bars:,} bars"
        ]
        return told + ([f"{name}: {self.incomplete:,} bars left out: a member is missing"] if self.incomplete else [])

    def data(self) -> dict[str, object]:
        """How is it told to machines?"""
        return {
            "symbol": self.symbol,
            "tf": self.tf,
            "from": self.from_tf,
            "written": [str(day) for day in self.committed],
            "fresh": self.fresh,
            "unchanged": self.unchanged,
            "bars": self.bars,
            "incomplete": self.incomplete,
        }


def code() -> str:
    """Which digest stands for the rules of resampling today?"""
    return fresh.code_digest(DATASETS["bars"], schema_digest(SCHEMA), RULES)


def members(source: Timeframe, target: Timeframe) -> int:
    """How many bars of `source` make one of `target`? Raises Usage where they do not fit, naming what would."""
    if target.ms > source.ms and target.ms % source.ms == 0:
        return target.ms // source.ms
    fits = [name for name, tf in TIMEFRAMES.items() if tf.ms > source.ms and tf.ms % source.ms == 0]
    raise Usage(f"{target} is not made of whole {source} bars; --to may be {' '.join(fits) or 'nothing longer'}")


def resample(
    source: Shelf, target: Shelf, span: Span, *, force: bool = False, wait: float = 0.0,
    tell: Callable[[str], None] = lambda line: None,
) -> Resampled:  # fmt: skip
    """Commit each day of `target` whose day of `source` is committed, and is new or has changed.

    Raises NotReady where there is nothing to resample, Refused over ingested days unless `force`, Usage, Busy.
    """
    members(source.tf, target.tf)
    have = days.committed(source)
    wanted = span.of(list(have))
    if not wanted:
        raise NotReady(
            f"{source} holds no committed day in the range; run `python -m p1_ingest ingest` for {source.tf}"
        )
    done = Resampled(target.symbol, target.tf.name, source.tf.name)
    with commit.writing(target, wait) as writer:
        known = days.committed(target)
        _not_over_ingested(target, known, force)
        rules = code()
        stale = [day for day in wanted if not fresh.is_fresh(known.get(day), _inputs(source, day, have[day]), rules)]
        done.fresh = len(wanted) - len(stale)
        for chunk in chunks(stale):
            for day in chunk:
                _stage(writer, days.need(source, day), source, target, force, done)
            done.committed += writer.publish()
            tell(f"{target} {chunk[0]} … {chunk[-1]}: {len(chunk)} days resampled from {source.tf}")
        if (offered := notes.read(source, notes.OFFERED)) is not None:
            notes.write(target, notes.OFFERED, offered)
    return done


def _not_over_ingested(target: Shelf, known: Mapping[date, Entry], force: bool) -> None:
    """A symbol's timeframe is ingested or resampled: a reader should not have to ask which, day by day."""
    ingested = [day for day, entry in known.items() if MARK not in entry.source]
    if ingested and not force:
        raise Refused(
            f"{target} in {target.root} holds {len(ingested)} ingested days ({ingested[0]} … {ingested[-1]}); "
            "resampled days are not mixed in: choose another --to, or give --force"
        )


def _inputs(source: Shelf, day: date, made_of: Entry) -> str:
    return fresh.inputs_digest([(f"bars {source.tf}", day, made_of.sha256)])


def _stage(writer: commit.Writer, read: Day, source: Shelf, target: Shelf, force: bool, done: Resampled) -> None:
    bars = read.table()
    table = grouped(bars, read.day, source.tf, target.tf)
    provenance = Provenance(_source_cell(read.entry.source, source.tf), _inputs(source, read.day, read.entry), code())
    staged = writer.stage(read.day, table, provenance, guard=True, allow_shrink=force)
    done.unchanged += not staged
    done.bars += table.num_rows
    touched = np.unique((stamps(bars).to_numpy() - 1) // target.tf.ms)
    done.incomplete += len(touched) - table.num_rows


def _source_cell(cell: str, tf: Timeframe) -> str:
    """The cell of the bars it was made of, and that it was: `sim SYNTHETIC: resampled from 5m: price (…), oi (…)`."""
    head, _, series = cell.partition(": ")
    return f"{head}: {MARK}{tf}: {series}"


def grouped(bars: pa.Table, day: date, source: Timeframe, target: Timeframe) -> pa.Table:
    """Which longer bars does this day of bars (one symbol, ts ascending, as in the lake) make?

    A bar covers (ts - target, ts] and is there where all its members are. By the kind of a column: the first, the
    highest, the lowest or the last member's value, or the members' sum; null where that value, or any summand, is null.
    """
    k = members(source, target)
    ts = stamps(bars).to_numpy()
    position = (ts - day_start(day)) // source.ms - 1
    complete = np.bincount(position // k, minlength=target.per_day) == k
    rows = np.flatnonzero(complete[position // k])
    taken = bars.take(pa.array(rows))
    return pa.Table.from_arrays(
        [_column(taken.column(field.name), BAR_COLUMNS[field.name].kind, k, field) for field in SCHEMA], schema=SCHEMA
    )


def _column(values: pa.ChunkedArray, kind: str, k: int, field: pa.Field) -> pa.Array:
    """One column of whole groups of `k`, combined by its kind."""
    if field.name == "symbol" or kind in ("key", "last", "first"):
        at = 0 if kind == "first" else k - 1
        return values.take(pa.array(np.arange(at, len(values), k))).combine_chunks().cast(field.type)
    cells = values.to_pylist()
    rule = {"flow": _total, "max": _highest, "min": _lowest}[kind]
    whole = pa.types.is_integer(field.type)
    found = [rule(cells[i : i + k], whole) for i in range(0, len(cells), k)]
    return pa.array(found, field.type)


def _total(cells: list, whole: bool) -> float | int | None:
    """The members' sum as they are printed, rounded once: what the venue says of the longer bar.

    math.fsum adds the nearest doubles instead, whose own errors leave one sum in thousands a bit beside the venue's.
    """
    if None in cells:
        return None
    return sum(cells) if whole else float(sum(map(Decimal, map(repr, cells))))


def _highest(cells: list, whole: bool) -> float | None:
    return None if None in cells else max(cells)


def _lowest(cells: list, whole: bool) -> float | None:
    return None if None in cells else min(cells)
