"""What was rewritten, what is stale, what the checks found and how fast it was: the lake's own record."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lake.roots import SIM
from reports import restated
from reports.forms import minute, more, written
from reports.held import Held
from reports.page import Fact, Figure, Section, Table

SHOWN = 200  # lines of a list; the rest is counted
REPORTS = {"P1 bars": "p1_qa_core*.json", "P2 features": "p2_qa_*.json", "P3 labels": "p3_qa_*.json"}
BENCHES, HISTORY = "p2_bench_*.csv", "p2_bench_history.csv"
TOOK = ("ns_per_bar", "p50_us", "p99_us", "limit_ms")
TIMED = [
    ("run, UTC", "short"), ("bars", "count"), ("features", "count"), ("batch, ns a bar", "number"),
    ("live, µs a bar, median", "number"), ("live, 99 %", "number"), ("limit, ms", "number"), ("passed", "text"),
]  # fmt: skip


def freshness(held: Held) -> Section:
    """Are the days still what their inputs make them, and how far do they reach?"""
    states = held.states.values()
    facts = [
        Fact("stale days", sum(len(one.stale) for one in states), "count", "made of other inputs than stand there now"),
        Fact("damaged days", sum(len(one.damaged) for one in states), "count", "not what their manifests say"),
        Fact("rewrites", sum(1 for _ in restated.rewrites(held)), "count", "of days published before"),
    ]
    columns = [
        ("dataset", "text"), ("days", "count"), ("first", "short"), ("last", "short"), ("holes", "count"),
        ("stale", "count"), ("damaged", "count"), ("schemas", "count"), ("source", "text"), ("published, UTC", "short"),
    ]  # fmt: skip
    rows = [
        [
            one.shelf.dataset.name, one.days, str(one.first), str(one.last), one.holes, len(one.stale),
            len(one.damaged), one.schemas, one.source, minute(one.generation),
        ]
        for one in states
    ]  # fmt: skip
    whole = Table("datasets", "Datasets, over all their days", columns, rows)
    text = "By the manifests alone, over every day of the symbol: also those outside the range of this page."
    return Section("freshness", "Freshness", text, [whole, _stale(held)], facts)


def _stale(held: Held) -> Table:
    told = [
        [name, str(day), kind, why]
        for name, one in held.states.items()
        for kind, found in (("damaged", one.damaged), ("stale", one.stale))
        for day, why in sorted(found.items())
    ]
    columns = [("dataset", "text"), ("day", "short"), ("state", "text"), ("why", "prose")]
    title, empty = "Days that are not what they should be", "None: every day is fresh and whole."
    return Table("stale", title, columns, told[:SHOWN], more(told, SHOWN), empty)


def verdicts(held: Held, reports: Path) -> Iterator[tuple[str, str]]:
    """What is the verdict of each phase's report, the one that judged the latest days, where there is one?"""
    newest: dict[str, Mapping[str, Any]] = {}
    for phase, _, said in _reports(held, reports):
        if str(said.get("end")) >= str(newest.get(phase, {}).get("end", "")):
            newest[phase] = said
    for phase, said in newest.items():
        yield phase, str(said["verdict"])


def _reports(held: Held, reports: Path) -> Iterator[tuple[str, Path, Mapping[str, Any]]]:
    """The check reports of this symbol and timeframe: phase, file, what it says; never made-up data beside real."""
    synthetic = held.states["bars"].source == SIM
    for phase, pattern in REPORTS.items():
        for place in sorted(reports.glob(pattern)):
            said = _said(place).get(held.symbol)
            if said and said.get("tf") == held.tf.name and bool(said.get("synthetic")) == synthetic:
                yield phase, place, said


def checks(held: Held, reports: Path, beside: bool = False) -> Section:
    """What did the phases' own checks find, and how fast are features? beside : the page lies in that folder too."""
    found = list(_reports(held, reports))
    parts: list[Figure | Table] = [_judged(*one) for one in found]
    if not found:
        empty = "No report of this symbol and timeframe is there."
        parts.append(Table("checks-none", "Checks", [("check", "text")], [], empty=empty))
    pages = [
        (phase, place.with_suffix(".html").name) for phase, place, _ in found if place.with_suffix(".html").exists()
    ]
    if beside and pages:
        rows = [[(name, name), phase] for phase, name in pages]
        parts.append(Table("check-pages", "Their own pages, in full", [("page", "link"), ("of", "text")], rows))
    text = "From the reports that `make p1_qa p2_validate p3_validate p2_bench` left; each tells which days it judged."
    return Section("checks", "Checks and speed", text, [*parts, *_benches(held, reports)])


def _said(place: Path) -> Mapping[str, Any]:
    """What does a report say? Nothing, where it is none of ours."""
    try:
        said = json.loads(place.read_bytes())
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _judged(phase: str, place: Path, said: Mapping[str, Any]) -> Table:
    columns = [
        ("check", "text"),
        ("verdict", "verdict"),
        ("value", "number"),
        ("must", "short"),
        ("should", "short"),
        ("note", "prose"),
    ]
    rows = [
        [name, one["verdict"], one["value"], one["must"] or "", one["should"] or "", one["note"]]
        for name, one in said["checks"].items()
    ]
    text = f"{said.get('start')} … {said.get('end')}, source {said.get('source')}, from {place.name}."
    return Table(f"checks-{place.stem}", f"{phase}: {said['verdict']}", columns, rows, text)


def _benches(held: Held, reports: Path) -> Iterator[Figure | Table]:
    """What did the features of a bar take, run by run?"""
    told = [
        row
        for place in ([reports / HISTORY] if (reports / HISTORY).exists() else sorted(reports.glob(BENCHES)))
        for row in csv.DictReader(place.read_text(encoding="utf-8").splitlines())
        if (row.get("symbol"), row.get("tf")) == (held.symbol, held.tf.name)
    ]
    rows = [
        [
            minute(row.get("time", "")),
            int(row["bars"]),
            int(row["features"]),
            *(float(row[name]) for name in TOOK),
            row["pass"],
        ]
        for row in told
    ]
    if len(rows) > 1:
        series = {
            "name": "99 of 100 live bars take less",
            "tone": "green",
            "values": [float(row["p99_us"]) for row in told],
        }
        chart = {
            "kind": "bars", "height": 120, "title": "Microseconds", "form": "number", "names": [row[0] for row in rows],
            "series": [series],
        }  # fmt: skip
        summary = f"{len(rows)} runs; the limit is {written(float(told[-1]['limit_ms']), 'number')} ms."
        yield Figure("benches-runs", "How long the features of a live bar took, run by run", summary, chart)
    empty = "No bench of this symbol is there; `make p2_bench` makes one."
    yield Table("benches", "How long the features of a bar take", TIMED, rows[::-1][:SHOWN], more(rows, SHOWN), empty)
