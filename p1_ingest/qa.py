"""Are the bars whole, possible and complete enough to build on?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from lake import days, frames, judge, notes, restatements, settings
from lake.checks import Check, Finding, Report
from lake.frames import first_position
from lake.layout import Shelf
from lake.roots import source_name
from lake.span import Span
from meta.columns import BAR_COLUMNS, PRICES
from meta.errors import NotReady
from meta.timeframes import MINUTE, day_of, days_between
from p1_ingest.bars import absent_series

CARRIED = ("funding_now", "oi_now")  # the columns P2 fills over short gaps
CARRIED_MOST = 3  # bars
PUBLISHED_WITHIN = 2  # days an archive may take to publish one

WAITING = Check("days_waiting", "settled days the archive may not have published yet", should="== 0")
NOT_OFFERED = Check("days_in_part", "days without a series that other days have", should="== 0")
IMPUTED = {
    name: Check(f"imputed.{name}", f"bars whose {name} P2 would carry over from a few before", "<= 0.05", form="ratio")
    for name in CARRIED
}


@dataclass(frozen=True)
class Asked:
    """Which days are judged, which of them may be read (None: all), and by which clock (UTC ms)."""

    span: Span
    picked: tuple[date, ...] | None
    now: int
    default_days: int


def judged(bars: Shelf, asked: Asked) -> Report:
    """What do P1's checks find in one symbol's bars? Raises NotReady where there are none in the range, Tampered."""
    known = days.committed(bars)
    wanted, waiting = _wanted(bars, known, asked)
    readable = [day for day in known if asked.picked is None or day in asked.picked]
    inside = [day for day in readable if wanted and wanted[0] <= day <= wanted[-1]]
    if not inside:
        raise NotReady(_nothing(bars, wanted, list(known)))
    back = -(-CARRIED_MOST // bars.tf.per_day)
    before = [day for day in readable if wanted[0] - timedelta(days=back) <= day < wanted[0]]
    read = [day for day in frames.read_all(bars, [*before, *inside]) if day is not None]
    found = [day for day in read if day.day >= wanted[0]]
    cells = [absent_series(entry.source) for entry in known.values()]
    return _report(bars, wanted, waiting, found, read, set.intersection(*cells))


def _wanted(bars: Shelf, known: Mapping[date, object], asked: Asked) -> tuple[list[date], list[date]]:
    """Which days should be there, and which later ones may not be published yet?"""
    span = asked.span
    if asked.picked and not (span.start and span.end):
        last = span.end or asked.picked[-1]
        first = span.start or (last - timedelta(days=span.days - 1) if span.days else asked.picked[0])
        return days_between(first, last), []
    source = _source(bars, list(known))
    last = min(span.end or date.max, last_settled(source, asked.now))
    first = span.start or last - timedelta(days=(span.days or asked.default_days) - 1)
    every = days_between(first, last) if first <= last else []
    oldest = day_of(asked.now) - timedelta(days=PUBLISHED_WITHIN)
    late = source == "binance" and bool(known)
    waiting = [day for day in every if late and day > max(known) and day >= oldest]
    return every[: len(every) - len(waiting)], waiting


def _source(bars: Shelf, known: Sequence[date]) -> str:
    entry = days.entry(bars, known[-1]) if known else None
    return source_name(entry.source) if entry else ""


def last_settled(source: str, now: int) -> date:
    """Which is the newest day this source has settled by now (UTC ms), by the lag in conf/sources.yaml?"""
    section = settings.read_yaml(settings.conf_path("sources.yaml")).get(source, {})
    return day_of(now - int(section.get("settle_lag_minutes", 0)) * MINUTE) - timedelta(days=1)


def _nothing(bars: Shelf, wanted: Sequence[date], known: Sequence[date]) -> str:
    if not known:
        return f"{bars} has no committed day in {settings.shown(bars.root)}; run `{days.command(bars)}`"
    meant = f"{wanted[0]} … {wanted[-1]}" if wanted else "that range"
    return f"{bars} holds {known[0]} … {known[-1]}, and no day of {meant}; give --start and --end, or ingest it"


def _report(
    bars: Shelf,
    wanted: Sequence[date],
    waiting: Sequence[date],
    found: Sequence[days.Day],
    read: Sequence[days.Day],
    never: set[str],
) -> Report:
    whole = frames.table(found)
    assert whole is not None
    table = judge.of_schema(whole)
    sources = sorted({day.entry.source.split(":")[0] for day in found})
    expected = len(wanted) * bars.tf.per_day
    title = f"{bars} {wanted[0]} … {wanted[-1]}: {len(wanted)} days, {', '.join(sources)}"
    facts: dict[str, object] = {"tf": bars.tf.name, "days": len(wanted), "expected_bars": expected}
    facts |= {
        "lake": settings.shown(bars.root),
        "synthetic": any("SYNTHETIC" in name for name in sources),
        "start": str(wanted[0]),
        "end": str(wanted[-1]),
        "bars": table.num_rows,
        "source": ", ".join(sources),
        "restated": restatements.of_shelf(bars, wanted[0], wanted[-1]),
    }
    offered, left_out = _offered(bars, table)
    report = Report(bars.symbol, title, facts | {"not_offered": left_out})
    report.findings = [
        *_days(bars, wanted, waiting, found, never),
        judge.EMPTY.found(table.num_rows),
        _gaps(bars, wanted, table),
        *judge.keys(found, bars),
        judge.nan(table),
        *judge.bars(table, bars.tf),
        *judge.rewritten(bars),
        *_missing(offered, found, table),
        *_imputed(bars, wanted, read, offered),
    ]
    return report


def _offered(bars: Shelf, table: pa.Table) -> tuple[list[str], dict[str, str]]:
    """Which columns beside the prices does the source offer, and why not the others? By its note, else by values."""
    said = notes.read(bars, notes.OFFERED)
    others = [name for name in BAR_COLUMNS if name not in ("symbol", "ts", *PRICES)]
    if said is None:
        found = {name: table.column(name).null_count < table.num_rows or "holds no value" for name in others}
    else:
        found = {name: said["columns"].get(name, "the source does not name it") for name in others}
    return [name for name in others if found[name] is True], {
        n: str(why) for n, why in found.items() if why is not True
    }


def _days(
    bars: Shelf, wanted: Sequence[date], waiting: Sequence[date], found: Sequence[days.Day], never: set[str]
) -> list[Finding]:
    there = {day.day for day in found}
    lacking = [day for day in wanted if day not in there]
    note = f"{lacking[0]} is the first not there; {days.how_to_make(bars, lacking[0], lacking[-1])}" if lacking else ""
    told = [Check("days", "committed days, each whole", f"== {len(wanted)}").found(len(there), note)]
    if waiting:
        told.append(WAITING.found(len(waiting), f"from {waiting[0]} on; run ingest again later"))
    cut = {day.day: lacked for day in found if (lacked := absent_series(day.entry.source) - never)}
    first = min(cut, default=None)
    note = f"the first: {first}, without {', '.join(sorted(cut[first]))}" if first else ""
    told.append(NOT_OFFERED.found(len(cut), note))
    return told


def _gaps(bars: Shelf, wanted: Sequence[date], table: pa.Table) -> Finding:
    first, n = first_position(wanted[0], bars.tf), len(wanted) * bars.tf.per_day
    return judge.gaps(table.column("ts").cast(pa.int64()).to_numpy() // bars.tf.ms, first, n, bars.tf)


def _missing(offered: Sequence[str], found: Sequence[days.Day], table: pa.Table) -> list[Finding]:
    """Which share of its values does each offered column lack? NaN and null are the same thing."""
    told = []
    for name in offered:
        lacking = judge.nothing(table.column(name))
        check = Check(f"missing.{name}", f"bars without {name}", f"<= {BAR_COLUMNS[name].limit}", form="ratio")
        counted = _answered(found, lacking)
        if counted.any():
            told.append(check.found(float(lacking[counted].mean())))
        else:
            told.append(check.found(None, "no day of the range offers it"))
    return told


def _answered(found: Sequence[days.Day], lacking: np.ndarray) -> np.ndarray:
    """Which rows had to have a value? Not those of a day that holds none and says a series was not offered."""
    counted = np.ones(len(lacking), bool)
    start = 0
    for day in found:
        at = slice(start, start + day.entry.rows)
        if absent_series(day.entry.source) and lacking[at].all():
            counted[at] = False
        start = at.stop
    return counted


def would_carry(x: np.ndarray, most: int = CARRIED_MOST) -> np.ndarray:
    """Where would P2 carry the last known value over?

    x : (n,) float64 on the grid, NaN or infinite is missing. Returns (n,) bool: missing, and the last known value is at
    most `most` bars old. Formula: FORMULAS, Imputation.
    """
    known = np.isfinite(x)
    at = np.arange(len(x))
    last = np.maximum.accumulate(np.where(known, at, -most - 1))
    return ~known & (at - last <= most)


def _imputed(bars: Shelf, wanted: Sequence[date], read: Sequence[days.Day], offered: Sequence[str]) -> list[Finding]:
    """Which share of the bars would P2 give a carried value? Bars just before the range are looked back to."""
    whole = frames.table(read)
    assert whole is not None
    table = judge.of_schema(whole)
    ts = table.column("ts").cast(pa.int64()).to_numpy()
    at = ts // bars.tf.ms - ts.min(initial=np.iinfo(np.int64).max) // bars.tf.ms
    judged_rows = ts // bars.tf.ms >= first_position(wanted[0], bars.tf)
    told = []
    for name, check in IMPUTED.items():
        if name not in offered or not judged_rows.any():
            told.append(check.found(None, "the source does not offer it" if judged_rows.any() else "no bar is there"))
            continue
        grid = np.full(int(at.max()) + 1, np.nan)
        grid[at] = table.column(name).to_numpy()
        carried = would_carry(grid)[at[judged_rows]]
        told.append(check.found(float(carried.mean()), f"{int(carried.sum()):,} bars" if carried.any() else ""))
    return told
