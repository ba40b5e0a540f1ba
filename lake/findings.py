"""A finding is one thing in a lake that is not as it should be: what, where, and what heals it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from lake.layout import Shelf

MOVE = "move it out of the lake"


@dataclass(frozen=True)
class Finding:
    """What is wrong with this path, and what heals it.

    `wrong` is False where every committed day can still be trusted (a dead writer's leftovers, a stray note).
    """

    path: Path
    fact: str
    remedy: str
    shelf: Shelf | None = None
    day: date | None = None
    wrong: bool = True

    def data(self) -> dict[str, str | bool | None]:
        """The same for machines."""
        known = {name: str(value) if value else None for name, value in vars(self).items() if name != "wrong"}
        return known | {"wrong": self.wrong}

    def __str__(self) -> str:
        subject = " ".join(str(part) for part in (self.shelf, self.day) if part)
        return f"{subject + ': ' if subject else ''}{self.path} {self.fact}; {self.remedy}"
