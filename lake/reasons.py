"""Why a row is there or missing, by one dataset: the question, the answer, and how each is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from lake import days, layout
from lake.days import Day
from lake.layout import Shelf
from lake.lineage import row_at
from meta.datasets import DATASETS
from meta.errors import PerplakeError
from meta.timeframes import Timeframe, day_of


@dataclass(frozen=True)
class Reason:
    """Why one dataset has, or has not, the row: a word or two machines may compare, a sentence, and its evidence."""

    dataset: str
    present: bool
    why: str
    text: str
    evidence: tuple[str, ...] = field(default=())

    def lines(self) -> Iterator[str]:
        """How is it told to people?"""
        yield f"{self.dataset}: {'there' if self.present else 'missing'}, {self.why}: {self.text}"
        yield from (f"    {line}" for line in self.evidence)


@dataclass(frozen=True)
class Asked:
    """Which row is asked about: its shelves, its ts (bar close, UTC ms), its day, and what time it is now."""

    root: Path
    symbol: str
    tf: Timeframe
    ts: int
    now: int

    @property
    def day(self) -> date:
        """In which day's part would the row stand?"""
        return day_of(self.ts - self.tf.ms)

    def shelf(self, name: str) -> Shelf:
        """Where does this dataset lie?"""
        return layout.shelf(self.root, DATASETS[name], self.tf, self.symbol)


def found(asked: Asked, name: str, present, absent, uncommitted) -> Reason:  # type: ignore[no-untyped-def]
    """Is the row there, is it absent from a committed day, or is its day not committed?"""
    shelf = asked.shelf(name)
    try:
        read = days.read(shelf, asked.day)
    except PerplakeError as error:
        return Reason(name, False, "damaged", str(error))
    if read is None:
        return uncommitted(asked, shelf)
    row = row_at(read.table(), asked.ts)
    return absent(asked, shelf, read) if row is None else present(asked, shelf, read, row)


def there(asked: Asked, shelf: Shelf, read: Day, row: dict[str, object]) -> Reason:
    """The reason of a row that is there."""
    return Reason(shelf.dataset.name, True, "committed", row_line(row), (part_line(shelf, read),))


def part_line(shelf: Shelf, read: Day) -> str:
    """How is the part told that was looked into?"""
    return f"{shelf} {read.day}: part {read.entry.sha256} verified, {read.entry.rows} rows, from {read.entry.source}"


def row_line(row: dict[str, object]) -> str:
    """How is a row told, but for its keys and what it does not say?"""
    return " ".join(
        f"{name}={value}" for name, value in row.items() if name not in ("symbol", "ts") and value is not None
    )
