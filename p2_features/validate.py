"""Are the features whole, and are they what today's bars and rules make of them?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from lake import days, frames, fresh, judge, notes, settings
from lake.checks import Check, Finding, Report
from lake.frames import Grid
from lake.layout import Shelf
from meta.errors import NotReady, Usage
from meta.timeframes import utc
from p2_features import compute
from p2_features.choice import Asked, Choice, chosen

GAPS = Check("gap_ratio", "bars absent in P1, of those that could have features", "<= 0.005", "== 0", "ratio")
LOST = Check("lost_ratio", "bars past the warm-up without a row: an input is missing", "<= 0.05", "<= 0.005", "ratio")
NAN = Check("nan", "values that are null, NaN or infinite", "== 0")
COLUMNS = Check("columns", "days whose columns are not those of FEATURES.json", "== 0")
NO_BAR = Check("rows_without_bar", "rows of bars P1 does not have", "== 0")
STALE = Check("stale_rows", "rows that today's bars and rules would not write just so", should="== 0")
SPEED = Check("ms_per_bar", "time to compute one bar, as the bench measured it", "<= 50", form="ms")


@dataclass(frozen=True)
class Range:
    """Which feature days are judged: the last `horizon` days up to `end` less the warm-up, or those from `start` on.

    picked : the days a glob selects; None means all there are. warmup : bars; None takes FEATURES.json's.
    """

    horizon: int
    warmup: int | None = None
    start: date | None = None
    end: date | None = None
    picked: tuple[date, ...] | None = None


@dataclass(frozen=True)
class Judged:
    """The stored rows beside their bars and a recomputation, over the usable positions of the grid.

    usable : slice of `grid`. stored : column -> (rows,), NaN where null. at : (rows,) positions on `grid`.
    """

    choice: Choice
    grid: Grid
    usable: slice
    found: list[days.Day]
    table: pa.Table
    at: np.ndarray
    computed: compute.Computed


def judged(shelf: Shelf, bars: Shelf, meant: Range, ms_per_bar: float | None = None) -> Report:
    """What do P2's checks find? Raises NotReady where there are no features or bars, Usage, Tampered."""
    known = [day for day in days.committed(shelf) if meant.picked is None or day in meant.picked]
    known = [day for day in known if meant.end is None or day <= meant.end]
    said = notes.read(shelf, notes.FEATURES)
    if not known or said is None:
        raise NotReady(f"{shelf} has no committed day there; run `{days.command(shelf)}`")
    if not days.committed(bars):
        raise NotReady(f"{bars} has no committed day in {settings.shown(bars.root)}; name the bars with --bars")
    today = chosen(shelf, bars, Asked())
    choice = replace(today, features=tuple(f for f in today.features if f.name in said["features"]))
    start, usable = _usable(shelf, meant, known[-1], choice)
    wanted = [day for day in known if day >= start]
    if not wanted:
        raise NotReady(f"{shelf} holds {known[0]} … {known[-1]}, and no day from {start} on; choose another range")
    subject = _read(shelf, bars, choice, wanted, start, usable)
    return _report(shelf, subject, said, start, known[-1], ms_per_bar)


def _usable(shelf: Shelf, meant: Range, last: date, choice: Choice) -> tuple[date, int]:
    """From which day on, and over how many bars up to the last day's end?"""
    per_day = shelf.tf.per_day
    if meant.start:
        return meant.start, ((last - meant.start).days + 1) * per_day
    warmup = choice.warmup if meant.warmup is None else meant.warmup
    usable = meant.horizon * per_day - warmup
    if usable <= 0 or warmup < 0:
        raise Usage(f"{meant.horizon} days hold {meant.horizon * per_day:,} bars, and the warm-up takes {warmup:,}; "
                    "give a longer --horizon_days or a shorter --warmup")  # fmt: skip
    return last - timedelta(days=-(-usable // per_day) - 1), usable


def _read(shelf: Shelf, bars: Shelf, choice: Choice, wanted: list[date], start: date, usable: int) -> Judged:
    """Read the rows and their bars, and compute them anew."""
    found = [day for day in frames.read_all(shelf, wanted) if day is not None]
    table = frames.table(found)
    assert table is not None
    back = timedelta(days=fresh.days_back(choice.reach, shelf.tf))
    grid = frames.grid(bars, start - back, wanted[-1], choice.inputs)
    position = table.column("ts").cast(pa.int64()).to_numpy() // shelf.tf.ms - grid.first
    keep = (position >= len(grid) - usable) & (position < len(grid))
    computed = compute.compute(choice.features, grid.columns, grid.first)
    at = slice(len(grid) - usable, len(grid))
    return Judged(choice, grid, at, found, table.filter(pa.array(keep)), position[keep], computed)


def _report(shelf: Shelf, of: Judged, said: Mapping, start: date, end: date, ms_per_bar: float | None) -> Report:
    wanted = (end - start).days + 1
    usable = of.usable.stop - of.usable.start
    sources = sorted({day.entry.source.split(":")[0] for day in of.found})
    title = f"{shelf} {start} … {end}: {wanted} usable days, {usable:,} bars, {', '.join(sources)}"
    facts: dict[str, object] = {"tf": shelf.tf.name, "usable_days": wanted, "expected_bars": usable}
    facts |= {"start": str(start), "end": str(end), "rows": of.table.num_rows, "source": ", ".join(sources)}
    facts |= {"lake": settings.shown(shelf.root), "synthetic": "SYNTHETIC" in title}
    facts |= {"left_out": dict(of.choice.left_out)}
    rows = np.zeros(len(of.grid), bool)
    rows[of.at] = True
    present = of.grid.present[of.usable]
    lost, reasons = _lost(of, rows)
    facts |= {"not_written": dict(reasons)}
    report = Report(shelf.symbol, title, facts)
    report.findings = [_days(shelf, of, start, end), _columns(shelf, of, said), *judge.keys(of.found, shelf)]
    gaps = int((~present).sum())
    report.findings.append(GAPS.found(gaps / usable, f"{gaps:,} of {usable:,} bars" if gaps else ""))
    report.findings += [lost, NO_BAR.found(int((~of.grid.present[of.at]).sum()))]
    report.findings += [_nan(of.table), *judge.features(of.table, shelf.tf), _stale(shelf, of, rows), *_shares(of)]
    note = "" if ms_per_bar is not None else "no bench beside the report; run `python -m p2_features bench`"
    report.findings.append(SPEED.found(ms_per_bar, note))
    return report


def _days(shelf: Shelf, of: Judged, start: date, end: date) -> Finding:
    there = {day.day for day in of.found}
    wanted = [start + timedelta(days=i) for i in range((end - start).days + 1)]
    lacking = [day for day in wanted if day not in there]
    note = f"{lacking[0]} is the first not there; {days.how_to_make(shelf, lacking[0], lacking[-1])}" if lacking else ""
    check = Check("usable_days", "committed feature days after the warm-up", f"== {len(wanted)}")
    return check.found(len(there), note)


def _columns(shelf: Shelf, of: Judged, said: Mapping) -> Finding:
    """Every day has the columns FEATURES.json names, in one order and of the declared types."""
    declared = set(said["features"])
    odd = [day.day for day in of.found if day.entry.schema != of.choice.schema_digest()]
    if declared != {feature.name for feature in of.choice.features}:
        odd = [day.day for day in of.found]
    return COLUMNS.found(len(odd), f"the first: {odd[0]}; run `{days.command(shelf)}`" if odd else "")


def _lost(of: Judged, rows: np.ndarray) -> tuple[Finding, Counter[str]]:
    """How many bars past their warm-up have no row, and why? Reasons are those of the same rules, computed anew."""
    choice, grid = of.choice, of.grid
    warm = compute.seen_before(grid.present, 2 * choice.window, choice.warmup)
    could = (grid.present & warm)[of.usable]
    lost = int((could & ~rows[of.usable]).sum())
    span = (grid.first + of.usable.start, grid.first + of.usable.stop)
    _, reasons = compute.rows(of.computed, grid.present, grid.first, choice.warmup, choice.window, span)
    told = ", ".join(f"{why} {n:,}" for why, n in reasons.most_common() if why.startswith("missing"))
    return LOST.found(lost / max(int(could.sum()), 1), told if lost else ""), reasons


def _nan(table: pa.Table) -> Finding:
    lacking = Counter({name: int(_says_nothing(table.column(name)).sum()) for name in table.column_names})
    note = ", ".join(f"{name} {n:,}" for name, n in lacking.most_common(3) if n)
    return NAN.found(sum(lacking.values()), note)


def _says_nothing(column: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_floating(column.type):
        return ~np.isfinite(column.to_numpy())
    return column.is_null().to_numpy()


def _stale(shelf: Shelf, of: Judged, rows: np.ndarray) -> Finding:
    """Rows too many, too few, or of other values than a recomputation from today's bars has."""
    warm = compute.seen_before(of.grid.present, 2 * of.choice.window, of.choice.warmup)
    today = of.computed.complete & warm
    differ = rows != today
    stored_days = np.isin(_days_of(of.grid), [day.day.toordinal() for day in of.found])
    differ &= stored_days
    for feature in of.choice.features:
        if feature.name in of.table.column_names:
            stored = of.table.column(feature.name).to_numpy()
            differ[of.at] |= ~_same(stored, of.computed.values[feature.name][of.at])
    at = np.flatnonzero(differ[of.usable]) + of.usable.start
    note = f"the first: ts {utc(int(of.grid.ts()[at[0]]))}; run `{days.command(shelf)}`" if len(at) else ""
    return STALE.found(len(at), note)


def _days_of(grid: Grid) -> np.ndarray:
    """On which day does each position lie, as an ordinal? (n,) int64."""
    return np.repeat([day.toordinal() for day in grid.entries], grid.tf.per_day)


def _same(stored: np.ndarray, anew: np.ndarray) -> np.ndarray:
    if stored.dtype == object:
        return np.array([one is not None and one == other for one, other in zip(stored, anew, strict=True)], bool)
    return (stored == anew) | ((stored != stored) & (anew != anew))


def _shares(of: Judged) -> list[Finding]:
    """How often is a flag set, and a z-score exactly 0?"""
    told = []
    for feature in of.choice.features:
        if feature.name not in of.table.column_names or not of.table.num_rows:
            continue
        x = of.table.column(feature.name)
        if feature.type == "bool":
            check = Check(
                f"imputed.{feature.name.removeprefix('_imputed_')}",
                "rows with a carried value",
                "<= 0.05",
                form="ratio",
            )
            told.append(check.found(float((x.to_numpy() == True).mean())))  # noqa: E712 — null is not true
        elif feature.past and feature.past.then == "zscore":
            check = Check(f"zero.{feature.name}", "rows whose z-score is exactly 0", should="<= 0.2", form="ratio")
            told.append(check.found(float((x.to_numpy() == 0).mean())))
    return told


def decided(shelf: Shelf) -> bool:
    """Has it been decided which features this symbol has?"""
    return notes.read(shelf, notes.FEATURES) is not None


def schema(shelf: Shelf, bars: Shelf) -> dict[str, object]:
    """What does each feature of this symbol mean, how is it computed, and how far does it look back?"""
    choice = chosen(shelf, bars, Asked())
    said = ("name", "type", "unit", "meaning", "formula", "source", "reach")
    told = [{name: getattr(feature, name) for name in said} for feature in choice.features]
    return {"tf": shelf.tf.name, "set": choice.set_name, "features": told, "left_out": dict(choice.left_out)}
