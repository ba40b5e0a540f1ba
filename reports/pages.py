"""Which pages has a lake? One a symbol and timeframe, each made from one snapshot, and an index of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lake import advice, disk, roots, settings, status
from lake.ending import redacted
from lake.progress import Meter
from lake.span import Span
from lake.status import ShelfStatus
from meta.errors import NotReady, PerplakeError
from meta.timeframes import Timeframe
from reports import coverage, features, folds, history, index, labels, market, overview, restated
from reports.held import Held, held
from reports.overview import Glance
from reports.page import Page, Section

SECTIONS: tuple[Callable[[Held], Section], ...] = (
    coverage.section, market.section, features.section, labels.section, folds.section, history.freshness,
    restated.section,
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """Which pages are meant: of which lake, symbols (none: all), timeframes (none: all) and days; and where they go."""

    root: Path
    symbols: Sequence[str]
    tfs: Sequence[Timeframe]
    span: Span
    out: Path
    reports: Path = settings.PROJECT / "reports"


@dataclass(frozen=True)
class Built:
    """Where the index and the pages are, and which pages could not be made, each in a line."""

    place: Path
    pages: Sequence[Path]
    failures: Sequence[str]

    def data(self) -> dict[str, object]:
        """How is it told to machines?"""
        return {
            "index": str(self.place),
            "pages": [str(page) for page in self.pages],
            "failures": [redacted(failure) for failure in self.failures],
        }


def build(asked: Asked, say: Callable[[str], None]) -> Built:
    """Make every page that is meant, and the index of those that could be. Raises NotReady where there is none."""
    grouped, out = _wanted(asked), roots.outside(asked.out, asked.root)
    seen, failures = list[Glance](), list(_unknown(asked, grouped))
    meter = Meter("pages", len(grouped) * len(SECTIONS), "sections")
    disk.make_folders(out)
    for (tf, symbol), states in grouped.items():
        try:
            glance, page = _page(asked, tf, symbol, states, meter)
        except PerplakeError as error:
            if len(grouped) == 1:
                raise
            failures.append(str(error))
            continue
        _write(out / f"{glance.name}.html", page)
        say(f"{symbol} {tf}: {settings.shown(out / glance.name)}.html and .json")
        seen.append(glance)
    place = out / "index.html"
    _write(place, index.page(settings.shown(asked.root), seen, roots.is_synthetic(asked.root)))
    return Built(place, [out / f"{one.name}.html" for one in seen], failures)


def _unknown(asked: Asked, grouped: Mapping[tuple[Timeframe, str], object]) -> Iterator[str]:
    """Which symbols and timeframes were named, and have no bars here?"""
    for kind, names, there in (
        ("symbol", asked.symbols, {symbol for _, symbol in grouped}),
        ("timeframe", asked.tfs, {tf for tf, _ in grouped}),
    ):
        for name in names:
            if name not in there:
                how = "python -m p1_ingest ingest" + (f" --symbol {name}" if kind == "symbol" else f" --tf {name}")
                yield f"{kind} {name} has no committed day of bars there; `{how}{advice.at(asked.root)}` brings it"


def _wanted(asked: Asked) -> dict[tuple[Timeframe, str], list[ShelfStatus]]:
    found: dict[tuple[Timeframe, str], list[ShelfStatus]] = {}
    for one in status.status(asked.root).shelves:
        meant = (not asked.symbols or one.shelf.symbol in asked.symbols) and (
            not asked.tfs or one.shelf.tf in asked.tfs
        )
        if meant and one.days:
            found.setdefault((one.shelf.tf, one.shelf.symbol), []).append(one)
    found = {key: states for key, states in found.items() if any(s.shelf.dataset.name == "bars" for s in states)}
    if not found:
        named = next(_unknown(asked, {}), None)
        raise NotReady(
            named or f"lake {settings.shown(asked.root)} has no committed day; run {advice.first(asked.root)}"
        )
    return found


def _page(asked: Asked, tf: Timeframe, symbol: str, states: Sequence[ShelfStatus], meter: Meter) -> tuple[Glance, Page]:
    with held(asked.root, tf, symbol, asked.span, states) as here:
        seen = overview.glance(here, asked.reports)
        sections = [overview.section(here, seen)]
        for make in SECTIONS:
            sections.append(make(here))
            meter.add()
        sections.append(history.checks(here, asked.reports, asked.out == asked.reports))
    lead = f"{seen.first} … {seen.last}, from {seen.source}; lake {settings.shown(asked.root)}"
    facts: dict[str, object] = {"symbol": symbol, "tf": tf.name, "source": seen.source}
    facts |= {"first": str(seen.first), "last": str(seen.last)}
    foot = "Every number of this page stands in the JSON file beside it, under the same name."
    synthetic = seen.source == roots.SIM
    return seen, Page(f"{symbol} {tf}", lead, sections, synthetic, [("All symbols", "index.html")], facts, foot)


def _write(place: Path, page: Page) -> None:
    disk.write_over(place, page.html().encode())
    disk.write_over(place.with_suffix(".json"), page.json().encode())
