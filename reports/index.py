"""The index: every page of a lake in one table, the price of each as a small line."""

from __future__ import annotations

from collections.abc import Sequence

from reports.overview import Glance
from reports.page import Page, Section, Table, sentence

COLUMNS = [
    ("page", "link"), ("price", "line"), ("last", "price"), ("first day", "short"), ("newest bar, UTC", "time"),
    ("bars", "count"), ("there", "ratio"), ("features", "count"), ("labels", "count"), ("label 1", "ratio"),
    ("stale", "count"), ("damaged", "count"), ("checks", "short"), ("source", "short"),
]  # fmt: skip


def page(lake: str, seen: Sequence[Glance], synthetic: bool) -> Page:
    """The index of these pages."""
    lead = sentence([f"Lake {lake}", f"{len(seen)} {'page' if len(seen) == 1 else 'pages'}"])
    text = "A row a symbol and timeframe. Instants are UTC; a bar is known by its close."
    section = Section("symbols", "Symbols", text, [Table("index", "Pages", COLUMNS, [_row(one) for one in seen])])
    return Page("perplake", lead, [section], synthetic)


def _row(one: Glance) -> list[object]:
    verdicts = ", ".join(f"{phase.split()[0]} {verdict}" for phase, verdict in one.verdicts.items())
    return [
        (f"{one.symbol} {one.tf}", f"{one.name}.html"), one.line, one.close, str(one.first), one.newest, one.bars,
        one.bars / one.expected, one.features, one.labels, one.up, one.stale, one.damaged, verdicts or "none",
        one.source,
    ]  # fmt: skip
