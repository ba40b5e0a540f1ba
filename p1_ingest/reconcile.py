"""Do two sources tell the same bars? Compared column by column, bar by bar, over the days both hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from lake import days, frames, settings
from lake.checks import Check, Finding, Report
from lake.layout import Shelf
from lake.span import Span
from meta.columns import BAR_COLUMNS, KEYS
from meta.errors import NotReady

EQUAL = 1e-9  # relative: the last digits of a double, not of a price
LAGS = range(-3, 4)  # bars
UNIT = 0.5  # relative difference from which on the ratio is told: another unit, another market
FAR = 10  # times the tolerance
LAG_LEAST, LAG_MARGIN = 0.2, 0.1  # rank correlation another lag must have, and have more of than no lag
LAG_BARS = 100
COLUMNS = tuple(name for name, one in BAR_COLUMNS.items() if one not in KEYS and one.type in ("double", "int64"))

DAYS = Check("common_days", "days both hold", "> 0")
ONLY = {
    "a": Check("only_in_a", "bars only the first holds, of those either does", "<= 0.005", "== 0", "ratio"),
    "b": Check("only_in_b", "bars only the second holds, of those either does", "<= 0.005", "== 0", "ratio"),
}


@dataclass(frozen=True)
class Compared:
    """One column: bars that have a value in both, in one alone, and how the values differ.

    equal, far : shares of equal values, and of those further apart than ten times the tolerance. median, most : of
    |a - b| / max(|a|, |b|). times : b over a, the median. lag : bars by which b tells the same later; None: unknown.
    """

    both: int
    only_a: int
    only_b: int
    equal: float = 0.0
    far: float = 0.0
    median: float = 0.0
    most: float = 0.0
    times: float | None = None
    lag: int | None = None

    def note(self) -> str:
        """How is it told beside the median?"""
        told = f"{self.both:,} bars, {100 * self.equal:.4g} % equal, at most {100 * self.most:.3g} % apart"
        told += "".join(f", {n:,} only in {which}" for which, n in (("a", self.only_a), ("b", self.only_b)) if n)
        return told + (f"; b is {self.times:.4g} times a" if self.times and self.median > UNIT else "")


def reconciled(a: Shelf, b: Shelf, span: Span, tolerance: float) -> Report:
    """How do the bars of two shelves differ? tolerance : the median relative difference a column may have.

    Raises NotReady where they have no day in common, Tampered.
    """
    known = sorted(set(days.committed(a)) & set(days.committed(b)))
    common = span.of(known)
    if not common:
        raise NotReady(_apart(a, b, known))
    one, other = (frames.grid(shelf, common[0], common[-1], COLUMNS) for shelf in (a, b))
    inside = one.committed & other.committed
    told = {name: compared(one.columns[name][inside], other.columns[name][inside], tolerance) for name in COLUMNS}
    told = {name: found for name, found in told.items() if found.both + found.only_a + found.only_b}
    title = f"{a} {common[0]} … {common[-1]}: {len(common)} days, a {_named(a)}, b {_named(b)}"
    facts: dict[str, object] = {"tf": a.tf.name, "days": len(common), "start": str(common[0]), "end": str(common[-1])}
    facts |= {"lake": settings.shown(a.root), "a": _named(a), "b": _named(b)}
    facts |= {"columns": {name: vars(found) for name, found in told.items()}}
    report = Report(a.symbol, title, facts, [DAYS.found(len(common), _alone(a, b, common))])
    report.findings += _presence(one.present[inside], other.present[inside])
    for name, found in told.items():
        report.findings += _column(name, found, tolerance)
    return report


def _apart(a: Shelf, b: Shelf, known: Sequence[object]) -> str:
    if known:
        return f"{a}: both lakes hold {known[0]} … {known[-1]}, and no day of that range; choose another"
    for shelf in (a, b):
        if not days.committed(shelf):
            return f"{shelf} has no committed day in {settings.shown(shelf.root)}; run `{days.command(shelf)}`"
    return f"{a} and {b} have no day in common; ingest the same days into both"


def _alone(a: Shelf, b: Shelf, common: Sequence[date]) -> str:
    """Which days of that range does only one of them hold?"""
    alone = {
        which: [day for day in days.committed(shelf) if common[0] <= day <= common[-1] and day not in set(common)]
        for which, shelf in (("a", a), ("b", b))
    }
    return ", ".join(f"{len(found)} more only in {which}, from {found[0]}" for which, found in alone.items() if found)


def _named(shelf: Shelf) -> str:
    return f"{settings.shown(shelf.root)} {shelf.symbol}"


def _presence(a: np.ndarray, b: np.ndarray) -> list[Finding]:
    either = max(int((a | b).sum()), 1)
    found = {"a": int((a & ~b).sum()), "b": int((b & ~a).sum())}
    return [ONLY[which].found(n / either, f"{n:,} bars" if n else "") for which, n in found.items()]


def _column(name: str, found: Compared, tolerance: float) -> list[Finding]:
    """The median difference; and, where there are any, the bars far apart and the lag."""
    differs = Check(f"differs.{name}", f"median relative difference of {name}", f"<= {tolerance:g}", form="ratio")
    if not found.both:
        return [differs.found(None, f"not applicable: only in {'a' if found.only_a else 'b'}")]
    told = [differs.found(found.median, found.note())]
    if found.far:
        far = Check(f"far.{name}", f"bars whose {name} is {FAR} times as far apart", "<= 0.005", "== 0", "ratio")
        told.append(far.found(found.far, f"{round(found.far * found.both):,} bars"))
    if found.lag:
        lag = Check(f"lag.{name}", f"bars by which one tells {name} later", "== 0")
        told.append(lag.found(abs(found.lag), f"b tells it {'late' if found.lag > 0 else 'early'}"))
    return told


def compared(a: np.ndarray, b: np.ndarray, tolerance: float) -> Compared:
    """How do two columns on one grid differ? a, b : (n,) float64, NaN is missing."""
    both = np.isfinite(a) & np.isfinite(b)
    only_a, only_b = int((np.isfinite(a) & ~both).sum()), int((np.isfinite(b) & ~both).sum())
    x, y = a[both], b[both]
    if not len(x):
        return Compared(0, only_a, only_b)
    size = np.maximum(np.abs(x), np.abs(y))
    apart = np.divide(np.abs(x - y), size, out=np.zeros(len(x)), where=size > 0)
    equal, far = float((apart <= EQUAL).mean()), float((apart > FAR * tolerance).mean())
    times = float(np.median(y[x != 0] / x[x != 0])) if (x != 0).any() else None
    return Compared(len(x), only_a, only_b, equal, far, float(np.median(apart)), float(apart.max()), times, lag(a, b))


def lag(a: np.ndarray, b: np.ndarray) -> int | None:
    """By how many bars does b tell what a tells later? By ranks of their changes; None where too little says so."""
    found = {k: _together(a, b, k) for k in LAGS}
    best = max(found, key=lambda k: (found[k], k == 0))
    if not found[best] >= LAG_LEAST:
        return None
    return best if found[best] >= found[0] + LAG_MARGIN else 0


def _together(a: np.ndarray, b: np.ndarray, k: int) -> float:
    """The rank correlation of a's changes at t with b's at t + k; 0 where there are too few."""
    first, second = np.diff(a), np.diff(b)
    first, second = (first[: len(first) - k], second[k:]) if k >= 0 else (first[-k:], second[: len(second) + k])
    both = np.isfinite(first) & np.isfinite(second)
    if both.sum() < LAG_BARS:
        return 0.0
    x, y = _ranks(first[both]), _ranks(second[both])
    return float(np.mean((x - x.mean()) * (y - y.mean())) / (x.std() * y.std())) if x.std() * y.std() else 0.0


def _ranks(x: np.ndarray) -> np.ndarray:
    """Mid-ranks: equal values rank alike, or a column that seldom moves would rank by place."""
    _, at, many = np.unique(x, return_inverse=True, return_counts=True)
    return (np.cumsum(many) - (many - 1) / 2)[at]
