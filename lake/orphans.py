"""A computed day whose inputs no longer make it is taken away: many small builds end with the days of one great one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from lake import days
from lake.commit import Writer
from lake.layout import Shelf
from lake.span import Span

MONTH = 31  # days


@dataclass(frozen=True)
class Orphans:
    """The days a build took away, and those it left because they were more than what would remain."""

    gone: tuple[date, ...] = ()
    left: tuple[date, ...] = ()

    def lines(self, name: str) -> list[str]:
        """How is it told to people?"""
        if self.left:
            fact = f"{name}: {len(self.left)} days stay, {_between(self.left)}, that their inputs no longer make"
            return [f"{fact}, more than would remain; bring the inputs back, or give --prune to take the days away"]
        if self.gone:
            return [f"{name}: {len(self.gone)} days taken away, {_between(self.gone)}: no inputs make them now"]
        return []

    def data(self) -> dict[str, list[str]]:
        """How is it told to machines?"""
        return {"taken away": [str(day) for day in self.gone], "orphaned": [str(day) for day in self.left]}


def _between(some: tuple[date, ...]) -> str:
    return str(some[0]) if len(some) == 1 else f"{some[0]} … {some[-1]}"


def all_may_go(shelf: Shelf, inputs: Collection[date], prune: bool) -> bool:
    """Are all days of this shelf orphans, with leave to take them away: no input is left that makes any?"""
    return prune and not inputs and bool(days.committed(shelf))


def take_away(writer: Writer, span: Span, wanted: Collection[date], prune: bool) -> Orphans:
    """Take the committed days of the span away that are not `wanted`, the days a build from nothing would have.

    More than half of all days, where that is more than a month, are left as they are unless `prune`: a disk that is not
    mounted must not cost years.
    Raises Tampered, Refused where a folder holds strangers.
    """
    known = list(days.committed(writer.shelf))
    first = min(wanted, default=None) if span.days is not None else None
    orphans = [day for day in known if span.has(day) and day not in wanted and (first is None or day > first)]
    if len(orphans) > max(MONTH, len(known) // 2) and not prune:
        return Orphans(left=tuple(orphans))
    for day in orphans:
        writer.remove(day)
    return Orphans(gone=tuple(writer.publish()))
