"""Data is judged by named checks: a table for people, a file for machines, exit 3 where one of them is red."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from lake import cli, disk, ending, progress, roots, settings, several
from meta.errors import ChecksRed, Usage

if TYPE_CHECKING:
    from lake.layout import Shelf

T = TypeVar("T")
Verdict = Literal["ok", "info", "skipped", "warn", "FAIL"]
RANK: dict[Verdict, int] = {"ok": 0, "info": 0, "skipped": 0, "warn": 1, "FAIL": 2}
SIGNS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq}
SHOWN = 5  # offenders kept as examples


def holds(bound: str, value: float) -> bool:
    """Does a value lie within a bound such as `<= 0.05`? NaN lies nowhere."""
    sign, limit = bound.split()
    return bool(SIGNS[sign](value, float(limit)))


def is_bound(text: str) -> bool:
    """Is this a bound such as `<= 0.05`?"""
    sign, _, limit = text.partition(" ")
    try:
        return sign in SIGNS and math.isfinite(float(limit))
    except ValueError:
        return False


@dataclass(frozen=True)
class Check:
    """One thing that can be wrong with data.

    must, should : bounds such as "< 0.005"; outside `must` is a failure, outside `should` a warning; neither: the value
    is only told. form : how values are written, one of count, ratio, number, bp, ms.
    """

    name: str
    meaning: str
    must: str = ""
    should: str = ""
    form: str = "count"

    def found(self, value: float | None, note: str = "", offenders: Iterable[Mapping[str, Any]] = ()) -> Finding:
        """What does this value mean? None: it could not be looked at, and `note` says why."""
        return Finding(self, value, self._verdict(value), note, tuple(offenders)[:SHOWN])

    def _verdict(self, value: float | None) -> Verdict:
        if value is None:
            return "skipped"
        if self.must and not holds(self.must, value):
            return "FAIL"
        if self.should and not holds(self.should, value):
            return "warn"
        return "ok" if self.must or self.should else "info"

    def limit(self, verdict: Verdict = "ok") -> str:
        """How is the limit that led to a verdict written for people?"""
        bound = self.should if verdict == "warn" else self.must or self.should
        return f"{bound.split()[0]} {self.written(float(bound.split()[1]))}" if bound else "-"

    def written(self, value: float | None) -> str:
        """How is a value written for people?"""
        if value is None or math.isnan(value):
            return "-" if value is None else "NaN"
        if self.form == "ratio":
            return f"{100 * value:.4g} %"
        whole = self.form == "count" or 1e4 <= abs(value) < 1e9  # never 2.054e+04
        unit = "" if self.form in ("count", "number") else f" {self.form}"
        return f"{value:,.0f}{unit}" if whole else f"{value:,.4g}{unit}"


@dataclass(frozen=True)
class Finding:
    """What one check found; `offenders` are the first rows that break it."""

    check: Check
    value: float | None
    verdict: Verdict
    note: str = ""
    offenders: tuple[Mapping[str, Any], ...] = ()

    def data(self) -> dict[str, object]:
        """How is it told to machines? A value that is no number is null there."""
        value = None if self.value is None or not math.isfinite(self.value) else self.value
        told: dict[str, object] = {"value": value, "verdict": self.verdict.lower(), "must": self.check.must or None}
        told |= {"should": self.check.should or None, "meaning": self.check.meaning, "note": self.note}
        return told | ({"offenders": [dict(row) for row in self.offenders]} if self.offenders else {})


@dataclass
class Report:
    """What was found about one symbol: a title, facts beside the checks, and the findings in order."""

    symbol: str
    title: str
    facts: dict[str, object]
    findings: list[Finding] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        """What is the worst that was found?"""
        return max((finding.verdict for finding in self.findings), key=RANK.__getitem__, default="ok")

    @property
    def red(self) -> list[Finding]:
        """Which findings are failures?"""
        return [finding for finding in self.findings if finding.verdict == "FAIL"]

    def data(self) -> dict[str, object]:
        """How is it told to machines?"""
        verdict = {"FAIL": "fail", "warn": "warn"}.get(self.verdict, "ok")
        return {"verdict": verdict, **self.facts, "checks": {f.check.name: f.data() for f in self.findings}}

    def lines(self) -> list[str]:
        """How is it told to people? A table."""
        rows: list[tuple[str, ...]] = [
            (f.check.name, f.check.written(f.value), f.check.limit(f.verdict), f.verdict, f.note) for f in self.findings
        ]
        rows.insert(0, ("check", "value", "limit", "verdict", ""))
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        told = ("  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)) for row in rows)
        return [self.title, *(f"  {line.rstrip()}" for line in told)]


def each(
    targets: Sequence[T], shelf_of: Callable[[T], Shelf], look: Callable[[T], Report]
) -> tuple[list[Report], list[str]]:
    """What is found about each target, and which could not be looked at? One that fails alone raises."""

    def looked(target: T) -> Report:
        with progress.watched(str(shelf_of(target))):
            return look(target)

    works = ((shelf_of(target), partial(looked, target)) for target in progress.told(targets, "looking", "symbols"))
    return several.attempted(works, alone=len(targets) == 1)


def out_path(given: Path | None, default: str, tfs: int, root: Path | None = None) -> Path:
    """Where does a report go? By name into reports/: the project's, or that of a lake (its root) elsewhere.

    Raises Usage where one file would have to hold several timeframes, or the report's page would take its place.
    """
    if given is not None and tfs > 1:
        raise Usage(f"{given} takes one timeframe; leave the path out and each timeframe gets a file of its own")
    if given is not None and given.suffix == ".html":
        raise Usage(f"{given} would be JSON; name it .json, and a page is written beside it")
    return roots.utf8(given.absolute()) if given is not None else folder(root) / default


def folder(root: Path | None) -> Path:
    """Where do reports about a lake go? Into the project's reports/, or its own where it lies elsewhere."""
    ours = root is None or root.parent == settings.PROJECT
    return (settings.PROJECT if ours or root is None else root) / "reports"


def write(path: Path, text: str) -> None:
    """Write a report whole, with the folder it goes into."""
    disk.make_folders(path.parent)
    disk.write_over(path, text.encode())


def tell(reports: Sequence[Report], out: Path, as_json: bool, text: str | None = None) -> None:
    """Print what was found, and write it: as JSON keyed by symbol with a page beside it, or as the text given."""
    import click

    from lake.check_page import page

    told = json.dumps({report.symbol: report.data() for report in reports}, indent=1, ensure_ascii=False)
    _other_lake(out, reports)
    write(out, told + "\n" if text is None else text)
    wrote = f"wrote {settings.shown(out)}"
    if text is None:
        write(out.with_suffix(".html"), page(out.stem, reports))
        wrote += f" and {out.with_suffix('.html').name}"
    if as_json:
        click.echo(told)
        cli.say(wrote)
        return
    progress.results([*(line for report in reports for line in report.lines()), wrote])


def _other_lake(out: Path, reports: Sequence[Report]) -> None:
    """Say so where the report that stood there was about another lake."""
    try:
        before = json.loads(out.read_bytes())
        lakes = {one["lake"] for one in before.values()} - {one.facts.get("lake") for one in reports}
    except (OSError, ValueError, AttributeError, TypeError, KeyError):
        return
    if lakes and reports:
        cli.say(f"{settings.shown(out)} was about lake {', '.join(sorted(lakes))}, and is replaced")


def end(reports: Sequence[Report], failures: Sequence[str], what: str) -> int:
    """With which exit code does the command end? Raises ChecksRed, naming the red checks."""
    for failure in failures:
        cli.say(ending.redacted(f"error: {failure}"))
    red = {report.symbol: ", ".join(finding.check.name for finding in report.red) for report in reports if report.red}
    if failures:
        return 1
    if red:
        told = "; ".join(f"{symbol}: {names}" for symbol, names in red.items())
        raise ChecksRed(f"{what} is red: {told}; the table above and the report say by how much")
    return 0
