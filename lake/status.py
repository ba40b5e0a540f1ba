"""What does the lake hold, and which days are no longer what their inputs make them?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from msgspec import to_builtins

from lake import advice, days, following, locks, log, probe, roots, stale
from lake.causes import Cause, causes
from lake.following import Told
from lake.layout import Shelf
from lake.manifest import Entry
from meta.errors import PerplakeError

HEAD = ("dataset", "tf", "symbol", "days", "from", "to", "holes", "rows", "stale", "damaged", "schemas", "source")


@dataclass(frozen=True)
class ShelfStatus:
    """One shelf: its committed days, those that are stale and why, those that are damaged, and who is writing it."""

    shelf: Shelf
    days: int
    first: date | None
    last: date | None
    holes: int
    rows: int
    schemas: int
    source: str
    stale: Mapping[date, str]
    damaged: Mapping[date, str]
    writer: str | None
    generation: str

    def cells(self) -> tuple[str, ...]:
        """How does it stand in a table, under HEAD?"""
        numbers = (self.holes, self.rows, len(self.stale), len(self.damaged), self.schemas)
        name = (self.shelf.dataset.name, self.shelf.tf.name, self.shelf.symbol, f"{self.days:,}")
        return (*name, str(self.first or "-"), str(self.last or "-"), *(f"{n:,}" for n in numbers), self.source)

    def data(self) -> dict[str, object]:
        """How is it told to machines?"""
        return {
            "dataset": self.shelf.dataset.name,
            "tf": self.shelf.tf.name,
            "symbol": self.shelf.symbol,
            "days": self.days,
            "first": str(self.first) if self.first else None,
            "last": str(self.last) if self.last else None,
            "holes": self.holes,
            "rows": self.rows,
            "schemas": self.schemas,
            "source": self.source,
            "stale": {str(day): why for day, why in self.stale.items()},
            "damaged": {str(day): why for day, why in self.damaged.items()},
            "writer": self.writer,
            "generation": self.generation,
        }


@dataclass(frozen=True)
class Status:
    """Every shelf of a lake, how days are published on its file system, what `follow` says of itself, and the causes of
    what is stale."""

    root: Path
    publish: str
    shelves: list[ShelfStatus] = field(default_factory=list)
    followed: Sequence[Told] = ()
    causes: Sequence[Cause] = ()

    def data(self) -> dict[str, object]:
        """How is it told to machines?"""
        told = {
            "shelves": [one.data() for one in self.shelves],
            "followed": [to_builtins(one) for one in self.followed],
            "causes": [one.data() for one in self.causes],
        }
        return {"root": str(self.root), "publish": self.publish, **told}

    def lines(self, stale: bool, now: int) -> list[str]:
        """How is it told to people, at this instant (UTC ms)?"""
        cells = [HEAD, *(one.cells() for one in self.shelves)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(HEAD))]
        rows = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
        return [self.first(), *(row.rstrip() for row in rows if self.shelves), *self.notes(stale, now)]

    def first(self) -> str:
        """What is said before the shelves?"""
        none = "" if self.shelves else f"\nno day yet; {advice.first(self.root)} brings the first"
        return f"published by {self.publish}{none}"

    def notes(self, stale: bool, now: int) -> list[str]:
        """What is said after them: who writes, what is damaged (and stale, if wanted), and how following stands."""
        told = []
        for one in self.shelves:
            told += [f"{one.shelf} is being written by {one.writer}"] if one.writer else []
            told += [f"{one.shelf} {day}: damaged: {why}" for day, why in one.damaged.items()]
            told += [f"{one.shelf} {day}: stale: {why}" for day, why in one.stale.items()] if stale else []
        told += [str(one) for one in self.causes] if stale else []
        return told + [one.line(now) for one in self.followed]


def status(root: Path) -> Status:
    """What does this lake hold?"""
    entries: dict[tuple[str, str, str], dict[date, Entry]] = {}
    found = []
    for shelf in roots.shelves(root):
        known, damaged = _entries(shelf)
        entries[shelf.dataset.name, shelf.tf.name, shelf.symbol] = known
        if known or damaged:
            found.append(_of(shelf, known, damaged, stale.of(shelf, known, entries)))
    return Status(root, probe.publish_mode(root), found, following.all_of(root))


def with_causes(found: Status) -> Status:
    """The same with which input days changed, and in what, since the stale days were made."""
    stale = {one.shelf: one.stale for one in found.shelves if one.stale}
    return replace(found, causes=causes(found.root, stale)) if stale else found


def _entries(shelf: Shelf) -> tuple[dict[date, Entry], dict[date, str]]:
    known: dict[date, Entry] = {}
    damaged: dict[date, str] = {}
    for day in shelf.days_on_disk():
        try:
            found = days.entry(shelf, day)
        except PerplakeError as error:
            damaged[day] = str(error)
            continue
        if found is not None:
            known[day] = found
    return known, damaged


def _of(shelf: Shelf, known: dict[date, Entry], damaged: dict[date, str], stale: dict[date, str]) -> ShelfStatus:
    first, last = (min(known), max(known)) if known else (None, None)
    holes = (last - first).days + 1 - len(known) if first and last else 0
    names = sorted({roots.source_name(entry.source) for entry in known.values()})
    generation = log.generation(shelf)
    return ShelfStatus(
        shelf,
        len(known),
        first,
        last,
        holes,
        sum(entry.rows for entry in known.values()),
        len({entry.schema for entry in known.values()}),
        " + ".join(names),
        stale,
        damaged,
        locks.holder(shelf),
        generation.time if generation else "",
    )
