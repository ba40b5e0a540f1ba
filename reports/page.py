"""A page is one file: sections of facts, figures and tables, their numbers, and all it takes to read them offline."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from reports.forms import NUMERIC, written

ASSETS = Path(__file__).resolve().parent / "assets"
SCRIPTS = ("draw.js", "time.js", "cells.js", "page.js")
SHEET = Template(ASSETS.joinpath("page.html").read_text(encoding="utf-8"))
POLICY = (
    "default-src 'none'; style-src {style}; script-src {script}; img-src data:; base-uri 'none'; form-action 'none'"
)
SYNTHETIC = "<p class=synthetic><strong>SYNTHETIC</strong> data: made up, good for trying things out only</p>"
TALL = 20  # rows above which a table scrolls within itself


@dataclass(frozen=True)
class Fact:
    """One number that stands for itself, and what it is of."""

    name: str
    value: object
    form: str = "text"
    more: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under named columns; `columns` pairs a name with the form of its values (see forms)."""

    name: str
    title: str
    columns: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[Any]]
    text: str = ""
    empty: str = "none"
    wide: str = "full"

    def data(self) -> dict[str, object]:
        """How is it told to machines?"""
        return {
            "title": self.title,
            "columns": [name for name, _ in self.columns],
            "rows": [list(r) for r in self.rows],
        }

    def html(self) -> str:
        """The table, in a frame of its own."""
        says = f"<p>{prose(self.text if self.rows else self.empty)}</p>" if self.text or not self.rows else ""
        rows = self.scrolled() if self.rows else ""
        return f'<div class="card {self.wide}"><h3>{escape(self.title)}</h3>{says}{rows}</div>'

    def scrolled(self) -> str:
        """The table alone; a keyboard reaches what does not fit."""
        tall = " tall" if len(self.rows) > TALL else ""
        body = "".join(f"<tr>{self._cells(row)}</tr>" for row in self.rows)
        head = "".join(f"<th scope=col{_side(form)}>{escape(one)}</th>" for one, form in self.columns)
        name = f'aria-label="{escape(self.title)}"'
        return (
            f'<div class="scroll{tall}" tabindex=0 role=region {name}><table id="{self.name}" {name}>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        )

    def _cells(self, row: Sequence[Any]) -> str:
        cells = [_cell(value, form) for value, (_, form) in zip(row, self.columns, strict=True)]
        return f"<th scope=row{cells[0][0]}>{cells[0][1]}</th>" + "".join(
            f"<td{kind}>{text}</td>" for kind, text in cells[1:]
        )


def _side(form: str) -> str:
    return " class=n" if form in NUMERIC else ""


def _cell(value: Any, form: str) -> tuple[str, str]:
    """The class of a cell, and what stands in it."""
    if form == "verdict":
        return "", f'<span class="verdict {escape(str(value).lower())}">{escape(str(value))}</span>'
    if form == "link":
        text, target = value
        return "", f'<a href="{escape(target)}">{escape(text)}</a>'
    if form == "line":
        return "", _line(value)
    return _side(form) or f" class={form}", escape(written(value, form))


def _line(values: Sequence[float | None]) -> str:
    """A small line of values, for a cell: decoration beside the numbers in the row."""
    known = [value for value in values if value is not None]
    low, high = min(known), max(known)
    points = [
        f"{100 * i / max(len(values) - 1, 1):.1f},{22 - 20 * (value - low) / ((high - low) or 1):.1f}"
        for i, value in enumerate(values)
        if value is not None
    ]
    return (
        f'<svg class="small t-blue" viewBox="0 0 100 24" aria-hidden=true><polyline points="{" ".join(points)}"/></svg>'
    )


@dataclass(frozen=True)
class Figure:
    """A chart, what it shows in words, and its numbers as a table.

    chart : what assets/*.js draws, by its `kind`; None where there is nothing to draw, and `summary` says why.
    wide : of the sheet full, half or a third; most and rest stand side by side.
    """

    name: str
    title: str
    summary: str
    chart: dict[str, Any] | None = None
    table: Table | None = None
    wide: str = "full"

    def data(self) -> dict[str, object]:
        """How is it told to machines?"""
        told: dict[str, object] = {"title": self.title, "summary": self.summary, "chart": self.chart}
        return told | ({"table": self.table.data()} if self.table else {})

    def html(self) -> str:
        """The figure, to be drawn once it is looked at."""
        says = f"<figcaption><h3>{escape(self.title)}</h3><p>{prose(self.summary)}</p></figcaption>"
        if self.chart is None:
            return f'<figure class="card {self.wide}" id="{self.name}">{says}</figure>'
        keys = "arrow keys read values" + (", plus and minus zoom, 0 shows all" if self.chart.get("tools") else "")
        label = f'aria-label="Chart: {escape(self.title)}; {keys}"'
        tools = '<div class="tools" role=group aria-label="Range shown"></div>' if self.chart.get("tools") else ""
        rows = self.table.scrolled() if self.table else ""  # else page.js makes one of what the cursor reads
        folded = f"<details{'' if rows else ' class=made'}><summary>Numbers as a table</summary>{rows}</details>"
        return (
            f'<figure class="card chart {self.wide}" id="{self.name}">{says}{tools}<div class="readout"></div>'
            f'<div class="plot" tabindex=0 role=application aria-roledescription=chart {label}></div>'
            f'<p class="unseen" aria-live=polite></p>{folded}<script type="application/json">{_embedded(self.chart)}'
            "</script></figure>"
        )


@dataclass(frozen=True)
class Section:
    """Part of a page, under a heading of its own."""

    name: str
    title: str
    text: str
    parts: Sequence[Figure | Table] = ()
    facts: Sequence[Fact] = ()

    def data(self) -> dict[str, object]:
        """How is it told to machines?"""
        facts = {fact.name: fact.value for fact in self.facts}
        return {"title": self.title, "facts": facts, "parts": {part.name: part.data() for part in self.parts}}

    def html(self) -> str:
        """The section."""
        facts = "".join(
            f"<div><dt>{escape(fact.name)}</dt><dd>{escape(written(fact.value, fact.form))}"
            f"{f'<small>{escape(fact.more)}</small>' if fact.more else ''}</dd></div>"
            for fact in self.facts
        )
        head = f'<h2 id="{self.name}-head">{escape(self.title)}</h2>'
        return (
            f'<section id="{self.name}" aria-labelledby="{self.name}-head">{head}'
            f"<p>{prose(self.text)}</p>{f'<dl class=facts>{facts}</dl>' if facts else ''}"
            f'<div class="grid">{"".join(part.html() for part in self.parts)}</div></section>'
        )


@dataclass(frozen=True)
class Page:
    """A whole page. links : (text, target) of the pages beside it. facts : what its JSON says first."""

    title: str
    lead: str
    sections: Sequence[Section]
    synthetic: bool = False
    links: Sequence[tuple[str, str]] = ()
    facts: dict[str, object] = field(default_factory=dict)
    foot: str = ""

    def json(self) -> str:
        """Every number of the page, for machines."""
        told = {"title": self.title, "lead": self.lead, "synthetic": self.synthetic, **self.facts}
        told["sections"] = {section.name: section.data() for section in self.sections}
        return json.dumps(told, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n"

    def html(self) -> str:
        """The page: one file that asks for no other."""
        style, script = _assets()
        links = "".join(f'<li><a href="{escape(target)}">{escape(text)}</a>' for text, target in self.links)
        links += "".join(f'<li><a href="#{one.name}">{escape(one.title)}</a>' for one in self.sections)
        return SHEET.substitute(
            policy=POLICY.format(style=_sha(style), script=_sha(script)),
            title=escape(self.title),
            lead=escape(self.lead),
            foot=escape(self.foot),
            mark=SYNTHETIC if self.synthetic else "",
            links=links,
            sections="\n".join(section.html() for section in self.sections),
            style=style,
            script=script,
        )


@cache
def _assets() -> tuple[str, str]:
    scripts = (ASSETS.joinpath(name).read_text(encoding="utf-8") for name in SCRIPTS)
    return ASSETS.joinpath("page.css").read_text(encoding="utf-8"), "\n".join(scripts)


def _sha(text: str) -> str:
    """The name by which the content policy knows a style or script of ours."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _embedded(chart: dict[str, Any]) -> str:
    """JSON that no markup within it can end."""
    text = json.dumps(chart, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def prose(text: str) -> str:
    """Words as markup; what stands in backticks is code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))


def sentence(parts: Iterable[str]) -> str:
    """Facts as one sentence."""
    return "; ".join(part for part in parts if part) + "."
