"""Do the labels agree with themselves, with their bars and with the features they are for?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from lake import days, frames, judge, offenders, settings
from lake.checks import Check, Finding, Report
from lake.frames import Grid
from lake.layout import Shelf
from lake.parts import stamps
from lake.span import Span
from meta.columns import PRICES
from meta.errors import NotReady
from meta.timeframes import days_between
from p3_labels import figures
from p3_labels.barriers import OUTCOMES, REASONS, Bars, triple_barrier
from p3_labels.concurrency import label_weights
from p3_labels.rules import Rules, rules

NARROW_BP = 20

DAYS = Check("days_missing", "feature days without labels though the bars of their paths are there", "== 0")
WAITING = Check("days_waiting", "feature days whose paths still need bars to come")
NAN = Check("nan", "values that are null, NaN or infinite", "== 0")
UNLABELLED = Check("unlabelled_ratio", "feature rows of labelled days without a label, narrow ones aside",
                   should="<= 0.01", form="ratio")  # fmt: skip
TIES = Check("ties_over_timeouts", "ties less timeouts", should="<= 0")
HELD = Check("median_bars_held", "bars until the path ended, the median", form="number")
UNIQUE = Check("mean_uniqueness", "how much of a label's span is its own, the mean", form="number")
WIDTH = Check("median_barrier_bp", "distance to the nearer barrier, the median", form="bp")
THIN = Check("narrow_share", f"labels whose nearer barrier is closer than {NARROW_BP} bp", form="ratio")
CLASSES = {"up": 1, "neither": 0, "down": -1}
META = {"right": 1, "wrong": 0}  # labels of events that came with a side


@dataclass(frozen=True)
class Subject:
    """Whose labels, for which features, on which bars; the days globs select (None: all), and the horizon if told."""

    labels: Shelf
    features: Shelf
    bars: Shelf
    span: Span
    label_days: tuple[date, ...] | None = None
    feature_days: tuple[date, ...] | None = None
    horizon: int | None = None


@dataclass(frozen=True)
class Read:
    """What was read: label days and rows, the keys of the feature days, the bars from before the first path on."""

    found: list[days.Day]
    table: pa.Table
    keys: pa.Table
    lacking: list[date]
    grid: Grid
    rules: Rules | None
    horizon: int

    def column(self, name: str) -> np.ndarray:
        """One column of the labels: (m,), NaN where null."""
        return self.table.column(name).to_numpy()


def judged(subject: Subject) -> Report:
    """What do P3's checks find? Raises NotReady where there are no labels, features or bars, Tampered."""
    read = _read(subject)
    first, last = read.found[0].day, read.found[-1].day
    sources = sorted({day.entry.source.split(":")[0] for day in read.found})
    title = f"{subject.labels} {first} … {last}: {len(read.found)} days, {read.table.num_rows:,} labels, "
    facts: dict[str, object] = {"tf": subject.labels.tf.name, "days": len(read.found), "labels": read.table.num_rows}
    facts |= {"start": str(first), "end": str(last), "source": ", ".join(sources), "horizon": read.horizon}
    facts |= {"lake": settings.shown(subject.labels.root)}
    facts |= {"synthetic": any("SYNTHETIC" in name for name in sources)}
    unlabelled, reasons = _unlabelled(read)
    report = Report(subject.labels.symbol, title + ", ".join(sources), facts | {"not_labelled": dict(reasons)})
    report.findings = [*_days(subject, read), *judge.keys(read.found, subject.labels), _nan(read.table)]
    tables = {"labels": read.table, "features": read.keys}
    sided = int("side" in read.table.column_names)
    report.findings += offenders.asked("labels", tables, tf_ms=subject.labels.tf.ms, horizon=read.horizon, sided=sided)
    report.findings += [unlabelled, *_balance(read), *_told(read)]
    if read.table.num_rows:
        drawn = figures.label_figures(read.table, subject.labels.tf.ms)
        report.facts |= {"figures": drawn | figures.beside(subject.labels, [day.day for day in read.found])}
    return report


def _read(subject: Subject) -> Read:
    labels, features, bars = subject.labels, subject.features, subject.bars
    known = [d for d in days.committed(labels) if subject.label_days is None or d in subject.label_days]
    meant = [d for d in days.committed(features) if subject.feature_days is None or d in subject.feature_days]
    if not meant:
        raise NotReady(f"{features} has no committed day there; name the features with --features, or build them")
    meant = subject.span.of(meant)
    inside = [day for day in known if meant and meant[0] <= day <= meant[-1]]
    if not inside:
        raise NotReady(days.none_of(labels, known, "label"))
    found = [day for day in frames.read_all(labels, inside) if day is not None]
    table = frames.table(found)
    keys = frames.table((d for d in frames.read_all(features, meant) if d is not None), ["symbol", "ts"])
    assert table is not None and keys is not None
    chosen = rules()
    known_rules = chosen if all(day.entry.code == chosen.code() for day in found) else None
    horizon = subject.horizon or _horizon(table, chosen.barriers.H if known_rules else None, chosen.barriers.H)
    back, ahead = chosen.barriers.days_back(labels.tf.ms), -(-horizon // labels.tf.per_day)
    if not days.committed(bars):
        raise NotReady(f"{bars} has no committed day in {settings.shown(bars.root)}; name the bars with --bars")
    grid = frames.grid(bars, inside[0] - timedelta(days=back), inside[-1] + timedelta(days=ahead), PRICES)
    return Read(found, table, keys, [day for day in meant if day not in known], grid, known_rules, horizon)


def _horizon(table: pa.Table, sure: int | None, usual: int) -> int:
    """How many bars may a path take? What conf says, where the labels are of its rules; else what timeouts show."""
    if sure is not None:
        return sure
    held = table.column("bars_held").to_numpy()[table.column("outcome").to_numpy() == "timeout"]
    return int(np.bincount(held[held >= 0]).argmax()) if (held >= 0).any() else usual


def _days(subject: Subject, read: Read) -> list[Finding]:
    """Which feature days have no labels: because more bars have to come, or without that excuse?"""
    taped = days.committed(subject.bars)
    ahead = -(-read.horizon // subject.bars.tf.per_day)
    waits = [d for d in read.lacking if any(each not in taped for each in days_between(d, d + timedelta(days=ahead)))]
    missing = [day for day in read.lacking if day not in waits]
    note = f"the first: {missing[0]}; {days.how_to_make(subject.labels, missing[0], missing[-1])}" if missing else ""
    told = f"{waits[0]} … {waits[-1]}" if waits else ""
    return [DAYS.found(len(missing), note), WAITING.found(len(waits), told)]


def _nan(table: pa.Table) -> Finding:
    lacking = Counter[str]()
    for name in table.column_names:
        column = table.column(name)
        finite = np.isfinite(column.to_numpy()) if pa.types.is_floating(column.type) else column.is_valid().to_numpy()
        lacking[name] = int((~finite).sum())
    return NAN.found(lacking.total(), ", ".join(f"{name} {n:,}" for name, n in lacking.most_common(3) if n))


def _bars(grid: Grid) -> Bars:
    prices = [grid.columns[name] for name in PRICES]
    return Bars(grid.first, grid.tf.ms, prices[0], prices[1], prices[2], prices[3], grid.committed)


def _unlabelled(read: Read) -> tuple[Finding, Mapping[str, int]]:
    """How many feature rows of labelled days have no label, and why? Why is known where the rules are."""
    keys = stamps(read.keys).to_numpy()
    per_day = read.grid.tf.per_day
    position = keys // read.grid.tf.ms - read.grid.first
    labelled = {day.day for day in read.found}
    labelled_days = np.repeat([day in labelled for day in read.grid.entries], per_day)
    inside = (position >= 0) & (position < len(read.grid))
    rows = np.flatnonzero(inside)[labelled_days[position[inside]]]
    if any(", events " in day.entry.source for day in read.found):
        return UNLABELLED.found(None, "only sampled events are labelled, by choice"), {}
    lacking = rows[~np.isin(keys[rows], stamps(read.table).to_numpy())]
    reasons = {"rules unknown": len(lacking)} if len(lacking) else {}
    if read.rules and len(lacking) and read.rules.barriers.tie != "resolve":
        status = triple_barrier(_bars(read.grid), position[lacking], read.rules.barriers).status
        reasons = {REASONS[code]: int(n) for code, n in enumerate(np.bincount(status)) if n}
    lost = len(lacking) - reasons.get("narrow", 0)
    note = ", ".join(f"{why} {n:,}" for why, n in reasons.items())
    return UNLABELLED.found(lost / max(len(rows), 1), note), reasons


def _balance(read: Read) -> list[Finding]:
    """How often does each outcome and each class occur?"""
    n = read.table.num_rows
    outcomes = Counter(read.table.column("outcome").to_pylist())
    told = [_share(f"outcome.{name}", f"paths that ended {name}", outcomes[name], n) for name in OUTCOMES]
    label = read.column("label")
    for name, value in (META if "side" in read.table.column_names else CLASSES).items():
        many = int((label == value).sum())
        told.append(_share(f"class.{name}", f"labels {value}", many, n, ">= 0.02"))
    ties, timeouts = outcomes["tie"], outcomes["timeout"]
    return [*told, TIES.found(ties - timeouts, f"{ties:,} ties, {timeouts:,} timeouts")]


def _share(name: str, meaning: str, many: int, of: int, should: str = "") -> Finding:
    return Check(name, meaning, should=should, form="ratio").found(many / of if of else None, f"{many:,}")


def _told(read: Read) -> list[Finding]:
    """How long are paths, how alone, and how near are the barriers?"""
    if not read.table.num_rows:
        return [check.found(None, "there are no labels") for check in (HELD, UNIQUE, WIDTH, THIN)]
    ts, t1 = (read.table.column(name).cast(pa.int64()).to_numpy() for name in ("ts", "t1"))
    entry = read.column("entry")
    width = np.minimum(read.column("upper") - entry, entry - read.column("lower")) / entry * 1e4
    sound = (t1 > ts) & (ts >= read.grid.first * read.grid.tf.ms) & (t1 <= int(read.grid.ts()[-1]))
    unique = label_weights(_bars(read.grid), ts[sound], t1[sound]).uniqueness
    return [
        HELD.found(float(np.median(read.column("bars_held")))),
        UNIQUE.found(float(np.mean(unique)) if len(unique) else None),
        WIDTH.found(float(np.median(width))),
        THIN.found(float((width < NARROW_BP).mean())),
    ]
