"""Data is judged by named checks: a table for people, a file for machines, exit 3 where one of them is red."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from lake import cli, disk, settings
from meta.errors import ChecksRed, PerplakeError, Usage

if TYPE_CHECKING:
    import pyarrow as pa

    from lake.days import Day
    from lake.layout import Shelf

T = TypeVar("T")
Verdict = Literal["ok", "info", "skipped", "warn", "FAIL"]
RANK: dict[Verdict, int] = {"ok": 0, "info": 0, "skipped": 0, "warn": 1, "FAIL": 2}
SIGNS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq}
SQL = settings.PROJECT / "meta" / "checks"
SHOWN = 5  # offenders kept as examples


def holds(bound: str, value: float) -> bool:
    """Does a value lie within a bound such as `<= 0.05`? NaN lies nowhere."""
    sign, limit = bound.split()
    return bool(SIGNS[sign](value, float(limit)))


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

    def limit(self) -> str:
        """How is the limit written for people?"""
        bound = self.must or self.should
        return f"{bound.split()[0]} {self.written(float(bound.split()[1]))}" if bound else "-"

    def written(self, value: float | None) -> str:
        """How is a value written for people?"""
        if value is None or math.isnan(value):
            return "-" if value is None else "NaN"
        if self.form == "ratio":
            return f"{100 * value:.4g} %"
        return (
            f"{value:,.0f}"
            if self.form == "count"
            else f"{value:,.4g}{'' if self.form == 'number' else f' {self.form}'}"
        )


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
            (f.check.name, f.check.written(f.value), f.check.limit(), f.verdict, f.note) for f in self.findings
        ]
        rows.insert(0, ("check", "value", "limit", "verdict", ""))
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        told = ("  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)) for row in rows)
        return [self.title, *(f"  {line.rstrip()}" for line in told)]


@dataclass(frozen=True)
class Query:
    """A check written as SQL: its rows are the offenders."""

    check: Check
    sql: str


def queries(dataset: str) -> list[Query]:
    """Which checks does meta/checks hold for this dataset?

    A file is called DATASET_NAME.sql. Its comments say what its offenders are, and how many there must or should be.
    """
    return [_query(path, path.stem.removeprefix(f"{dataset}_")) for path in sorted(SQL.glob(f"{dataset}_*.sql"))]


def _query(path: Path, name: str) -> Query:
    text = path.read_text(encoding="utf-8")
    said = [line.removeprefix("--").strip() for line in text.splitlines() if line.startswith("--")]
    bounds = dict(line.split(": ", 1) for line in said if line.startswith(("must: ", "should: ")))
    meaning = " ".join(line for line in said if not line.startswith(("must: ", "should: ")))
    return Query(Check(name, meaning, bounds.get("must", ""), bounds.get("should", "")), text)


def asked(dataset: str, tables: Mapping[str, pa.Table], **variables: int | str) -> list[Finding]:
    """What do this dataset's SQL checks find in these tables (name in the SQL -> table)?

    variables : what the SQL reads as getvariable('name'). Nothing but the tables can be read.
    """
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_external_access = false")
        for name, value in variables.items():
            connection.execute(f"SET VARIABLE {name} = {value!r}")
        for name, table in tables.items():
            connection.register(name, table)
        return [_asked(connection, query) for query in queries(dataset)]


def _asked(connection: Any, query: Query) -> Finding:
    offenders = connection.sql(query.sql.strip().rstrip(";"))
    count = offenders.aggregate("count(*)").fetchall()[0][0]
    first = [_plain(row) for row in offenders.limit(SHOWN).to_arrow_table().to_pylist()] if count else []
    note = f"the first: {', '.join(f'{name} {value}' for name, value in first[0].items())}" if first else ""
    return query.check.found(count, note, first)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    def said(value: Any) -> Any:
        if hasattr(value, "isoformat"):
            return value.isoformat().replace("+00:00", "Z")
        return value if not isinstance(value, float) or math.isfinite(value) else str(value)

    return {name: said(value) for name, value in row.items()}


def keys(found: Sequence[Day], shelf: Shelf) -> list[Finding]:
    """Are the keys of these days unique, ascending, on the grid, and each in its own day's folder?"""
    import pyarrow as pa

    tables = [day.table(["symbol", "ts"]) for day in found]
    folders = [pa.array([day.day] * one.num_rows, pa.date32()) for day, one in zip(found, tables, strict=True)]
    table = pa.concat_tables(one.append_column("day", folder) for one, folder in zip(tables, folders, strict=True))
    numbered = table.append_column("row", pa.array(range(table.num_rows), pa.int64()))
    return asked("keys", {"keys": numbered}, tf_ms=shelf.tf.ms, symbol=shelf.symbol)


def each(
    targets: Sequence[T], shelf_of: Callable[[T], Shelf], look: Callable[[T], Report]
) -> tuple[list[Report], list[str]]:
    """What is found about each target, and which could not be looked at? One that fails alone raises."""
    reports, failures = [], []
    for target in targets:
        try:
            reports.append(look(target))
        except (PerplakeError, OSError) as error:
            if len(targets) == 1:
                raise
            failures.append(f"{shelf_of(target)}: {cli.line_of(error)}")
    return reports, failures


def out_path(given: Path | None, default: str, tfs: int) -> Path:
    """Where does a report go? Raises Usage where one file would have to hold several timeframes."""
    if given is not None and tfs > 1:
        raise Usage(f"{given} takes one timeframe; leave the path out and each timeframe gets a file of its own")
    return given.absolute() if given else settings.PROJECT / "reports" / default


def write(path: Path, text: str) -> None:
    """Write a report whole, with the folder it goes into."""
    disk.make_folders(path.parent)
    disk.write_over(path, text.encode())


def tell(reports: Sequence[Report], out: Path, as_json: bool, text: str | None = None) -> None:
    """Print what was found, and write it: as JSON keyed by symbol, or as the text given."""
    import click

    told = json.dumps({report.symbol: report.data() for report in reports}, indent=1, ensure_ascii=False)
    write(out, told + "\n" if text is None else text)
    if as_json:
        click.echo(told)
        cli.say(f"wrote {settings.shown(out)}")
        return
    for line in [line for report in reports for line in report.lines()]:
        click.echo(line)
    click.echo(f"wrote {settings.shown(out)}")


def end(reports: Sequence[Report], failures: Sequence[str], what: str) -> int:
    """With which exit code does the command end? Raises ChecksRed, naming the red checks."""
    for failure in failures:
        cli.say(cli.redacted(f"error: {failure}"))
    red = {report.symbol: ", ".join(finding.check.name for finding in report.red) for report in reports if report.red}
    if failures:
        return 1
    if red:
        told = "; ".join(f"{symbol}: {names}" for symbol, names in red.items())
        raise ChecksRed(f"{what} is red: {told}; the table above and the report say by how much")
    return 0
